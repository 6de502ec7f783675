"""Small lessons for tests of the runs."""

import os
import signal
import subprocess
from pathlib import Path

import nbformat
import pytest
from hypothesis import settings

import course_utils

# A job in the background inherits that Ctrl-C is ignored, and would hand it down to what it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# On a busy machine the first example of a property may take long; no test is about that.
settings.register_profile("course", deadline=None)
settings.load_profile("course")

KERNEL = {"name": "python3", "display_name": "Python 3"}


def write_notebook(path, *sources, **metadata):
    """Write a notebook; a source that starts with ``#`` and a space is a Markdown cell.

    The first cell is the parameters cell.
    """
    cells = [
        nbformat.v4.new_markdown_cell(source)
        if source.startswith("# ")
        else nbformat.v4.new_code_cell(source)
        for source in sources
    ]
    if cells:
        cells[0].metadata["tags"] = ["parameters"]
    path.parent.mkdir(parents=True, exist_ok=True)
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL} | metadata)
    nbformat.write(notebook, path)
    return path


@pytest.fixture
def make_lesson(tmp_path):
    def make(name, *sources):
        return write_notebook(tmp_path / "notebooks" / f"{name}.ipynb", *sources)

    return make


@pytest.fixture
def small_disk(tmp_path):
    """A folder with 400 kB of space."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "none", folder]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("nobody but root may mount a file system, and not everywhere")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.fixture
def own_course(tmp_path, monkeypatch):
    """Make ``tmp_path`` the course's own checkout, here and for processes started in it."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "pixels-and-people"\n')
    (tmp_path / "course_utils").symlink_to(Path(course_utils.__file__).parent)
    monkeypatch.setattr("course_utils.__file__", str(tmp_path / "course_utils" / "__init__.py"))
