"""unfilled: names, shapes and types are those of a real network; torch's compiler stays out; nothing outside is changed."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from deepwell.nn.layers.transformer import TransformerShape
from deepwell.nn.networks.encoder_decoder import EncoderDecoder
from deepwell.nn.unfilled import unfilled

SHAPE = TransformerShape(16, 2, 2, 24)


def parts():
    inner = nn.Linear(4, 3)
    nn.init.normal_(tensor=inner.weight, std=2.0)
    nn.init.zeros_(inner.bias)
    return nn.ModuleList(
        [inner, nn.Embedding(5, 4), nn.EmbeddingBag(5, 4), nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.GRU(4, 4),
         nn.MultiheadAttention(4, 2)]
    )  # fmt: skip


@pytest.mark.parametrize("build", [parts, lambda: EncoderDecoder(50, 50, SHAPE, SHAPE)], ids=["layers", "network"])
def test_names_shapes_and_types_are_those_of_a_real_network(build):
    real = build()
    with unfilled():
        empty = build()
    assert all(p.is_meta for p in empty.parameters())
    facts = [{n: (t.shape, t.dtype) for n, t in m.state_dict().items()} for m in (real, empty)]
    assert facts[0] == facts[1]
    empty.load_state_dict(real.state_dict(), assign=True)
    assert not any(t.is_meta for t in [*empty.parameters(), *empty.buffers()])


def test_outside_weights_are_filled_as_ever():
    with unfilled():
        nn.Linear(2, 2)
    torch.manual_seed(0)
    expected = nn.Linear(2, 2)
    torch.manual_seed(0)
    assert torch.equal(nn.Linear(2, 2).weight, expected.weight)
    assert expected.weight.any()


def test_torchs_compiler_is_not_imported():
    code = """
import sys
from torch import nn
from deepwell.nn.unfilled import unfilled
with unfilled():
    nn.Embedding(3, 4), nn.Linear(3, 4), nn.Conv1d(3, 4, 3)
print("torch._dynamo" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
