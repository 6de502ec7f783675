import copy
import json
import re
from pathlib import Path

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbgrader.preprocessors import ClearHiddenTests, ClearSolutions, ComputeChecksums, LockCells

from course_utils.exercises.working_copy import make_exercise
from course_utils.grading.intake.repair import repair
from course_utils.grading.intake.submission import MAX_BYTES, SubmissionError
from tests.grading.browsing import draw_picture
from tests.grading.mutations import DAMAGE, DEPTHS, HARMFUL, HARMLESS, lose_ids, mutate, nest, write

LESSON = Path(__file__).parents[3] / "notebooks" / "03_training.ipynb"
NAME = "03_training.ipynb"
MAX_MESSAGE = 300
PICTURE = {"image/png": draw_picture()}


def nbgrader_of(cell):
    return cell["metadata"].get("nbgrader", {})


def read_source():
    """The instructor's lesson; each check has hidden tests."""
    source = nbformat.read(LESSON, as_version=4)
    for cell in source.cells:
        if nbgrader_of(cell).get("grade") and "HIDDEN" not in cell.source:
            cell.source += "\n### BEGIN HIDDEN TESTS\nemit_secretly()\n### END HIDDEN TESTS"
    return source


SOURCE = read_source()
LEARNER = json.loads(nbformat.writes(make_exercise(LESSON), split_lines=False))
GRADE_IDS = [nbgrader_of(cell)["grade_id"] for cell in SOURCE.cells if nbgrader_of(cell)]
SOLUTION_IDS = [name for name in GRADE_IDS if name.startswith("exercise")]
CHECK_IDS = [name for name in GRADE_IDS if name.startswith("check")]
HANDED_OUT = {line.strip() for cell in LEARNER["cells"] for line in cell["source"].splitlines()}
SOLUTION_LINES = {
    line.strip()
    for cell in SOURCE.cells
    for region in re.findall(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", cell.source, re.DOTALL)
    for line in region.splitlines()
    if line.strip()
} - HANDED_OUT


def find(notebook, name):
    """The only cell of this ``grade_id``."""
    (cell,) = [c for c in notebook["cells"] if nbgrader_of(c).get("grade_id") == name]
    return cell


def place_of(notebook, name):
    return notebook["cells"].index(find(notebook, name))


def answer_for(name):
    """A learner's answer: the head of the function, and a line that no one else has."""
    head = find(LEARNER, name)["source"].split("\n")[0]
    return f"{head}\n    return 'mine for {name}'"


def make_submission(*names):
    """The student edition with answers to these exercises, all of them if none is named."""
    notebook = copy.deepcopy(LEARNER)
    for name in names or SOLUTION_IDS:
        find(notebook, name)["source"] = answer_for(name)
    return notebook


def repair_notebook(notebook):
    return repair(SOURCE, json.dumps(notebook).encode())


def reported(repaired):
    return {(found.kind, found.cell) for found in repaired.repairs}


def check_invariants(repaired):
    notebook = repaired.notebook
    nbformat.validate(notebook)
    nbformat.writes(notebook).encode()
    checks = [c for c in SOURCE.cells if nbgrader_of(c) and not nbgrader_of(c)["solution"]]
    originals = {cell.id: cell for cell in SOURCE.cells}
    own = [cell for cell in notebook.cells if cell.id in originals]
    assert [cell.id for cell in own] == list(originals)
    assert [c for c in notebook.cells if nbgrader_of(c).get("grade")] == [
        nbformat.from_dict({**cell, "outputs": [], "execution_count": None}) for cell in checks
    ]
    for cell in own:
        assert cell.metadata == originals[cell.id].metadata
        assert cell.cell_type == originals[cell.id].cell_type
    for cell in notebook.cells:
        assert cell.id in originals or cell.metadata == {}
        assert cell.cell_type != "code" or (cell.outputs, cell.execution_count) == ([], None)
        assert not SOLUTION_LINES & {line.strip() for line in cell.source.splitlines()}
    assert notebook.metadata == SOURCE.metadata


# Whole submissions


def test_a_submission_that_is_as_it_should_be_needs_no_repair():
    repaired = repair_notebook(make_submission())
    check_invariants(repaired)
    assert repaired.repairs == ()
    assert len(repaired.notebook.cells) == len(SOURCE.cells)
    for name in SOLUTION_IDS:
        assert find(repaired.notebook, name).source == answer_for(name)


def test_the_lesson_itself_is_left_as_it_is():
    before = copy.deepcopy(SOURCE)
    repair_notebook(make_submission())
    assert before == SOURCE


def make_release():
    """The student edition as `nbgrader generate_assignment` makes it."""
    release = copy.deepcopy(SOURCE)
    for step in (LockCells, ClearSolutions, ComputeChecksums, ClearHiddenTests):
        release, _ = step().preprocess(release, {})
    return json.loads(nbformat.writes(release))


@pytest.mark.parametrize("make", [lambda: LEARNER, make_release])
def test_the_untouched_student_edition_keeps_its_stubs(make):
    repaired = repair_notebook(make())
    check_invariants(repaired)
    assert repaired.repairs == ()
    assert "NotImplementedError" in find(repaired.notebook, "exercise-3-1").source


def test_a_check_brings_its_hidden_tests_along():
    repaired = repair_notebook(make_submission())
    assert "HIDDEN TESTS" in find(repaired.notebook, "check-3-1").source


def test_outputs_of_the_learner_do_not_come_along():
    notebook = make_submission()
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["execution_count"] = 7
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "3.1 ✓"}]
    check_invariants(repair_notebook(notebook))


def test_the_metadata_of_the_notebook_is_the_lessons():
    notebook = make_submission()
    notebook["metadata"] = {
        "kernelspec": {"name": "bash", "display_name": "Bash"},
        "course": {"grading": {"epochs": 10**9}},
    }
    check_invariants(repair_notebook(notebook))


def test_another_lesson_handed_in_by_mistake_has_no_answers():
    repaired = repair(SOURCE, LESSON.with_name("01_data_loading.ipynb").read_bytes())
    check_invariants(repaired)
    assert {("missing", name) for name in GRADE_IDS} <= reported(repaired)
    assert "NotImplementedError" in find(repaired.notebook, "exercise-3-1").source


# Solution cells


def test_a_deleted_answer_is_the_stub_and_reported():
    notebook = make_submission()
    del notebook["cells"][place_of(notebook, "exercise-3-2")]
    repaired = repair_notebook(notebook)
    check_invariants(repaired)
    assert reported(repaired) == {("missing", "exercise-3-2")}
    assert "NotImplementedError" in find(repaired.notebook, "exercise-3-2").source


def test_an_empty_notebook_gets_no_solution():
    repaired = repair_notebook({**LEARNER, "cells": []})
    check_invariants(repaired)
    assert {("missing", name) for name in GRADE_IDS} <= reported(repaired)


def test_an_answer_without_metadata_is_recognised_by_its_id():
    notebook = make_submission()
    cell = find(notebook, "exercise-3-2")
    cell["metadata"], cell["source"] = {}, "print('no function at all')"
    repaired = repair_notebook(notebook)
    check_invariants(repaired)
    assert reported(repaired) == {("metadata", "exercise-3-2")}
    assert find(repaired.notebook, "exercise-3-2").source == "print('no function at all')"


def test_a_changed_grade_id_is_recognised_by_the_cell_id():
    notebook = make_submission()
    nbgrader_of(find(notebook, "exercise-3-2"))["grade_id"] = "mine"
    repaired = repair_notebook(notebook)
    check_invariants(repaired)
    assert reported(repaired) == {("metadata", "exercise-3-2")}
    assert find(repaired.notebook, "exercise-3-2").source == answer_for("exercise-3-2")


@pytest.mark.parametrize("magic", ["", "%matplotlib inline\n", "!ls\n", "?print\n"])
def test_an_answer_in_a_cell_of_its_own_is_recognised_by_its_function(magic):
    notebook = make_submission()
    cell = find(notebook, "exercise-3-2")
    cell["metadata"], cell["id"] = {}, "new"
    cell["source"] = magic + answer_for("exercise-3-2")
    repaired = repair_notebook(notebook)
    check_invariants(repaired)
    assert reported(repaired) == {("metadata", "exercise-3-2")}
    assert find(repaired.notebook, "exercise-3-2").source == cell["source"]


def test_two_cells_that_could_be_the_answer_are_no_answer():
    notebook = make_submission()
    cell = find(notebook, "exercise-3-2")
    cell["metadata"], cell["id"] = {}, "new"
    notebook["cells"].append({**cell, "id": "newer", "source": cell["source"] + " + 'more'"})
    repaired = repair_notebook(notebook)
    check_invariants(repaired)
    assert ("missing", "exercise-3-2") in reported(repaired)
    assert "NotImplementedError" in find(repaired.notebook, "exercise-3-2").source


def test_an_unchanged_stub_beside_the_answer_is_no_second_answer():
    notebook = make_submission()
    place = place_of(notebook, "exercise-3-2")
    stub = find(LEARNER, "exercise-3-2")["source"]
    notebook["cells"][place] |= {"metadata": {}, "id": "new"}
    notebook["cells"].insert(place, nbformat.v4.new_code_cell(stub, id="stub"))
    repaired = repair_notebook(notebook)
    check_invariants(repaired)
    assert find(repaired.notebook, "exercise-3-2").source == answer_for("exercise-3-2")


def test_a_name_counts_for_more_than_a_cell_id():
    notebook = make_submission()
    wrong = find(notebook, "exercise-3-2")["id"]
    del notebook["cells"][place_of(notebook, "exercise-3-2")]
    find(notebook, "exercise-3-1")["id"] = wrong
    repaired = repair_notebook(notebook)
    check_invariants(repaired)
    assert reported(repaired) == {("missing", "exercise-3-2")}
    assert find(repaired.notebook, "exercise-3-1").source == answer_for("exercise-3-1")


def test_a_function_in_a_string_is_no_answer():
    notebook = make_submission()
    cell = find(notebook, "exercise-3-2")
    cell["metadata"], cell["id"] = {}, "new"
    cell["source"] = f'"""\n{answer_for("exercise-3-2")}\n"""'
    assert ("missing", "exercise-3-2") in reported(repair_notebook(notebook))


def test_an_answer_in_the_cell_of_another_exercise_counts_for_both():
    notebook = make_submission()
    both = answer_for("exercise-3-1") + "\n\n\n" + answer_for("exercise-3-2")
    find(notebook, "exercise-3-1")["source"] = both
    del notebook["cells"][place_of(notebook, "exercise-3-2")]
    repaired = repair_notebook(notebook)
    check_invariants(repaired)
    assert find(repaired.notebook, "exercise-3-1").source == both
    assert find(repaired.notebook, "exercise-3-2").source == both


def test_a_solution_turned_into_text_is_code_again():
    notebook = make_submission()
    for name, kind in (("exercise-3-1", "markdown"), ("exercise-3-2", "raw")):
        cell = find(notebook, name)
        cell["cell_type"] = kind
        del cell["outputs"], cell["execution_count"]
    repaired = repair_notebook(notebook)
    check_invariants(repaired)
    assert reported(repaired) == {("retagged", "exercise-3-1"), ("retagged", "exercise-3-2")}
    assert find(repaired.notebook, "exercise-3-1").source == answer_for("exercise-3-1")


def test_nbgraders_marks_in_an_answer_are_text():
    text = "### END SOLUTION\n### BEGIN HIDDEN TESTS\n" + answer_for("exercise-3-1")
    notebook = make_submission()
    find(notebook, "exercise-3-1")["source"] = text
    repaired = repair_notebook(notebook)
    assert find(repaired.notebook, "exercise-3-1").source == text


def test_a_solution_without_marks_is_not_the_learners():
    source = copy.deepcopy(SOURCE)
    find(
        source, "exercise-3-1"
    ).source = "def step(weight, gradient, learning_rate):\n    return 42"
    repaired = repair(source, json.dumps({**LEARNER, "cells": []}).encode())
    assert not any("return 42" in cell.source for cell in repaired.notebook.cells)


def test_an_essay_is_the_learners_text():
    source, notebook = copy.deepcopy(SOURCE), make_submission()
    marks = {"grade": True, "solution": True, "locked": False, "schema_version": 3, "points": 3}
    marks["grade_id"] = "essay"
    for cells, text in ((source.cells, "YOUR ANSWER HERE"), (notebook["cells"], "It depends.")):
        cells.append(
            nbformat.v4.new_markdown_cell(text, metadata={"nbgrader": dict(marks)}, id="essay")
        )
    repaired = repair(source, json.dumps(notebook).encode())
    assert repaired.repairs == ()
    assert find(repaired.notebook, "essay").source == "It depends."


# Copies of one cell


def copy_cell(notebook, name, *, source, offset=1):
    """Copy a cell as Jupyter does: with its nbgrader metadata, under another id."""
    place = place_of(notebook, name)
    new = {**copy.deepcopy(notebook["cells"][place]), "id": f"copy{offset}", "source": source}
    notebook["cells"].insert(place + offset, new)


@pytest.mark.parametrize("offset", [0, 1, 5])
@pytest.mark.parametrize(
    "other",
    [
        find(LEARNER, "exercise-3-1")["source"],
        find(LEARNER, "exercise-3-1")["source"].replace(
            'raise NotImplementedError("Replace this line by your code.")',
            "# YOUR CODE HERE\n    raise NotImplementedError()",
        ),
        answer_for("exercise-3-1"),
        "step(1.0, 2.0, 0.1)",
    ],
)
def test_of_copies_the_one_that_was_worked_on_counts(offset, other):
    notebook = make_submission()
    copy_cell(notebook, "exercise-3-1", source=other, offset=offset)
    repaired = repair_notebook(notebook)
    check_invariants(repaired)
    assert find(repaired.notebook, "exercise-3-1").source == answer_for("exercise-3-1")
    assert ("duplicated", "exercise-3-1") in reported(repaired)
    is_kept = other.startswith("step(")
    assert len(repaired.notebook.cells) == len(SOURCE.cells) + is_kept


def test_of_two_answers_the_last_counts_and_the_other_runs_before_it():
    notebook = make_submission()
    later = answer_for("exercise-3-1") + " + 'later'"
    copy_cell(notebook, "exercise-3-1", source=later)
    repaired = repair_notebook(notebook)
    check_invariants(repaired)
    place = place_of(repaired.notebook, "exercise-3-1")
    assert repaired.notebook.cells[place].source == later
    assert repaired.notebook.cells[place - 1].source == answer_for("exercise-3-1")
    (message,) = [found.message for found in repaired.repairs if found.kind == "duplicated"]
    number = 1 + place_of(LEARNER, "exercise-3-1")
    second = number + 1
    assert message == f"cells {number}, {second} are copies of one cell; cell {second} counts"


def test_a_copied_check_that_became_the_learners_own_cell_is_kept():
    notebook = make_submission()
    copy_cell(notebook, "check-3-1", source="print(step(1, 2, 3))")
    repaired = repair_notebook(notebook)
    check_invariants(repaired)
    assert ("duplicated", "check-3-1") in reported(repaired)
    place = place_of(repaired.notebook, "check-3-1")
    assert repaired.notebook.cells[place + 1].source == "print(step(1, 2, 3))"


# Cells that are the lesson's own


def test_a_check_cannot_be_changed_or_deleted():
    notebook = make_submission()
    find(notebook, "check-3-1")["source"] = "print('3.1 ✓')"
    del notebook["cells"][place_of(notebook, "check-3-2")]
    repaired = repair_notebook(notebook)
    check_invariants(repaired)
    assert reported(repaired) == {("changed", "check-3-1"), ("missing", "check-3-2")}


def test_the_parameters_cannot_be_changed():
    notebook = make_submission()
    notebook["cells"][2]["source"] = "num_train = 10**9"
    repaired = repair_notebook(notebook)
    check_invariants(repaired)
    assert repaired.notebook.cells[2].source == SOURCE.cells[2].source
    assert reported(repaired) == {("changed", "cell 3")}


def test_parameters_of_an_earlier_run_are_left_out():
    notebook = make_submission()
    injected = nbformat.v4.new_code_cell(
        "num_train = 10**9", metadata={"tags": ["injected-parameters"]}
    )
    notebook["cells"].insert(3, injected)
    repaired = repair_notebook(notebook)
    check_invariants(repaired)
    assert len(repaired.notebook.cells) == len(SOURCE.cells)
    assert reported(repaired) == {("extra", "cell 4")}


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("check-3-1", {"points": 100}),
        ("check-3-1", {"grade": False}),
        ("check-3-1", {"locked": False, "solution": True}),
        ("exercise-3-1", {"solution": False, "locked": True}),
        ("exercise-3-1", {"grade": True, "points": 10**300}),
    ],
)
def test_points_and_flags_cannot_be_changed(name, change):
    notebook = make_submission()
    nbgrader_of(find(notebook, name)).update(change)
    repaired = repair_notebook(notebook)
    check_invariants(repaired)
    assert reported(repaired) == {("retagged", name)}
    assert find(repaired.notebook, "exercise-3-1").source == answer_for("exercise-3-1")


@pytest.mark.parametrize("tag", ["nbval-skip", "skip-execution", "raises-exception"])
def test_tags_cannot_be_changed(tag):
    notebook = make_submission()
    find(notebook, "check-3-1")["metadata"]["tags"] = [tag]
    notebook["cells"][9]["metadata"]["tags"] = [tag]
    repaired = repair_notebook(notebook)
    check_invariants(repaired)
    assert reported(repaired) == {("retagged", "check-3-1"), ("retagged", "cell 10")}


def test_moved_cells_are_put_back():
    notebook = make_submission()
    cells = notebook["cells"]
    cells.append(cells.pop(place_of(notebook, "exercise-3-1")))
    repaired = repair_notebook(notebook)
    check_invariants(repaired)
    assert reported(repaired) == {("moved", "exercise-3-1")}
    assert find(repaired.notebook, "exercise-3-1").source == answer_for("exercise-3-1")


def test_cells_in_reverse_are_put_back():
    notebook = make_submission()
    notebook["cells"].reverse()
    repaired = repair_notebook(notebook)
    check_invariants(repaired)
    assert [cell.id for cell in repaired.notebook.cells] == [cell.id for cell in SOURCE.cells]
    assert {kind for kind, _ in reported(repaired)} == {"moved"}


# Ungraded cells


def test_changed_code_runs_as_the_learner_wrote_it():
    notebook = make_submission()
    notebook["cells"][3]["source"] = "import this"
    repaired = repair_notebook(notebook)
    check_invariants(repaired)
    assert repaired.notebook.cells[3].source == "import this"
    assert repaired.repairs == ()


def test_deleted_code_and_text_come_back():
    notebook = make_submission()
    del notebook["cells"][3:5]
    repaired = repair_notebook(notebook)
    check_invariants(repaired)
    assert repaired.notebook.cells[3].source == SOURCE.cells[3].source
    assert reported(repaired) == {("missing", "cells 4, 5 of the lesson")}


def test_code_turned_into_text_is_code_again():
    notebook = make_submission()
    place, cell = next(
        (place, cell)
        for place, cell in enumerate(notebook["cells"])
        if cell["cell_type"] == "code" and place > place_of(notebook, "check-3-1")
    )
    cell |= {"cell_type": "markdown", "source": "not *now*"}
    del cell["outputs"], cell["execution_count"]
    repaired = repair_notebook(notebook)
    check_invariants(repaired)
    assert repaired.notebook.cells[place].source == SOURCE.cells[place].source
    assert reported(repaired) == {("retagged", f"cell {place + 1}")}


def test_text_of_the_lesson_stays_as_it_is():
    notebook = make_submission()
    notebook["cells"][0]["source"] = "<script>alert(1)</script>"
    repaired = repair_notebook(notebook)
    assert repaired.notebook.cells[0].source == SOURCE.cells[0].source


def test_additional_cells_stay_behind_those_they_followed():
    notebook = make_submission()
    place = place_of(notebook, "exercise-3-1") + 1
    taken = SOURCE.cells[0].id
    notebook["cells"][place:place] = [
        nbformat.v4.new_code_cell("helper = 1", id=taken, metadata={"tags": ["parameters"]}),
        nbformat.v4.new_markdown_cell("my note", id=taken),
        nbformat.v4.new_raw_cell("<script>alert(1)</script>"),
        nbformat.v4.new_code_cell("  \n"),
    ]
    notebook["cells"].insert(0, nbformat.v4.new_code_cell("first = 1"))
    repaired = repair_notebook(notebook)
    check_invariants(repaired)
    cells = repaired.notebook.cells
    assert [cell.source for cell in cells[:1]] == ["first = 1"]
    start = place_of(repaired.notebook, "exercise-3-1") + 1
    assert [c.source for c in cells[start : start + 2]] == ["helper = 1", "my note"]
    assert cells[start + 2].metadata.nbgrader.grade_id == "check-3-1"
    first = place + 2  # cells are counted from 1, and one was put before all
    assert ("extra", f"cells 1, {first}") in reported(repaired)
    assert ("extra", f"cell {first + 1}") in reported(repaired)
    assert ("extra", f"cell {first + 2}") in reported(repaired)


def test_pictures_pasted_into_answers_and_cells_of_text_are_kept():
    source = copy.deepcopy(SOURCE)
    essay = nbformat.v4.new_markdown_cell("Why?", id="why", attachments={"ours.png": PICTURE})
    essay.metadata["nbgrader"] = {"grade_id": "why", "grade": True, "solution": True, "points": 1}
    source.cells.append(essay)
    submission = make_submission()
    pasted = {"a.png": PICTURE, "b.svg": {"image/svg+xml": "PHN2Zz4="}, "c": 5, "\ud800": PICTURE}
    answer = {**essay, "source": "![](attachment:a.png)", "attachments": pasted}
    own = {"cell_type": "markdown", "source": answer["source"], "attachments": pasted}
    submission["cells"] += [answer, own]
    repaired = repair(source, json.dumps(submission).encode()).notebook
    nbformat.validate(repaired)
    assert repaired.cells[-2].source == "![](attachment:a.png)"
    assert repaired.cells[-2].attachments == {"ours.png": PICTURE, "a.png": PICTURE}
    assert repaired.cells[-1].attachments == {"a.png": PICTURE}


def test_code_has_no_pictures():
    submission = make_submission()
    for cell in submission["cells"]:
        cell["attachments"] = {"a.png": PICTURE}
    repaired = repair_notebook(submission)
    check_invariants(repaired)
    assert not any("attachments" in cell for cell in repaired.notebook.cells)


def test_the_places_of_many_cells_are_not_all_named():
    notebook = make_submission()
    notebook["cells"] += [nbformat.v4.new_code_cell(f"x = {i}") for i in range(20)]
    (found,) = repair_notebook(notebook).repairs
    first = len(SOURCE.cells) + 1
    named = ", ".join(str(first + i) for i in range(8))
    assert found.cell == f"cells {named} and 12 more"


# Formats


def test_format_3_is_converted():
    notebook = make_submission()
    old = nbformat.convert(nbformat.from_dict(notebook), 3)
    repaired = repair(SOURCE, nbformat.writes(old).encode())
    check_invariants(repaired)
    assert reported(repaired) == {("format", "")}
    for name in SOLUTION_IDS:
        assert find(repaired.notebook, name).source == answer_for(name)


def test_headings_and_html_of_format_3_are_converted():
    sheet = {"cells": [{"cell_type": "html", "source": "<b>x</b>"}]}
    sheet["cells"].append({"cell_type": "heading", "source": ["A ", "title"], "level": "high"})
    sheet["cells"].append({"cell_type": "heading", "source": "A section", "level": 2})
    repaired = repair(SOURCE, json.dumps({"nbformat": 3, "worksheets": [sheet]}).encode())
    check_invariants(repaired)
    sources = [cell.source for cell in repaired.notebook.cells[:3]]
    assert sources == ["<b>x</b>", "# A title", "## A section"]


@pytest.mark.parametrize("minor", [0, 4, None])
def test_a_notebook_without_cell_ids_is_recognised_by_names_and_texts(minor):
    notebook = make_submission() | {"nbformat_minor": minor}
    for cell in notebook["cells"]:
        del cell["id"]
    repaired = repair_notebook(notebook)
    check_invariants(repaired)
    assert reported(repaired) == {("format", "")}
    assert len(repaired.notebook.cells) == len(SOURCE.cells)


def test_without_ids_and_metadata_the_answers_are_recognised_by_their_functions():
    notebook = make_submission() | {"nbformat_minor": 0}
    for cell in notebook["cells"]:
        del cell["id"]
        cell["metadata"] = {}
    repaired = repair_notebook(notebook)
    check_invariants(repaired)
    assert len(repaired.notebook.cells) == len(SOURCE.cells)
    for name in SOLUTION_IDS:
        assert find(repaired.notebook, name).source == answer_for(name)
        assert ("metadata", name) in reported(repaired)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_other_encodings_of_unicode_are_read(encoding):
    text = json.dumps(make_submission(), ensure_ascii=False)
    repaired = repair(SOURCE, text.encode(encoding))
    check_invariants(repaired)
    assert find(repaired.notebook, "exercise-3-1").source == answer_for("exercise-3-1")
    assert reported(repaired) == (set() if encoding == "utf-8-sig" else {("format", "")})


@pytest.mark.parametrize("character", ["\0", "\ud800", "\udfff"])
def test_characters_that_no_file_can_hold_are_replaced(character):
    notebook = make_submission()
    find(notebook, "exercise-3-1")["source"] += f" # {character}"
    repaired = repair_notebook(notebook)
    check_invariants(repaired)
    assert find(repaired.notebook, "exercise-3-1").source.endswith("# \ufffd")
    number = 1 + place_of(LEARNER, "exercise-3-1")
    assert reported(repaired) == {("format", f"cell {number}")}


# What is no notebook


def with_cell(**changes):
    cell = {"cell_type": "code", "source": "x", "metadata": {}, "outputs": []} | changes
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]})


@pytest.mark.parametrize(
    ("submitted", "message"),
    [
        (b"", "no notebook, or not a whole one"),
        (b"\0" * 1000, "no notebook"),
        (b"\x89PNG\r\n\x1a\n", "not text"),
        (b"%PDF-1.7", "no notebook, or not a whole one"),
        (json.dumps(LEARNER)[:5000], "not a whole one"),
        (nest("[", 100_000), "too deeply nested"),
        ('{"nbformat": 4, "cells": ' + nest('{"a":', 50_000) + "}", "too deeply nested"),
        ('{"nbformat": 4' + "0" * 5000 + "}", "a number is too long"),
        ("[" * 1_100_000, "too many parts"),
        ("null", "no list of cells"),
        ("[]", "no list of cells"),
        ('{"nbformat": 4}', "no list of cells"),
        ('{"nbformat": 4, "cells": {"0": {}}}', "no list of cells"),
        ('{"nbformat": 3, "worksheets": 1}', "no list of cells"),
        ('{"nbformat": 3, "worksheets": [{"cells": null}]}', "no list of cells"),
        ('{"nbformat": "4", "cells": []}', "no list of cells"),
        (
            '{"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "code"}]}]}',
            "cell 1 is no cell",
        ),
        ('{"nbformat": 2, "worksheets": []}', "of format 2, not 4"),
        ('{"nbformat": 5, "cells": []}', "of format 5, not 4"),
        ('{"nbformat": 4, "cells": [[]]}', "cell 1 is no cell"),
        (with_cell(cell_type="heading"), "cell 1 is no cell"),
        (with_cell(cell_type=["code"]), "cell 1 is no cell"),
        (with_cell(source=None), "cell 1 is no cell"),
        (with_cell(source=[1, 2]), "cell 1 is no cell"),
        (with_cell(source={"a": "b"}), "cell 1 is no cell"),
        (json.dumps({"nbformat": 4, "cells": [{}] * 2001}), "2001 cells, more than 2000"),
        (
            json.dumps({"nbformat": 3, "worksheets": [{"cells": [{}] * 2001}]}),
            "2001 cells, more than 2000",
        ),
    ],
)
def test_what_is_no_notebook_is_refused_in_one_line(submitted, message):
    submitted = submitted.encode() if isinstance(submitted, str) else submitted
    with pytest.raises(SubmissionError, match=re.escape(message)) as refused:
        repair(SOURCE, submitted)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < MAX_MESSAGE


def test_a_file_that_is_too_large_is_refused_before_it_is_read():
    with pytest.raises(SubmissionError, match="larger than 20 MB"):
        repair(SOURCE, b" " * (MAX_BYTES + 1))


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        "text",
        [],
        {"nbgrader": []},
        {"nbgrader": {"grade_id": ["exercise-3-1"], "points": {}}},
        {"nbgrader": {"grade_id": {}, "solution": "yes"}, "tags": "nbval-skip"},
        {"tags": [1, None, {}, ["parameters"]]},
        {"tags": {"parameters": 1}},
        {"nbgrader": {"points": float("nan")}},
    ],
)
def test_metadata_of_wrong_types_counts_as_lost(metadata):
    notebook = make_submission()
    cell = find(notebook, "exercise-3-1")
    cell["metadata"] = metadata
    repaired = repair_notebook(notebook)
    check_invariants(repaired)
    assert reported(repaired) == {("metadata", "exercise-3-1")}
    assert find(repaired.notebook, "exercise-3-1").source == cell["source"]


@pytest.mark.parametrize(
    "source",
    [
        "-" * 90_000 + "1",
        "a" + ".b" * 45_000,
        "(" * 90_000,
        "x = 1" + "+1" * 45_000,
        "'\\d'",
        "1" * 90_000,
        "x = [" + "1," * 1_000_000 + "]",
    ],
)
def test_a_cell_that_python_cannot_parse_costs_nothing_else(source):
    notebook = make_submission()
    cell = find(notebook, "exercise-3-1")
    cell["metadata"], cell["id"], cell["source"] = {}, "new", source
    repaired = repair_notebook(notebook)
    check_invariants(repaired)
    assert ("missing", "exercise-3-1") in reported(repaired)


# Properties


@settings(max_examples=100)
@given(st.lists(HARMLESS, max_size=12))
def test_every_answer_survives_what_leaves_it_recognisable(steps):
    repaired = repair_notebook(mutate(make_submission(), steps))
    check_invariants(repaired)
    assert len(repaired.notebook.cells) == len(SOURCE.cells)
    for name in SOLUTION_IDS:
        assert find(repaired.notebook, name).source == answer_for(name)


@settings(max_examples=300)
@given(st.lists(HARMFUL, max_size=8), st.lists(DAMAGE, max_size=2), DEPTHS)
def test_whatever_is_handed_in_gives_a_sound_notebook_or_a_refusal(steps, damage, depth):
    content = write(mutate(make_submission(), steps), depth=depth, damage=damage)
    try:
        repaired = repair(SOURCE, content)
    except SubmissionError as refused:
        assert "\n" not in str(refused)
        assert len(str(refused)) < MAX_MESSAGE
    else:
        check_invariants(repaired)
        for found in repaired.repairs:
            assert "\n" not in found.cell + found.message


@settings(max_examples=100)
@given(st.sets(st.sampled_from(GRADE_IDS)), st.data())
def test_no_solution_of_the_instructor_ever_stands_for_an_answer(deleted, data):
    notebook = make_submission()
    notebook["cells"] = [
        cell for cell in notebook["cells"] if nbgrader_of(cell).get("grade_id") not in deleted
    ]
    if data.draw(st.booleans()):
        lose_ids(notebook, 0)
    repaired = repair_notebook(notebook)
    check_invariants(repaired)
    for name in SOLUTION_IDS:
        text = find(repaired.notebook, name).source
        if name in deleted:
            assert "raise NotImplementedError" in text
            assert ("missing", name) in reported(repaired)
        else:
            assert text == answer_for(name)


def test_a_solution_in_a_cell_without_a_name_is_no_longer_there_either():
    source = copy.deepcopy(SOURCE)
    hidden = "### BEGIN SOLUTION\nSECRET = 1\n### END SOLUTION"
    source.cells.append(nbformat.v4.new_code_cell(hidden))
    repaired = repair(source, json.dumps(make_submission()).encode())
    assert "SECRET" not in nbformat.writes(repaired.notebook)
    assert "### BEGIN SOLUTION" not in nbformat.writes(repaired.notebook)
