"""TextNetwork: texts, and any numbers and categories beside them -> classes, tags or numbers.

Unusual: three readers side by side, a bag of words and word pairs, a bag of runs of characters, and a small transformer over
tokens. Each has a head of its own, their outputs are averaged (for a class: the logits), and in training each has a loss of its
own, so that what one has understood does not keep the others from learning it. The bags do not begin at random but as naive
Bayes classifiers of the training rows (layers/bayes.py), which few rows and little time could not teach them. Numbers and
categories stand beside what every reader has found. Where no time is left for a transformer there are the two bags alone.

Legend: n rows, T tokens, M readers, K classes or tags.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from deepwell.nn.layers.bayes import Bayes, TargetKind
from deepwell.nn.layers.categories import CategoryEncoder
from deepwell.nn.layers.ngrams import GramBag
from deepwell.nn.layers.numbers import NumberEncoder
from deepwell.nn.layers.transformer import TransformerShape
from deepwell.nn.networks.encoder import TextEncoder
from deepwell.nn.networks.image import EMBEDDING, module_name

GRAM_STD = 0.05
HIDDEN = 64
"""Width of the layer that mixes text and scalars."""
BAYES_SCALE = 1.0
"""Of the log-count ratios at the start; a bag's sum is over the root of its entries, so nothing is too sure of itself."""
MOST_BAYES = 56
"""Classes or tags up to which a bag begins with their ratios, one of its vectors' entries for each."""


@dataclass(frozen=True)
class TextShape:
    """How large the network is. bag: width of the bags' vectors. width, layers: of the transformer; no layers: none."""

    bag: int
    width: int
    layers: int


class TextReader(nn.Module):
    """One text column -> what each reader found: (n, bag), (n, bag) and, where there is a transformer, (n, 2 width).

    vocabulary: tokens. words, letters: entries of each. drops: share of the entries and tokens dropped in training.
    """

    def __init__(self, vocabulary: int, words: int, letters: int, shape: TextShape, drops: float) -> None:
        super().__init__()
        self.words = GramBag(words, shape.bag, GRAM_STD, drops)
        self.letters = GramBag(letters, shape.bag, GRAM_STD, drops)
        self.widths = [shape.bag, shape.bag]
        self.tokens: TextEncoder | None = None
        self.drops = drops
        if shape.layers:
            blocks = TransformerShape(shape.width, shape.layers, max(1, shape.width // 32), 2 * shape.width, drops / 4)
            self.tokens = TextEncoder(vocabulary, blocks)
            self.widths.append(2 * shape.width)

    def bags(self) -> dict[str, GramBag]:
        """The bags by the part of the column that each reads."""
        return {"words": self.words, "letters": self.letters}

    def forward(self, name: str, arrays: Mapping[str, Tensor]) -> list[Tensor]:
        """See the class; name: of the column, whose arrays families/grams.py describes."""
        tokens, length = arrays[name], arrays[f"{name}.length"]
        rows = len(length)
        found = [bag(arrays[f"{name}.{part}"], arrays[f"{name}.{part}.row"], rows) for part, bag in self.bags().items()]
        if self.tokens is not None:
            if self.training and self.drops:
                tokens = tokens * (torch.rand(tokens.shape, device=tokens.device) >= self.drops)
            found.append(pooled(self.tokens(tokens, length), length))
        return found


def pooled(found: Tensor, length: Tensor) -> Tensor:
    """(n, T, W) -> (n, 2 W): mean and maximum over the places before `length` (n,); zeros for an empty row."""
    inside = (torch.arange(found.shape[1], device=found.device) < length[:, None])[..., None]
    mean = (found * inside).sum(1) / length.clamp(min=1)[:, None]
    most = found.masked_fill(~inside, -torch.inf).amax(1)
    return torch.cat([mean, most.masked_fill((length == 0)[:, None], 0.0)], dim=1)


class Head(nn.Module):
    """What a reader found (n, width), and scalars beside it (n, beside) -> (n, outputs).

    Linear in what was found; where there are scalars, a hidden layer that mixes both adds to it.
    """

    def __init__(self, width: int, beside: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, outputs)
        self.mix: nn.Module | None = None
        if beside:
            self.mix = nn.Sequential(nn.Linear(width + beside, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, outputs))

    def begin(self, first: int, outputs: int) -> None:
        """Pass the entries of what was found from `first` on to the outputs as they are."""
        with torch.no_grad():
            weight = self.linear.weight
            weight[:, first : first + outputs] = torch.eye(outputs, device=weight.device)

    def forward(self, found: Tensor, scalars: Tensor | None) -> Tensor:
        """See the class."""
        outputs: Tensor = self.linear(found)
        if self.mix is not None and scalars is not None:
            outputs = outputs + self.mix(torch.cat([found, scalars], dim=1))
        return outputs


class TextNetwork(nn.Module):
    """Arrays of families/grams.py for each text, `inputs.number`, `inputs.number.position`, `inputs.category` ->
    `TARGET.logits` (n, K) or `TARGET.value` (n,); in training also `TARGET.members`, (n, M, K) or (n, M).

    texts: column -> (tokens, words, letters), entries of each. numbers: column -> (columns, knots), see families/positions.py.
    categories: column -> levels. targets: column -> classes or tags, None for a number.
    """

    def __init__(
        self,
        texts: Mapping[str, tuple[int, int, int]],
        numbers: Mapping[str, tuple[int, int]],
        categories: Mapping[str, int],
        targets: Mapping[str, int | None],
        shape: TextShape,
        dropout: float,
    ) -> None:
        super().__init__()
        self.texts = {name: module_name(name) for name in texts}
        self.encoder = nn.ModuleDict()
        for name, (vocabulary, words, letters) in texts.items():
            self.encoder[self.texts[name]] = TextReader(vocabulary, words, letters, shape, dropout)
        self.bag = shape.bag
        readers = [self._reader(module) for module in self.texts.values()]
        widths = [sum(each) for each in zip(*(reader.widths for reader in readers), strict=True)]
        beside = 0
        if numbers:
            indicators = sum(columns - 1 for columns, _ in numbers.values())
            number = NumberEncoder([knots for _, knots in numbers.values()], indicators, EMBEDDING)
            self.encoder["number"], beside = number, beside + number.width
        if categories:
            category = CategoryEncoder(list(categories.values()), EMBEDDING)
            self.encoder["category"], beside = category, beside + category.width
        self.dropout = nn.Dropout(dropout / 2)
        self.targets = dict(targets)
        self.heads = nn.ModuleList(
            nn.ModuleList(Head(width, beside, classes or 1) for width in widths) for classes in targets.values()
        )

    def _reader(self, module: str) -> TextReader:
        reader = self.encoder[module]
        if not isinstance(reader, TextReader):
            raise TypeError(f"{module} is no reader of a text")
        return reader

    def begin(self, batches: Iterable[Mapping[str, NDArray[Any]]]) -> None:
        """Start the bags from the training rows (layers/bayes.py): called before the first step, with all, as numpy arrays.

        Nothing happens where there are several targets, or more classes than MOST_BAYES.
        """
        (name, classes), *others = self.targets.items()
        if others or (classes or 1) > min(MOST_BAYES, self.bag):
            return
        bags = {(part, column): bag for column, module in self.texts.items()
                for part, bag in self._reader(module).bags().items()}  # fmt: skip
        counted: dict[tuple[str, str], Bayes] = {}
        for arrays in batches:
            truth = arrays[name]
            kind: TargetKind = "number" if classes is None else "tags" if truth.ndim == 2 else "category"
            for (part, column), bag in bags.items():
                of = counted.setdefault((part, column), Bayes(len(bag.table), classes or 1, kind))
                of.add(arrays[f"{column}.{part}"], arrays[f"{column}.{part}.row"], truth)
        for reader, part in enumerate(("words", "letters")):
            for place, column in enumerate(self.texts):
                if (part, column) in counted:
                    bags[part, column].begin(BAYES_SCALE * counted[part, column].weights())
                    self._head(0, reader).begin(place * self.bag, classes or 1)

    def _head(self, target: int, reader: int) -> Head:
        return cast(Head, cast(nn.ModuleList, self.heads[target])[reader])

    def forward(self, arrays: Mapping[str, Tensor], state: Any = None) -> tuple[dict[str, Tensor], Any]:
        """See the class."""
        found = [self._reader(module)(name, arrays) for name, module in self.texts.items()]
        beside = []
        if "number" in self.encoder:
            beside.append(self.encoder["number"](arrays["inputs.number"], arrays["inputs.number.position"]))
        if "category" in self.encoder:
            beside.append(self.encoder["category"](arrays["inputs.category"]))
        hidden = [self.dropout(torch.cat(each, dim=1)) for each in zip(*found, strict=True)]
        scalars = torch.cat(beside, dim=1) if beside else None
        outputs: dict[str, Tensor] = {}
        for target, (name, classes) in enumerate(self.targets.items()):
            each = [self._head(target, reader)(one, scalars) for reader, one in enumerate(hidden)]
            members = torch.stack(each, dim=1)  # (n, M, K)
            if classes is None:
                members = members.squeeze(-1)
            outputs[f"{name}.value" if classes is None else f"{name}.logits"] = members.mean(1)
            if self.training:
                outputs[f"{name}.members"] = members
        return outputs, state
