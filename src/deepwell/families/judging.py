"""Judging: made pictures are looked at by a network that knows such pictures, since pixels say too little.

The judge is that of a bundle, where one is named: the encoder of any model of one column of pictures. Else a small one is
trained on the training part: on its classes where there are any, else on by which of four turns a picture was turned
(Gidaris et al. 2018, arXiv:1803.07728). What it sees before its last layer are the features. Unusual: it is part of the fitted
pipeline, so that baselines are judged before there is a model, and its weights then move into the network, to be sealed with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from deepwell.bundle import read as bundles
from deepwell.bundle.contents import Contents
from deepwell.core.batch import Batch, Encoded
from deepwell.core.config import Recipe
from deepwell.core.errors import BundleError, DataError
from deepwell.core.examples import RowExamples
from deepwell.core.fields import Schema
from deepwell.core.keys import Key
from deepwell.core.table import Table
from deepwell.core.task import Loss, Sizes
from deepwell.data.fields.image import Image
from deepwell.data.pipeline import FieldPipeline
from deepwell.families.watching import Watched
from deepwell.metrics.generation import distances
from deepwell.tracking.directory import sealed

if TYPE_CHECKING:
    import torch

    from deepwell.nn.networks.judge import Judge

KEY = Key(0).fold("judge")
MOST_STEPS, PASSES, BATCH = 500, 4, 64
WIDTH, BLOCKS = 16, 1
"""Of a judge that is trained here: see PictureShape."""
FEWEST = 50
"""Pictures without which nothing can be learnt."""
LOOKED_THROUGH = 100_000
"""The most training pictures that made ones are looked up in."""
TURNS = 4
AT_ONCE = 256
Spec = tuple[int, int, int, int, int, int]
"""What a judge is built from: channels, height, width of what it reads, its width, blocks, classes (0: it came trained)."""


class JudgedPictures(FieldPipeline):
    """A FieldPipeline of one column of pictures, and of classes where there are any, that has a judge.

    label: the column of classes, an input; empty: none. side: longest side of the pictures. judge: path of a bundle or run whose
    encoder judges; empty: one is trained.
    Attributes, only after `fit`, not part of the state: judge_, the trained module; watched_, the training examples with what
    they have seen. spec_: what the judge is built from, part of the state.
    """

    def __init__(self, schema: Schema, picture: str, label: str, side: int, judge: str = "") -> None:
        super().__init__(schema, {picture: Image(size=side)})
        self.picture, self.label, self.path = picture, label, judge
        self.judge_: Judge | None = None
        self.spec_: Spec = (1, side, side, WIDTH, BLOCKS, TURNS)
        self.watched_: Watched | None = None
        self._features: tuple[Watched, NDArray[np.float32]] | None = None
        self._known = f"{picture}.judge"

    def fit(self, table: Table) -> JudgedPictures:
        """See FieldPipeline. Raises DataError for too few pictures or pictures all alike, BundleError for what cannot judge."""
        ready = found(self.path) if self.path else None  # what cannot judge is told before anything is read
        super().fit(table)
        columns = self.encode(table).columns
        pictures = cast("NDArray[np.uint8]", columns[self.picture])
        if len(pictures) < FEWEST:
            raise DataError(f"{len(pictures)} pictures are too few to learn from; at least {FEWEST} are needed")
        if all((pictures[at : at + AT_ONCE] == pictures[:1]).all() for at in range(0, len(pictures), AT_ONCE)):
            raise DataError("all pictures are alike, so there is nothing to learn")
        labels = cast("NDArray[np.int64]", columns[self.label]) if self.label else None
        classes = super().sizes()[self.label][0] if self.label else TURNS
        size = cast("tuple[int, int, int]", pictures.shape[1:])
        self.judge_, self.spec_ = ready or (None, (*size, WIDTH, BLOCKS, classes))
        if self.judge_ is None:
            self.judge_ = trained(pictures, labels, self.spec_)
        return self

    def nearest(self, pictures: NDArray[Any]) -> tuple[NDArray[np.uint8], int]:
        """For each picture (n, c, h, w) the training picture most like it to the judge, and how many were looked through.

        Only in the process that trained, where the judge and the training examples are at hand. What the judge sees in training
        pictures is kept, so that a second call is quick.
        """
        network, examples = cast("Judge", self.judge_), cast(Watched, self.watched_)
        count = examples.count or 0
        rows = np.linspace(0, count - 1, min(LOOKED_THROUGH, count)).astype(np.int64)

        def taken(some: NDArray[np.int64]) -> NDArray[np.uint8]:
            return cast("NDArray[np.uint8]", examples.take(some, KEY).arrays[self.picture])

        if self._features is None or self._features[0] is not examples:
            parts = [seen(network, taken(rows[at : at + AT_ONCE])) for at in range(0, len(rows), AT_ONCE)]
            self._features = examples, np.concatenate(parts)
        return taken(rows[distances(seen(network, pictures), self._features[1]).argmin(axis=1)]), len(rows)

    def sizes(self) -> Mapping[str, tuple[int, ...]]:
        """Those of the fields, and `PICTURE.judge`: what the judge is built from."""
        return {**super().sizes(), self._known: self.spec_}

    def state(self) -> dict[str, Any]:
        """Those of the fields, and `PICTURE.judge`."""
        return {**super().state(), self._known: list(self.spec_)}

    def restore(self, state: Mapping[str, Any]) -> JudgedPictures:
        """See FieldPipeline."""
        spec = state.get(self._known) if isinstance(state, Mapping) else None
        whole = isinstance(spec, list) and len(spec) == 6 and all(type(n) is int and 0 <= n < 2**16 for n in spec)
        if not isinstance(spec, list) or not whole or 0 in spec[:4]:
            raise BundleError("the stored transforms do not say what the judge of pictures is built from")
        super().restore({name: value for name, value in state.items() if name != self._known})
        self.spec_ = cast(Spec, tuple(spec))
        return self

    def said(self) -> Sequence[str]:
        """Who judges."""
        learnt = f"the classes in {self.label!r}" if self.label else "by which turn a picture was turned"
        by = f"the encoder of {self.path}" if self.path else f"a small network that learnt {learnt}"
        return [*super().said(), f"made pictures are judged by {by}"]


def judge(spec: Sequence[int]) -> Judge:
    """An untrained judge. spec: see Spec."""
    from deepwell.nn.layers.pictures import PictureShape
    from deepwell.nn.networks.judge import Judge

    channels, height, width, wide, blocks, classes = spec
    return Judge((channels, height, width), classes, PictureShape(wide, blocks))


def found(path: str) -> tuple[Judge, Spec]:
    """The encoder of a bundle's (or run's) only column of pictures, as a judge.

    Raises BundleError for what is no intact bundle, reads other columns too, or reads pictures in another way; UsageError where
    there is nothing.
    """
    import torch

    contents = bundles.read(sealed(Path(path)))
    inputs = contents.schema.inputs
    encoders = {name.split(".")[1] for name in contents.weights if name.startswith("encoder.")}
    if [f.kind for f in inputs] != ["image"] or len(encoders) != 1:
        listed = ", ".join(f"{f.name!r} ({f.kind})" for f in inputs[:5]) or "nothing"
        raise BundleError(
            f"it reads {listed}; a judge reads one column of pictures",
            where=path,
            repair="train one with --task image_classification on such pictures",
        )
    prefix = f"encoder.{encoders.pop()}."
    weights = {n.removeprefix(prefix): w for n, w in contents.weights.items() if n.startswith(prefix)}
    spec = _spec(contents, inputs[0].name, weights)
    if spec is None:
        raise BundleError(f"its task, {contents.task!r}, reads pictures in a way that cannot judge", where=path)
    made = judge(spec)
    expected = made.encoder.state_dict()
    bundles.match(weights, {n: (tuple(t.shape), str(t.dtype).removeprefix("torch.")) for n, t in expected.items()})
    made.encoder.load_state_dict({n: torch.from_numpy(np.array(w)) for n, w in weights.items()})
    return made.eval().requires_grad_(False), spec


def _spec(contents: Contents, picture: str, weights: Mapping[str, NDArray[Any]]) -> Spec | None:
    """What an encoder of pictures with these weights is built from; None where they are of another."""
    size = Sizes.from_json(contents.sizes).fields.get(picture, ())
    stem = weights.get("stem.conv.weight")
    if stem is None or stem.ndim != 4 or len(size) != 3:
        return None
    blocks = len({n.split(".")[2] for n in weights if n.startswith("stages.0.") and ".first.conv." in n})
    return (size[0], size[1], size[2], stem.shape[0], blocks, 0)


def trained(pictures: NDArray[np.uint8], labels: NDArray[np.int64] | None, spec: Spec) -> Judge:
    """A judge trained on the host for at most MOST_STEPS steps; the same pictures give the same judge on the same machine.

    labels: (n,) from 0 to spec's classes - 1; None: it learns turns.
    """
    import torch

    from deepwell import losses
    from deepwell.training import loop, plan
    from deepwell.training.budget import Budget

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(KEY.seed)
        network = judge(spec)
        truth = labels if labels is not None else np.zeros(len(pictures), np.int64)

        def loss(network: torch.nn.Module, batch: Batch, draw: Key) -> Loss:
            given, asked = batch.arrays["picture"], batch.arrays["truth"]
            if labels is None:
                given, asked = _turned(given)
            logits = cast(Any, network).logits(network(given))
            return Loss(losses.cross_entropy(logits, asked, smoothing=0.1), float(len(given)))

        examples = RowExamples(Encoded({"picture": pictures, "truth": truth}, np.arange(len(pictures))))
        steps = max(20, min(MOST_STEPS, PASSES * len(pictures) // BATCH))
        chosen = plan.choose(
            network, {"convolutional": True}, {"device": "cpu"}, examples=len(pictures), batch_size=BATCH
        )
        recipe = Recipe(learning_rate=3e-3, weight_decay=0.01, schedule="linear", batch_size=BATCH)
        done = loop.fit(loop.Job(network, examples, loss, recipe, Budget(steps=steps), chosen, KEY))
        network.load_state_dict(done.weights)
    return network.eval().requires_grad_(False)


def _turned(given: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures turned by quarters, or mirrored where they are no squares, and by which turn each; draws by torch's generator."""
    import torch

    turn = torch.randint(TURNS, (len(given),), device=given.device)
    if given.shape[2] == given.shape[3]:
        ways = [torch.rot90(given, k, (2, 3)) for k in range(TURNS)]
    else:
        ways = [given, given.flip(2), given.flip(3), given.flip(2, 3)]
    return torch.stack(ways)[turn, torch.arange(len(given), device=given.device)], turn


def seen(network: torch.nn.Module, pictures: NDArray[Any]) -> NDArray[np.float32]:
    """(n, f) what a judge sees in pictures (n, c, h, w) from 0 to 255."""
    import torch

    with torch.inference_mode():
        parts = [
            network(torch.from_numpy(np.array(pictures[start : start + AT_ONCE]))).numpy()
            for start in range(0, len(pictures), AT_ONCE)
        ]
    return np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)
