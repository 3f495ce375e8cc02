"""Small networks that the probes share."""

import itertools

import torch
from torch import nn


class Dense(nn.Module):
    """A multilayer perceptron from named arrays, flattened and concatenated, to one named output."""

    def __init__(self, inputs, output, sizes):
        super().__init__()
        self.inputs, self.output = inputs, output
        layers = [m for a, b in itertools.pairwise(sizes) for m in (nn.Linear(a, b), nn.SiLU())]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, arrays, state=None):
        x = torch.cat([arrays[name].float().flatten(1) for name in self.inputs], 1)
        return {self.output: self.layers(x)}, state


class Adversaries(nn.Module):
    """A generator of points in the plane and its critic, as two named calls."""

    calls = ("generate", "criticise")

    def __init__(self, noise):
        super().__init__()
        self.generator = Dense(("noise",), "point", [noise, 32, 2])
        self.critic = Dense(("point",), "score", [2, 64, 64, 1])

    def generate(self, arrays, state=None):
        return self.generator(arrays, state)

    def criticise(self, arrays, state=None):
        return self.critic(arrays, state)


class Speller(nn.Module):
    """A gated recurrent network over letters: forward over whole words, step with its memory as cache."""

    calls = ("forward", "step")

    def __init__(self, letters, width):
        super().__init__()
        self.embedding = nn.Embedding(letters, width)
        self.cell = nn.GRUCell(width, width)
        self.head = nn.Linear(width, letters)

    def step(self, arrays, state=None):
        x = self.embedding(arrays["token"].long())
        memory = self.cell(x, None if state is None else state["memory"])
        return {"logits": self.head(memory)}, {"memory": memory}

    def forward(self, arrays, state=None):
        logits = []
        for token in arrays["word"].unbind(1):
            out, state = self.step({"token": token}, state)
            logits.append(out["logits"])
        return {"logits": torch.stack(logits, 1)}, state


class Spots(nn.Module):
    """A picture (n, 1, h, w) to a map of logits (n, h, w): where the points are."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.SiLU(), nn.Conv2d(16, 16, 3, padding=1), nn.SiLU(), nn.Conv2d(16, 1, 1)
        )

    def forward(self, arrays, state=None):
        return {"map": self.layers(arrays["image"].float() / 255)[:, 0]}, state
