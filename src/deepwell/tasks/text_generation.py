"""text_generation: text, or dialogues -> a network that writes more of it.

A GPT on what somebody wrote: a novel, a folder of letters, lines of JSON; with dialogues it answers. Few long documents are
cut by position, many are dealt out whole. Unusual: the network shares the word with an n-gram model that is part of it
(nn/networks/counting_decoder.py), so that a short training is no worse than counting; and text is measured per
character, so that models with different vocabularies can be compared.

    arrays in    tokens (n, context + 1)   the network reads all but the last and is asked for all but the first
                 tokens.from, .until (n,)  which of those asked for count; the others are context
    arrays out   nll (n, context)          nats of each; step: token -> logits (n, V)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, cast

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import Batch, IntArray, Ragged
from deepwell.core.config import OPTIMISERS, SCHEDULES, Knob, Recipe
from deepwell.core.errors import ConfigError
from deepwell.core.examples import Examples, Windows
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.runner import Emit, Runner
from deepwell.core.scores import Metric
from deepwell.core.table import Part, Table
from deepwell.core.task import Baseline, Fit, Loss, Pipeline, Sizes, SplitRule, Task
from deepwell.data.fields.dialogue import Dialogue, turns
from deepwell.data.fields.text import Text
from deepwell.data.fields.tokeniser import BEGIN, END, ROLES
from deepwell.data.pipeline import FieldPipeline
from deepwell.decoding.steps import Cut
from deepwell.decoding.writing import Manner, Writer, write
from deepwell.families import language
from deepwell.families.language import FROM, TOKENS, UNTIL, Corpus, voices
from deepwell.metrics import language as metrics

if TYPE_CHECKING:
    import torch

    from deepwell.nn.layers.transformer import TransformerShape

SIZES: Mapping[str, tuple[int, int]] = {"tiny": (64, 2), "small": (128, 3), "base": (256, 4), "large": (384, 8)}
"""size -> width, layers. Heads are 32 to 64 wide, the dense pair four times the width."""
SPEED = 2e11
"""Operations a second that the choice of size expects of training; two quiet cores with bfloat16 do 2.5e11."""
TOKENS_A_WEIGHT = 3.0
"""A larger network is chosen only where the time allows so many tokens for each of its weights."""
OPEN_SECONDS = 300.0
"""The time that is counted on where the budget has none."""
FRESH = 0.5
"""Share of a window whose tokens count when the test is measured: each then has half a window before it."""
GRAM_ROWS, GRAM_WIDTH, GRAM_RATE = 1 << 14, 16, 3.0
"""Trained vectors of groups of tokens: how many of each length, how wide, and their step size in those of the rest, since each
is seldom seen. Beside counts they do harm: they learn the text by heart, and the gate then trusts the network too much (after
five passes over 130,000 characters 1.439 nats per character with them, 1.382 without)."""
AT_ONCE = 1 << 14
"""Tokens of context that texts written side by side may hold, which bounds memory."""
DROPOUT = ((15.0, 0.2), (6.0, 0.1), (0.0, 0.0))
"""(passes, share): what is dropped where the text is read at least so often, by a network with more weights than the text
has tokens; a smaller one has no room to learn it by heart."""

APART = 15.0
"""Passes from which on such a network is not trained on some of the text, from which its gate learns: after 19 passes over
100,000 characters 1.692 nats per character of other plays instead of 1.710, and 1.42 either way of the rest of the play."""


@dataclass(frozen=True)
class LanguageConfig(Recipe):
    """The knobs of text."""

    tokens: Annotated[
        str,
        Knob("what text is cut into; auto: bpe, but characters where there is little text",
             choices=("auto", "character", "byte", "bpe")),
    ] = "auto"  # fmt: skip
    vocabulary: Annotated[int, Knob("most tokens that there are", "tokens", 264, 33_000)] = 8192
    context: Annotated[int, Knob("tokens that the network sees at once", "tokens", 8, 8192)] = 256
    grams: Annotated[int, Knob("longest group of tokens that has trained vectors; 0: none", "tokens", 0, 12)] = 0
    counts: Annotated[bool, Knob("share the word with an n-gram model, by a trained gate")] = True
    dropout: Annotated[
        float | None,
        Knob("share of hidden values dropped in training; none: by how often a text is read", "share", 0.0, 0.9),
    ] = None
    epochs: Annotated[float, Knob("most passes over the training part that pay", "epochs", 0.01, 1e6, True)] = 50.0
    batch_size: Annotated[int, Knob("windows per step; 0: chosen by data", "windows", 0, 1_000_000)] = 16
    optimiser: Annotated[str, Knob("how gradients move the weights", choices=OPTIMISERS)] = "muon"
    learning_rate: Annotated[float, Knob("peak step size", "", 1e-6, 10.0, True)] = 8e-3
    weight_decay: Annotated[float, Knob("decay of weight matrices towards 0; adam has none", "", 0.0, 10.0)] = 0.1
    warmup: Annotated[float, Knob("share of the run in which the step size rises", "share", 0.0, 0.9)] = 0.03
    schedule: Annotated[str, Knob("how the step size falls", choices=SCHEDULES)] = "linear"


@dataclass(frozen=True)
class Asked:
    """What to write, and how."""

    prompt: Annotated[str, Knob("text to go on from; of a chat: what is said to the model")] = ""
    history: Annotated[str, Knob("of a chat: the turns before, as JSON")] = ""
    n: Annotated[int, Knob("how many texts", "texts", 1, 1000)] = 1
    steps: Annotated[int, Knob("most tokens to write", "tokens", 1, 1_000_000)] = 200
    temperature: Annotated[float, Knob("how freely tokens are drawn; 0: always the most likely", "", 0.0, 10.0)] = 0.8
    top_k: Annotated[int, Knob("only the k most likely tokens; 0: all", "tokens", 0, 100_000)] = 0
    top_p: Annotated[float, Knob("only the fewest tokens that together are so likely", "share", 0.0, 1.0)] = 1.0
    min_p: Annotated[float, Knob("only tokens so likely as this share of the most likely", "share", 0.0, 1.0)] = 0.02
    repetition: Annotated[
        float, Knob("what the odds of tokens already written are divided by; 1: nothing", "", 1.0, 100.0)
    ] = 1.0
    stop: Annotated[str, Knob("text before which writing ends; empty: none")] = ""
    seed: Annotated[int, Knob("of all draws", "", 0, 2**53)] = 0


class TextGeneration(Task):
    """Text or dialogues: write more of the same, or answer."""

    Config, Request, asks_rows = LanguageConfig, Asked, False

    @property
    def knobs(self) -> LanguageConfig:
        """The config, as this task's type."""
        return cast(LanguageConfig, self.config)

    @property
    def column(self) -> Field:
        """The column of documents or dialogues."""
        return self.schema.of("input", "text", "dialogue")[0]

    # data ------------------------------------------------------------------------------------------------------------
    @classmethod
    def fits(cls, schema: Schema) -> Fit:
        """One column of text or of dialogues, and nothing to predict."""
        if schema.targets:
            return Fit(0, reason=f"the column {schema.targets[0].name!r} is a target; text is written without one")
        found = schema.of("input", "text", "dialogue")
        if len(found) != 1 or len(schema.inputs) != 1:
            return Fit(0, reason="needs a single column, of text or of dialogues")
        what = "dialogues to answer in" if found[0].kind == "dialogue" else "text to write more of"
        return Fit(0.9, {}, f"the column {found[0].name!r} holds {what}, and no column is a target")

    @classmethod
    def demo(cls, seed: int) -> Table:
        """240 made-up weather reports of a few sentences."""
        draws = Key(seed).fold("demo").numpy()
        days = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
        skies, winds = ("clear", "cloudy", "grey", "bright"), ("north", "south", "east", "west")

        def report() -> str:
            day, sky, wind = (choices[draws.integers(len(choices))] for choices in (days, skies, winds))
            rain = "It will rain." if sky in ("cloudy", "grey") else "It stays dry."
            return f"On {day} the sky is {sky}, with wind from the {wind}. {rain} {draws.integers(5, 25)} degrees."

        texts = np.empty(240, object)
        texts[:] = [" ".join(report() for _ in range(draws.integers(1, 4))) for _ in texts]
        return Table({"text": texts})

    def pipeline(self, start: Pipeline | None) -> Pipeline | None:
        """The column with a vocabulary chosen by how much text there is."""
        inner = Dialogue() if self.column.kind == "dialogue" else Text()
        corpus = Corpus(inner, self.knobs.tokens, self.knobs.vocabulary, self.knobs.counts)
        return FieldPipeline(self.schema, {self.column.name: corpus})

    def split(self) -> SplitRule:
        """The end of few long texts, or a tenth of many; dialogues are never cut. Nothing needs to be calibrated."""
        kind = "position" if self.column.kind == "text" else "random"
        return SplitRule(kind, by=self.column.name, test=0.1, select=0.03, calibrate=0.0)

    def examples(self, part: Part, pipeline: Pipeline) -> Examples:
        """Windows of all documents packed end to end; see families/language.py."""
        encoded = pipeline.encode(part.rows)
        documents = cast(Ragged, encoded.columns[self.column.name])
        corpus = self._corpus(pipeline)
        tokens, bounds = language.stream(documents, corpus.dialogue)
        context = self.knobs.context
        if part.name == "train":
            counted = None if corpus.counted_ is None else language.held_out_counts(tokens, corpus.counted_)
            windows = language.training_windows(tokens, context, counted)
        else:
            fresh = context if part.name == "select" else max(1, int(FRESH * context))
            windows = language.asked_windows(tokens, bounds, context, fresh)
        windows.problems = encoded.problems
        return windows

    # network ---------------------------------------------------------------------------------------------------------
    def size(self, sizes: Sizes) -> str:
        """For `auto` the largest for which the time allows enough tokens."""
        from deepwell.nn.layers.transformer import multiplications

        if self.config.size != "auto":
            return self.config.size
        chosen = next(iter(SIZES))
        for larger in SIZES:
            if self._reads(larger, sizes) >= TOKENS_A_WEIGHT * multiplications(self._blocks(larger), 0):
                chosen = larger
        return chosen

    def shape(self, sizes: Sizes) -> TransformerShape:
        """Of the network of this size; with dropout where it reads the same text often and could learn it by heart."""
        passes = self._passes(sizes)
        by_rule = next(share for least, share in DROPOUT if passes >= least)
        shape = self._blocks(self.size(sizes))
        return replace(shape, dropout=by_rule if self.knobs.dropout is None else self.knobs.dropout)

    def _passes(self, sizes: Sizes) -> float:
        """How often the network reads its text; 0 where it has no room to learn it by heart."""
        from deepwell.nn.layers.transformer import multiplications

        size, text = self.size(sizes), max(1, sizes.examples * self.knobs.context)
        roomy = multiplications(self._blocks(size), 0) > text
        return self._reads(size, sizes) / text if roomy else 0.0

    def _blocks(self, size: str) -> TransformerShape:
        from deepwell.nn.layers.transformer import TransformerShape

        width, layers = SIZES[size]
        return TransformerShape(width, layers, max(2, width // 64), 4 * width)

    def _reads(self, size: str, sizes: Sizes) -> float:
        """Tokens that a network of this size reads in the time, at most those of all epochs."""
        from deepwell.nn.layers.transformer import multiplications

        seconds = OPEN_SECONDS if sizes.seconds is None else sizes.seconds
        shape = self._blocks(size)
        # Forward and backward: three times two operations for each multiply-add.
        each = 6 * (multiplications(shape, self.knobs.context / 2) + sizes.fields[self.column.name][0] * shape.width)
        return min(seconds * SPEED / each, self.config.epochs * max(1, sizes.examples * self.knobs.context))

    def network(self, sizes: Sizes) -> torch.nn.Module:
        """A Decoder for this vocabulary; with counts beside it, whose tables `prime` fills."""
        from deepwell.nn.layers.token_grams import GramShape
        from deepwell.nn.networks.counting_decoder import CountingDecoder
        from deepwell.nn.networks.decoder import Decoder
        from deepwell.nn.treatment import treat

        vocabulary, *counted = sizes.fields[self.column.name]
        grams = GramShape(self.knobs.grams, GRAM_ROWS, GRAM_WIDTH) if self.knobs.grams > 1 else None
        decoder = Decoder(vocabulary, self.shape(sizes), grams, tied=False)
        if decoder.grams is not None:
            treat(decoder.grams.table.weight, lr_scale=GRAM_RATE)
        if not self.knobs.counts:
            return decoder
        return CountingDecoder(decoder, vocabulary, counted, apart=self._passes(sizes) >= APART)

    def prime(self, network: torch.nn.Module, pipeline: Pipeline) -> None:
        """Give the network what was counted."""
        from deepwell.nn.networks.counting_decoder import CountingDecoder

        model = self._corpus(pipeline).counted_
        if isinstance(network, CountingDecoder) and model is not None:
            for number, level in enumerate(model.levels):
                counts = level.counts
                network.counts.fill(number, (level.codes, counts.less, counts.total, counts.back))

    def loss(self, network: torch.nn.Module, batch: Batch, draw: Key) -> Loss:
        """Surprise in nats, summed over the tokens that count; in training also that of the network without counts.

        The latter has its gradients in the total but not its value, so that curves show what checks and scores do.
        """
        import torch

        outputs = network(batch.arrays)[0]
        nll = outputs["nll"]
        place = torch.arange(nll.shape[1], device=nll.device)
        counts = (place >= batch.arrays[FROM][:, None]) & (place < batch.arrays[UNTIL][:, None])
        counts &= batch.arrays[TOKENS][:, 1:] != BEGIN
        total = (nll * counts).sum()
        if "alone" not in outputs:
            return Loss(total, counts.sum())
        alone = (outputs["alone"] * counts).sum()
        return Loss(total + (alone - alone.detach()), counts.sum(), {"alone": alone})

    def plan_hints(self) -> Mapping[str, Any]:
        """Blocks of a transformer are products of matrices, which gain most from bfloat16."""
        return {"matrices": True}

    # answers ---------------------------------------------------------------------------------------------------------
    def answers(self, pipeline: Pipeline) -> Schema:
        """The prompt, what was written, and how many tokens that is."""
        return Schema(
            (
                Field("prompt", "text", "input", "what was asked"),
                Field("text", "text", "target", "what was written"),
                Field("tokens", "number", "ignore", "how many tokens were written"),
            )
        )

    def predict(
        self, runner: Runner, batch: Batch, pipeline: Pipeline, request: Any, emit: Emit | None = None
    ) -> Table:
        """One line per text. Pieces of a single text are streamed; of several nothing is, for they would mix."""
        asked = cast(Asked, request)
        corpus = self._corpus(pipeline)
        pieces = [corpus.tokeniser.decode_bytes([token]) for token in range(corpus.tokeniser.size)]
        cut = Cut(asked.top_k, asked.top_p, asked.min_p)
        manner = Manner(asked.temperature, cut, asked.repetition, END, (BEGIN, *ROLES))
        key, prompt, context = Key(asked.seed).fold("write"), self._prompt(corpus, asked), self.knobs.context
        texts: list[str] = []
        lengths: list[int] = []
        while len(texts) < asked.n:
            count = min(asked.n - len(texts), max(1, AT_ONCE // context))
            writer = Writer(count, pieces, END, [asked.stop], emit if asked.n == 1 else None)
            written = write(runner, prompt, writer, manner, asked.steps, context, key, len(texts))
            texts += writer.texts
            lengths += (written != END).sum(axis=1).tolist()
        answers = {"prompt": np.full(asked.n, asked.prompt, object), "text": np.array(texts, object)}
        return Table({**answers, "tokens": np.array(lengths)})

    def _prompt(self, corpus: Corpus, asked: Asked) -> IntArray:
        """The tokens (t,) to go on from, t >= 1.

        A text begins with BEGIN where training had many documents; where it had few, networks know only what follows a
        line's end. An answer follows the turns so far and the sign of who answers.
        """
        if isinstance(corpus.inner, Dialogue):
            before = [{"role": who, "text": what} for who, what in turns(asked.history)] if asked.history else []
            user, model = voices([turn["role"] for turn in before], asked.prompt)
            said = [{"role": user, "text": asked.prompt}] if asked.prompt or not before else []
            cell = np.empty(1, object)
            cell[0] = [*before, *said, {"role": model, "text": ""}]
            tokens = cast(Ragged, corpus.inner.encode(cell)[0][""]).values[:-1]  # without the END of what is to come
            return np.concatenate([[BEGIN], tokens]).astype(np.int64)
        if asked.history:
            raise ConfigError(
                "this model writes text: it has no turns, so it takes no history", repair="use the prompt"
            )
        if corpus.documents_ >= language.MANY:
            return np.concatenate([[BEGIN], corpus.tokeniser.encode(asked.prompt)]).astype(np.int64)
        return corpus.tokeniser.encode(asked.prompt or "\n").astype(np.int64)

    # proof -----------------------------------------------------------------------------------------------------------
    def metrics(self, pipeline: Pipeline) -> Sequence[Metric]:
        """Surprise, in units that can be compared (per character, per byte) and those that are usual (per token)."""
        return (
            metrics.nats_per_character(),
            metrics.bits_per_byte(),
            metrics.perplexity(),
            metrics.nats_per_token(),
        )

    def measure(self, runner: Runner, batch: Batch, pipeline: Pipeline) -> dict[str, NDArray[Any]]:
        """Per window: nats of the tokens that count, and how many tokens, characters and bytes these are."""
        nll = runner.run("forward", {TOKENS: batch.arrays[TOKENS]})[0]["nll"]
        asked = batch.arrays[TOKENS][:, 1:]
        place = np.arange(asked.shape[1])
        counts = (place >= batch.arrays[FROM][:, None]) & (place < batch.arrays[UNTIL][:, None]) & (asked != BEGIN)
        characters, octets = language.lengths(self._corpus(pipeline).tokeniser)
        return {
            "nats": (nll * counts).sum(axis=1, dtype=np.float64),
            "tokens": counts.sum(axis=1),
            "characters": (characters[asked] * counts).sum(axis=1),
            "bytes": (octets[asked] * counts).sum(axis=1),
        }

    def baselines(self) -> Sequence[Baseline]:
        """How often each token occurs; and interpolated n-grams."""
        return (Baseline("unigram", "trivial", self._unigrams), Baseline("n-gram", "classical", self._ngrams))

    def _unigrams(self, examples: Examples, pipeline: Pipeline, key: Key) -> Runner:
        from deepwell.evaluation import ngrams

        return ngrams.unigrams(self._read(examples), pipeline.sizes()[self.column.name][0]).runner()

    def _ngrams(self, examples: Examples, pipeline: Pipeline, key: Key) -> Runner:
        from deepwell.evaluation import ngrams

        best = self._corpus(pipeline).best_
        if best is None:
            model, _, notes = ngrams.fit(self._read(examples), pipeline.sizes()[self.column.name][0])
            best = model, notes
        return best[0].runner(best[1])

    @staticmethod
    def _read(examples: Examples) -> IntArray:
        """All tokens of the training part."""
        return cast(Windows, examples).flat[TOKENS]

    def _corpus(self, pipeline: Pipeline) -> Corpus:
        return cast(Corpus, cast(FieldPipeline, pipeline).kinds_[self.column.name])
