"""The environment in which the course runs, and whether it has what the course needs."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path

import psutil
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import course_utils
from course_utils import backend
from course_utils.hardware import (
    compute_dtype,
    cpu_flags,
    cpu_model,
    num_cores,
    read_system_file,
)

_GIGABYTE = 10**9


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        subject: what was looked at.
        status: ``OK``, ``note`` (the course runs, but not as well as it could) or ``missing``.
        found: what is there.
        advice: what to do; empty when there is nothing to do.
    """

    subject: str
    status: str
    found: str
    advice: str = ""


def inspect(*, no_sandbox: Callable[[], str | None] | None = None) -> Iterator[Finding]:
    """Look at everything that the course needs, the slowest last.

    Args:
        no_sandbox: says why submissions can't be graded in a sandbox; None where nobody grades.
    """
    yield check_python()
    yield check_packages()
    yield check_cores()
    yield check_memory()
    yield check_allocator()
    yield check_keras()
    yield from check_folders()
    yield check_photographs()
    yield check_jupyter()
    if no_sandbox:
        yield check_sandbox(no_sandbox)
    yield check_tensorflow()


def check_python() -> Finding:
    """Find the version of Python."""
    found = f"{platform.python_version()} ({sys.executable})"
    needed = metadata("pixels-and-people")["Requires-Python"]
    if not SpecifierSet(needed).contains(platform.python_version(), prereleases=True):
        return Finding("Python", "missing", found, f"Install Python {needed}.")
    return Finding("Python", "OK", found)


def check_packages() -> Finding:
    """Compare the installed packages with those needed, and with the versions that were tested."""
    needed = [Requirement(line) for line in requires("pixels-and-people") or []]
    needed = [one for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]
    wrong: list[str] = []
    untested: list[str] = []
    tested = _tested_versions()
    for requirement in needed:
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            wrong.append(str(requirement))
            continue
        if not requirement.specifier.contains(installed, prereleases=True):
            wrong.append(f"{requirement} (not {installed})")
        expected = tested.get(requirement.name, installed)
        if expected != installed:
            untested.append(f"{requirement.name} {installed} (tested: {expected})")
    if wrong:
        advice = "Install the course again: `python -m pip install --editable .`"
        return Finding("Packages", "missing", "needed: " + ", ".join(wrong), advice)
    if untested:
        advice = "If something fails, install with `-c constraints.txt`."
        return Finding("Packages", "note", ", ".join(untested), advice)
    suffix = ", in the tested versions" if tested else ""
    return Finding("Packages", "OK", f"all {len(needed)} are there{suffix}")


def _tested_versions() -> dict[str, str]:
    path = Path(course_utils.__file__).parent.parent / "constraints.txt"
    if not path.exists():
        return {}
    pinned = re.findall(
        r"^([\w.-]+)==([^\s;]+)\s*$", path.read_text(encoding="utf-8"), re.MULTILINE
    )
    return dict(pinned)


def check_cores() -> Finding:
    """Find the processor, its instructions that make training fast, and the cores to be used."""
    vector = ", ".join(cpu_flags()) or "no fast vector instructions known"
    onednn = "on" if os.environ.get("TF_ENABLE_ONEDNN_OPTS") != "0" else "off"
    found = (
        f"{num_cores():g} cores, {cpu_model()}, {vector}; oneDNN {onednn}; "
        f"fast networks compute in {compute_dtype()}"
    )
    if onednn == "off":
        return Finding("Processor", "note", found, "Unset TF_ENABLE_ONEDNN_OPTS to train faster.")
    return Finding("Processor", "OK", found)


def check_memory() -> Finding:
    """Find the memory that is left to this process."""
    available = psutil.virtual_memory().available
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        if (most := read_system_file(f"/sys/fs/cgroup/{limit}").strip()).isdigit():
            now = read_system_file(f"/sys/fs/cgroup/{used}").strip()
            available = min(available, int(most) - int(now if now.isdigit() else 0))
    found = f"{available / _GIGABYTE:.1f} GB are free"
    if available < 1.5 * _GIGABYTE:
        return Finding("Memory", "note", found, "A lesson takes up to 1 GB: close other programs.")
    return Finding("Memory", "OK", found)


def check_allocator() -> Finding:
    """Find out whether the memory of freed tensors can be kept for the next ones."""
    if backend.keep_freed_memory():
        return Finding("Allocator", "OK", "glibc; training keeps freed memory for its next step")
    return Finding(
        "Allocator", "OK", "not glibc; freed memory is handled as the system's library does it"
    )


def check_sandbox(no_sandbox: Callable[[], str | None]) -> Finding:
    """Find out whether submissions can be graded in a sandbox; only instructors need it."""
    if reason := no_sandbox():
        return Finding("Grading", "note", "no sandbox for submissions", reason)
    return Finding("Grading", "OK", "submissions are graded in a sandbox")


def check_folders() -> Iterator[Finding]:
    """Find out whether the folders that the course writes to can be written to and have room."""
    from course_utils.datasets import cache

    try:
        folders = {"Keras's folder": _keras_home(), "The course's cache": cache.folder()}
    except (OSError, RuntimeError) as error:
        advice = "Set HOME, or KERAS_HOME and COURSE_CACHE, to a folder of yours."
        yield Finding("Folders", "note", str(error), advice)
        return
    for subject, folder in folders.items():
        existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        free = shutil.disk_usage(existing).free
        found = f"{folder}, {free / _GIGABYTE:.1f} GB are free"
        if not os.access(existing, os.W_OK):
            advice = "Make it writable; until then photographs are fetched or decoded every time."
            yield Finding(subject, "note", f"{existing} cannot be written to", advice)
        elif free < _GIGABYTE:
            yield Finding(subject, "note", found, "CIFAR-10 needs 0.6 GB while it is unpacked.")
        else:
            yield Finding(subject, "OK", found)


def check_keras() -> Finding:
    """Find out whether Keras has been set up for something else than the course needs."""
    asked = backend.asked_backend
    found = [f"KERAS_BACKEND is {asked}"] if asked != backend.BACKEND else []
    path = _keras_home() / "keras.json"
    expected = {
        "backend": backend.BACKEND,
        "floatx": "float32",
        "image_data_format": "channels_last",
    }
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        found += [
            f"{path} says {name} {settings[name]!r}"
            for name, value in expected.items()
            if settings.get(name, value) != value
        ]
    except (OSError, ValueError, AttributeError):
        pass  # there is none, or none that Keras could read
    if not found:
        return Finding("Keras's settings", "OK", ", ".join(expected.values()))
    advice = f"Nothing: the course takes {', '.join(expected.values())} all the same."
    return Finding("Keras's settings", "note", "; ".join(found), advice)


def _keras_home() -> Path:
    return Path(os.environ.get("KERAS_HOME") or Path("~/.keras").expanduser())


def check_photographs() -> Finding:
    """Find out whether CIFAR-10 has been fetched."""
    from course_utils.datasets import cifar10

    if archive := cifar10.find_archive():
        return Finding("CIFAR-10", "OK", str(archive))
    advice = "`course download cifar10` fetches it (170 MB); pixels10 needs no download."
    return Finding("CIFAR-10", "note", "not on this computer", advice)


def check_jupyter() -> Finding:
    """Find JupyterLab, and whether its kernel ``python3`` is this Python."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    advice = "Run `python -m pip install jupyterlab ipykernel` in this environment."
    try:
        lab = version("jupyterlab")
        program = KernelSpecManager().get_kernel_spec("python3").argv[0]
    except (PackageNotFoundError, NoSuchKernel) as error:
        return Finding("Jupyter", "missing", f"not found: {error}", advice)
    # Jupyter takes a bare "python" for its own.
    if Path(program).is_absolute() and Path(program).parent != Path(sys.executable).parent:
        advice = "Run `python -m ipykernel install --sys-prefix`, or remove the other kernel."
        return Finding("Jupyter", "missing", f"kernel python3 starts {program}", advice)
    return Finding("Jupyter", "OK", f"JupyterLab {lab}; kernel python3 is this Python")


def check_tensorflow() -> Finding:
    """Import TensorFlow in a process of its own and take the time."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", "import tensorflow as tf; print(tf.__version__)"],
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        found = lines[-1] if lines else f"its import ended with exit code {done.returncode}"
        advice = "Install the course again; an old processor may need an older TensorFlow."
        return Finding("TensorFlow", "missing", found, advice)
    return Finding("TensorFlow", "OK", f"{done.stdout.strip()}, imported in {seconds:.1f} s")
