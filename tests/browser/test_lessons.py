"""A learner opens a fresh folder in JupyterLab, types the solutions, and runs the lesson."""

import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
import requests

from course_utils.notebooks import grade_id

ROOT = Path(__file__).parents[2]
LESSONS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
# All lessons take some minutes; COURSE_LESSONS=all for them.
TYPED = LESSONS if os.environ.get("COURSE_LESSONS") == "all" else LESSONS[:1]
SOLUTION = re.compile(r"### BEGIN SOLUTION\n(.*?) *### END SOLUTION", re.DOTALL)
MARKS = re.compile(r" *### (BEGIN|END) SOLUTION\n?")
MINUTE = 60_000  # milliseconds


@pytest.fixture
def lab(tmp_path):
    """``course lab`` in a fresh folder: its address with the token, and the folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token, folder = secrets.token_hex(), tmp_path / "mine"
    options = ["--no-browser", f"--port={port}", f"--IdentityProvider.token={token}"]
    options.append("--LabApp.expose_app_in_browser=True")
    root = [] if os.geteuid() else ["--allow-root"]
    process = subprocess.Popen(
        [sys.executable, "-m", "course_utils", "lab", "--folder", folder, "--", *options, *root],
        env=os.environ | {"HOME": str(tmp_path), "JUPYTER_PLATFORM_DIRS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                if requests.get(f"{address}/api/status?token={token}", timeout=5).ok:
                    break
            except requests.RequestException:
                time.sleep(0.1)
        yield address, token, folder
    finally:
        process.terminate()
        process.wait()


def solutions(lesson):
    """What a learner types, by the place of the cell in their own copy, and the checks' places."""
    source = nbformat.read(ROOT / "notebooks" / f"{lesson}.ipynb", as_version=4)
    return {
        grade_id(cell): MARKS.sub("", cell.source)
        for cell in source.cells
        if grade_id(cell).startswith("exercise")
    }


def type_into(page, place, text):
    """Put the cell's text away and type another, as somebody with a keyboard does."""
    page.evaluate(
        "place => { const p = window.jupyterapp.shell.currentWidget;"
        " p.content.activeCellIndex = place; p.content.mode = 'edit'; }",
        place,
    )
    editor = page.locator(".jp-Notebook .jp-Cell.jp-mod-active .cm-content")
    editor.scroll_into_view_if_needed()
    editor.click()
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    page.keyboard.insert_text(text)


def run_all(page):
    page.evaluate("window.jupyterapp.commands.execute('runmenu:run-all')")
    page.wait_for_function(
        "() => { const p = window.jupyterapp.shell.currentWidget;"
        " const cells = [...p.content.widgets].filter(c => c.model.type === 'code');"
        " return p.sessionContext.session?.kernel?.status === 'idle'"
        "   && cells.every(c => c.model.executionCount !== null || c.model.outputs.length); }",
        timeout=10 * MINUTE,
    )


def save(page):
    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")


def printed(cell):
    return "".join(output.get("text", "") for output in cell.get("outputs", []))


@pytest.mark.parametrize("lesson", TYPED)
def test_a_learner_types_the_solutions_and_each_check_is_passed(lab, page, lesson):
    address, token, folder = lab
    path = folder / f"{lesson}.ipynb"
    typed = solutions(lesson)
    cells = nbformat.read(path, as_version=4).cells
    page.set_default_timeout(2 * MINUTE)
    page.goto(f"{address}/lab/tree/{path.name}?token={token}", wait_until="commit")
    page.wait_for_function(
        "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status"
        " === 'idle'"
    )
    for place, cell in enumerate(cells):
        if grade_id(cell) in typed:
            type_into(page, place, typed[grade_id(cell)])
    run_all(page)
    save(page)
    saved = nbformat.read(path, as_version=4)
    failed = [
        output for cell in saved.cells for output in cell.get("outputs", []) if "ename" in output
    ]
    assert failed == []
    checks = [cell for cell in saved.cells if grade_id(cell).startswith("check")]
    assert len(checks) == len(typed)
    assert [printed(cell) for cell in checks if "✓" not in printed(cell)] == []
    numbers = {grade_id(cell).removeprefix("check-").replace("-", ".") for cell in checks}
    assert set(json.loads((folder / "solved.json").read_text())["solved"]) == numbers
