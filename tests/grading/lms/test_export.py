"""Scores for Canvas, Moodle and nbgrader's CSV: what their importers read back."""

import csv
import io
import math
import os
import re
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbgrader.api import Gradebook
from nbgrader.plugins import CsvExportPlugin
from traitlets.config import Config

from course_utils.formats import escape_formula
from course_utils.grading.lms.export import (
    CSV_COLUMNS,
    ExportError,
    Score,
    collect_scores,
    export,
)
from course_utils.grading.records.gradebook import Course

CANVAS = """Student,ID,SIS User ID,SIS Login ID,Section,Training (77),Ethics (78),Final Score
    Points Possible,,,,,10,4,(read only)
,,,,,Manual Posting,,
"Lovelace, Ada",11,S1,ada,A,,3.5,80
"Hopper, Grace",12,S2,grace,A,EX,,
"Turing, Alan",13,S3,alan,B,2,N/A,
"Student, Test",99,,f00f,A,,,
"""
MOODLE = """Identifier,Full name,Email address,Status,Grade,Maximum Grade,Grade can be changed,\
Last modified (submission),Last modified (grade),Feedback comments
Participant 501,Ada Lovelace,ada@example.org,Submitted for grading - ,,10.00,Yes,\
"Monday, 2 March 2026, 9:00 AM",-,
Participant 502,Grace Hopper,grace@example.org,Submitted for grading - ,3.00,10.00,Yes,-,\
"Tuesday, 3 March 2026, 9:00 AM",old
"""
WORKSHEETS = {
    "German": (
        "ID,Vollständiger Name,E-Mail-Adresse,Status,Bewertung,Bestwertung,"
        "Bewertung kann geändert werden,Zuletzt geändert (Abgabe),Zuletzt geändert (Bewertung),"
        'Feedback als Kommentar\nTeilnehmer/in501,Ada,ada@example.org,x,,"10,00",Ja,-,-,\n'
    ),
    "French": (
        "Identifiant,Nom complet,Adresse de courriel,Statut,Note,Note maximale,"
        "La note peut être modifiée,Dernière modification (travail remis),"
        "Dernière modification (note),Feedback par commentaires\n"
        'Participant501,Ada,ada@example.org,x,,"10,00",Oui,-,-,\n'
    ),
    "Japanese": (
        "識別子,フルネーム,メールアドレス,ステータス,評定,最大評定,評定変更可,"
        "最終更新日時 (提出),最終更新日時 (評定),フィードバックコメント\n"
        "参加者501,Ada,ada@example.org,x,,10.00,はい,-,-,\n"
    ),
}

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
FORMULAS = st.sampled_from(
    ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1"]
)
CELLS = TEXT | FORMULAS
SCORES = st.builds(
    Score,
    assignment=st.just("Training"),
    learner=CELLS,
    first_name=CELLS,
    last_name=CELLS,
    email=CELLS,
    lms_user_id=CELLS,
    duedate=st.none(),
    timestamp=st.none() | st.datetimes(),
    submitted=st.booleans(),
    raw_score=st.floats(0, 100),
    penalty=st.floats(0, 10),
    max_score=st.just(10.0),
    needs_manual_grade=st.booleans(),
    comments=st.lists(CELLS, max_size=2).map(tuple),
)
property_settings = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def make_score(learner, raw_score=7.0, **changes):
    score = Score(
        "Training",
        learner,
        first_name="",
        last_name="",
        email="",
        lms_user_id="",
        duedate=None,
        timestamp=datetime(2026, 3, 1, 12, 0),
        submitted=True,
        raw_score=raw_score,
        penalty=0.0,
        max_score=10.0,
        needs_manual_grade=False,
        comments=(),
    )
    return replace(score, **changes)


def write(path, text):
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def read(path, delimiter=","):
    text = path.read_bytes().decode()
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


def by_first(rows):
    return {row[0]: row for row in rows}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """Ada has late, graded-by-hand points; Grace waits for a grader; Alan handed in nothing."""
    folder = tmp_path_factory.mktemp("course")
    database = f"sqlite:///{folder / 'gradebook.db'}"
    # For a new gradebook nbgrader calls alembic, which is beside this Python.
    programs = (str(Path(sys.executable).parent), os.environ["PATH"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", os.pathsep.join(programs))
        gradebook = Gradebook(database)
    with gradebook:
        gradebook.add_assignment("Training", duedate="2026-03-01 12:00:00 UTC")
        gradebook.add_notebook("lesson", "Training")
        gradebook.add_grade_cell("a", "lesson", "Training", max_score=6, cell_type="code")
        gradebook.add_grade_cell("b", "lesson", "Training", max_score=4, cell_type="markdown")
        gradebook.add_solution_cell("b", "lesson", "Training")
        gradebook.add_assignment("Empty")
        gradebook.add_student("ada", first_name="Ada", last_name="Lovelace", lms_user_id="11")
        gradebook.add_student("grace", email="grace@example.org")
        gradebook.add_student("alan")
        for learner in ("ada", "grace"):
            submission = gradebook.add_submission("Training", learner)
            notebook = submission.notebooks[0]
            grades = {grade.name: grade for grade in notebook.grades}
            grades["a"].auto_score, grades["a"].needs_manual_grade = 4.5, False
            if learner == "ada":
                grades["b"].manual_score, grades["b"].needs_manual_grade = 3, False
                notebook.late_submission_penalty = 1.25
                notebook.comments[0].manual_comment = "Well <argued>"
            else:
                notebook.comments[0].auto_comment = "No response."
        gradebook.db.commit()
    return Course(folder, database, Config())


def test_scores_hold_manual_points_penalties_and_comments(course):
    ada, alan, grace = sorted(
        collect_scores(course, assignments=["Training"]), key=lambda score: score.learner
    )
    assert (ada.raw_score, ada.penalty, ada.score, ada.max_score) == (7.5, 1.25, 6.25, 10)
    assert (ada.first_name, ada.last_name, ada.lms_user_id) == ("Ada", "Lovelace", "11")
    assert (ada.needs_manual_grade, ada.comments) == (False, ("Well <argued>",))
    assert (grace.score, grace.needs_manual_grade, grace.comments) == (4.5, True, ())
    assert (alan.submitted, alan.score, alan.max_score) == (False, 0, 10)


def test_a_penalty_takes_no_more_than_there_is():
    assert make_score("ada", 1.0, penalty=5.0).score == 0


def test_a_gradebook_that_is_not_there_is_not_made(tmp_path):
    course = Course(tmp_path, f"sqlite:///{tmp_path / 'none.db'}", Config())
    with pytest.raises(ExportError, match=r"none\.db.*grade an assignment"):
        collect_scores(course)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_gradebook_is_named(tmp_path):
    write(tmp_path / "gradebook.db", b"something else" * 100)
    course = Course(tmp_path, f"sqlite:///{tmp_path / 'gradebook.db'}", Config())
    with pytest.raises(ExportError, match="cannot be read"):
        collect_scores(course)


def test_an_unknown_assignment_is_named_with_those_there_are(course):
    with pytest.raises(ExportError, match="no assignment Trainning; it has Empty, Training"):
        collect_scores(course, assignments=["Trainning"])


def test_the_csv_says_what_nbgraders_own_says(course, tmp_path):
    exported = export(collect_scores(course), tmp_path / "ours.csv", to="csv")
    with Gradebook(course.database) as gradebook:
        CsvExportPlugin(to=str(tmp_path / "theirs.csv")).export(gradebook)
    ours, theirs = read(tmp_path / "ours.csv"), read(tmp_path / "theirs.csv")
    assert ours[0] == theirs[0] == list(CSV_COLUMNS)
    assert sorted(ours) == sorted(theirs)
    assert exported.num_scores == 6
    assert "1 of these scores wait" in exported.notes[0]


@property_settings
@given(st.lists(SCORES, min_size=1, max_size=4), st.sampled_from(["csv", "canvas"]))
def test_no_text_is_a_formula_and_none_is_lost(tmp_path, scores, to):
    export(scores, tmp_path / "out.csv", to=to)
    rows = read(tmp_path / "out.csv")
    assert len({len(row) for row in rows}) == 1
    for cell in (cell for row in rows[1:] for cell in row):
        assert not re.match(r"\s*[=+@-]", cell) or is_number(cell)
    names = {cell.removeprefix("'") for row in rows for cell in row}
    assert {score.learner.removeprefix("'") for score in scores} <= names


def is_number(text):
    try:
        return math.isfinite(float(text)) or text == "-"
    except ValueError:
        return text == "-"


@pytest.mark.parametrize("number", [math.nan, math.inf])
@pytest.mark.parametrize("to", ["csv", "canvas", "moodle"])
def test_a_score_that_is_no_number_is_refused(tmp_path, to, number):
    with pytest.raises(ExportError, match=r"'ada'.*no finite number"):
        export([make_score("ada", number)], tmp_path / "out.csv", to=to)
    assert list(tmp_path.iterdir()) == []


def test_no_scores_are_no_export(tmp_path):
    with pytest.raises(ExportError, match="no scores"):
        export([], tmp_path / "out.csv", to="canvas")


# ---------------------------------------------------------------------------------------- Canvas


def test_canvas_without_a_roster(tmp_path):
    scores = [
        make_score("ada", 6.25, first_name="Ada", last_name="Lovelace", lms_user_id="11"),
        make_score("alan", submitted=False),
        make_score("ada", 2 / 3, assignment="Ethics", max_score=4.0),
    ]
    exported = export(scores, tmp_path / "out.csv", to="canvas", titles={"Ethics": "Week 4"})
    assert read(tmp_path / "out.csv") == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Training", "Week 4"],
        ["    Points Possible", "", "", "", "", "10", "4"],
        ["Lovelace, Ada", "11", "", "ada", "", "6.25", "0.67"],
        ["alan", "", "", "alan", "", "", ""],
    ]
    assert exported.num_scores == 2
    assert "create an assignment" in exported.notes[0]


def test_canvas_keeps_its_table_and_gets_the_scores(tmp_path):
    roster = write(tmp_path / "roster.csv", CANVAS)
    scores = [
        make_score("ada", 6.25),
        make_score("grace", 9.0),
        make_score("Mallory", 10.0),
        make_score("nobody", submitted=False),
    ]
    exported = export(scores, tmp_path / "out.csv", to="canvas", roster=roster)
    before, after = read(roster), read(tmp_path / "out.csv")
    changed = [
        (row, column)
        for row, cells in enumerate(before)
        for column, cell in enumerate(cells)
        if after[row][column] != cell
    ]
    assert changed == [(3, 5)]
    assert after[3][5] == "6.25"
    assert exported.num_scores == 1
    assert exported.unknown == ("Mallory",)
    assert exported.ungraded == ("Turing, Alan: 13",)
    assert exported.notes == ("grace keeps EX for Training.",)
    assert roster.read_text() == CANVAS


@pytest.mark.parametrize("known_by", ["alan", "S3", "13", "ALAN"])
def test_canvas_learners_are_known_by_any_of_their_identifiers(tmp_path, known_by):
    roster = write(tmp_path / "roster.csv", CANVAS)
    exported = export([make_score(known_by)], tmp_path / "o.csv", to="canvas", roster=roster)
    assert by_first(read(tmp_path / "o.csv"))["Turing, Alan"][5] == "7"
    assert exported.unknown == ()


def test_the_number_in_canvas_comes_from_the_gradebook_too(tmp_path):
    roster = write(tmp_path / "roster.csv", CANVAS)
    score = make_score("somebody", lms_user_id="13")
    export([score], tmp_path / "o.csv", to="canvas", roster=roster)
    assert by_first(read(tmp_path / "o.csv"))["Turing, Alan"][5] == "7"


def test_who_might_be_two_learners_is_neither(tmp_path):
    roster = write(tmp_path / "roster.csv", CANVAS.replace("S3", "11"))
    exported = export([make_score("11")], tmp_path / "o.csv", to="canvas", roster=roster)
    assert exported.unknown == ("11",)
    assert [row[5] for row in read(tmp_path / "o.csv")] == [row[5] for row in read(roster)]


def test_two_who_claim_one_row_get_neither(tmp_path):
    roster = write(tmp_path / "roster.csv", CANVAS)
    scores = [make_score("alan", 1.0), make_score("13", 10.0)]
    exported = export(scores, tmp_path / "o.csv", to="canvas", roster=roster)
    assert exported.unknown == ("13", "alan")
    assert by_first(read(tmp_path / "o.csv"))["Turing, Alan"][5] == "2"


def test_a_name_is_no_identifier(tmp_path):
    roster = write(tmp_path / "roster.csv", CANVAS.replace('"Turing, Alan"', "grace"))
    export([make_score("grace", 9.0)], tmp_path / "o.csv", to="canvas", roster=roster)
    assert by_first(read(tmp_path / "o.csv"))["grace"][5] == "2"


def test_a_title_that_canvas_lacks_is_added_and_reported(tmp_path):
    roster = write(tmp_path / "roster.csv", CANVAS)
    exported = export(
        [make_score("ada")], tmp_path / "o.csv", to="canvas", roster=roster,
        titles={"Training": "Week 3"},
    )  # fmt: skip
    rows = read(tmp_path / "o.csv")
    assert [row[-1] for row in rows] == ["Week 3", "10", "", "7", "", "", ""]
    assert [row[:-1] for row in rows] == read(roster)
    assert "no assignment 'Week 3', so Canvas will create it" in exported.notes[0]


def test_other_points_in_canvas_are_reported(tmp_path):
    roster = write(tmp_path / "roster.csv", CANVAS.replace(",10,", ",100,"))
    exported = export([make_score("ada")], tmp_path / "o.csv", to="canvas", roster=roster)
    assert "out of 100 points, and these scores are out of 10" in exported.notes[0]
    assert read(tmp_path / "o.csv")[1][5] == "100"


def test_two_columns_of_one_title_need_the_number(tmp_path):
    roster = write(tmp_path / "roster.csv", CANVAS.replace("Ethics (78)", "training (78)"))
    arguments = {"to": "canvas", "roster": roster}
    with pytest.raises(ExportError, match=r"Training \(77\), training \(78\)"):
        export([make_score("ada")], tmp_path / "o.csv", **arguments)
    titles = {"Training": "Training (77)"}
    export([make_score("ada")], tmp_path / "o.csv", titles=titles, **arguments)
    assert by_first(read(tmp_path / "o.csv"))["Lovelace, Ada"][5] == "7"


def test_canvas_in_semicolons_and_with_a_byte_order_mark(tmp_path):
    table = CANVAS.replace(", ", "\0").replace(",", ";").replace("\0", ", ").replace("3.5", "3,5")
    roster = write(tmp_path / "roster.csv", "\ufeff" + table)
    export([make_score("ada", 2.5)], tmp_path / "o.csv", to="canvas", roster=roster)
    assert by_first(read(tmp_path / "o.csv", ";"))["Lovelace, Ada"][5:7] == ["2.5", "3,5"]
    assert (tmp_path / "o.csv").read_bytes().startswith(b"Student;")


# ---------------------------------------------------------------------------------------- Moodle


def test_moodle_gets_grades_and_comments_and_keeps_the_rest(tmp_path):
    roster = write(tmp_path / "roster.csv", MOODLE)
    scores = [
        make_score("501", 6.25, penalty=1.0, comments=("<script>\nWell done",)),
        make_score("Mallory"),
    ]
    exported = export(scores, tmp_path / "out.csv", to="moodle", roster=roster)
    before, after = read(roster), read(tmp_path / "out.csv")
    assert after[1][4] == "5.25"
    assert after[1][9] == (
        "5.25 of 10 points, after 1 for lateness.<br>&lt;script&gt;<br>Well done"
    )
    after[1][4], after[1][9] = before[1][4], before[1][9]
    assert after == before
    assert exported.unknown == ("Mallory",)
    assert exported.ungraded == ("Participant 502: Grace Hopper",)
    assert (exported.num_scores, exported.notes) == (1, ())


@pytest.mark.parametrize("known_by", ["501", "Participant 501", "ada@example.org"])
def test_moodle_learners_are_known_by_number_and_address(tmp_path, known_by):
    roster = write(tmp_path / "roster.csv", MOODLE)
    export([make_score(known_by)], tmp_path / "out.csv", to="moodle", roster=roster)
    assert read(tmp_path / "out.csv")[1][4] == "7"


def test_a_full_name_in_moodle_is_no_identifier(tmp_path):
    roster = write(tmp_path / "roster.csv", MOODLE)
    exported = export([make_score("Ada Lovelace")], tmp_path / "o.csv", to="moodle", roster=roster)
    assert exported.unknown == ("Ada Lovelace",)


@pytest.mark.parametrize("language", WORKSHEETS)
def test_worksheets_in_other_languages(tmp_path, language):
    roster = write(tmp_path / "roster.csv", WORKSHEETS[language])
    exported = export([make_score("501", 7.5)], tmp_path / "out.csv", to="moodle", roster=roster)
    row = read(tmp_path / "out.csv")[1]
    assert (row[4], row[9]) == ("7.5", "7.5 of 10 points.")
    assert exported.notes == ()


def test_a_worksheet_that_cannot_be_understood_is_refused(tmp_path):
    roster = write(tmp_path / "roster.csv", MOODLE.replace(",Grade,", ",Mark,"))
    with pytest.raises(ExportError, match=r"Identifier, Full name.*language set to English"):
        export([make_score("501")], tmp_path / "out.csv", to="moodle", roster=roster)


def test_a_worksheet_with_the_required_columns_only(tmp_path):
    roster = write(
        tmp_path / "roster.csv", "Identifier,Grade,Last modified (grade)\nParticipant 501,,-\n"
    )
    exported = export([make_score("501")], tmp_path / "out.csv", to="moodle", roster=roster)
    assert read(tmp_path / "out.csv")[1] == ["Participant 501", "7", "-"]
    assert any("no column for comments" in note for note in exported.notes)


@pytest.mark.parametrize("maximum", ["100.00", "Fail\nPass"])
def test_another_maximum_in_moodle_is_reported(tmp_path, maximum):
    roster = write(tmp_path / "roster.csv", MOODLE.replace("10.00", f'"{maximum}"'))
    exported = export([make_score("501")], tmp_path / "out.csv", to="moodle", roster=roster)
    assert re.search("maximum for Training is (100|no number)", exported.notes[0])


def test_moodle_needs_its_worksheet_and_one_assignment(tmp_path):
    with pytest.raises(ExportError, match="download the grading worksheet"):
        export([make_score("501")], tmp_path / "out.csv", to="moodle")
    scores = [make_score("501"), make_score("501", assignment="Ethics")]
    with pytest.raises(ExportError, match="choose one of Ethics, Training"):
        export(scores, tmp_path / "out.csv", to="moodle", roster=tmp_path)


# ------------------------------------------------------------------------------------ any roster


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\xff\xfeS\x00t\x00", "not written in UTF-8"),
        (CANVAS.encode("utf-16"), "not written in UTF-8"),
        (CANVAS.encode().replace(b"ada", b"a\0a"), "NUL bytes"),
        (CANVAS.replace('"Hopper, Grace"', '"Hopper, Grace'), "no CSV file"),
        (CANVAS.replace('"Hopper, Grace"', '"Hopper"x'), "no CSV file, in line 5"),
        (CANVAS.replace("grace", "g" * 200_000), "no CSV file, in line 5"),
        (CANVAS.replace("80\n", "80,90\n"), "a row of 9 cells"),
        (CANVAS.replace("Section", "Sections"), "no gradebook from Canvas"),
        (CANVAS.replace("Ethics (78)", "Section"), "no gradebook from Canvas"),
        (MOODLE, "no gradebook from Canvas"),
        (b"PK\x03\x04 \x9c", "not written in UTF-8"),
    ],
)
def test_what_is_no_roster_is_refused_and_nothing_written(tmp_path, content, message):
    roster = write(tmp_path / "roster.csv", content)
    with pytest.raises(ExportError, match=message):
        export([make_score("ada")], tmp_path / "out.csv", to="canvas", roster=roster)
    assert not (tmp_path / "out.csv").exists()


def test_a_roster_that_is_not_there_or_a_folder(tmp_path):
    for roster in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(ExportError, match="cannot be read"):
            export([make_score("ada")], tmp_path / "out.csv", to="canvas", roster=roster)


def test_the_roster_is_not_overwritten(tmp_path):
    roster = write(tmp_path / "roster.csv", CANVAS)
    with pytest.raises(ExportError, match="the roster itself"):
        export([make_score("ada")], roster, to="canvas", roster=roster)
    assert roster.read_text() == CANVAS


@pytest.mark.parametrize(("to", "text"), [("canvas", CANVAS), ("moodle", MOODLE)])
def test_who_handed_in_nothing_keeps_what_the_roster_says(tmp_path, to, text):
    roster = write(tmp_path / "roster.csv", text)
    scores = [make_score("13", submitted=False), make_score("502", submitted=False)]
    exported = export(scores, tmp_path / "out.csv", to=to, roster=roster)
    assert read(tmp_path / "out.csv") == read(roster)
    assert (exported.num_scores, exported.unknown) == (0, ())
    assert len(exported.ungraded) == {"canvas": 3, "moodle": 2}[to]


def test_short_rows_and_empty_lines_are_borne(tmp_path):
    text = CANVAS.replace("alan,B,2,N/A,", "alan").replace('"Hopper', '\n"Hopper')
    roster = write(tmp_path / "roster.csv", text)
    export([make_score("alan")], tmp_path / "out.csv", to="canvas", roster=roster)
    assert by_first(read(tmp_path / "out.csv"))["Turing, Alan"][5] == "7"


@property_settings
@given(st.binary() | st.text().map(str.encode), st.sampled_from(["canvas", "moodle"]))
def test_arbitrary_files_are_refused_in_words(tmp_path, content, to):
    roster = write(tmp_path / "roster.csv", content)
    with pytest.raises(ExportError, match=r"roster\.csv"):
        export([make_score("ada")], tmp_path / "out.csv", to=to, roster=roster)


@property_settings
@given(
    st.lists(st.lists(CELLS, min_size=4, max_size=4), max_size=5),
    st.sampled_from(",;\t"),
    st.booleans(),
    st.sampled_from(["\n", "\r\n"]),
)
def test_canvas_rosters_survive_whatever_is_in_them(tmp_path, people, delimiter, mark, ending):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=ending, quoting=csv.QUOTE_ALL)
    header = ["Student", "ID", "SIS Login ID", "Section", "Training (7)"]
    rows = [[*person, ""] for person in people]
    writer.writerows([header, *rows, ["Ada", "unique-id", "", "", ""]])
    roster = write(tmp_path / "roster.csv", "\ufeff" * mark + text.getvalue())
    export([make_score("unique-id")], tmp_path / "out.csv", to="canvas", roster=roster)
    found = read(tmp_path / "out.csv", delimiter)
    assert found[0] == header
    assert found[1:-1] == [[escape_formula(cell) for cell in row] for row in rows]
    assert found[-1] == ["Ada", "unique-id", "", "", "7"]


@property_settings
@given(st.lists(st.tuples(CELLS, CELLS), max_size=5), st.sampled_from(",;\t"))
def test_moodle_worksheets_survive_whatever_is_in_them(tmp_path, people, delimiter):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    header = ["Identifier", "Name", "Grade", "Maximum", "Modified (grade)", "Comments"]
    rows = [[f"Participant {place}", name, "", "10", "-", old]
            for place, (name, old) in enumerate(people, start=1000)]  # fmt: skip
    writer.writerows([header, *rows, ["Participant 7", "Ada", "", "10", "-", ""]])
    roster = write(tmp_path / "roster.csv", text.getvalue())
    export([make_score("7")], tmp_path / "out.csv", to="moodle", roster=roster)
    found = read(tmp_path / "out.csv", delimiter)
    assert found[:-1] == [header, *[[escape_formula(cell) for cell in row] for row in rows]]
    assert found[-1] == ["Participant 7", "Ada", "7", "10", "-", "7 of 10 points."]
