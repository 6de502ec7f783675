"""The computer is described as this process may use it."""

import os
import subprocess
import sys

import pytest

from course_utils import hardware

COUNT = "from course_utils.hardware import num_cores; print(num_cores())"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="affinity is Linux's")
def test_cores_are_those_that_the_process_may_use(monkeypatch):
    monkeypatch.setattr(hardware, "read_system_file", lambda path: "")
    assert hardware.num_cores() == len(os.sched_getaffinity(0))
    first = str(min(os.sched_getaffinity(0)))
    command = ["taskset", "-c", first, sys.executable, "-c", COUNT]
    assert float(subprocess.run(command, capture_output=True, check=True).stdout) <= 1


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "50000 100000"}, 0.5),
        ({"cpu.max": "max 100000"}, None),
        ({"cpu/cpu.cfs_quota_us": "25000", "cpu/cpu.cfs_period_us": "100000"}, 0.25),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
    ],
)
def test_a_containers_share_counts(monkeypatch, files, cores):
    def read(path):
        return files.get(path.removeprefix("/sys/fs/cgroup/"), "")

    monkeypatch.setattr(hardware, "read_system_file", read)
    assert hardware.num_cores() == (cores or len(os.sched_getaffinity(0)))


@pytest.mark.parametrize(
    ("flags", "dtype"),
    [
        ("fpu avx2 avx512_bf16", "bfloat16"),
        ("fpu amx_bf16", "bfloat16"),
        ("fpu avx2 avx512_vnni", "float32"),
        ("", "float32"),
    ],
)
def test_numbers_are_those_that_the_processor_multiplies_quickest(monkeypatch, flags, dtype):
    text = f"model name\t: Some CPU\nflags\t\t: {flags}\n"
    monkeypatch.setattr(hardware, "read_system_file", lambda path: text)
    assert hardware.compute_dtype() == dtype
    assert hardware.cpu_model() == "Some CPU"
    assert "Some CPU" in hardware.machine()
