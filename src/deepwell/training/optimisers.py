"""Optimisers by name: sgd, adam, adamw, rmsprop, muon; decay only where it belongs, and no wait for the device between steps.

A network can have single parameters treated apart: another step size, no decay, left to Adam (nn/treatment.py).
Unusual: the loss is a sum, so gradients are divided by units inside the optimiser (`grad_scale`), and a non-finite gradient
skips the step by a flag on the device (`found_inf`). What is remembered is there from the start, as zeros, so that the lists
that the kernels get are made once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from deepwell.core.config import OPTIMISERS, Recipe
from deepwell.core.errors import ConfigError, nearest
from deepwell.nn.treatment import treatment
from deepwell.training.muon import Muon, hidden
from deepwell.training.rules import SGD, Adam, Part, RMSprop, Rule

MOMENTUM = {"sgd": 0.9, "muon": 0.95}
"""The momentum of those that have one, where the recipe leaves it open; 0 elsewhere."""
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


def make(network: nn.Module, names: Sequence[str], recipe: Recipe, fused: bool) -> Optimiser:
    """The optimiser that a recipe asks for, over the network's parameters `names`.

    fused: with torch's one-pass kernels (adamw, adam, sgd). Decay is as each optimiser's source has it (see rules.py): apart
    from the gradient in adamw and muon, L2 in sgd and rmsprop, none in adam. Raises ConfigError for another name.
    """
    name = recipe.optimiser
    if name not in OPTIMISERS:
        raise ConfigError(f"there is no optimiser {name!r}{nearest(name, OPTIMISERS)}")
    parameters, decaying = dict(network.named_parameters()), matrices(network)
    momentum = MOMENTUM.get(name, 0.0) if recipe.momentum is None else recipe.momentum
    rule: Rule = Adam(fused)
    if name == "sgd":
        rule = SGD(momentum, recipe.nesterov, fused)
    if name == "rmsprop":
        rule = RMSprop(momentum)
    rules = dict.fromkeys(names, rule)
    if name == "muon":
        rules |= dict.fromkeys(hidden(network, names, decaying), Muon(momentum, recipe.nesterov))
    decay = 0.0 if name == "adam" else recipe.weight_decay
    return Optimiser({n: parameters[n] for n in names}, rules, {n: decay for n in names if n in decaying})


def moments(recipe: Recipe) -> int:
    """How many tensors as large as a weight the recipe's optimiser remembers for it; of muon, the most."""
    momentum = MOMENTUM.get(recipe.optimiser, 0.0) if recipe.momentum is None else recipe.momentum
    return {"sgd": int(momentum > 0), "rmsprop": 1 + int(momentum > 0)}.get(recipe.optimiser, 2)


def matrices(network: nn.Module) -> set[str]:
    """Names of the parameters that decay: two axes or more, and neither embedding, norm nor bias."""
    found = set()
    for prefix, module in network.named_modules():
        if isinstance(module, NEVER_DECAYED):
            continue
        for name, parameter in module.named_parameters(recurse=False):
            is_bias = name == "bias" or name.startswith("bias_") or name.endswith("_bias")
            if parameter.ndim >= 2 and not is_bias and treatment(parameter).decays:
                found.add(f"{prefix}.{name}" if prefix else name)
    return found


class Optimiser:
    """Named parameters, each moved by its rule.

    parameters: name -> parameter, where it will stay (device, type, memory layout). rules: name -> rule. decays: name ->
    weight decay, 0 for those without.
    """

    def __init__(
        self, parameters: Mapping[str, nn.Parameter], rules: Mapping[str, Rule], decays: Mapping[str, float]
    ) -> None:
        members: dict[tuple[object, ...], list[str]] = {}
        for name, parameter in parameters.items():
            rule, scale = rules[name], treatment(parameter).lr_scale
            alike = (id(rule), scale, decays.get(name, 0.0), parameter.dtype, rule.alike(parameter))
            members.setdefault(alike, []).append(name)
        self._groups = [
            _Group({n: parameters[n] for n in names}, rules[names[0]], decays.get(names[0], 0.0))
            for names in members.values()
        ]
        self.reads_flag = next(iter(parameters.values())).device.type == "cpu"
        """Whether the host asks for the flag before a step: on the CPU that costs nothing."""

    def step(self, learning_rate: float, grad_scale: Tensor, found_inf: Tensor) -> None:
        """One step. Gradients are divided by grad_scale (scalar); where found_inf (scalar) is 1, nothing changes at all.

        Both are float32. Parameters without a gradient stay as they are. The gradients are overwritten.
        """
        if self.reads_flag and found_inf.item():
            return
        with torch.no_grad():
            for group in self._groups:
                part = group.part()
                if part.parameters:
                    rate = learning_rate * group.scale
                    group.rule.move(part, rate, grad_scale, None if self.reads_flag else found_inf)

    def state(self) -> dict[str, Tensor]:
        """`WHAT.PARAMETER` -> tensor, copies; WHAT is what the rule remembers (step, exp_avg, momentum, ...)."""
        return {key: tensor.clone() for group in self._groups for key, tensor in group.named().items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `state` gave."""
        for group in self._groups:
            for key, tensor in group.named().items():
                tensor.copy_(state[key])


class _Group:
    """Parameters that one call of a rule moves, with what is remembered of them."""

    def __init__(self, parameters: Mapping[str, nn.Parameter], rule: Rule, decay: float) -> None:
        self.rule, self._decay = rule, decay
        self._names = list(parameters)
        self._parameters: list[Tensor] = list(parameters.values())
        first = self._parameters[0]
        self.scale = treatment(first).lr_scale
        self._memory = {what: [torch.zeros_like(p.detach()) for p in self._parameters] for what in rule.keeps}
        self._counts = [torch.zeros(len(self._names), device=first.device)] if rule.counts else []
        if rule.counts:
            self._memory["step"] = list(self._counts[0].unbind())  # each looks into the one tensor that is raised

    def part(self) -> Part:
        """What the next step moves: usually all of it, else what has a gradient."""
        gradients = [p.grad for p in self._parameters]
        has = [i for i, gradient in enumerate(gradients) if gradient is not None]
        found = [gradient for gradient in gradients if gradient is not None]
        if len(has) == len(gradients):
            return Part(self._parameters, found, self._memory, self._counts, self._decay)
        memory = {what: [tensors[i] for i in has] for what, tensors in self._memory.items()}
        return Part([self._parameters[i] for i in has], found, memory, memory.get("step", []), self._decay)

    def named(self) -> dict[str, Tensor]:
        """`WHAT.PARAMETER` -> the tensor itself."""
        return {
            f"{what}.{name}": tensor
            for what, tensors in self._memory.items()
            for name, tensor in zip(self._names, tensors, strict=True)
        }


def gradient_norm(gradients: Sequence[Tensor]) -> Tensor:
    """The Euclidean norm of all gradients together, a float32 scalar on the device."""
    norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(list(gradients))))
    return norm.float()
