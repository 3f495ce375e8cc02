"""What is free for a process: the machine's memory, or less where its group has a limit."""

from pathlib import Path

import pytest

from deepwell.data import memory

MEMINFO = "MemTotal:       8000000 kB\nMemFree:         100000 kB\nMemAvailable:   4000000 kB\n"


def system(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({}, memory.OTHERWISE),
        ({"proc/meminfo": MEMINFO}, 4_096_000_000),
        ({"proc/meminfo": MEMINFO, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, 4_096_000_000),
        (
            {
                "proc/meminfo": MEMINFO, "proc/self/cgroup": "0::/job/step\n",
                "sys/fs/cgroup/job/memory.max": "1000000000\n", "sys/fs/cgroup/job/step/memory.max": "max\n",
                "sys/fs/cgroup/job/memory.stat": "anon 300000000\nfile 600000000\n",
            },
            700_000_000,
        ),
        (
            {
                "proc/self/cgroup": "5:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "500000000\n",
                "sys/fs/cgroup/memory/memory.stat": "cache 1\ntotal_rss 100000000\n",
            },
            400_000_000,
        ),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "10\n",
          "sys/fs/cgroup/memory.stat": "anon 20\n"}, 0),
    ],
)  # fmt: skip
def test_the_smallest_limit_counts(tmp_path: Path, files: dict[str, str], free: int) -> None:
    assert memory.available(system(tmp_path, files)) == free


def test_half_of_it_is_allowed_unless_said() -> None:
    assert memory.allowed(12345) == 12345
    assert 0 < memory.allowed(None) <= memory.available() * 0.75
