"""The judge: it tells classes and turns apart, is the same each time, and refuses what nothing can be learnt from."""

import numpy as np
import pytest
import torch

from deepwell.core.errors import DataError
from deepwell.core.fields import Field, Schema
from deepwell.core.table import Table
from deepwell.families.judging import JudgedPictures, seen, trained

SCHEMA = Schema((Field("image", "image"), Field("label", "category", "target")))


def bars(n=200, seed=0):
    draws = np.random.default_rng(seed)
    kind, place = draws.integers(0, 2, n), draws.integers(1, 8, n)
    pictures = draws.integers(0, 40, (n, 1, 12, 12)).astype(np.uint8)
    for picture, across, at in zip(pictures, kind, place, strict=True):
        picture[0, at : at + 3] = 220 if across else picture[0, at : at + 3]
        picture[0, :, at : at + 3] = picture[0, :, at : at + 3] if across else 220
    return pictures, kind


def table(n=200):
    pictures, kind = bars(n)
    return Table({"image": pictures[:, 0], "label": np.array(["down", "across"], object)[kind]})


def test_features_tell_classes_apart_also_where_none_were_told():
    pictures, kind = bars()
    fresh, other = bars(100, 1)
    for labels, classes in ((kind, 2), (None, 0)):
        network = trained(pictures, labels, classes)
        known, asked = seen(network, pictures), seen(network, fresh)
        nearest = ((asked[:, None] - known[None]) ** 2).sum(2).argmin(1)
        assert (kind[nearest] == other).mean() > 0.9


def test_the_same_pictures_give_the_same_judge_and_leave_draws_alone():
    pictures, kind = bars(80)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, two = (trained(pictures, kind, 2).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(p.requires_grad for p in trained(pictures, kind, 2).parameters())


def test_a_pipeline_has_a_judge_after_fitting_and_stores_none():
    pipeline = JudgedPictures(SCHEMA, "image", "label", 64).fit(table())
    assert pipeline.judge_ is not None
    assert len(pipeline.training_) == len(pipeline.seen_) == 200
    again = JudgedPictures(SCHEMA, "image", "label", 64).restore(pipeline.state())
    assert again.judge_ is None
    assert not len(again.training_)


def test_too_few_pictures_and_pictures_all_alike_are_refused():
    with pytest.raises(DataError, match="3 pictures are too few"):
        JudgedPictures(SCHEMA, "image", "label", 64).fit(table(200).take(np.array([0, 1, 2])))
    plain = table().with_columns({"image": np.full((200, 12, 12), 7, np.uint8)})
    with pytest.raises(DataError, match="all pictures are alike"):
        JudgedPictures(SCHEMA, "image", "label", 64).fit(plain)
