"""Damaged submissions in a real batch: each costs only itself, and none is lost.

``COURSE_FUZZED`` says how many; by default a few.
"""

import hashlib
import json
import os
import tempfile
from pathlib import Path

import psutil
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from course_utils.cli import app
from course_utils.grading.batch.grade import grade
from course_utils.grading.records.gradebook import read_course, read_scores
from course_utils.grading.records.judgements import read_judgements
from course_utils.grading.sandbox.provisioner import unavailable
from tests.grading.browsing import Page, assert_harmless
from tests.grading.mutations import (
    DAMAGE,
    DEPTHS,
    FIELDS,
    HARMFUL,
    PLACES,
    REORDERING,
    RETAGGING,
    TOP_FIELDS,
    WRONG_TYPES,
    change_field,
    change_source,
    change_top,
    damage_with,
    insert,
    mutate,
    nest,
    overwrite,
    step,
    truncate,
    write,
)

pytestmark = pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))

NUM_FUZZED = int(os.environ.get("COURSE_FUZZED", "12"))
DEEP_CODE = [
    nest("(", 90_000),
    nest("[", 150),
    nest('{"a":', 900),
    "-" * 90_000 + "1",
    "a" + ".b" * 45_000,
    "x = 1" + "+1" * 45_000,
]


def some(steps, *, most=8):
    return st.lists(steps, min_size=1, max_size=most)


# What happens to a notebook's cells, and then to its file.
KINDS = {
    "truncated": (st.just([]), st.tuples(damage_with([truncate], st.just(b"")))),
    "reordered": (some(REORDERING), st.just([])),
    "retagged": (some(RETAGGING), st.just([])),
    "wrong-types": (some(WRONG_TYPES, most=2), st.just([])),
    "deep": (
        some(
            st.one_of(
                step(change_source, PLACES, st.sampled_from(DEEP_CODE)),
                step(change_field, PLACES, FIELDS, st.just("DEEP")),
                step(change_top, TOP_FIELDS, st.just("DEEP")),
            ),
            most=2,
        ),
        st.just([]),
    ),
    "nul-characters": (
        some(
            st.one_of(
                step(change_source, PLACES, st.text("\0a\n", min_size=1)),
                step(change_field, PLACES, FIELDS, st.just("\0")),
            ),
            most=2,
        ),
        st.just([]),
    ),
    "nul-bytes": (
        st.just([]),
        some(damage_with([insert, overwrite], st.integers(1, 9).map(bytes))),
    ),
    "anything": (st.lists(HARMFUL, max_size=8), st.lists(DAMAGE, max_size=2)),
}


def draw(strategy, number):
    drawn = []

    @settings(max_examples=max(number, 1), phases=[Phase.generate], database=None)
    @given(strategy)
    def collect(one):
        drawn.append(one)

    collect()
    return drawn[:number]


def draw_files(notebook, number):
    """The files of so many submissions by their learners, whose names say what was done."""
    files = {}
    for place, (kind, (steps, damage)) in enumerate(KINDS.items()):
        for count, (done, damaged, depth) in enumerate(
            draw(st.tuples(steps, damage, DEPTHS), len(range(place, number, len(KINDS))))
        ):
            files[f"{kind}-{count:03}"] = write(mutate(notebook, done), depth=depth, damage=damaged)
    return files


def fingerprint_files(folder):
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def temporary(monkeypatch):
    """The folder of temporary files, whose name is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        monkeypatch.setattr(tempfile, "tempdir", name)
        yield Path(name)


def test_each_costs_only_itself_and_is_a_line_in_the_report(
    course_folder, submit, temporary, tmp_path, monkeypatch
):
    # Who works on the package while this runs does not want all graded again.
    monkeypatch.setattr(
        "course_utils.grading.batch.plan.find_package_fingerprint", lambda: "a version"
    )
    notebook = json.loads((submit("honest") / "demo.ipynb").read_text(encoding="utf-8"))
    files = draw_files(notebook, NUM_FUZZED)
    assert len(files) == NUM_FUZZED
    for learner, content in files.items():
        (submit(learner) / "demo.ipynb").write_bytes(content)
    learners = {"honest", *files}
    before, there = fingerprint_files(course_folder), set(course_folder.iterdir())

    result = grade(course_folder, "demo")

    judged = {one.learner: one for one in read_judgements(course_folder, "demo")}
    assert judged.keys() == {one.learner for one in result.graded} == learners
    assert result.unsaved == {}
    assert judged["honest"].score == judged["honest"].max_score == 2.0
    assert {one.learner for one in judged.values() if one.ending.kind == "interrupted"} == set()
    assert not [one for one in judged.values() if "process that judged" in one.ending.message]
    for one in judged.values():
        assert one.max_score == 2.0
        assert one.ending.kind == "finished" or one.ending.message

    scores = read_scores(read_course(course_folder), "demo")
    assert {learner: cells["demo", "check-3-1"] for learner, cells in scores.items()} == {
        learner: pytest.approx(one.score) for learner, one in judged.items()
    }
    assert grade(course_folder, "demo").graded == ()

    page = tmp_path / "report"
    made = CliRunner().invoke(
        app, ["report", "demo", "--course", str(course_folder), "--to", str(page)]
    )
    assert made.exit_code == 0, made.output
    read = Page(page / "index.html")
    assert_harmless(read)
    assert sorted(row[0] for row in read.tables["All submissions"][1:]) == sorted(learners)

    after = fingerprint_files(course_folder)
    assert {path: after.get(path) for path in before if path.name != "gradebook.db"} == {
        path: content for path, content in before.items() if path.name != "gradebook.db"
    }
    assert set(course_folder.iterdir()) == there | {
        course_folder / ".course",
        course_folder / "autograded",
    }
    assert {path.name for path in (course_folder / "autograded").iterdir()} <= learners
    assert set(tmp_path.iterdir()) == {course_folder, page}
    assert list(temporary.iterdir()) == []
    left = [" ".join(child.cmdline()) for child in psutil.Process().children(recursive=True)]
    assert not any("spawn_main" in line or "ipykernel" in line for line in left)
