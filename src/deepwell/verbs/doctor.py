"""doctor: the installation and the machine."""

from __future__ import annotations

from typing import Any

from deepwell.runs.machine import machine, versions


def doctor() -> dict[str, Any]:
    """Versions, machine, devices and number formats that torch can use here."""
    found: dict[str, Any] = {"versions": versions(), "machine": machine()}
    import torch

    from deepwell.training import plan

    found["torch"] = {
        "threads": torch.get_num_threads(),
        "cuda": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "plan for a convolutional network": str(plan.choose(torch.nn.Conv2d(1, 1, 1))),
        "plan for another network": str(plan.choose(torch.nn.Linear(1, 1))),
    }
    return found
