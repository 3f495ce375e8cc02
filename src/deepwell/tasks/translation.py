"""translation: a text into another text, from pairs of both: languages, summaries, answers to questions, corrections.

Parallel files (train.en and train.de), tables and JSON lines with a text target; several text inputs (a context and a
question) are read one after the other. An encoder-decoder reads the source and writes the target token by token; answers are
found by beam search. How they are measured follows from the training targets (metrics/texts.py), or from the knob `metric`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, cast

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import STRIDE, Batch, Encoded, IntArray, Ragged
from deepwell.core.config import OPTIMISERS, SCHEDULES, Knob, Recipe
from deepwell.core.examples import Examples, RowExamples
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key, permutation
from deepwell.core.runner import Emit, Runner
from deepwell.core.scores import Metric
from deepwell.core.table import Column, Part, Table
from deepwell.core.task import Baseline, Fit, Loss, Pipeline, Sizes, SplitRule, Task
from deepwell.data.fields.tokeniser import BEGIN, END, SPECIALS
from deepwell.data.pipeline import encode
from deepwell.decoding.beam import Search, beam_search
from deepwell.evaluation.dictionary import sentences
from deepwell.families.pairing import LONGEST, SLACK, Joining, PairPipeline, PairReader, pairs
from deepwell.families.stacking import units, weights
from deepwell.metrics import texts

if TYPE_CHECKING:
    import torch

    from deepwell.nn.layers.transformer import TransformerShape

MOST_INPUTS = 6
"""Text columns that are read, one after the other; each begins with a token of its own."""
SIZES: Mapping[str, tuple[int, int, int, int]] = {
    "tiny": (64, 2, 2, 0), "small": (128, 4, 4, 1_500), "base": (256, 4, 4, 50_000), "large": (512, 6, 8, 1_000_000),
}  # fmt: skip
"""size -> width, layers of each side, heads, and the training pairs from which on `auto` takes it: few are learnt by heart."""
HIDDEN = 4
"""Width inside the dense pairs, as a multiple of the width."""
SPEED = 1.2e11
"""Operations a second that the choice of size expects of two cores."""
PASSES = 15
"""A larger network is chosen only where the time allows so many passes over the data with it."""
OPEN_SECONDS = 300.0
"""The time that is counted on where the budget has none."""
AT_ONCE = 32_768
"""Beams times source tokens that are searched at once: with the base size they keep 270 MB."""
DROPOUT = ((200_000, 0.1), (0, 0.3))
"""Training pairs from which on so much is dropped."""


DEMO_WORDS: Mapping[str, Sequence[tuple[str, str]]] = {
    "how": [("today", "oggi"), ("often", "spesso"), ("never", "mai"), ("here", "qui")],
    "who": [("the dog", "lo cano"), ("my friend", "mio amico"), ("the queen", "la regina")],
    "does": [("sees", "vede"), ("follows", "segue"), ("hears", "sente"), ("likes", "ama")],
    "which": [("the red", "la rossa"), ("an old", "una vecchia"), ("no", "nessuna")],
    "what": [("house", "casa"), ("flower", "fiora"), ("boat", "barca"), ("star", "stella")],
}
"""The words of both languages of the demo, by their part in a sentence."""


@dataclass(frozen=True)
class TranslationConfig(Recipe):
    """The knobs of text to text."""

    epochs: Annotated[float, Knob("most passes over the training part that pay", "epochs", 0.01, 1e6, True)] = 60.0
    optimiser: Annotated[str, Knob("how gradients move the weights", choices=OPTIMISERS)] = "muon"
    learning_rate: Annotated[float, Knob("peak step size", "", 1e-6, 10.0, True)] = 1e-2
    warmup: Annotated[float, Knob("share of the run in which the step size rises", "share", 0.0, 0.9)] = 0.1
    schedule: Annotated[str, Knob("how the step size falls", choices=SCHEDULES)] = "linear"
    dropout: Annotated[
        float | None, Knob("share of values dropped in training; none: by the number of pairs", "share", 0.0, 0.9)
    ] = None
    label_smoothing: Annotated[float, Knob("share of a token spread over the vocabulary", "share", 0.0, 0.5)] = 0.1
    level: Annotated[str, Knob("what tokens are", choices=("byte", "character", "bpe"))] = "bpe"
    tokens: Annotated[
        int, Knob("tokens of a vocabulary at the most; 0: by the length of all texts", "tokens", 0, 30_000)
    ] = 0
    vocabulary: Annotated[
        str,
        Knob(
            "whether source and target share one; auto: where most of their letters are the same",
            choices=("auto", "shared", "separate"),
        ),
    ] = "auto"
    copying: Annotated[bool, Knob("words may be copied from the source, where both sides share a vocabulary")] = True
    longest: Annotated[
        int,
        Knob("tokens of a source, whose rest is cut, and of a training target, which is left out", "tokens", 8, 8192),
    ] = LONGEST
    metric: Annotated[str, Knob("primary metric; empty: by what the targets are like", choices=("", *texts.NAMES))] = ""


@dataclass(frozen=True)
class TranslationRequest:
    """The knobs of a question."""

    beams: Annotated[int, Knob("answers that are followed at once; 1 is greedy", "answers", 1, 64)] = 5
    length_penalty: Annotated[float, Knob("above 0 favours longer answers", "", 0.0, 4.0)] = 1.0
    n: Annotated[int, Knob("answers to each row, best first, at most as many as beams", "answers", 1, 64)] = 1
    steps: Annotated[int, Knob("tokens of an answer at the most; 0: by the source's length", "tokens", 0, 8192)] = 0


class Translation(Task):
    """A text into another text."""

    Config = TranslationConfig
    Request = TranslationRequest

    @property
    def knobs(self) -> TranslationConfig:
        """The config, as this task's type."""
        return cast(TranslationConfig, self.config)

    @property
    def target(self) -> str:
        """The name of the target column."""
        return self.schema.targets[0].name

    # data ------------------------------------------------------------------------------------------------------------
    @classmethod
    def fits(cls, schema: Schema) -> Fit:
        """One target, which is text, and text as input; inputs of other kinds are set aside."""
        targets = schema.targets
        if not targets:
            return Fit(0, reason="no column is the target: name the text to write with --target")
        if len(targets) > 1:
            return Fit(0, reason=f"{len(targets)} columns are targets; one text can be written")
        if targets[0].kind != "text":
            return Fit(0, reason=f"the target {targets[0].name!r} is no text but {targets[0].kind}")
        read = schema.of("input", "text")
        if not read:
            return Fit(0, reason="no input column is text")
        if len(read) > MOST_INPUTS:
            return Fit(0, reason=f"{len(read)} text columns are inputs; at most {MOST_INPUTS} are read")
        unread = [f.name for f in schema.inputs if f.kind != "text"]
        beside = f"; not read: {', '.join(map(repr, unread))}" if unread else ""
        sources = ", ".join(repr(f.name) for f in read)
        reason = f"the text {targets[0].name!r} is written from {sources}{beside}"
        return Fit(0.8 if unread else 1.0, dict.fromkeys(unread, "ignore"), reason)

    @classmethod
    def demo(cls, seed: int) -> Table:
        """480 sentences of a made-up language, and of another one with other words, where verbs stand last."""
        sizes = tuple(len(words) for words in DEMO_WORDS.values())
        different = permutation(math.prod(sizes), Key(seed).fold("demo"))[:480]
        drawn = dict(zip(DEMO_WORDS, np.unravel_index(different, sizes), strict=True))
        columns: dict[str, Column] = {}
        for side, order in enumerate(
            (("how", "who", "does", "which", "what"), ("who", "which", "what", "how", "does"))
        ):
            said = [[DEMO_WORDS[part][i][side] for i in drawn[part]] for part in order]
            texts = [" ".join(words) + "." for words in zip(*said, strict=True)]
            columns[("source", "target")[side]] = np.array(texts, object)
        return Table(columns)

    def pipeline(self, start: Pipeline | None) -> Pipeline:
        """Vocabularies of both sides, shared where their scripts allow."""
        knobs = self.knobs
        return PairPipeline(self.schema, knobs.level, knobs.tokens, knobs.vocabulary, knobs.longest)

    def split(self) -> SplitRule:
        """At random; nothing is calibrated."""
        return SplitRule("random", test=0.1, select=0.05, calibrate=0.0)

    def examples(self, part: Part, pipeline: Pipeline) -> Examples:
        """One row, one example; rows without a source, and training rows with too long a target, are told as problems."""
        asked = part.name == "predict"
        joining = Joining(tuple(f.name for f in self.schema.inputs), self.target, self.knobs.longest)
        encoded = encode(pipeline, part.rows, joining, targets=not asked)
        learnt = part.name in ("train", "select", "calibrate")
        encoded = _usable(encoded, self.knobs.longest if learnt else None)
        if learnt:  # weights are compared by greedy answers; the first of several right ones is what is learnt
            columns = {name: column for name, column in encoded.columns.items() if name != "references"}
            encoded = Encoded(
                {**columns, "greedy": np.ones(len(encoded.rows), np.bool_)}, encoded.rows, encoded.problems
            )
            encoded = weights(self.schema, encoded, part.rows, {})
        if part.name == "train":
            self._tell(pairs(pipeline), encoded)
        return RowExamples(encoded, units(self.schema, encoded, part.rows))

    def _tell(self, pipeline: PairPipeline, train: Encoded) -> None:
        """Notes for the record: how answers are measured and why, and which sources are cut."""
        facts, longest = pipeline.facts_, self.knobs.longest
        names = ", ".join(texts.described(m, _cutting(pipeline), pipeline.several) for m in self._names(pipeline))
        per_target = (
            f"training targets have {facts.target_words:.3g} words for {facts.source_words:.3g} of their sources"
        )
        pipeline.note(f"{per_target}, so they are measured as {facts.style}: {names}")
        source = train.columns["source"]
        cut = int((source.lengths >= longest).sum()) if isinstance(source, Ragged) else 0
        if cut:
            pipeline.note(
                f"{cut:,} of {len(train.rows):,} sources reach {longest} tokens; the rest of them is cut (knob longest)"
            )

    # network ---------------------------------------------------------------------------------------------------------
    def size(self, sizes: Sizes) -> str:
        """For `auto` the largest that pairs and time allow, with PASSES passes."""
        if self.config.size != "auto":
            return self.config.size
        seconds = OPEN_SECONDS if sizes.seconds is None else sizes.seconds
        chosen = "tiny"
        for size, (*_, fewest) in SIZES.items():
            work = PASSES * sizes.examples * self._operations(sizes, self.shape(size, sizes))
            if sizes.examples >= fewest and work <= seconds * SPEED:
                chosen = size
        return chosen

    def shape(self, size: str, sizes: Sizes) -> TransformerShape:
        """Of the encoder and of the decoder."""
        from deepwell.nn.layers.transformer import TransformerShape

        dropout = self.knobs.dropout
        if dropout is None:
            dropout = next(share for least, share in DROPOUT if sizes.examples >= least)
        width, layers, heads, _ = SIZES[size]
        return TransformerShape(width, layers, heads, HIDDEN * width, dropout)

    def _operations(self, sizes: Sizes, shape: TransformerShape) -> float:
        """FLOPs of training on an average pair: forward and backward, three times two for each multiply-add."""
        from deepwell.nn.networks.sizes import encoder_decoder_multiplications

        _, source, _ = sizes.fields[self.schema.inputs[0].name]
        vocabulary, target, _ = sizes.fields[self.target]
        return 6.0 * encoder_decoder_multiplications(vocabulary, shape, shape, source, target, self._points(sizes))

    def _points(self, sizes: Sizes) -> bool:
        """Whether words can be copied."""
        shared = sizes.fields[self.target][2]
        return bool(shared) and self.knobs.copying

    def network(self, sizes: Sizes) -> torch.nn.Module:
        """An EncoderDecoder; where source and target share a vocabulary, one table of embeddings and a pointer."""
        from deepwell.nn.networks.encoder_decoder import EncoderDecoder

        source, _, shared = sizes.fields[self.schema.inputs[0].name]
        shape = self.shape(self.size(sizes), sizes)
        target = sizes.fields[self.target][0]
        return EncoderDecoder(source, target, shape, shape, bool(shared), self._points(sizes))

    def loss(self, network: torch.nn.Module, batch: Batch, draw: Key) -> Loss:
        """Cross-entropy of the target tokens in nats, smoothed over the vocabulary, per token; rows count by their weight."""
        outputs, _ = network(batch.arrays)
        smoothing, weight = self.knobs.label_smoothing, batch.arrays.get(f"{self.target}.weight")
        nll, spread = (
            (each if weight is None else weight[:, None] * each).sum() for each in (outputs["nll"], outputs["spread"])
        )
        total = (1.0 - smoothing) * nll + smoothing * spread
        return Loss(total, (batch.arrays["target.length"] - 1).sum(), {"nll": nll})

    def plan_hints(self) -> Mapping[str, Any]:
        """Blocks of transformers are products of matrices, which gain most from bfloat16."""
        return {"matrices": True}

    # answers ---------------------------------------------------------------------------------------------------------
    def answers(self, pipeline: Pipeline) -> Schema:
        """The text. Further answers, where a question asks for several, stand in columns `TARGET.2` and so on."""
        return Schema((Field(self.target, "text", "target", "the answer"),))

    def predict(
        self, runner: Runner, batch: Batch, pipeline: Pipeline, request: Any, emit: Emit | None = None
    ) -> Table:
        """Answers by beam search, one row per example. Nothing is streamed: the best one is known at the end."""
        reader = PairReader.of(pipeline)
        wanted = min(request.n, request.beams)
        search = Search(request.beams, request.length_penalty, wanted)
        found = self._search(runner, batch, reader, search, request.steps)
        columns: dict[str, Column] = {}
        for place in range(wanted):
            written = np.empty(len(batch), object)
            written[:] = [reader.text(tokens[place]) for tokens in found]
            columns[self.target if not place else f"{self.target}.{place + 1}"] = written
        return Table(columns)

    def _search(
        self, runner: Runner, batch: Batch, reader: PairReader, search: Search, most: IntArray | int = 0
    ) -> list[IntArray]:
        """For each example the tokens of its answers (answers, steps), best first.

        most: tokens of an answer at the most, of all or each; 0: by the source's length. Equal questions are answered once,
        the shortest first, and so many at once as AT_ONCE allows: each beam keeps the keys and values of its whole source.
        """
        source, lengths = batch.arrays["source"], batch.arrays["source.length"]
        by_rule = np.minimum(reader.pipeline.facts_.limits(lengths), self.knobs.longest + 1)
        limits = np.broadcast_to(most if np.any(most) else by_rule, len(batch))
        questions = np.column_stack([lengths, limits, source])
        _, first, which = np.unique(questions, axis=0, return_index=True, return_inverse=True)
        found: list[IntArray] = []
        while len(found) < len(first):
            rest = first[len(found) :]
            dearest = lengths[rest] * np.arange(1, len(rest) + 1) * search.width
            some = rest[: max(1, np.count_nonzero(dearest <= AT_ONCE))]
            longest = -(-int(lengths[some].max()) // STRIDE) * STRIDE
            _, state = runner.run("encode", {"source": source[some, :longest], "source.length": lengths[some]})
            begin = {"token": np.full(len(some), BEGIN, np.int64)}
            found += list(beam_search(runner, "step", begin, state, limits[some], END, search).tokens)
        return [found[i] for i in which.reshape(-1)]

    # proof -----------------------------------------------------------------------------------------------------------
    def metrics(self, pipeline: Pipeline) -> Sequence[Metric]:
        """Those of the targets' style, primary first; the one that the knob names before them."""
        return [texts.metric(name, f"{self.target}.{name}") for name in self._names(pipeline)]

    def _names(self, pipeline: Pipeline) -> list[str]:
        asked = [self.knobs.metric] if self.knobs.metric else []
        return [*asked, *(name for name in texts.STYLES[pairs(pipeline).facts_.style] if name not in asked)]

    def measure(self, runner: Runner, batch: Batch, pipeline: Pipeline) -> dict[str, NDArray[Any]]:
        """One line per example for each metric: counts for BLEU and chrF, shares for the others; see metrics/."""
        reader, request = PairReader.of(pipeline), TranslationRequest()
        if "greedy" in batch.arrays:
            found = self._search(runner, batch, reader, Search(1), batch.arrays["target.length"] + SLACK)
        else:
            found = self._search(runner, batch, reader, Search(request.beams, request.length_penalty, 1))
        compared = texts.Compared(
            answers=[reader.text(tokens[0]) for tokens in found],
            references=reader.references(batch.arrays),
            sentences=[sentences(text) for text in reader.sources(batch.arrays)],
            tokens=_cutting(pipeline),
        )
        return {f"{self.target}.{name}": compared.lines(name) for name in self._names(pipeline)}

    def baselines(self) -> Sequence[Baseline]:
        """The source copied, its first sentences, the usual answer, and a dictionary learnt from the pairs."""
        from deepwell.evaluation import dictionary as known

        reads = PairReader.of
        return (known.copy(reads), known.lead(reads), known.usual(reads), known.dictionary(reads))


def _cutting(pipeline: Pipeline) -> str:
    """How BLEU cuts targets: at words and signs, or at characters where their script has no spaces."""
    return "char" if pairs(pipeline).facts_.unspaced else "13a"


def _usable(encoded: Encoded, longest: int | None) -> Encoded:
    """Without rows whose source is empty or, where `longest` is given, whose target has more tokens; each with its reason."""
    source, target = (encoded.columns.get(name) for name in ("source", "target"))
    problems: dict[int, str] = {}
    if isinstance(source, Ragged):
        said = np.bincount(source.row_of_value, source.values >= SPECIALS, len(source))
        problems |= {int(row): "there is no text to read" for row in encoded.rows[said == 0]}
    if isinstance(target, Ragged) and longest is not None:
        over = target.lengths - 1 > longest
        why = f"the target has more than {longest:,} tokens (knob longest)"
        problems |= {int(row): why for row in encoded.rows[over] if int(row) not in problems}
    if not problems:
        return encoded
    kept = np.flatnonzero(~np.isin(encoded.rows, list(problems)))
    columns = {n: c.take(kept) if isinstance(c, Ragged) else c[kept] for n, c in encoded.columns.items()}
    return Encoded(columns, encoded.rows[kept], dict(sorted({**encoded.problems, **problems}.items())))
