"""doctor: the installation and the machine, and how fast it trains."""

from __future__ import annotations

from typing import Any

from deepwell.runs.machine import machine, versions

BATCHES = (64, 256)
SECONDS = 1.5
"""Most time to measure the training of one batch size; all peaks together take less than a second."""


def doctor() -> dict[str, Any]:
    """Versions, machine, devices and number formats that torch can use here, and its speed; takes some seconds.

    Under `torch` stand the peaks of a matrix product by number format and threads, and what a small convolutional network
    reaches in training under the plan that is measured for it: examples/s, and the share of the peak of the same format and
    threads.
    """
    found: dict[str, Any] = {"versions": versions(), "machine": machine()}
    import torch

    from deepwell.training import plan

    found["torch"] = {
        "threads": torch.get_num_threads(),
        "cuda": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "plan for a convolutional network": str(plan.choose(torch.nn.Conv2d(1, 1, 1))),
        "plan for another network": str(plan.choose(torch.nn.Linear(1, 1))),
        **_speed(),
    }
    return found


def _speed() -> dict[str, str]:
    """What is measured, in words -> the figure in words."""
    from deepwell.training import flops, plan, probe, sample, speed

    device, _ = plan.device()
    kind = device.partition(":")[0]
    counts = sorted({1, plan.physical_cores()}) if kind == "cpu" else [1]
    formats = ["float32", *(["bfloat16"] if plan.has_bfloat16(kind) else [])]
    peaks = {(name, n): speed.peak(name, n, device=device) for name in formats for n in counts}
    found = {f"peak of {_setting(name, n, kind)}": f"{_tera(peak)} FLOP/s" for (name, n), peak in peaks.items()}
    found["training measured on"] = sample.WORDS
    for size in BATCHES:
        job = sample.convolutional(size, device)
        chosen, measured = probe.measure(job, SECONDS)
        work = flops.step_flops(job)
        key = f"training at {size} examples a step"
        if not measured.rate or work is None:
            found[key] = "not measured: too few steps were finished in time; the machine is busy"
            continue
        peak = peaks.get((chosen.precision, chosen.threads)) or peaks["float32", counts[-1]]
        reached = speed.share(work, measured.rate, peak)
        found[key] = f"{measured}; {reached:.0%} of the peak of {_setting(chosen.precision, chosen.threads, kind)}"
    return found


def _setting(precision: str, threads: int, kind: str) -> str:
    return f"{precision}, {threads} thread{'s' * (threads > 1)}" if kind == "cpu" else f"{precision} on {kind}"


def _tera(flops: float) -> str:
    return f"{flops / 1e12:.3g} T" if flops >= 1e12 else f"{flops / 1e9:.3g} G"
