"""doctor says what there is, and how fast it trains."""

import re

import deepwell as dw


def test_the_speed_of_the_machine_is_measured() -> None:
    everything = dw.doctor()
    assert set(everything) == {"versions", "machine", "torch"}
    assert everything["machine"]["cores"] >= 1
    found = everything["torch"]
    assert re.fullmatch(r"[\d.]+ [GT] FLOP/s", found["peak of float32, 1 thread"])
    for size in (64, 256):
        said = found[f"training at {size} examples a step"]
        told = r"\d thread.*: [\d,]+ rows/s.*; \d+% of the peak of (float32|bfloat16), \d threads?"
        assert re.fullmatch(told, said) or said.startswith("not measured: too few steps"), said
    assert "conv 32" in found["training measured on"]


def test_a_busy_machine_is_told(monkeypatch) -> None:
    from deepwell.training import probe, speed

    monkeypatch.setattr(speed, "peak", lambda *asked, device: 123.4e9)
    monkeypatch.setattr(probe, "measure", lambda job, seconds: (job.plan, probe.Measured()))
    found = dw.doctor()["torch"]
    assert found["peak of float32, 1 thread"] == "123 G FLOP/s"
    assert found["training at 64 examples a step"].startswith("not measured: too few steps")


def test_the_share_is_that_of_the_same_format_and_threads(monkeypatch) -> None:
    from dataclasses import replace

    from deepwell.training import flops, probe, speed

    peaks = {("float32", 1): 1e12}
    monkeypatch.setattr(speed, "peak", lambda name, threads, device: peaks.get((name, threads), 9e12))
    monkeypatch.setattr(flops, "step_flops", lambda job: 1e8)
    chosen = {"threads": 1, "precision": "float32"}
    measured = probe.Measured("so", 5_000.0, {}, 1.0)
    monkeypatch.setattr(probe, "measure", lambda job, seconds: (replace(job.plan, **chosen), measured))
    found = dw.doctor()["torch"]
    assert found["training at 64 examples a step"] == f"{measured}; 50% of the peak of float32, 1 thread"
    assert found["peak of float32, 1 thread"] == "1 T FLOP/s"
