"""ImageNetwork: outputs for every kind of input, column names of any sort, and what the optimiser may touch."""

import pytest
import torch

from deepwell.nn.layers.pictures import PictureShape
from deepwell.nn.networks.image import ImageNetwork, module_name


def build(pictures=None, numbers=None, categories=None, targets=None, dropout=0.0):
    torch.manual_seed(0)
    return ImageNetwork(
        pictures=pictures or {"image": (1, 8, 8)},
        numbers=numbers or {},
        categories=categories or {},
        targets=targets or {"label": 3},
        shape=PictureShape(4, 1),
        dropout=dropout,
    )


def pictures(rows, size=(1, 8, 8)):
    return torch.randint(0, 256, (rows, *size), dtype=torch.uint8)


@pytest.mark.parametrize("size", [(1, 8, 8), (1, 28, 28), (3, 96, 128)])
@pytest.mark.parametrize("rows", [1, 5])
def test_one_row_of_logits_per_picture(size, rows):
    outputs, state = build({"image": size}).eval()({"image": pictures(rows, size)})
    assert state is None
    assert {n: tuple(t.shape) for n, t in outputs.items()} == {"label.logits": (rows, 3)}


def test_several_pictures_scalars_and_targets_together():
    network = build(
        {"front": (1, 8, 8), "back": (3, 20, 9)}, {"age": (2, 7)}, {"site": 4}, {"label": 3, "dose": None}
    ).eval()
    arrays = {
        "front": pictures(6), "back": pictures(6, (3, 20, 9)),
        "inputs.number": torch.randn(6, 2), "inputs.number.position": torch.rand(6, 1),
        "inputs.category": torch.randint(0, 4, (6, 1)),
    }  # fmt: skip
    outputs, _ = network(arrays)
    assert outputs["label.logits"].shape == (6, 3)
    assert outputs["dose.value"].shape == (6,)
    changed, _ = network({**arrays, "inputs.category": (arrays["inputs.category"] + 1) % 4})
    assert not torch.equal(changed["label.logits"], outputs["label.logits"])
    assert {name.split(".")[1] for name, _ in network.encoder.named_parameters(prefix="encoder")} == {
        "front", "back", "number", "category"
    }  # fmt: skip


def test_rows_do_not_see_each_other_when_answering():
    network = build().eval()
    rows = pictures(7)
    together, _ = network({"image": rows})
    turned, _ = network({"image": rows.flip(0)})
    torch.testing.assert_close(turned["label.logits"].flip(0), together["label.logits"])


@pytest.mark.parametrize("column", ["image", "image.path", "keys", "training", "", "50%", "a b", "números"])
def test_any_column_name_can_be_a_picture(column):
    outputs, _ = build({column: (1, 8, 8)}).eval()({column: pictures(2)})
    assert outputs["label.logits"].shape == (2, 3)


def test_different_columns_get_different_modules():
    columns = ["a.b", "a%2Eb", "a_b", "keys", "keys%", "", "%", "number", "category"]
    assert len({"number", "category", *map(module_name, columns)}) == len(columns) + 2
    assert module_name("image") == "image"
