"""Each lesson keeps the form that learners, papermill, nbgrader and screen readers rely on."""

import ast
import re
from pathlib import Path

import nbformat
import papermill
import pytest

ROOT = Path(__file__).parents[2]
LESSONS = sorted(ROOT.glob("notebooks/*.ipynb"))
MAX_LINES = 10
IMPORTS = 1  # place of the cell with the imports among code cells

each_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def tags(cell):
    return cell.metadata.get("tags", [])


def is_exercise(cell):
    return cell.metadata.get("nbgrader", {}).get("solution", False)


def has_solution_marks(cell):
    begins, ends = (cell.source.count(f"### {word} SOLUTION") for word in ("BEGIN", "END"))
    assert begins == ends, f"unbalanced solution marks in {cell.source!r}"
    return begins > 0


def is_check(cell):
    graded = cell.metadata.get("nbgrader", {})
    calls_check = re.search(r"""\bcheck\(\s*["']\d+\.\d+["']""", cell.source)
    return bool(graded.get("grade") and graded.get("locked") and calls_check)


def lines_of_code(cell):
    lines = (line.strip() for line in cell.source.splitlines())
    return sum(bool(line) and not line.startswith("#") for line in lines)


def prose(path):
    """The Markdown of a lesson without its fenced code, cell by cell."""
    fence = re.compile(r"^(```|~~~).*?^\1\s*?$", re.MULTILINE | re.DOTALL)
    return [fence.sub("", cell.source) for cell in read(path).cells if cell.cell_type == "markdown"]


def outputs(path):
    return [
        (number, output) for number, cell in enumerate(code_cells(path)) for output in cell.outputs
    ]


def texts(output):
    """What of an output is text: a stream, or each textual MIME type of displayed data."""
    if output.output_type == "stream":
        return [output.text]
    data = output.get("data", {})
    return [text for mime, text in data.items() if mime.startswith("text/")]


def test_the_five_lessons_are_there():
    names = {path.stem for path in LESSONS}
    expected = {
        *("01_data_loading", "02_model_building", "03_training", "04_ethics"),
        "05_privacy_and_faces",
    }
    assert expected <= names, f"missing from notebooks/: {sorted(expected - names)}"


@each_lesson
def test_the_notebook_is_valid(path):
    nbformat.validate(read(path))


@each_lesson
def test_the_first_code_cell_holds_the_parameters_each_with_a_comment(path):
    assert "parameters" in tags(code_cells(path)[0])
    parameters = papermill.inspect_notebook(path)
    required = {"dataset", "num_train", "num_test", "seed"}
    if path.stem in {"03_training", "04_ethics"}:
        required |= {"epochs"}
    assert required <= set(parameters)
    silent = [name for name, parameter in parameters.items() if not parameter["help"]]
    assert not silent, f"without a comment on meaning and range: {silent}"


@each_lesson
def test_the_second_code_cell_imports_and_does_nothing_else(path):
    statements = ast.parse(code_cells(path)[1].source).body
    assert statements
    assert all(isinstance(statement, ast.Import | ast.ImportFrom) for statement in statements)


@each_lesson
def test_code_cells_are_short(path):
    too_long = [
        f"cell {number} has {lines_of_code(cell)} lines"
        for number, cell in enumerate(code_cells(path))
        if lines_of_code(cell) > MAX_LINES
        and number != IMPORTS
        and not is_exercise(cell)
        and "parameters" not in tags(cell)
    ]
    assert not too_long


@each_lesson
def test_it_was_executed_from_top_to_bottom_in_a_fresh_kernel(path):
    written = [cell for cell in code_cells(path) if cell.source.strip()]
    assert [cell.execution_count for cell in written] == list(range(1, len(written) + 1))
    injected = [
        number for number, cell in enumerate(written) if "injected-parameters" in tags(cell)
    ]
    assert not injected, "it holds parameters of a papermill run: execute it with its defaults"


@each_lesson
def test_headings_start_at_one_and_skip_no_level(path):
    headings = [
        (len(marks), title)
        for text in prose(path)
        for marks, title in re.findall(r"^(#{1,6})\s+(.+)$", text, re.MULTILINE)
    ]
    levels = [level for level, _ in headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    skipped = [
        title
        for (level, title), before in zip(headings[1:], levels, strict=False)
        if level > before + 1
    ]
    assert not skipped, f"these headings skip a level: {skipped}"


@each_lesson
def test_each_section_with_code_says_how_long_it_takes(path):
    sections, title = {}, None
    for cell in read(path).cells:
        if cell.cell_type == "markdown" and (
            heading := re.search(r"^## (.+)$", cell.source, re.MULTILINE)
        ):
            title = heading[1]
        if title is not None:
            sections.setdefault(title, []).append(cell)
    assert sections, "there are no sections"
    estimate = re.compile(
        r"\d\s*(?:min|minutes?|seconds?|s)\b|\b(?:a|one|two|five|ten)\s+(?:few\s+)?minutes?\b"
    )
    untimed = [
        title
        for title, cells in sections.items()
        if any(cell.cell_type == "code" for cell in cells)
        and not any(cell.cell_type == "markdown" and estimate.search(cell.source) for cell in cells)
    ]
    assert not untimed, f"sections without a time estimate: {untimed}"


@each_lesson
def test_every_picture_has_alternative_text(path):
    bare = [
        f"the {mime} of cell {number}"
        for number, output in outputs(path)
        for mime in output.get("data", {})
        if mime.startswith("image/") and not output.metadata.get(mime, {}).get("alt", "").strip()
    ]
    bare += [image for text in prose(path) for image in re.findall(r"!\[\s*\]\([^)]*\)", text)]
    bare += [
        image
        for text in prose(path)
        for image in re.findall(r"<img\b(?![^>]*\balt=\"[^\"]+\")[^>]*>", text)
    ]
    assert not bare


@each_lesson
def test_outputs_hold_no_error_no_warning_and_no_path_of_a_machine(path):
    errors = [number for number, output in outputs(path) if output.output_type == "error"]
    assert not errors, f"cells that failed: {errors}"
    warned = [number for number, output in outputs(path) if output.get("name") == "stderr"]
    assert not warned, f"cells that wrote to standard error: {warned}"
    folder = re.compile(
        r"(?<![\w.:/-])/(?:home|root|work|tmp|usr|opt|var|srv|mnt|Users)/\S+|\b[A-Z]:\\\w+"
    )
    paths = [
        (number, found[0])
        for number, output in outputs(path)
        for text in texts(output)
        if (found := folder.search(text))
    ]
    assert not paths


@each_lesson
def test_each_exercise_is_an_nbgrader_cell_with_a_check_behind_it(path):
    cells = code_cells(path)
    marked = [number for number, cell in enumerate(cells) if has_solution_marks(cell)]
    exercises = [number for number, cell in enumerate(cells) if is_exercise(cell)]
    assert marked == exercises, "solution marks without nbgrader's metadata, or the other way round"
    assert len(exercises) >= 3
    unchecked = [number for number in exercises if not is_check(cells[number + 1])]
    assert not unchecked, f"exercises in these cells have no check in the next: {unchecked}"


@each_lesson
def test_nbgraders_metadata_is_whole_and_its_ids_are_unique(path):
    metadata = [cell.metadata.nbgrader for cell in read(path).cells if "nbgrader" in cell.metadata]
    ids = [entry.get("grade_id") for entry in metadata]
    assert all(ids)
    assert len(ids) == len(set(ids))
    for entry in metadata:
        assert entry.get("schema_version") == 3, entry
        assert {"grade", "locked", "solution", "task"} <= set(entry), entry
        assert not entry["grade"] or entry.get("points", -1) >= 0, entry


@each_lesson
def test_every_exercise_earns_points(path):
    cells = code_cells(path)
    checks = [cells[number + 1] for number, cell in enumerate(cells) if is_exercise(cell)]
    assert checks
    worthless = [cell.source for cell in checks if not cell.metadata.nbgrader.points > 0]
    assert not worthless


@each_lesson
def test_every_check_emits_the_answers_of_the_function_that_it_checks(path):
    """In a hidden part, so that neither the student edition nor the stored output shows it."""
    form = re.compile(
        r'check\("(?P<exercise>\d\.\d+)", (?P<function>\w+)\)\n'
        r"### BEGIN HIDDEN TESTS\n"
        r"from course_utils\.exercises import emit\n\n"
        r'emit\("(?P=exercise)", (?P=function)\)\n'
        r"### END HIDDEN TESTS"
    )
    checks = [cell for cell in code_cells(path) if is_check(cell)]
    assert checks
    odd = [cell.source for cell in checks if not form.fullmatch(cell.source)]
    assert not odd
    shown = [cell.source for cell in checks if len(cell.outputs) != 1]
    assert not shown, "these show something else than the check's verdict"


@each_lesson
def test_grading_runs_a_lesson_with_parameters_that_it_has_and_that_are_smaller(path):
    chosen = read(path).metadata.course.grading
    parameters = papermill.inspect_notebook(path)
    assert {"num_train", "num_test"} <= set(chosen) <= set(parameters)
    for name, value in chosen.items():
        least = int(re.search(r"at least (\d+)", parameters[name]["help"])[1])
        assert least <= value < int(parameters[name]["default"])
