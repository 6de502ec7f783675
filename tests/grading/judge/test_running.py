"""Notebooks judged with real kernels: what earns points, what ends a run, what is no use to try."""

import copy
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_utils.exercises.publishing import MIME_TYPE
from course_utils.grading.judge.limits import RunLimits
from course_utils.grading.judge.running import JudgeError, execute
from course_utils.grading.judge.scoring import find_checks, read_expected, score
from course_utils.grading.judgement import Ending, Repair
from course_utils.grading.sandbox.guard import Limits
from course_utils.grading.sandbox.provisioner import unavailable

STEP = "def step(weight, gradient, learning_rate):\n    return weight - learning_rate * gradient"
BEST_EPOCH = (
    "def best_epoch(losses):\n    return int(min(range(len(losses)), key=losses.__getitem__)) + 1"
)
FINISHED = Ending("finished", 0, "")

needs_sandbox = pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))


def mark(cell, grade_id, **marks):
    flags = {"grade": False, "solution": False, "locked": False, "task": False}
    cell.metadata["nbgrader"] = flags | {"schema_version": 3, "grade_id": grade_id} | marks
    return cell


def exercise(name, source):
    return mark(new_code_cell(source), f"exercise-{name}", solution=True)


def check(name, function, points=2, source="from course_utils.exercises import emit"):
    number = name.replace("-", ".")
    source = f'{source}\nemit("{number}", {function})'
    return mark(new_code_cell(source), f"check-{name}", grade=True, locked=True, points=points)


def make_notebook(step=STEP, best_epoch=BEST_EPOCH, *, before=(), between=(), after=()):
    """A lesson of two exercises and an essay, with cells of a learner's own among them."""
    return new_notebook(
        cells=[
            new_markdown_cell("# A lesson"),
            new_code_cell("epochs = 5", metadata={"tags": ["parameters"]}),
            *map(new_code_cell, before),
            exercise("3-1", step),
            check("3-1", "step"),
            *map(new_code_cell, between),
            exercise("3-3", best_epoch),
            check("3-3", "best_epoch", points=3),
            mark(new_markdown_cell("Because"), "essay", grade=True, solution=True, points=5),
            *map(new_code_cell, after),
        ]
    )


SOURCE = make_notebook()


def run(notebook, *, kernel="python3", seed=7, **options):
    return execute(notebook, kernel=kernel, seed=seed, **options)


@pytest.fixture(scope="module")
def expected():
    return run(SOURCE)


def judge(expected, found, source=SOURCE, **options):
    names = {"learner": "ada", "assignment": "03", "notebook": "03_training"}
    checks = read_expected(source, expected)
    return score(checks, found=found, **names, **options)


def points(judgement):
    return [result.score for result in judgement.checks]


def reasons(judgement):
    return [result.reason for result in judgement.checks]


def assert_no_kernel_is_left(number):
    """No process is left that has this number in its command line or environment."""
    patience = time.monotonic() + 20
    while left := [process for process in psutil.process_iter() if carries(process, number)]:
        assert time.monotonic() < patience, left
        time.sleep(0.1)


def carries(process, number):
    try:
        return process.environ().get("COURSE_GRADING_SEED") == str(number)
    except psutil.Error:
        return False


def test_the_solution_earns_all_points(expected):
    repairs = (Repair("moved", "check-3-1", "it was moved"),)
    judgement = judge(expected, expected, repairs=repairs)
    assert (judgement.score, judgement.max_score) == (5, 5)
    assert [(one.grade_id, one.exercise) for one in judgement.checks] == [
        ("check-3-1", "3.1"),
        ("check-3-3", "3.3"),
    ]
    assert all(answer.passed for result in judgement.checks for answer in result.answers)
    assert (judgement.ending, judgement.repairs) == (FINISHED, repairs)
    assert (judgement.learner, judgement.assignment) == ("ada", "03")
    assert judgement.peak_memory > 10_000_000
    nbformat.validate(nbformat.reads(judgement.executed, as_version=4))


def test_a_notebook_is_left_as_it_is_and_run_with_its_seed_and_parameters(tmp_path):
    before = "import os\nprint(epochs, os.environ['COURSE_GRADING_SEED'])"
    notebook = make_notebook(before=[before, "1 + 1"])
    notebook.cells[3].outputs = [new_output("stream", text="old")]
    path = tmp_path / "{lesson} ü.ipynb"
    nbformat.write(notebook, path)
    content = path.read_bytes()
    found = execute(path, kernel="python3", seed=2**70, parameters={"epochs": 1})
    assert path.read_bytes() == content
    assert [cell.source for cell in found.notebook.cells] == [
        cell.source for cell in notebook.cells
    ]
    assert found.notebook.cells[2].outputs == [new_output("stream", text=f"1 {2**70}\n")]
    assert found.notebook.cells[3].outputs[0].data == {"text/plain": "2"}
    assert found.notebook.cells[3].execution_count == 3
    other_seed = run(notebook, seed=1)
    assert found.answers.keys() == other_seed.answers.keys() == {"check-3-1", "check-3-3"}
    assert found.answers["check-3-1"] != other_seed.answers["check-3-1"]


@needs_sandbox
def test_nothing_that_is_written_in_a_submission_counts_but_its_code(expected):
    comments = "# NBVAL_SKIP\n# NBVAL_IGNORE_OUTPUT\n# NBVAL_RAISES_EXCEPTION\n"
    notebook = make_notebook(comments + STEP, "# NBVAL_SKIP\nbest_epoch = lambda losses: 0")
    right = [json.loads(expected.answers[check][0]) for check in ("check-3-1", "check-3-3")]
    for cell in notebook.cells:
        cell.metadata["tags"] = [
            *("skip-execution", "nbval-skip", "raises-exception", "remove-cell"),
            *("injected-parameters", "papermill-error-cell-tag"),
        ]
        cell.metadata["nbval"] = {"skip": True}
        if cell.cell_type == "code":
            cell.execution_count = None
            cell.outputs = [new_output("display_data", {MIME_TYPE: answer}) for answer in right]
    notebook.metadata["kernelspec"] = {"name": "bash", "display_name": "Bash"}
    notebook.metadata["language_info"] = {"name": "R"}
    found = run(notebook, kernel="course-sandbox", parameters={"epochs": 1})
    judgement = judge(expected, found)
    assert points(judgement) == [2, 0]
    assert judgement.ending == FINISHED
    assert MIME_TYPE not in judgement.executed


def test_each_right_answer_earns_its_share(expected):
    wrong = STEP.replace("* gradient", "* abs(gradient)")
    found = run(
        make_notebook(
            f"print(undefined)\n{STEP}",
            "raise NotImplementedError()",
            before=["1 / 0", wrong, "import sys\nsys.exit(0)"],
        )
    )
    judgement = judge(expected, found)
    first, second = judgement.checks
    num_right = sum(answer.passed for answer in first.answers)
    assert 0 < num_right < len(first.answers)
    assert first.score == 2 * num_right / len(first.answers)
    faults = [answer.reason for answer in first.answers if not answer.passed]
    assert all("another number was expected than " in fault for fault in faults)
    assert first.found == faults[0].removeprefix("another number was expected than ")
    assert (second.score, second.reason, second.answers) == (0, "not done", ())
    assert judgement.ending == FINISHED


def test_what_is_not_done_says_so(expected):
    found = run(
        make_notebook(
            "def step(*arguments):\n    raise NotImplementedError()",
            "def best_epoch(losses):\n    raise ValueError(f'no {len(losses) * 0}\\x1b[2J')",
        )
    )
    judgement = judge(expected, found)
    assert points(judgement) == [0, 0]
    assert reasons(judgement) == ["not done", ""]
    assert {answer.reason for answer in judgement.checks[1].answers} == {"ValueError: no 0 [2J"}


FORGERY = f"""
import sys
import course_utils.exercises

step = None
kernel = get_ipython().kernel
course_utils.exercises.emit = lambda *_: attack()

def publish(answers, **parent):
    content = {{"data": {{"{MIME_TYPE}": answers}}, "metadata": {{}}}}
    parent = {{"header": kernel.get_parent()["header"] | parent}}
    kernel.session.send(kernel.iopub_socket, "display_data", content, parent=parent)

right = """
NESTED = "['a'" + ", [" * 400 + "]" * 400 + "]"
FORGERIES = [
    ("publish(right)", ""),  # for comparison
    ("publish(right); publish(right)", "published answers 2 times"),
    ("publish(7); publish(right)", "published answers 2 times"),
    ("publish(right | {'exercise': '3.3'})", "published answers to exercise 3.3"),
    ("publish(right, msg_id='another request')", "published no answers"),
    ("publish(right, msg_id=['a list'])", "published no answers"),
    ("publish([right])", "published no sound answers"),
    ("publish(right | {'answers': right['answers'][:1] * 9})", "published no sound answers"),
    (f"publish({NESTED})", "published no sound answers"),
    ("publish({'exercise': '3.1', 'answers': [10**4000]})", "published no sound answers"),
    ("publish(float('inf'))", "published no sound answers"),
    ("raise NotImplementedError('later')", "could not run: NotImplementedError: later"),
    ("sys.exit()", "could not run: SystemExit"),
    ("pass", "published no answers"),
]


def test_forged_answers_count_only_once_and_in_the_check_cell(expected):
    numbers = range(len(FORGERIES))
    checks = [
        mark(check("3-1", "step"), f"check-{number}", grade=True, points=1) for number in numbers
    ]
    source = new_notebook(cells=[new_code_cell(STEP), *checks])
    right = expected.answers["check-3-1"]
    expected = replace(
        expected, notebook=source, answers={f"check-{number}": right for number in numbers}
    )
    attacks = [
        exercise(str(number), f"publish(right)\ndef attack():\n    {attack}")
        for number, (attack, _) in enumerate(FORGERIES)
    ]
    cells = [cell for pair in zip(attacks, checks, strict=True) for cell in pair]
    forgery = new_code_cell(FORGERY + repr(json.loads(right[0])))
    found = run(new_notebook(cells=[forgery, *cells]))
    assert found.ending == FINISHED
    results = judge(expected, found, source).checks
    assert [result.score for result in results] == [1] + [0] * (len(FORGERIES) - 1)
    for result, (attack, reason) in zip(results, FORGERIES, strict=True):
        assert reason in result.reason, attack


@pytest.fixture
def busy_processor():
    """This process and its children have one processor, and two others keep that busy."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    hog = [sys.executable, "-c", "while True: pass"]
    hogs = [subprocess.Popen(hog, start_new_session=True) for _ in range(2)]
    yield
    for hog in hogs:
        hog.kill()
        hog.wait()
    os.sched_setaffinity(0, before)


@needs_sandbox
@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("end = time.process_time() + 3\nwhile time.process_time() < end: pass", "finished"),
        ("while True: pass", "timed_out"),
        ("time.sleep(60)", "timed_out"),
    ],
)
@pytest.mark.usefixtures("busy_processor")
def test_time_for_which_a_busy_computer_lets_a_cell_wait_does_not_count(source, kind):
    notebook = new_notebook(cells=[new_code_cell(f"import time\n{source}")])
    found = run(notebook, kernel="course-sandbox", limits=RunLimits(cell_seconds=5))
    assert found.ending.kind == kind


@pytest.mark.parametrize(
    ("source", "kind", "message", "limits"),
    [
        ("while True: pass", "timed_out", "timed out after 3 s", {"cell_seconds": 3}),
        (
            "import time\ntime.sleep(60)",
            "timed_out",
            "the notebook took more than 4 s",
            {"notebook_seconds": 4},
        ),
        ("import os\nos._exit(0)", "died", "the kernel died", {}),
        ("import os\nos.kill(os.getppid(), 9)", "died", "the kernel's messages could not", {}),
        (
            "while True: print('x' * 10_000, flush=True)",
            "too_much_output",
            "2 MB",
            {"output_bytes": 2_000_000},
        ),
        (
            "raise ValueError('x' * 5_000_000)",
            "too_much_output",
            "a message of more than 2 MB",
            {"output_bytes": 2_000_000},
        ),
        (
            "socket = get_ipython().kernel.iopub_socket\n"
            "while True: socket.send_multipart([bytes(10)])",
            "too_much_output",
            "more than 1000 messages",
            {"messages": 1000},
        ),
    ],
)
def test_an_early_end_keeps_the_points_earned(expected, source, kind, message, limits):
    found = run(make_notebook(between=[source]), seed=7, limits=RunLimits(**limits))
    judgement = judge(expected, found)
    assert (judgement.ending.kind, judgement.ending.cell) == (kind, 5)
    assert message in judgement.ending.message
    assert judgement.ending.message.endswith(" at cell 5")
    assert points(judgement) == [2, 0]
    assert reasons(judgement) == ["", f"never reached: {judgement.ending.message}"]
    assert len(nbformat.reads(judgement.executed, as_version=4).cells) == len(SOURCE.cells) + 1


@needs_sandbox
def test_too_much_memory_is_told_from_a_dead_kernel(expected):
    notebook = make_notebook(best_epoch="best_epoch = lambda losses: bytearray(600_000_000)")
    found = run(notebook, kernel="course-sandbox", sandbox=Limits(memory=400_000_000))
    judgement = judge(expected, found)
    assert judgement.ending == Ending("out_of_memory", 6, "out of memory at cell 6")
    assert points(judgement) == [2, 0]
    assert judgement.checks[1].reason == "not finished: out of memory at cell 6"
    assert judgement.peak_memory > 200_000_000


SCRIPT = """
import sys
import nbformat
from course_utils.grading.judge.running import execute
execute(nbformat.read(sys.argv[1], 4), kernel="python3", seed=int(sys.argv[2]))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_kernel_outlives_the_grader(tmp_path, number):
    seed = 10**12 + os.getpid() * 100 + number
    ready = tmp_path / "ready"
    wait = (
        f"import os, pathlib, time\nos.fork()\npathlib.Path({str(ready)!r}).touch()\ntime.sleep(90)"
    )
    nbformat.write(make_notebook(before=[wait]), tmp_path / "n.ipynb")
    grader = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "n.ipynb"), str(seed)],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stderr=subprocess.DEVNULL,
    )
    while not ready.exists():
        assert grader.poll() is None
        time.sleep(0.1)
    grader.send_signal(number)
    assert grader.wait(30) != 0
    assert_no_kernel_is_left(seed)
    if number == signal.SIGINT:
        assert not list(tmp_path.glob("course-judge-*"))


def test_a_kernel_that_cannot_be_started_is_no_fault_of_the_learner():
    with pytest.raises(JudgeError, match="no-such-kernel"):
        run(SOURCE, kernel="no-such-kernel")


def test_a_notebook_without_code_is_judged(expected):
    found = run(new_notebook(cells=[new_markdown_cell("Nothing")]))
    assert found.ending == FINISHED
    assert reasons(judge(expected, found)) == ["never reached: there is no such cell"] * 2


def fail_cell(expected, error):
    notebook = copy.deepcopy(expected.notebook)
    notebook.cells[3].outputs = [
        new_output("error", ename=error, evalue="cell's fault", traceback=[])
    ]
    return replace(expected, notebook=notebook)


def answer_with(expected, *texts):
    return replace(expected, answers=expected.answers | {"check-3-1": texts})


def alter(expected, **changes):
    content = json.loads(expected.answers["check-3-1"][0])
    return answer_with(expected, json.dumps(content | changes))


@pytest.mark.parametrize(
    ("break_run", "message"),
    [
        (
            lambda run: replace(run, ending=Ending("timed_out", 3, "timed out at cell 3")),
            "timed out at cell 3",
        ),
        (
            lambda run: fail_cell(run, "KeyError"),
            "cell 4 (check-3-1) raised KeyError: cell's fault",
        ),
        (lambda run: answer_with(run, "{}", "{}"), "'check-3-1' published answers 2 times"),
        (lambda run: answer_with(run, "{}"), "'check-3-1' published no answers"),
        (lambda run: alter(run, answers=[]), "tried out no cases"),
        (
            lambda run: alter(run, answers=[{"case": "a", "kind": "error", "error": "no"}]),
            "has no answer to 'a': no",
        ),
    ],
)
def test_a_broken_source_is_no_fault_of_the_learner(expected, break_run, message):
    with pytest.raises(JudgeError) as failure:
        judge(break_run(expected), expected)
    assert message in str(failure.value)


def test_an_error_that_the_source_announces_is_none(expected):
    announced = fail_cell(expected, "KeyError")
    announced.notebook.cells[3].metadata["tags"] = ["raises-exception"]
    assert judge(announced, expected).score == 5


def test_two_checks_of_one_name_are_refused():
    with pytest.raises(JudgeError, match="two check cells 'check-3-1'"):
        find_checks(new_notebook(cells=[*SOURCE.cells, check("3-1", "step")]))


def test_the_tolerance_is_that_of_the_instructor(expected):
    found = replace(expected, answers=dict(expected.answers))
    content = json.loads(expected.answers["check-3-1"][0])
    for answer in content["answers"]:
        answer["value"] += 0.01
    found = answer_with(found, json.dumps(content))
    assert points(judge(expected, found)) == [0, 3]
    assert points(judge(alter(expected, tolerance=0.1), found)) == [2, 3]
    assert points(judge(expected, alter(found, tolerance=0.1))) == [0, 3]
