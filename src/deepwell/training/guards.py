"""Guards: what is done about a step that ran out of memory or whose numbers are not finite."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from deepwell.core.batch import Batch
from deepwell.core.errors import RunError
from deepwell.core.keys import Key
from deepwell.core.task import Loss
from deepwell.training.updates import LossFunction

MOST_SKIPPED = 10
"""Steps that may be skipped in a run, under the policy `skip`."""
NOTHING_FOUND = "taken again, the step is finite: later steps have changed the weights"
_LONELY = "more than 1 value per channel"
_NO_ROOM = ("can't allocate memory", "not enough memory", "out of memory")


def out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch or numpy says that memory did not suffice."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_ROOM)


@contextmanager
def in_words(what: str) -> Iterator[None]:
    """Raise RunError, naming what was under way, where memory did not suffice or a batch was too small to be normalised."""
    try:
        yield
    except ValueError as error:
        if _LONELY not in str(error):
            raise
        raise RunError(
            f"batch normalisation cannot learn from one example at once, in {what}: {error}",
            repair="another batch size (--set batch_size=...), or a larger micro-batch (--plan micro_batch=...)",
        ) from error
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        raise RunError(
            f"memory did not suffice for {what}: {str(error).splitlines()[0] if str(error) else 'the system gave none'}",
            repair="a smaller network (--size tiny), or a machine with more memory",
        ) from error


def smaller(micro_batch: int, batch: int, coupled: bool) -> int:
    """Half of the micro-batch (0: of the whole batch of `batch` examples) after it did not fit.

    Raises RunError where nothing smaller is possible.
    """
    now = min(micro_batch or batch, batch)
    if coupled:
        raise RunError(
            f"a batch of {batch} examples does not fit into memory, and it cannot be cut: its examples depend on each other",
            repair=f"a smaller batch (--set batch_size={max(1, batch // 2)}) or a smaller network (--size tiny)",
        )
    if now <= 1:
        raise RunError(
            "a single example does not fit into memory together with the network",
            repair="a smaller network (--size tiny), or a machine with more memory",
        )
    return (now + 1) // 2


class NotFinite(RunError):
    """The loss or a gradient was not finite."""


def not_finite(why: str, skipped: int) -> NotFinite:
    """The error that ends a training after so many steps that were not finite."""
    return NotFinite(
        f"{why}; a step that is not finite changes nothing"
        + (f", and {skipped} were skipped in all" if skipped > 1 else ""),
        repair="a smaller step size (--set learning_rate=...) helps most often; look for extreme values in the data with "
        "`deepwell check`",
    )


def check_same(mine: Mapping[str, Tensor], saved: Mapping[str, Any]) -> None:
    """Raise RunError where a saved state is not one of this network."""
    own = {name: tuple(tensor.shape) for name, tensor in mine.items() if name.startswith("network.")}
    theirs = {name: tuple(array.shape) for name, array in saved.items() if name.startswith("network.")}
    for name in sorted(own.keys() ^ theirs.keys() | {n for n in own.keys() & theirs.keys() if own[n] != theirs[n]}):
        raise RunError(
            f"the saved state is that of another network: {name.removeprefix('network.')!r} is {theirs.get(name, 'absent')} "
            f"there and {own.get(name, 'absent')} here",
            repair="was the task or a library changed since? Start a new run",
        )


def name_fault(
    network: nn.Module, loss: LossFunction, batches: Iterable[tuple[Batch, Key]], precision: torch.dtype
) -> str:
    """Where numbers stop being finite in one step, in words: an input, a layer's output, the loss or a gradient.

    batches: the step's micro-batches with their keys, torch's generator being set to each as it is given. The network is
    left as it was.
    """
    kept = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    said = NOTHING_FOUND
    for batch, draw in batches:
        device = next(network.parameters()).device.type
        with torch.autocast(device, dtype=precision, enabled=precision != torch.float32):
            said = _first_fault(network, batch, partial(loss, network, batch, draw))
        if said != NOTHING_FOUND:
            break
    network.load_state_dict(kept)
    return said


def _first_fault(network: nn.Module, batch: Batch, run: Callable[[], Loss]) -> str:
    for name, array in batch.arrays.items():
        row = _bad_row(array)
        if row is not None:
            whose = f" of example {int(batch.examples[row])}" if len(array) == len(batch.examples) else ""
            return f"the input {name!r}{whose} is not finite"
    with _watching(network) as seen:
        loss = run().total
    if seen:
        return f"the first output that is not finite is that of {seen[0]}"
    if not bool(torch.isfinite(loss)):
        return "all outputs of the network's layers are finite, their loss is not"
    named = {n: p for n, p in network.named_parameters() if p.requires_grad}
    gradients = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    for name, gradient in zip(named, gradients, strict=True):
        if gradient is not None and not bool(torch.isfinite(gradient).all()):
            return f"the gradient of {name!r} is not finite"
    return NOTHING_FOUND


def _bad_row(array: Any) -> int | None:
    if not isinstance(array, Tensor) or not array.is_floating_point() or not array.numel():
        return None
    finite = torch.isfinite(array).flatten(1).all(dim=1) if array.ndim > 1 else torch.isfinite(array)
    return None if bool(finite.all()) else int(torch.argmin(finite.int()))


@contextmanager
def _watching(network: nn.Module) -> Iterator[list[str]]:
    """The layers whose outputs are not finite, in the order in which they end, by name and class."""
    seen: list[str] = []

    def watch(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hear(module: nn.Module, inputs: Any, outputs: Any) -> None:
            if any(t.is_floating_point() and not bool(torch.isfinite(t).all()) for t in _tensors(outputs)):
                seen.append(f"the layer {name!r} ({type(module).__name__})")

        return hear

    handles = [module.register_forward_hook(watch(name)) for name, module in network.named_modules() if name]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _tensors(item)
