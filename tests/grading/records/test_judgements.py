"""The grader's memory: what it keeps, what makes it forget, and its lock."""

import json
import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from course_utils.grading.judgement import (
    AnswerResult,
    CheckResult,
    Ending,
    EndingKind,
    Judgement,
    Repair,
    RepairKind,
)
from course_utils.grading.records.judgements import (
    Standing,
    StoreError,
    find_fingerprint,
    find_package_fingerprint,
    find_standing,
    find_submission_fingerprint,
    hold_lock,
    read_graded,
    read_judgements,
    write_graded,
)

TEXT = st.text(max_size=10)
POINTS = st.floats(allow_nan=False, allow_infinity=False)
JUDGEMENTS = st.builds(
    Judgement,
    learner=st.just("ada"),
    assignment=st.just("demo"),
    notebook=st.just("one"),
    checks=st.lists(
        st.builds(
            CheckResult,
            grade_id=TEXT,
            exercise=TEXT,
            score=POINTS,
            max_score=POINTS,
            answers=st.lists(
                st.builds(AnswerResult, case=TEXT, passed=st.booleans(), reason=TEXT), max_size=2
            ).map(tuple),
            reason=TEXT,
            found=TEXT,
        ),
        max_size=2,
    ).map(tuple),
    repairs=st.lists(
        st.builds(Repair, kind=st.sampled_from(get_args(RepairKind)), cell=TEXT, message=TEXT),
        max_size=2,
    ).map(tuple),
    ending=st.builds(
        Ending,
        kind=st.sampled_from(get_args(EndingKind)),
        cell=st.integers(0, 100),
        message=TEXT,
    ),
    seconds=POINTS,
    peak_memory=st.integers(0, 10**12),
    executed=TEXT,
)
ANSWER = AnswerResult("a", False, "no")
CHECK = CheckResult("check", "3.1", 1.0, 2.0, (ANSWER,), "not done", "")
REPAIR = Repair("moved", "check", "it was moved")
ENDING = Ending("finished", 0, "")
JUDGEMENT = Judgement("ada", "demo", "one", (CHECK,), (REPAIR,), ENDING, 1.5, 7, "{}")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(TEXT, values, max_size=3),
    max_leaves=10,
)


def test_what_is_written_is_read_back_with_the_executed_notebooks(tmp_path):
    other = replace(JUDGEMENT, notebook="two", executed="")
    write_graded(tmp_path, judgements=(JUDGEMENT, other), fingerprint="abc")
    assert read_judgements(tmp_path, "demo") == [JUDGEMENT, other]
    graded = read_graded(tmp_path, "demo")["ada"]
    assert (graded.fingerprint, graded.executed) == ("abc", {"one"})
    assert graded.judgements == (replace(JUDGEMENT, executed=""), other)
    assert read_graded(tmp_path, "other") == {}


@given(JUDGEMENTS)
def test_any_judgement_is_read_back(tmp_path_factory, judgement):
    folder = tmp_path_factory.mktemp("course")
    write_graded(folder, judgements=(judgement,), fingerprint="abc")
    assert read_judgements(folder, "demo") == [judgement]


@pytest.fixture
def read_changed(tmp_path):
    """Write a judgement, change the text of its file, and read all; bob's stays as it is."""

    def read_changed(change):
        for learner in ("ada", "bob"):
            judgement = replace(JUDGEMENT, learner=learner)
            write_graded(tmp_path, judgements=(judgement,), fingerprint="abc")
        path = tmp_path / ".course" / "graded" / "demo" / "ada.json"
        path.write_text(change(path.read_text()))
        return list(read_graded(tmp_path, "demo"))

    return read_changed


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"judgements": []}', "[" * 100_000])
def test_a_damaged_file_is_as_none(read_changed, damage):
    assert read_changed(lambda text: text) == ["ada", "bob"]
    assert read_changed(lambda _: damage) == ["bob"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=st.text() | JSON.map(json.dumps))
def test_any_other_text_is_as_none(read_changed, damage):
    assert read_changed(lambda _: damage) == ["bob"]


FIELDS = [field.name for field in fields(Judgement)]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        *(((name,), ...) for name in FIELDS if name != "waiting_seconds"),
        *(((name,), {"something": "else"}) for name in FIELDS),
        (("ending", "kind"), "won"),
        (("ending", "cell"), True),
        (("repairs", 0, "kind"), "improved"),
        (("checks", 0, "score"), float("nan")),
        (("checks", 0, "score"), "2"),
        (("checks", 0, "score"), True),
        (("checks", 0, "answers", 0, "passed"), 1),
        (("checks", 0, "bonus"), 1),
        (("checks", 0), None),
        (("learner",), None),
    ],
)
def test_a_judgement_with_a_wrong_or_missing_field_is_as_none(read_changed, place, value):
    def change(text):
        stored = json.loads(text)
        inner = stored["judgements"][0]
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = value
        if value is ...:
            del inner[place[-1]]
        return json.dumps(stored)

    assert read_changed(change) == ["bob"]


def test_standing_says_whose_verdict_no_longer_fits(tmp_path):
    for learner in ("ada", "bob", "cyd"):
        folder = tmp_path / "submitted" / learner / "demo"
        folder.mkdir(parents=True)
        (folder / "demo.ipynb").write_text(learner)
        if learner != "cyd":
            write_graded(
                tmp_path,
                judgements=(replace(JUDGEMENT, learner=learner),),
                fingerprint="abc",
                submission=find_submission_fingerprint(folder),
            )
    assert find_standing(tmp_path, "demo") == Standing("demo", (), (), ("cyd",))
    (tmp_path / "submitted" / "ada" / "demo" / "demo.ipynb").write_text("better")
    (tmp_path / "submitted" / "bob" / "demo").rename(tmp_path / "elsewhere")
    standing = find_standing(tmp_path, "demo", scored=["cyd", "dan"])
    assert standing == Standing("demo", ("ada",), ("bob", "dan"), ())
    assert standing.sentences()[1].startswith(
        "demo: 2 are without a submission any more (bob, dan)"
    )
    # An earlier version did not say what it had graded.
    write_graded(tmp_path, judgements=(replace(JUDGEMENT, learner="ada"),), fingerprint="abc")
    assert find_standing(tmp_path, "demo").outdated == ()


def test_a_fingerprint_tells_where_one_part_ends():
    assert find_fingerprint("ab", "c") != find_fingerprint("a", "bc")
    assert find_fingerprint("ab", b"c") == find_fingerprint("ab", "c")


def test_the_fingerprint_of_a_submission_follows_its_notebooks_and_timestamp(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("1")
    folder = tmp_path / "submission"
    folder.mkdir()
    seen = [find_submission_fingerprint(folder)]

    def changed():
        seen.append(find_submission_fingerprint(folder))
        return seen[-1] not in seen[:-1]

    (folder / "demo.ipynb").write_text("1")
    assert changed()
    (folder / "demo.ipynb").write_text("2")
    assert changed()
    (folder / "timestamp.txt").write_text("2031-05-04")
    assert changed()
    (folder / "plot.png").write_text("1")
    assert changed()
    (folder / "plot.png").write_text("2")
    assert not changed()
    (folder / "link.ipynb").symlink_to(secret)
    assert changed()
    secret.write_text("2")
    assert not changed()
    os.mkfifo(folder / "pipe.ipynb")
    assert changed()
    with (folder / "giant.ipynb").open("wb") as file:
        file.truncate(10**12)
    assert changed()


def test_the_fingerprint_of_the_package_follows_its_code(tmp_path, monkeypatch):
    module = tmp_path / "part" / "module.py"
    module.parent.mkdir()
    monkeypatch.setattr("course_utils.__file__", str(tmp_path / "__init__.py"))
    seen = set()
    for text in ("a = 1", "a = 1", "a = 2"):
        module.write_text(text)
        seen.add(find_package_fingerprint())
    others = (
        "notes.txt",
        "plots/style.py",
        "looks.py",
        "grading/pages/html.py",
        "grading/lms/export.py",
        "cli.py",
    )
    for name in others:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
        seen.add(find_package_fingerprint())
    assert len(seen) == 2
    for name in ("exercises/lesson_01.py", "grading/judge/scoring.py", "training.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
        seen.add(find_package_fingerprint())
    assert len(seen) == 5


UNREADABLE = """
import os, sys
from pathlib import Path
from course_utils.grading.batch.tasks import read_submitted
from course_utils.grading.records.judgements import find_submission_fingerprint

folder = Path(sys.argv[1])
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
print(find_submission_fingerprint(folder))
print(read_submitted(folder, "demo", siblings=["demo"]).error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_a_folder_that_belongs_to_somebody_else_costs_only_itself(tmp_path):
    folder = tmp_path / "submission"
    folder.mkdir(mode=0o700)
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(0o755)
    run = subprocess.run(
        [sys.executable, "-c", UNREADABLE, folder], capture_output=True, text=True, check=False
    )
    fingerprint, error = run.stdout.splitlines()
    assert len(fingerprint) == 64
    assert error == "the folder 'submission' cannot be read: Permission denied"


def test_the_lock_keeps_others_out_and_says_who_has_it(tmp_path):
    with hold_lock(tmp_path) as temporary:
        assert temporary.is_dir()
        with pytest.raises(StoreError, match=rf"process {os.getpid()}\) is at work in {tmp_path}"):
            hold_lock(tmp_path).__enter__()
    assert not temporary.exists()
    with hold_lock(tmp_path):
        pass


def test_the_lock_of_a_killed_process_is_taken_over_and_its_leftovers_removed(tmp_path):
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from course_utils.grading.records.judgements import hold_lock\n"
        "with hold_lock(Path(sys.argv[1])) as temporary:\n"
        "    (temporary / 'file').touch(); print(temporary, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    temporary = Path(killed.stdout.strip())
    assert (temporary / "file").exists()
    half_written = tmp_path / ".course" / "graded" / "demo" / ".ada.json.123"
    kept = tmp_path / "autograded" / "ada" / "demo" / ".hidden"
    for path in (half_written, kept):
        path.parent.mkdir(parents=True)
        path.touch()
    with hold_lock(tmp_path):
        assert not temporary.exists()
        assert not half_written.exists()
        assert kept.exists()


def test_the_lock_file_cannot_name_a_folder_to_be_removed(tmp_path):
    victim = tmp_path / "victim"
    victim.mkdir()
    (tmp_path / ".course").mkdir()
    (tmp_path / ".course" / "lock").write_text(json.dumps({"temporary": str(victim)}))
    with hold_lock(tmp_path):
        assert victim.exists()
