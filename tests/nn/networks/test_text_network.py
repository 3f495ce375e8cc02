"""TextNetwork: its readers side by side, alone and with scalars beside them; what is padding has no influence."""

import numpy as np
import pytest
import torch

from deepwell.nn.networks.text import TextNetwork, TextShape, pooled

SHAPE = TextShape(4, 16, 1)
TEXTS = {"note": (300, 9, 7)}


def arrays(text="note", seed=0):
    torch.manual_seed(seed)
    return {
        text: torch.tensor([[40, 50, 60, 0, 0, 0, 0, 0], [0] * 8, [10, 11, 12, 13, 14, 15, 16, 17]]),
        f"{text}.length": torch.tensor([3, 0, 8]),
        f"{text}.words": torch.tensor([1, 3, 8]), f"{text}.words.row": torch.tensor([0, 0, 2]),
        f"{text}.letters": torch.tensor([2, 6]), f"{text}.letters.row": torch.tensor([0, 2]),
        "inputs.number": torch.randn(3, 2), "inputs.number.position": torch.rand(3, 1),
        "inputs.category": torch.tensor([[0], [1], [2]]),
    }  # fmt: skip


def network(texts=TEXTS, scalars=False, targets=None, shape=SHAPE, dropout=0.0):
    torch.manual_seed(1)
    numbers, categories = ({"age": (2, 5)}, {"kind": 3}) if scalars else ({}, {})
    return TextNetwork(texts, numbers, categories, targets or {"y": 4}, shape, dropout)


def test_the_answer_is_the_mean_of_the_readers_and_training_gives_each():
    module = network()
    outputs, state = module(arrays())
    assert state is None
    assert outputs["y.members"].shape == (3, 3, 4)
    torch.testing.assert_close(outputs["y.logits"], outputs["y.members"].mean(1))
    assert set(module.eval()(arrays())[0]) == {"y.logits"}


def test_without_layers_there_are_the_two_bags():
    assert network(shape=TextShape(4, 16, 0))(arrays())[0]["y.members"].shape == (3, 2, 4)


def test_several_targets_of_several_kinds():
    outputs, _ = network(targets={"y": 4, "price": None})(arrays())
    assert outputs["price.value"].shape == (3,)
    assert outputs["price.members"].shape == (3, 3)


def test_what_is_behind_the_length_has_no_influence():
    module, given = network().eval(), arrays()
    before = module(given)[0]["y.logits"]
    given["note"] = given["note"].clone()
    given["note"][0, 3:], given["note"][1] = 99, 200
    torch.testing.assert_close(module(given)[0]["y.logits"], before)


def test_every_reader_sees_what_stands_beside_the_text():
    module, given = network(scalars=True).eval(), arrays()
    module.train()
    before = module(given)[0]["y.members"]
    changed = {**given, "inputs.number": given["inputs.number"] + 1}
    difference = (module(changed)[0]["y.members"] - before).abs().amax(dim=(0, 2))
    assert (difference > 1e-6).all()


def test_several_texts_are_read_each_by_its_own_module():
    module = network(texts={"note": (300, 9, 7), "the title.": (300, 5, 5)})
    assert {n.split(".")[1] for n, _ in module.named_parameters() if n.startswith("encoder")} == {
        "note",
        "the_20_title_2e_",
    }
    other = {k: v.clamp(max=4) if k.endswith(("words", "letters")) else v for k, v in arrays("the title.").items()}
    given = {**arrays(), **other}
    assert module(given)[0]["y.logits"].shape == (3, 4)


def test_dropout_is_of_training_only():
    module, given = network(dropout=0.5), arrays()
    assert not torch.equal(module(given)[0]["y.logits"], module(given)[0]["y.logits"])
    module.eval()
    assert torch.equal(module(given)[0]["y.logits"], module(given)[0]["y.logits"])


def test_it_can_be_built_without_memory():
    with torch.device("meta"):
        module = network(scalars=True)
    assert all(p.is_meta for p in module.parameters())
    assert not list(module.buffers())


def test_pooling_is_the_mean_and_the_maximum_of_what_is_there():
    found = torch.tensor([[[1.0, -4.0], [3.0, -2.0], [9.0, 9.0]], [[5.0, 5.0]] * 3])
    result = pooled(found, torch.tensor([2, 0]))
    assert result.tolist() == [[2, -3, 3, -2], [0, 0, 0, 0]]


def test_every_table_and_head_learns():
    module = network(scalars=True)
    module(arrays())[0]["y.members"].square().sum().backward()
    learning = {n for n, p in module.named_parameters() if p.grad is not None and p.grad.any()}
    head = ("linear", "mix.0", "mix.2")
    assert learning >= {
        "encoder.note.words.table", "encoder.note.letters.table", "encoder.note.tokens.embedding.weight",
        "encoder.category.table.weight", *(f"heads.0.{m}.{part}.weight" for m in range(3) for part in head),
    }  # fmt: skip


# how it begins ---------------------------------------------------------------------------------------------------------
def rows(seed, truth):
    """Two batches of three rows each, with the truth about them."""
    given = [{n: a.numpy() for n, a in arrays(seed=seed + i).items()} for i in range(2)]
    return [{**one, "y": truth[3 * i : 3 * i + 3]} for i, one in enumerate(given)]


def test_the_bags_begin_as_naive_bayes_of_classes():
    module = network(targets={"y": 2}, shape=TextShape(4, 16, 0)).eval()
    truth = np.array([0, 1, 1, 0, 0, 1])
    module.begin(rows(0, truth))
    logits = module(arrays())[0]["y.logits"].detach().numpy()
    # Entries 1, 3 and 8 of words occur twice each: in rows 0 and 3 (class 0) and in rows 2 and 5 (class 1).
    count = np.ones((2, 9))
    count[0, [1, 3]] += 2
    count[1, 8] += 2
    ratio = np.diff(np.log(count / count.sum(1, keepdims=True)), axis=0)[0]
    found = module.encoder["note"].words.table.detach().numpy()
    np.testing.assert_allclose(found[:, 1] - found[:, 0], ratio, rtol=1e-5)
    assert logits[0, 0] > logits[0, 1]
    assert logits[2, 0] < logits[2, 1]


@pytest.mark.parametrize(
    ("targets", "truth"),
    [
        ({"y": None}, np.arange(6.0)),
        ({"y": 3}, np.eye(6, 3, dtype=np.uint8)),
        ({"y": 57}, np.zeros(6, np.int64)),
        ({"y": 2, "z": 2}, np.zeros(6, np.int64)),
    ],
)
def test_other_targets_begin_too_where_they_can(targets, truth):
    module = network(targets=targets)
    before = module.encoder["note"].words.table.detach().clone()
    module.begin(rows(0, truth))
    moved = not torch.equal(module.encoder["note"].words.table.detach(), before)
    assert moved == (len(targets) == 1 and targets["y"] != 57)
    assert all(torch.isfinite(p).all() for p in module.parameters())


def test_two_texts_begin_side_by_side():
    module = network(texts={"note": (300, 9, 7), "other": (300, 9, 7)}, targets={"y": 2}, shape=TextShape(4, 16, 0))
    single = rows(0, np.array([0, 1, 1, 0, 0, 1]))
    both = [{**one, **{k.replace("note", "other"): v for k, v in one.items()}} for one in single]
    module.begin(both)
    weight = module.heads[0][0].linear.weight.detach()
    assert torch.equal(weight[:, :2], torch.eye(2))
    assert torch.equal(weight[:, 4:6], torch.eye(2))
