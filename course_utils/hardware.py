"""The computer: its processor, the cores that may be used, and the numbers it computes quickest."""

import os
import platform
import re
from pathlib import Path

_CPU_FLAGS = {
    "avx2": "AVX2",
    "avx512_vnni": "AVX512-VNNI",
    "avx512_bf16": "AVX512-BF16",
    "avx_vnni": "AVX-VNNI",
    "amx_tile": "AMX",
    "amx_bf16": "AMX-BF16",
}


def machine() -> str:
    """Name the computer: its processor, what makes it fast, and the cores to be used."""
    return ", ".join([f"{num_cores():g} cores", cpu_model(), *cpu_flags()])


def cpu_model() -> str:
    """Name the processor."""
    names = re.findall(r"^model name\s*:\s*(.+)$", read_system_file("/proc/cpuinfo"), re.MULTILINE)
    return names[0] if names else platform.processor() or platform.machine()


def cpu_flags() -> list[str]:
    """Name the vector instructions that matter to TensorFlow, where the system tells."""
    flags = re.findall(r"^flags\s*:\s*(.+)$", read_system_file("/proc/cpuinfo"), re.MULTILINE)
    known = set(flags[0].split()) if flags else set()
    return [name for flag, name in _CPU_FLAGS.items() if flag in known]


def compute_dtype() -> str:
    """Name the numbers in which a ``fast`` network computes quickest here.

    ``"bfloat16"`` on processors that multiply them without a detour, else ``"float32"``.
    """
    return "bfloat16" if {"AVX512-BF16", "AMX-BF16"} & set(cpu_flags()) else "float32"


def num_cores() -> float:
    """Count the cores that this process may use: its affinity, or its container's share."""
    if hasattr(os, "sched_getaffinity"):
        cores = float(len(os.sched_getaffinity(0)))
    else:
        cores = float(os.cpu_count() or 1)
    quota, _, period = read_system_file("/sys/fs/cgroup/cpu.max").partition(" ")
    if not quota:
        quota = read_system_file("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
        period = read_system_file("/sys/fs/cgroup/cpu/cpu.cfs_period_us")
    if quota.strip().isdigit() and period.strip().isdigit():
        cores = min(cores, int(quota) / int(period))
    return cores


def read_system_file(path: str) -> str:
    """Read a file that the system makes; empty where there is none."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
