"""`python -m benchmarks.language [--pairs 9]`: what the engine of language gains, side by side in one process.

    cache     512 tokens written by a decoder that keeps keys and values, against reading everything again at each token
    beams     beam search over 64 sources together, against one after the other
    training  our engine with its default recipe, against the loop and the network that nanoGPT gives for a CPU
              (github.com/karpathy/nanoGPT, README: 4 layers of width 128, 4 heads, 64 places, batches of 12, float32, AdamW)

Untrained networks: speed does not depend on what is written. Sides take turns, and ratios are taken pair by pair.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from benchmarks.datasets import shakespeare
from benchmarks.networks import Transformer
from benchmarks.ratios import Median, ratio
from deepwell.core.batch import Batch, IntArray
from deepwell.core.config import Recipe
from deepwell.core.examples import Windows
from deepwell.core.keys import Key
from deepwell.core.task import Loss
from deepwell.decoding.beam import Search, beam_search
from deepwell.nn.layers.transformer import TransformerShape
from deepwell.nn.networks.decoder import Decoder
from deepwell.nn.networks.encoder_decoder import EncoderDecoder
from deepwell.nn.runner import TorchRunner
from deepwell.training.budget import Budget
from deepwell.training.job import Job
from deepwell.training.loop import fit
from deepwell.training.plan import Plan

VOCABULARY = 264
SHAPE = TransformerShape(width=128, layers=4, heads=4, hidden=512)
WRITTEN = 512
SOURCES, LENGTH, WIDTH = 64, 16, 5
PLACES, BATCH, STEPS = 64, 12, 100
NEVER = VOCABULARY
"""A stop token that does not exist, so that every side takes the same steps."""

Side = Callable[[], float]
"""Does its work once; how much of it, in whatever both sides count."""


# cache ---------------------------------------------------------------------------------------------------------------
def writers() -> tuple[Side, Side]:
    """Tokens written with a cache, and without."""
    torch.manual_seed(0)
    runner = TorchRunner(Decoder(VOCABULARY, SHAPE))

    def cached() -> float:
        token, state = np.zeros((1, 1), np.int64), None
        for _ in range(WRITTEN):
            outputs, state = runner.run("step", {"token": token}, state)
            token = outputs["logits"].argmax(1)[:, None]
        return WRITTEN

    def again() -> float:
        tokens = np.zeros((1, 1), np.int64)
        for _ in range(WRITTEN):
            outputs, _ = runner.run("step", {"token": tokens})
            tokens = np.concatenate([tokens, outputs["logits"].argmax(1)[:, None]], axis=1)
        return WRITTEN

    return cached, again


# beams ---------------------------------------------------------------------------------------------------------------
def translators() -> tuple[Side, Side]:
    """Sources answered together, and one after the other."""
    torch.manual_seed(0)
    network = EncoderDecoder(VOCABULARY, VOCABULARY, SHAPE, SHAPE)
    runner = TorchRunner(network)
    source = np.random.default_rng(0).integers(8, VOCABULARY, (SOURCES, LENGTH))

    def answered(rows: IntArray) -> None:
        lengths = np.full(len(rows), LENGTH)
        _, state = runner.run("encode", {"source": source[rows], "source.length": lengths})
        start = {"token": np.ones(len(rows), np.int64)}
        beam_search(runner, "step", start, state, 2 * LENGTH, NEVER, Search(WIDTH))

    def together() -> float:
        answered(np.arange(SOURCES))
        return SOURCES

    def one_by_one() -> float:
        for row in range(SOURCES):
            answered(np.array([row]))
        return SOURCES

    return together, one_by_one


# training ------------------------------------------------------------------------------------------------------------
def trainers(threads: int, precision: str) -> tuple[Side, Side]:
    """Tokens trained by our engine, and by nanoGPT's loop."""
    arrays = shakespeare()
    text = arrays.x.reshape(-1)
    torch.set_num_threads(threads)

    def ours() -> float:
        starts = np.arange(0, len(text) - PLACES - 1, PLACES)
        fit(
            Job(
                network=Decoder(VOCABULARY, SHAPE),
                examples=Windows({"tokens": text}, starts, PLACES + 1, shift=PLACES),
                loss=_surprise,
                recipe=Recipe(),
                budget=Budget(steps=STEPS),
                plan=Plan(threads=threads, precision=precision, batch_size=BATCH),
                key=Key(0),
                judge=lambda module: {"loss": 0.0},
                watch=None,
            )
        )
        return STEPS * BATCH * PLACES

    def theirs() -> float:
        torch.manual_seed(0)
        network = Transformer((PLACES,), arrays.classes)
        optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1)
        data = text.astype(np.uint16)
        for _ in range(STEPS):
            places = torch.randint(len(data) - PLACES - 1, (BATCH,))
            x = torch.stack([torch.from_numpy(data[i : i + PLACES].astype(np.int64)) for i in places])
            y = torch.stack([torch.from_numpy(data[i + 1 : i + 1 + PLACES].astype(np.int64)) for i in places])
            loss = nn.functional.cross_entropy(network(x).flatten(0, 1), y.flatten())
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        return STEPS * BATCH * PLACES

    return ours, theirs


def _surprise(network: nn.Module, batch: Batch, draw: Key) -> Loss:
    nll = network(batch.arrays)[0]["nll"]
    return Loss(nll.sum(), nll.numel())


# all -----------------------------------------------------------------------------------------------------------------
def compare(ours: Side, theirs: Side, pairs: int) -> tuple[Median, float, float]:
    """Our speed over theirs, pair by pair in turns, and the median of each. One round before them is not counted."""
    speeds: tuple[list[float], list[float]] = ([], [])
    for number in range(-1, pairs):
        order: Sequence[int] = (0, 1) if number % 2 == 0 else (1, 0)
        for side in order:
            began = time.perf_counter()
            done = (ours, theirs)[side]()
            if number >= 0:
                speeds[side].append(done / (time.perf_counter() - began))
    middle = [sorted(found)[len(found) // 2] for found in speeds]
    return ratio(*speeds), middle[0], middle[1]


def main() -> None:
    """Run the rows and print one table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.language")
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="bfloat16", help="of our training")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    rows = {
        f"cache at {WRITTEN} tokens": (writers(), 5.0, "tokens/s"),
        f"beam search, {SOURCES} together": (translators(), 5.0, "answers/s"),
        "training beside nanoGPT's loop": (trainers(asked.threads, asked.precision), 1.5, "tokens/s"),
    }
    print("| row | ratio | to reach | reached | ours | theirs |\n" + "|---" * 6 + "|", flush=True)
    for name, (sides, goal, unit) in rows.items():
        figure, mine, other = compare(*sides, asked.pairs)
        reached = "yes" if figure.value >= goal else "no"
        print(f"| {name} | {figure} | >= {goal:g} | {reached} | {mine:,.0f} {unit} | {other:,.0f} {unit} |", flush=True)


if __name__ == "__main__":
    main()
