"""The judge: it tells classes and turns apart, is the same each time, may come from a bundle, and refuses what it cannot use."""

import numpy as np
import pytest
import torch

import deepwell as dw
from deepwell.core.errors import BundleError, DataError
from deepwell.core.fields import Field, Schema
from deepwell.core.table import Table
from deepwell.families import judging
from deepwell.families.judging import BLOCKS, WIDTH, JudgedPictures, found, seen, trained
from deepwell.families.watching import Watched

SCHEMA = Schema((Field("image", "image"), Field("label", "category")))


def bars(n=200, seed=0):
    draws = np.random.default_rng(seed)
    kind, place = draws.integers(0, 2, n), draws.integers(1, 8, n)
    pictures = draws.integers(0, 40, (n, 1, 12, 12)).astype(np.uint8)
    for picture, across, at in zip(pictures, kind, place, strict=True):
        if across:
            picture[0, at : at + 3] = 220
        else:
            picture[0, :, at : at + 3] = 220
    return pictures, kind


def table(n=200):
    pictures, kind = bars(n)
    return Table({"image": pictures[:, 0], "label": np.array(["down", "across"], object)[kind]})


def spec(classes):
    return (1, 12, 12, WIDTH, BLOCKS, classes)


def fitted(n=200, judge=""):
    return JudgedPictures(SCHEMA, "image", "label", 64, judge).fit(table(n))


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """A run that tells bars apart."""
    out = str(tmp_path_factory.mktemp("runs"))
    return dw.train(table(), task="image_classification", target="label", steps=3, device="cpu", out=out, sinks=())


def test_features_tell_classes_apart_also_where_none_were_told():
    pictures, kind = bars(400)
    fresh, other = bars(100, 1)
    for labels, classes in ((kind, 2), (None, 4)):
        network = trained(pictures, labels, spec(classes))
        known, asked = seen(network, pictures), seen(network, fresh)
        nearest = ((asked[:, None] - known[None]) ** 2).sum(2).argmin(1)
        assert (kind[nearest] == other).mean() > 0.9


def test_the_same_pictures_give_the_same_judge_and_leave_draws_alone():
    pictures, kind = bars(80)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, two = (trained(pictures, kind, spec(2)).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_pipeline_has_a_judge_after_fitting_and_stores_only_how_it_is_built():
    pipeline = fitted()
    assert pipeline.judge_ is not None
    assert not any(p.requires_grad for p in pipeline.judge_.parameters())
    assert pipeline.sizes()["image.judge"] == (1, 12, 12, WIDTH, BLOCKS, 3)  # two classes and none
    again = JudgedPictures(SCHEMA, "image", "label", 64).restore(pipeline.state())
    assert again.judge_ is None
    assert again.sizes() == pipeline.sizes()


def test_pictures_are_looked_up_among_all_training_pictures_up_to_a_cap(monkeypatch):
    pipeline = fitted()
    encoded = pipeline.encode(table())
    pipeline.watched_ = Watched(encoded, {"noise": np.zeros((1, 4), np.float32)}, (1, 12, 12))
    own = encoded.columns["image"]
    near, looked = pipeline.nearest(own[[199, 3, 120]])
    assert looked == 200
    assert np.array_equal(near, own[[199, 3, 120]])
    monkeypatch.setattr(judging, "LOOKED_THROUGH", 2)
    pipeline.watched_ = Watched(encoded, {"noise": np.zeros((1, 4), np.float32)}, (1, 12, 12))
    near, looked = pipeline.nearest(own[[199, 0]])
    assert looked == 2
    assert np.array_equal(near, own[[199, 0]])  # spread evenly: the first and the last


@pytest.mark.parametrize(
    "wrong", [None, [1, 2], [1, 12, 12, 16, 1, "2"], [0, 12, 12, 16, 1, 2], [1, 12, 12, 16, 1, -2]]
)
def test_a_stored_judge_that_cannot_be_is_refused(wrong):
    state = {**fitted().state(), "image.judge": wrong}
    with pytest.raises(BundleError, match="what the judge of pictures is built from"):
        JudgedPictures(SCHEMA, "image", "label", 64).restore(state)


def test_too_few_pictures_and_pictures_all_alike_are_refused():
    with pytest.raises(DataError, match="3 pictures are too few"):
        JudgedPictures(SCHEMA, "image", "label", 64).fit(table(200).take(np.array([0, 1, 2])))
    plain = table().with_columns({"image": np.full((200, 12, 12), 7, np.uint8)})
    with pytest.raises(DataError, match="all pictures are alike"):
        JudgedPictures(SCHEMA, "image", "label", 64).fit(plain)


def test_the_encoder_of_a_bundle_judges_as_it_saw_in_its_own_network(classifier):
    pipeline = fitted(judge=str(classifier.directory.path))
    assert pipeline.spec_[5] == 0  # it came trained
    assert str(classifier.directory.path) in pipeline.said()[-1]
    pictures, _ = bars(5, 3)
    network = classifier.model.network.eval()
    with torch.no_grad():
        theirs = network.encoder["image"](torch.from_numpy(pictures))
    assert np.allclose(seen(pipeline.judge_, pictures), theirs.numpy(), atol=1e-4)


def test_a_judge_that_reads_other_columns_is_refused(tmp_path):
    draws = np.random.default_rng(0)
    rows = Table({"a": draws.normal(size=200), "b": draws.normal(size=200), "y": draws.normal(size=200)})
    other = dw.train(rows, task="tabular", target="y", steps=1, device="cpu", out=str(tmp_path), sinks=())
    with pytest.raises(
        BundleError, match=r"it reads 'a' \(number\), 'b' \(number\); a judge reads one column of pictures"
    ):
        found(str(other.directory.path))


def test_a_truncated_judge_is_refused(classifier, tmp_path):
    broken = tmp_path / "broken.well"
    data = classifier.directory.model.read_bytes()
    broken.write_bytes(data[: len(data) // 2])
    with pytest.raises(BundleError, match=r"broken\.well"):
        found(str(broken))
