"""Optimisers: AdamW with decay only where it belongs, and no wait for the device between steps.

Two hooks for networks that want parameters treated apart, set on the parameter itself when the network is built:
    parameter.lr_scale = 0.1      factor of the learning rate (default 1)
    parameter.decays = False      no weight decay, for a matrix that is an embedding or a bias in disguise
Unusual: the loss is a sum, so gradients are divided by units inside the optimiser (`grad_scale`), and a non-finite gradient
skips the step by a flag on the device (`found_inf`); both cost no pass over the weights and no wait.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

NEVER_DECAYED = (
    nn.Embedding,
    nn.EmbeddingBag,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
)


def matrices(network: nn.Module) -> set[str]:
    """Names of the parameters that decay: two axes or more, and neither embedding, norm nor bias."""
    found = set()
    for prefix, module in network.named_modules():
        if isinstance(module, NEVER_DECAYED):
            continue
        for name, parameter in module.named_parameters(recurse=False):
            is_bias = name == "bias" or name.startswith("bias_") or name.endswith("_bias")
            if parameter.ndim >= 2 and not is_bias and getattr(parameter, "decays", True):
                found.add(f"{prefix}.{name}" if prefix else name)
    return found


class AdamW:
    """AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101) over named parameters, with torch's implementation inside.

    parameters: name -> parameter. decaying: names that decay. weight_decay: decoupled, relative to the learning rate.
    fused: torch's one-pass kernel; without it each step waits for the device to learn whether it must be skipped.
    """

    def __init__(
        self, parameters: Mapping[str, nn.Parameter], decaying: set[str], weight_decay: float, fused: bool
    ) -> None:
        self._named = dict(parameters)
        self._fused = fused
        groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
        for name, parameter in self._named.items():
            kind = (float(getattr(parameter, "lr_scale", 1.0)), name in decaying)
            groups.setdefault(kind, []).append(parameter)
        self._scales = [scale for scale, _ in groups]
        self._inner = torch.optim.AdamW(
            [{"params": p, "weight_decay": weight_decay if decays else 0.0} for (_, decays), p in groups.items()],
            lr=0.0,
            fused=fused,
        )

    def step(self, learning_rate: float, grad_scale: Tensor, found_inf: Tensor) -> None:
        """One step. Gradients are divided by grad_scale (scalar); where found_inf (scalar) is 1, nothing changes at all."""
        for group, scale in zip(self._inner.param_groups, self._scales, strict=True):
            group["lr"] = learning_rate * scale
        if self._fused:
            self._inner.grad_scale, self._inner.found_inf = grad_scale, found_inf  # type: ignore[attr-defined]
        else:
            if found_inf.item():
                return
            torch._foreach_div_([p.grad for p in self._named.values() if p.grad is not None], grad_scale)
        self._inner.step()

    def state(self) -> dict[str, Tensor]:
        """`WHAT.PARAMETER` -> tensor, copies; WHAT is torch's name (step, exp_avg, exp_avg_sq)."""
        return {
            f"{what}.{name}": tensor.detach().clone()
            for name, parameter in self._named.items()
            for what, tensor in self._inner.state.get(parameter, {}).items()
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `state` gave."""
        self._inner.state.clear()
        for key, tensor in state.items():
            what, _, name = key.partition(".")
            parameter = self._named[name]
            device = "cpu" if what == "step" and not self._fused else parameter.device
            self._inner.state[parameter][what] = tensor.detach().to(device).clone()


def gradient_norm(gradients: Sequence[Tensor]) -> Tensor:
    """The Euclidean norm of all gradients together, a float32 scalar on the device."""
    norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(list(gradients))))
    return norm.float()
