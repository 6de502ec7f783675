"""Scores for Canvas: what its importer reads back."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils.formats import escape_formula
from course_utils.grading.lms.export import export
from course_utils.grading.lms.scores import ExportError
from tests.grading.lms.tables import (
    CANVAS,
    CELLS,
    by_first,
    make_score,
    property_settings,
    read,
    write,
)


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
