"""text_classification: texts, and numbers or categories beside them -> a class, tags, or a number.

Reviews to a sentiment, questions to a topic, messages to spam or not, abstracts to any number of subjects. The network adds up
what bags of words, bags of characters and a small transformer say (nn/networks/text.py); the family `prediction` does the
rest. Of a long text head and tail are read, and it is said of how many texts that is so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, cast

import numpy as np

from deepwell.core.config import SCHEDULES, Knob
from deepwell.core.examples import Examples
from deepwell.core.fields import Schema
from deepwell.core.keys import Key
from deepwell.core.table import Part, Table
from deepwell.core.task import Chosen, Fit, Pipeline, Sizes, Transform
from deepwell.data.fields.kind import Kind
from deepwell.data.fields.text import Text
from deepwell.data.pipeline import FieldPipeline
from deepwell.families.grams import MOST_GRAMS, MOST_TOKENS, Grams
from deepwell.families.prediction import Prediction, PredictionConfig

if TYPE_CHECKING:
    import torch

    from deepwell.nn.networks.text import TextShape

SIZES: Mapping[str, tuple[int, int, int]] = {
    "tiny": (16, 64, 0), "small": (16, 64, 1), "base": (16, 96, 2), "large": (32, 192, 4),
}  # fmt: skip
"""size -> width of the bags, width and layers of the transformer."""
ALL_GRAMS = 4 * MOST_GRAMS
"""Entries of all columns' vocabularies together, which keeps pipeline.json within what a bundle may hold."""
TOKENS_A_SECOND = {"base": 20_000.0, "small": 50_000.0}
"""Tokens that each size learns from in a second on one core that is not quiet; small did 57,000."""
COUNTED = 256
"""Examples at a time from which a network begins."""
FEW = 20_000
"""Training rows below which `auto` takes no transformer. On cuts of 6,920 sentences the two bags alone reached an accuracy of
0.82; a transformer of one layer reached 0.76 by itself and took the sum down to 0.81, after four passes and after six."""
PASSES = 6
"""A larger network is chosen only where the time allows so many passes over the data with it."""
OPEN_SECONDS = 300.0
"""The time that is counted on where the budget has none."""


@dataclass(frozen=True)
class TextConfig(PredictionConfig):
    """The knobs of texts."""

    epochs: Annotated[float, Knob("most passes over the training part that pay", "epochs", 0.01, 1e6, True)] = 5.0
    learning_rate: Annotated[float, Knob("peak step size", "", 1e-6, 10.0, True)] = 1.5e-3
    dropout: Annotated[float, Knob("share of words, characters and tokens dropped in training; of hidden values a "
                                   "half of it", "share", 0.0, 0.9)] = 0.4  # fmt: skip
    label_smoothing: Annotated[float, Knob("share of a class target spread over all classes", "share", 0.0, 0.5)] = 0.1
    schedule: Annotated[str, Knob("how the step size falls", choices=SCHEDULES)] = "linear"
    vocabulary: Annotated[int, Knob("tokens of a text's vocabulary at most", "tokens", 300, 32_768, True)] = 8_192


class TextPipeline(FieldPipeline):
    """A FieldPipeline that remembers the training examples made with it, from which a new network begins; not its state."""

    training: Examples | None = None


class TextClassification(Prediction):
    """Texts, with numbers and categories beside them: predict a class, tags, or a number."""

    Config = TextConfig
    watch = None  # the last weights: the loss of few rows rises long before fewer answers are right

    # data ------------------------------------------------------------------------------------------------------------
    @classmethod
    def fits(cls, schema: Schema) -> Fit:
        """At least one text to read, targets that are categories, tags or numbers, beside it only numbers and categories.

        Where no target is named: one text and one column of categories or tags, which is then the target.
        """
        targets, inputs = schema.targets, schema.inputs
        texts = schema.of("input", "text")
        if not texts:
            return Fit(0, reason="no column holds text")
        if not targets:
            if len(inputs) == 2 and len(texts) == 1 and (labels := schema.of("input", "category", "tags")):
                reason = f"beside one text there is only {labels[0].name!r}, so it is what texts are classified by"
                return Fit(1.0, {labels[0].name: "target"}, reason)
            return Fit(0, reason="no column is the target")
        other = [f for f in targets if f.kind not in ("category", "tags", "number")]
        if other:
            return Fit(0, reason=f"the target {other[0].name!r} is no category, tags or number but {other[0].kind}")
        unread = [f for f in inputs if f.kind not in ("text", "number", "category")]
        if unread:
            return Fit(0, reason=f"the column {unread[0].name!r} is of kind {unread[0].kind}, which is not read here")
        beside = len(inputs) - len(texts)
        what = "texts" if len(texts) == 1 else f"{len(texts)} columns of texts"
        columns = f" and {beside} {'columns' if beside > 1 else 'column'} beside them" if beside else ""
        return Fit(1.0, {}, f"{what}{columns} predict {', '.join(repr(f.name) for f in targets)}")

    @classmethod
    def demo(cls, seed: int) -> Table:
        """900 made-up remarks about a stay at an inn, good or bad; some say so with a `not` in front of the wrong word.

        How a remark begins says little with many words, so counting words, however cleverly, goes wrong; learning does not.
        """
        draws = Key(seed).fold("demo").numpy()
        good, bad = ("lovely quiet warm tasty friendly bright", "dreadful noisy cold stale rude gloomy")
        words = {True: good.split(), False: bad.split()}
        things = "room breakfast landlady garden bed view soup stairs bath pillow".split()
        starts = ["the {}", "our {}", "I thought the {}", "to be honest the {}", "this time the {}"]
        because = {True: "we came for our anniversary and stayed all weekend",
                   False: "we had to break our journey since the train was gone"}  # fmt: skip
        texts, labels = [], []
        for _ in range(900):
            happy = bool(draws.integers(2))
            said = [because[happy != (draws.random() < 0.35)]]
            for _ in range(int(draws.integers(1, 4))):
                turned = draws.random() < 0.25
                word = draws.choice(words[happy != turned])
                start = str(draws.choice(starts)).format(draws.choice(things))
                said.append(f"{start} was {'not ' if turned else ''}{word}")
            if draws.random() < 0.05:
                happy = not happy
            texts.append(", ".join(said) + ".")
            labels.append("good" if happy else "bad")
        return Table({"text": np.array(texts, object), "label": np.array(labels, object)})

    def kinds(self) -> Mapping[str, Kind]:
        """Texts with grams, numbers with positions."""
        texts = self.schema.of("input", "text")
        most = min(MOST_GRAMS, ALL_GRAMS // max(1, 2 * len(texts)))
        vocabulary = cast(TextConfig, self.config).vocabulary
        return {**super().kinds(), **{f.name: Grams(Text(most=vocabulary), most) for f in texts}}

    def pipeline(self, start: Pipeline | None) -> Pipeline | None:
        """Each field by its kind."""
        return TextPipeline(self.schema, self.kinds())

    def examples(self, part: Part, pipeline: Pipeline) -> Examples:
        """One row, one example; see families/prediction.py."""
        found = super().examples(part, pipeline)
        if part.name == "train" and isinstance(pipeline, TextPipeline):
            pipeline.training = found
        return found

    def augment(self, examples: Examples, pipeline: Pipeline) -> Sequence[Transform]:
        """Nothing is changed; what is not read of long texts is recorded."""
        kinds = pipeline.kinds_ if isinstance(pipeline, FieldPipeline) else {}
        return tuple(
            Chosen(None, f"of about {kind.cut_:.1%} of the training texts in {name!r} only head and tail are read",
                   f"they have more than {MOST_TOKENS} tokens")
            for name, kind in kinds.items() if isinstance(kind, Grams) and kind.cut_
        )  # fmt: skip

    # network ---------------------------------------------------------------------------------------------------------
    def size(self, sizes: Sizes) -> str:
        """For `auto` with a transformer where there are many rows and time for PASSES passes over them."""
        if self.config.size != "auto":
            return self.config.size
        seconds = OPEN_SECONDS if sizes.seconds is None else sizes.seconds
        tokens = sizes.examples * sum(sizes.fields[f.name][3] for f in self.schema.of("input", "text"))
        fits = [name for name, speed in TOKENS_A_SECOND.items() if seconds * speed >= PASSES * tokens]
        return fits[0] if fits and sizes.examples >= FEW else "tiny"

    def shape(self, sizes: Sizes) -> TextShape:
        """Of the network of this size; bags are wide enough to begin as naive Bayes where classes are not too many."""
        from deepwell.nn.networks.text import MOST_BAYES, TextShape

        bag, width, layers = SIZES[self.size(sizes)]
        outputs = max((sizes.fields[t.name][0] for t in self.schema.targets if t.kind != "number"), default=1)
        return TextShape(max(bag, outputs + 8 if outputs <= MOST_BAYES else 0), width, layers)

    def network(self, sizes: Sizes) -> torch.nn.Module:
        """A TextNetwork for these columns."""
        from deepwell.nn.networks.text import TextNetwork

        fields, schema = sizes.fields, self.schema
        return TextNetwork(
            texts={f.name: cast("tuple[int, int, int]", fields[f.name][:3]) for f in schema.of("input", "text")},
            numbers={f.name: (fields[f.name][0], fields[f.name][1]) for f in schema.of("input", "number")},
            categories={f.name: fields[f.name][0] for f in schema.of("input", "category")},
            targets={t.name: None if t.kind == "number" else fields[t.name][0] for t in schema.targets},
            shape=self.shape(sizes),
            dropout=self.knobs.dropout,
        )

    def prime(self, network: torch.nn.Module, pipeline: Pipeline) -> None:
        """Start the bags as naive Bayes classifiers of the training rows."""
        from deepwell.nn.networks.text import TextNetwork

        examples = pipeline.training if isinstance(pipeline, TextPipeline) else None
        if examples is not None and isinstance(network, TextNetwork):
            network.begin(batch.arrays for batch in examples.batches(COUNTED, Key(0)))
