"""Plan: rules with reasons, the user's word over them."""

import json

import pytest
import torch
from torch import nn

from deepwell.core.errors import ConfigError
from deepwell.training.plan import Plan, choose, has_bfloat16, over_pictures, physical_cores

CONV = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(4, 2))
MLP = nn.Linear(3, 2)
on_cpu = pytest.mark.skipif(torch.cuda.is_available(), reason="says what is chosen without a CUDA device")


@on_cpu
def test_rules():
    plan = choose(MLP, examples=30000)
    assert (plan.device, plan.precision, plan.channels_last, plan.batch_size) == ("cpu", "float32", False, 256)
    assert 1 <= plan.threads <= physical_cores()
    assert choose(CONV).channels_last
    assert choose(CONV, batch_size=48).batch_size == 48
    assert choose(CONV, {"convolutional": False}).precision == "float32"
    assert not choose(nn.Conv3d(1, 1, 1)).channels_last


def test_each_field_has_a_reason_and_survives_json():
    plan = choose(CONV, examples=1000)
    assert set(plan.reasons) == set(plan.to_json()) - {"reasons"}
    assert all(plan.reasons.values())
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_a_plan_in_words():
    plan = Plan(threads=2, precision="bfloat16", channels_last=True, batch_size=256)
    assert str(plan) == "cpu, 2 threads, bfloat16, channels-last, 256 examples a step"
    other = Plan(batch_size=256, micro_batch=64, fused=False, compile=True)
    assert str(other) == "cpu, 1 thread, float32, optimiser not fused, compiled, 256 examples a step, 64 at once"
    assert str(Plan(batch_size=64, micro_batch=64)) == "cpu, 1 thread, float32, 64 examples a step"


def test_plans_from_before_compilation_are_read():
    assert not Plan.from_json({"threads": 2, "reasons": {"threads": "asked for"}}).compile


def test_layout_is_a_question_for_pictures_only():
    assert over_pictures(CONV)
    assert not over_pictures(MLP)
    assert not over_pictures(nn.Sequential(CONV, nn.Conv3d(1, 1, 1)))
    assert choose(nn.Conv3d(1, 1, 1)).reasons["channels_last"] == "not for volumes"
    assert choose(MLP).reasons["channels_last"] == "no convolutions over pictures"


def test_bfloat16_is_asked_of_the_device(monkeypatch):
    assert not has_bfloat16("mps")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: not including_emulation)
    assert has_bfloat16("cuda")
    monkeypatch.setattr("deepwell.training.plan.has_bfloat16", lambda device: False)
    assert choose(CONV, user={"device": "cpu"}).reasons["precision"] == "no bfloat16 instructions"


def test_large_matrices_begin_in_bfloat16_where_the_processor_has_it(monkeypatch):
    monkeypatch.setattr("deepwell.training.plan.has_bfloat16", lambda device: True)
    assert choose(MLP, {"matrices": True}, {"device": "cpu"}).precision == "bfloat16"
    assert choose(MLP, {}, {"device": "cpu"}).precision == "float32"


def test_the_user_decides():
    plan = choose(CONV, {}, {"device": "cpu", "threads": "3", "precision": "float32", "channels_last": "no"})
    assert (plan.threads, plan.precision, plan.channels_last) == (3, "float32", False)
    assert plan.reasons["threads"] == "asked for"
    assert choose(MLP, {}, {"device": "auto"}).reasons["device"] != "asked for"


@pytest.mark.parametrize(
    ("user", "text"),
    [
        ({"thread": 2}, "did you mean 'threads'"),
        ({"compile": "perhaps"}, "compile must be true or false"),
        ({"threads": 0}, "threads must be a whole number from 1"),
        ({"precision": "bf16"}, "did you mean 'bfloat16'"),
        ({"device": "gpu"}, "device 'gpu' cannot be used"),
        ({"device": "cuda:99"}, "device 'cuda:99' cannot be used"),
    ],
)
def test_bad_wishes_are_taught(user, text):
    with pytest.raises(ConfigError, match=text):
        choose(MLP, {}, user)
