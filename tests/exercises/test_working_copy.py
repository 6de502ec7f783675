"""A learner's copy holds no solution and is never overwritten."""

import ast

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils.exercises.working_copy import WorkingCopyError, prepare, remove_solutions

SOLVED = '''def mean(pixels):
    """Take the mean."""
    ### BEGIN SOLUTION
    SECRET = sum(pixels)

    return SECRET / len(pixels)
    ### END SOLUTION
'''
HIDDEN = "mean([1])\n### BEGIN HIDDEN TESTS\nassert SECRET\n### END HIDDEN TESTS"

LINE = st.sampled_from(
    [
        "a = SECRET",
        "    b = SECRET",
        "",
        "### BEGIN SOLUTION",
        "    ### BEGIN SOLUTION",
        "### END SOLUTION",
        "    ### END SOLUTION",
        "### BEGIN HIDDEN TESTS",
        "### END HIDDEN TESTS",
    ]
)


@pytest.fixture
def lesson(make_lesson):
    path = make_lesson("01_first", "n = 3", "# Exercise", SOLVED, HIDDEN)
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[2].outputs = [nbformat.v4.new_output("stream", text="SECRET")]
    notebook.cells[2].execution_count = 2
    answer = nbformat.v4.new_markdown_cell("### BEGIN SOLUTION\nSECRET\n### END SOLUTION")
    notebook.cells.append(answer)
    nbformat.write(notebook, path)
    return path


def test_the_copy_has_stubs_in_place_of_solutions(lesson, tmp_path):
    copy = prepare([lesson], tmp_path / "mine")
    assert (copy.added, copy.kept) == (("01_first.ipynb",), ())
    path = tmp_path / "mine" / "01_first.ipynb"
    assert "SECRET" not in path.read_text()
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    stub = {}
    exec(notebook.cells[2].source, stub)
    with pytest.raises(NotImplementedError):
        stub["mean"]([1, 2])
    assert notebook.cells[3].source == "mean([1])"
    assert notebook.cells[4].source == "*Your answer here.*"
    assert notebook.cells[0].metadata.tags == ["parameters"]


def test_what_a_learner_wrote_is_left_alone(lesson, make_lesson, tmp_path):
    second = make_lesson("02_second", "n = 3")
    prepare([lesson], tmp_path / "mine")
    mine = tmp_path / "mine" / "01_first.ipynb"
    mine.write_text("my own work")
    copy = prepare([lesson, second], tmp_path / "mine")
    assert (copy.added, copy.kept) == (("02_second.ipynb",), ("01_first.ipynb",))
    assert mine.read_text() == "my own work"


def test_texts_are_copied_with_their_folder_and_never_overwritten(lesson, tmp_path):
    essay = tmp_path / "essays" / "template.md"
    essay.parent.mkdir()
    essay.write_text("# Your essay\n", encoding="utf-8")
    copy = prepare([lesson], tmp_path / "mine", texts=[essay])
    mine = tmp_path / "mine" / "essays" / "template.md"
    assert copy.added == ("01_first.ipynb", "essays/template.md")
    mine.write_text("my words", encoding="utf-8")
    again = prepare([lesson], tmp_path / "mine", texts=[essay])
    assert (again.added, again.lessons) == ((), ("01_first.ipynb",))
    assert mine.read_text(encoding="utf-8") == "my words"


def test_a_link_that_leads_nowhere_is_a_learners_too(lesson, tmp_path):
    (tmp_path / "mine").mkdir()
    link = tmp_path / "mine" / lesson.name
    link.symlink_to("elsewhere.ipynb")
    copy = prepare([lesson], tmp_path / "mine")
    assert copy.kept == (lesson.name,)
    assert link.is_symlink()


def test_nothing_is_written_when_a_lesson_has_broken_marks(lesson, make_lesson, tmp_path):
    broken = make_lesson("02_second", "n = 3", "### BEGIN SOLUTION\nSECRET")
    with pytest.raises(WorkingCopyError, match=r"02_second\.ipynb, cell 2: .*BEGIN SOLUTION"):
        prepare([lesson, broken], tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


@given(st.lists(LINE, max_size=10))
def test_no_solution_survives_between_marks(lines):
    """Every line between marks goes, or the cell is refused."""
    try:
        left = remove_solutions("\n".join(lines), stub="STUB")
    except ValueError:
        return
    outside, depth = [], 0
    for line in lines:
        depth = 1 if "BEGIN" in line else depth
        outside += [line] if depth == 0 else []
        depth = 0 if "END" in line else depth
    assert left.count("SECRET") <= sum("SECRET" in line for line in outside)
    assert "###" not in left


@given(st.text())
def test_a_cell_without_marks_stays_as_it_is(source):
    if "###" not in source:
        assert remove_solutions(source, stub="STUB") == source


def test_the_copies_of_the_real_lessons_are_python(tmp_path):
    from course_utils.execution.lessons import find_lessons

    copy = prepare(find_lessons(), tmp_path)
    assert copy.added
    for name in copy.added:
        for cell in nbformat.read(tmp_path / name, as_version=4).cells:
            assert "END SOLUTION" not in cell.source
            if cell.cell_type == "code":
                ast.parse(cell.source)
                assert cell.outputs == []
