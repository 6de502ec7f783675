"""`pytest --nbval notebooks` compares what it can, and notices when a helper behaves differently.

The lessons themselves run under nbval in the same session (`make test`); here is whether that
means anything.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbval import plugin

ROOT = Path(__file__).parents[2]
LESSONS = sorted(ROOT.glob("notebooks/*.ipynb"))
MIN_SHARE_COMPARED = 0.40
# nbval never compares these (nbval.plugin.IPyNbFile.skip_compare).
NEVER_COMPARED = {"image/png", "image/jpeg", "application/vnd.jupyter.widget-view+json"}


def is_compared(cell):
    """Whether nbval compares anything of this cell's output, by nbval's own reading of the cell."""
    options = dict(plugin.find_metadata_tags(cell.metadata) or ())
    options |= dict(plugin.find_comment_markers(cell.source))
    was_run = cell.execution_count is not None
    if not was_run or options.get("skip") or not options.get("check", True):
        return False
    return any(
        output.output_type == "stream" or set(output.get("data", {})) - NEVER_COMPARED
        for output in cell.outputs
    )


def cells_with_output(path):
    cells = nbformat.read(path, as_version=4).cells
    return [cell for cell in cells if cell.cell_type == "code" and cell.outputs]


def test_at_least_two_fifths_of_the_cells_with_output_are_compared():
    compared = [is_compared(cell) for path in LESSONS for cell in cells_with_output(path)]
    assert compared, "no lesson has a cell with output"
    share = sum(compared) / len(compared)
    print(f"{sum(compared)} of {len(compared)} cells with output are compared ({share:.0%})")
    assert share >= MIN_SHARE_COMPARED


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_no_lesson_is_excluded_as_a_whole(path):
    assert any(is_compared(cell) for cell in cells_with_output(path))
    assert "nbval" not in str(nbformat.read(path, as_version=4).metadata)


def test_nbval_is_strict_wherever_it_is_called():
    callers = [ROOT / "Makefile", ROOT / "pyproject.toml", ROOT / ".ci" / "run"]
    callers += ROOT.glob(".github/workflows/*")
    callers += [path for path in ROOT.glob("**/conftest.py") if ".venv" not in path.parts]
    loose = re.compile(r"nbval-lax|sanitize-with|collect_ignore|--ignore|--deselect")
    assert not [path.name for path in callers if loose.search(path.read_text(encoding="utf-8"))]
    assert "--nbval" in (ROOT / "Makefile").read_text(encoding="utf-8")


def run_nbval(lesson, helpers):
    """Run a lesson under nbval with the copy of course_utils that lies in the folder `helpers`."""
    command = [sys.executable, "-m", "pytest", "--nbval", "--override-ini=addopts=", "--color=no"]
    return subprocess.run(
        [*command, "-p", "no:cacheprovider", str(lesson)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(helpers)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def helpers(tmp_path):
    shutil.copytree(ROOT / "course_utils", tmp_path / "course_utils")
    return tmp_path


def test_an_unchanged_helper_passes(helpers):
    result = run_nbval(ROOT / "notebooks" / "01_data_loading.ipynb", helpers)
    assert result.returncode == pytest.ExitCode.OK, result.stdout


def test_a_changed_helper_fails_and_the_cell_is_named(helpers):
    with (helpers / "course_utils" / "datasets" / "__init__.py").open(
        "a", encoding="utf-8"
    ) as file:
        file.write(
            "\n_load = load\n"
            "def load(*args, seed=0, **options):\n"
            "    return _load(*args, seed=seed + 1, **options)\n"
        )
    result = run_nbval(ROOT / "notebooks" / "01_data_loading.ipynb", helpers)
    assert result.returncode == pytest.ExitCode.TESTS_FAILED, result.stdout
    assert re.search(r"Cell \d+: Cell outputs differ", result.stdout)
    assert re.search(r"FAILED .*01_data_loading\.ipynb::Cell \d+", result.stdout)
