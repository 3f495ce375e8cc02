"""Plan: how this machine runs a training. Chosen here by stated rules, then measured (probe.py); any field can be fixed.

Unusual: each field keeps the reason why it has its value, and the whole plan is one record, so a run can be repeated with
exactly this plan on another day.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import torch
from torch import nn

from deepwell.core.config import Knob, options
from deepwell.core.errors import ConfigError, nearest
from deepwell.training.order import chosen_batch_size, window_of
from deepwell.training.rules import Adam, Part

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
AUTO = "auto"
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Plan:
    """How this machine runs a training. reasons: field -> why it has its value."""

    device: Annotated[str, Knob("where the network runs, e.g. cpu or cuda")] = "cpu"
    threads: Annotated[int, Knob("threads of one operation on the CPU", "threads", 1, 1024)] = 1
    precision: Annotated[str, Knob("of the network's arithmetic in training", choices=tuple(PRECISIONS))] = "float32"
    channels_last: Annotated[bool, Knob("pictures in memory with the channels innermost")] = False
    batch_size: Annotated[int, Knob("examples behind one update", "examples", 1, 1_000_000)] = 64
    micro_batch: Annotated[int, Knob("examples at once; 0: the whole batch", "examples", 0, 1_000_000)] = 0
    fused: Annotated[bool, Knob("the optimiser updates all weights in one pass")] = True
    compile: Annotated[bool, Knob("training runs the network as torch.compile makes it")] = False
    window: Annotated[int, Knob("examples that are shuffled together; 0: all", "examples", 0, 2**40)] = 0
    reasons: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON values, reasons included; `from_json` reads them back."""
        return {**dataclasses.asdict(self), "reasons": dict(self.reasons)}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Plan:
        """The plan that `to_json` wrote. Raises ConfigError for unknown fields and bad values."""
        rest = {name: v for name, v in value.items() if name != "reasons"}
        return Plan(**_checked(rest), reasons=dict(value.get("reasons", {})))

    def __str__(self) -> str:
        extras = [
            *(["channels-last"] if self.channels_last else []),
            *([] if self.fused else ["optimiser not fused"]),
            *(["compiled"] if self.compile else []),
        ]
        at_once = f", {self.micro_batch} at once" if 0 < self.micro_batch < self.batch_size else ""
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        words = ", ".join([self.device, threads, self.precision, *extras])
        return f"{words}, {self.batch_size} examples a step{at_once}"


def choose(
    network: nn.Module,
    hints: Mapping[str, Any] | None = None,
    user: Mapping[str, Any] | None = None,
    *,
    examples: int | None = None,
    batch_size: int = 0,
    bytes_per_example: float = 0.0,
) -> Plan:
    """The plan for a network by rules, with the user's choices over them.

    hints: Task.plan_hints; {"convolutional": bool} overrules what the modules show; {"matrices": True}: most of the time goes
    into products of large matrices, so bfloat16 is looked at first. user: Plan field -> value; a device of
    "auto" counts as not given. examples: training examples, None when endless. batch_size: Recipe.batch_size, 0 = by rule.
    bytes_per_example: encoded, for the window; 0 where examples are not slices of columns.
    Raises ConfigError: an unknown field (with the nearest), a bad value, a device that this machine lacks.
    """
    wishes = _checked({n: v for n, v in (user or {}).items() if not (n == "device" and v in (AUTO, None))})
    convolutional = bool(
        (hints or {}).get("convolutional", any(isinstance(m, CONVOLUTIONS) for m in network.modules()))
    )
    chosen: dict[str, tuple[Any, str]] = {"device": device(wishes.get("device", AUTO))}
    device_type = torch.device(chosen["device"][0]).type
    chosen["threads"] = _threads()
    chosen["precision"] = _precision(device_type, convolutional or bool((hints or {}).get("matrices")))
    chosen["channels_last"] = _layout(network, convolutional)
    chosen["batch_size"] = (batch_size, "the recipe's") if batch_size else chosen_batch_size(examples, convolutional)
    chosen["micro_batch"] = (0, "the whole batch fits")
    chosen["fused"] = _fused(device_type)
    chosen["compile"] = (False, "not measured: compiling costs more than a short training gains")
    batch = wishes.get("batch_size", chosen["batch_size"][0])
    chosen["window"] = (window_of(bytes_per_example, examples, batch), "as many as make 256 MB, or all")
    chosen |= {name: (value, "asked for") for name, value in wishes.items()}
    values = {name: value for name, (value, _) in chosen.items()}
    return Plan(**values, reasons={name: reason for name, (_, reason) in chosen.items()})


def physical_cores() -> int:
    """Physical cores that this process may use; where Linux does not say, all that the process may use."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    siblings = set()
    for cpu in allowed:
        path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        try:
            siblings.add(path.read_text())
        except OSError:
            return len(allowed)
    return len(siblings)


def _checked(values: Mapping[str, Any]) -> dict[str, Any]:
    known = {option.name: option for option in options(Plan)}
    for name in values:
        if name not in known:
            raise ConfigError(f"a plan has no field {name!r}{nearest(name, known)}")
    return {name: known[name].parse(value) for name, value in values.items()}


def device(asked: str = AUTO) -> tuple[str, str]:
    """The device to run on, and why. Raises ConfigError for one that torch does not know or cannot use here."""
    if asked == AUTO:
        if torch.cuda.is_available():
            return "cuda", "a CUDA device is present"
        return "cpu", "no CUDA device is present"
    try:
        torch.zeros(1, device=asked)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"the device {asked!r} cannot be used: {reason}", repair="--device cpu works") from None
    return asked, "asked for"


def _threads() -> tuple[int, str]:
    default, cores = torch.get_num_threads(), physical_cores()
    if default <= cores:
        return default, "torch's default"
    return cores, f"physical cores (torch's default is {default})"


def _precision(device: str, heavy: bool) -> tuple[str, str]:
    if device == "cuda":
        if has_bfloat16(device):
            return "bfloat16", "the CUDA device multiplies it natively"
        return "float32", "the CUDA device has no bfloat16"
    if device == "cpu" and heavy and has_bfloat16(device):
        return "bfloat16", "convolutions or large matrices on a processor with bfloat16 instructions"
    return "float32", "no convolutions or large matrices" if not heavy else "no bfloat16 instructions"


def _layout(network: nn.Module, convolutional: bool) -> tuple[bool, str]:
    if convolutional and over_pictures(network):
        return True, "convolutions over pictures read it faster"
    volumes = any(parameter.ndim == 5 for parameter in network.parameters())
    return False, "not for volumes" if volumes else "no convolutions over pictures"


def over_pictures(network: nn.Module) -> bool:
    """Whether channels-last is a layout for this network: weights with 4 axes and none with 5."""
    axes = {parameter.ndim for parameter in network.parameters()}
    return 4 in axes and 5 not in axes


def has_bfloat16(device_type: str) -> bool:
    """Whether the device multiplies bfloat16 natively; False where torch cannot say. device_type: cpu, cuda, ..."""
    if device_type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    test = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return device_type == "cpu" and test is not None and bool(test())


def _fused(device: str) -> tuple[bool, str]:
    """Whether torch's fused kernel runs on the device, found by one step of our rule: torch.optim would import the compiler."""
    tensors = [torch.zeros(1, device=device) for _ in range(4)]
    weight, gradient, first, second = ([tensor] for tensor in tensors)
    count = torch.zeros((), device=device)
    part = Part(weight, gradient, {"exp_avg": first, "exp_avg_sq": second, "step": [count]}, [count], 0.0)
    try:
        Adam(fused=True).move(part, 1.0, torch.ones((), device=device), None)
    except RuntimeError:
        return False, f"torch has no fused AdamW for {device}"
    return True, "one pass over the weights"
