"""summary: a table of the layers, as Keras 3 prints it.

Unusual: drawn by rich without colours into a text, which is then printed or handed to print_fn.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from deepwell.core.errors import ConfigError, nearest
from deepwell.keras.functional import InputLayer
from deepwell.keras.layer import Layer

UNITS = ("B", "KB", "MB", "GB", "TB")


@dataclass(frozen=True)
class Wanted:
    """How the table should look; None: as Keras has it. positions: where columns end, as shares of the line."""

    line_length: int | None = None
    positions: Sequence[float] | None = None
    expand_nested: bool = False
    show_trainable: bool = False
    layer_range: Sequence[str] | None = None


def text(model: Any, wanted: Wanted) -> str:
    """The summary of a model. Raises ConfigError for a line too short, and a layer range that names no layer."""
    from rich import box
    from rich.console import Console
    from rich.table import Column, Table

    plain = _is_plain(model)
    header = (
        ["Layer (type)", "Output Shape", "Param #"]
        if plain
        else (["Layer (type)", "Output Shape", "Param #", "Connected to"])
    )
    shares = list(wanted.positions or ([0.45, 0.80, 1.0] if plain else [0.3, 0.56, 0.74, 1.0]))
    usual = (88 if plain else 108) + (12 if wanted.show_trainable else 0)
    if wanted.show_trainable:
        header, shares = [*header, "Trainable"], [*(0.9 * share for share in shares), 1.0]
    length = wanted.line_length or min(usual, shutil.get_terminal_size().columns - 4)
    ends = [int(share * length) for share in shares]
    widths = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    if min(widths) < 4:
        raise ConfigError(f"a summary needs more room than {length} characters a line")
    columns = [Column(name, width=width) for name, width in zip(header, widths, strict=True)]
    columns[2].justify = "right"
    if wanted.show_trainable:
        columns[-1].justify = "center"
    table = Table(*columns, width=length, show_lines=True, box=box.HEAVY_HEAD)
    for row in _rows(model, wanted, plain):
        table.add_row(*row)
    console = Console(highlight=False, color_system=None, force_terminal=False, markup=False, width=max(length, 80))
    with console.capture() as captured:
        console.print(f'Model: "{model.name}"')
        console.print(table)
        for title, weights in (
            ("Total", model.weights),
            ("Trainable", model.trainable_weights),
            ("Non-trainable", model.non_trainable_weights),
        ):
            count = sum(w.tensor.numel() for w in weights)
            console.print(f" {title} params: {count:,} ({_size(sum(w.tensor.nbytes for w in weights))})")
    return "\n".join(line.rstrip() for line in captured.get().rstrip("\n").split("\n"))


def _is_plain(model: Any) -> bool:
    """Whether the layers simply follow one another."""
    if not model.is_wired or model.is_own or hasattr(model, "_stack"):
        return True
    calls = model.wiring.calls
    layers = [call.layer for call in calls]
    read = [id(value) for call in calls for value in call.values]
    alone = all(len(call.values) == 1 for call in calls) and len(model.inputs) == 1
    return alone and len(set(layers)) == len(layers) and len(set(read)) == len(read)


def _rows(model: Any, wanted: Wanted, plain: bool) -> Iterator[list[str]]:
    for layer in _ranged(model.layers, wanted.layer_range):
        yield from _row(model, layer, wanted, plain, 0)


def _row(model: Any, layer: Layer, wanted: Wanted, plain: bool, depth: int) -> Iterator[list[str]]:
    before = "   " * depth + "└ " if depth else ""
    numbers = f"{layer.count_params():,}" if layer.built else "0 (unbuilt)"
    row = [f"{before}{layer.name} ({type(layer).__name__})", _shape(layer), numbers]
    if not plain:
        row.append(_connected(model, layer))
    if wanted.show_trainable:
        row.append("-" if not layer.weights else "Y" if layer.trainable else "N")
    yield row
    if wanted.expand_nested:
        for inner in getattr(layer, "layers", []):
            yield from _row(model, inner, wanted, plain, depth + 1)


def _shape(layer: Layer) -> str:
    if not layer.calls:
        inner = getattr(layer, "outputs", None) if getattr(layer, "is_wired", False) else None
        return "?" if not inner else ", ".join(str(v.shape) for v in inner)
    shapes = [str(value.shape) for value in layer.calls[0].outputs]
    return shapes[0] if len(shapes) == 1 else f"[{', '.join(shapes)}]"


def _connected(model: Any, layer: Layer) -> str:
    """What the layer reads in this model: LAYER[call][output]."""
    if isinstance(layer, InputLayer):
        return "-"
    inside = {id(call) for call in model.wiring.calls}
    read = [value for call in layer.calls if id(call) in inside for value in call.values]
    return ", ".join(f"{v.call.layer.name}[{v.call.number}][{v.index}]" for v in read if v.call is not None) or "-"


def _ranged(layers: Sequence[Layer], names: Sequence[str] | None) -> Sequence[Layer]:
    if names is None:
        return layers
    known = [layer.name for layer in layers]
    for name in names:
        if name not in known:
            raise ConfigError(f"there is no layer {name!r}{nearest(name, known)}")
    first, last = known.index(names[0]), known.index(names[-1])
    return layers[min(first, last) : max(first, last) + 1]


def _size(count: float) -> str:
    unit = 0
    while count >= 1024 and unit < len(UNITS) - 1:
        count, unit = count / 1024, unit + 1
    return f"{count:.2f} {UNITS[unit]}"
