"""nbgrader's formgrader, as an instructor uses it: in a browser, on what learners handed in."""

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager, suppress

import nbformat
import pytest
from nbformat.v4 import new_output

from course_utils.grading.sandbox.provisioner import unavailable
from course_utils.notebooks import grade_id, read_notebook
from tests.grading.browsing import draw_picture

pytestmark = pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))

# A point for each hour: a penalty tells how late a submission is.
CONFIGURATION = """
from nbgrader.plugins import LateSubmissionPlugin

class PointForEachHour(LateSubmissionPlugin):
    def late_submission_penalty(self, student_id, score, total_seconds_late):
        return total_seconds_late / 3600

c.AssignLatePenalties.plugin_class = PointForEachHour
"""
HANDED_IN = "2026-11-20 12:00:00 UTC"
COMMANDS = """
import json, sys
from course_utils.cli import app

for words in json.loads(sys.argv[1]):
    if app(words, standalone_mode=False):
        sys.exit(f"course {' '.join(words)} failed")
"""

# Each with what it leaves behind when it runs: a variable of the page, `ran_` and this name.
RUNS_AT_ONCE = {
    "<script>window.ran_script=1</script>": "script",
    '<img src=none onerror="window.ran_image=1">': "image",
    '<svg onload="window.ran_drawing=1"></svg>': "drawing",
    "<iframe srcdoc='<script>parent.ran_frame=1</script>'></iframe>": "frame",
}
RUNS_WHEN_CLICKED = {"[a link](javascript:window.ran_link=1)": "link"}
LEAVES = ("![a spy](http://spy.example/1.png)", "<img src=//spy.example/2.png>")
HOSTILE = (
    *RUNS_AT_ONCE,
    *RUNS_WHEN_CLICKED,
    *LEAVES,
    "[a page](data:text/html;base64,PHNjcmlwdD4=)",
    "![gone](attachment:gone.png)",
)
FORMULA = r"$\href{javascript:window.ran_formula=1}{formula}$"
PICTURE = "![my drawing](attachment:drawing.png)"
ATTACHED = {"drawing.png": {"image/png": draw_picture(size=(5, 3))}}
HTML = "<script>window.ran_output=1</script>"
SHOWS_HTML = f"""\
from IPython.display import HTML
display(HTML({HTML!r}))
def squares(n):
    return []"""
# A heading that would take the place of the field for the essay's points ends mallory's essay.
ANSWERS = {
    "mallory": {
        "squares": SHOWS_HTML,
        "essay": "\n\n".join([*HOSTILE, FORMULA, PICTURE, "# essay"]),
    },
    "ada": {
        "squares": "def squares(n):\n    return [k * k for k in range(1, n + 1)]",
        "total": "total = sum(k * k for k in range(101)) / 7",
        "is-even": "is_even = lambda number: not number % 2",
        "essay": f"The gaps *grow*.\n\n{PICTURE}",
    },
}

RAN = "Object.keys(window).filter(name => name.startsWith('ran_')).map(name => name.slice(4))"
MATHJAX = "**/mathjax/2.7.7/latest.js*"
LOCAL_MATHJAX = """document.write('<script src="/static/jupyter_server_mathjax/MathJax.js?\\
config=TeX-AMS-MML_HTMLorMML-full,Safe"></script>')"""


def run(folder, *commands):
    """Run commands of the course, one after the other; return what they print."""
    listed = json.dumps([command.split() for command in commands])
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS, listed],
        cwd=folder,
        env=os.environ | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """The folder of a course whose assignment has been handed in and graded."""
    folder = tmp_path_factory.mktemp("formgrader") / "mine"
    run(folder.parent, f"init-grading {folder.name} --empty")
    with (folder / "nbgrader_config.py").open("a") as file:
        file.write(CONFIGURATION)
    run(folder, "new-assignment hw1", "release hw1 --course .")
    for learner in ANSWERS:
        hand_in(folder, learner)
    run(folder, "grade hw1")
    return folder


def hand_in(course, learner):
    """Hand in what was released, with a learner's answers, pictures and outputs."""
    submission = course / "submitted" / learner / "hw1"
    shutil.copytree(course / "release" / "hw1", submission)
    (submission / "timestamp.txt").write_text(HANDED_IN)
    notebook = read_notebook(submission / "hw1.ipynb")
    for cell in notebook.cells:
        cell.source = ANSWERS[learner].get(grade_id(cell), cell.source)
        if cell.source == SHOWS_HTML:
            cell.outputs = [new_output("display_data", data={"text/html": HTML})]
        if grade_id(cell) == "essay":
            cell.attachments = nbformat.from_dict(ATTACHED)
    nbformat.write(notebook, submission / "hw1.ipynb")


@pytest.fixture(scope="module")
def server(course, tmp_path_factory):
    """What a JupyterLab that was started in the course's folder says of itself."""
    settings = tmp_path_factory.mktemp("jupyter")
    variables = {f"JUPYTER_{name}_DIR": str(settings) for name in ("CONFIG", "RUNTIME")}
    options = ["--no-browser", "--ip=127.0.0.1", "--allow-root"]
    with (settings / "log").open("w") as log:
        lab = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            cwd=course,
            env=os.environ | variables,
            stdout=log,
            stderr=log,
        )
        try:
            while not (said := read_server(settings)):
                assert lab.poll() is None, (settings / "log").read_text()
                time.sleep(0.1)
            yield said
        finally:
            lab.terminate()
            lab.wait()


def read_server(settings):
    for path in settings.glob("jpserver-*.json"):
        with suppress(json.JSONDecodeError):  # written in part
            return json.loads(path.read_text())
    return None


@pytest.fixture
def page(server, page):
    """A page of an instructor who has logged in.

    Formgrader fetches MathJax from the network. Here it comes from the server, as a package brings
    it, with the same extension that makes formulas safe.
    """
    page.context.route(MATHJAX, lambda route: route.fulfill(body=LOCAL_MATHJAX))
    page.goto(f"{server['url']}lab?token={server['token']}", wait_until="commit")
    return page


@pytest.fixture
def open_formgrader(server, page):
    """Open one of formgrader's pages."""

    def open_formgrader(name):
        page.goto(f"{server['url']}formgrader/{name}")

    return open_formgrader


@pytest.fixture
def open_submission(open_formgrader, page):
    """Go to a learner's notebook by way of the list of learners; return the server's answer."""

    def open_submission(learner):
        open_formgrader("manage_students")
        follow(page, learner, to=f"/{learner}")
        follow(page, "hw1", to=f"/{learner}/hw1")
        with page.expect_response("**/submissions/*/") as answer:
            follow(page, "hw1", to="/submissions/**")
        if answer.value.ok:
            page.wait_for_function("formgrader.loaded && MathJax.loaded")
            page.wait_for_function("formgrader.grades.loaded && formgrader.comments.loaded")
        return answer.value

    return open_submission


def follow(page, name, *, to):
    """Follow the first link in a row of formgrader's table."""
    find_row(page, name).get_by_role("link").first.click()
    page.wait_for_url(f"**{to}")


def find_row(page, name):
    return page.locator("#main-table tr").filter(has_text=name)


@pytest.fixture
def as_handed_in(course):
    """What mallory handed in takes the place of what was made of it for formgrader."""
    judged = course / "autograded" / "mallory" / "hw1" / "hw1.ipynb"
    before = judged.read_bytes()
    shutil.copyfile(course / "submitted" / "mallory" / "hw1" / "hw1.ipynb", judged)
    yield judged
    judged.write_bytes(before)


def test_a_hostile_answer_is_shown_as_it_was_written_and_does_nothing(page, open_submission):
    assert open_submission("mallory").status == 200
    essay = page.locator(".nbgrader_cell", has=page.locator("input#essay"))
    for text in HOSTILE:
        assert text in essay.inner_text()
    assert page.locator("#essay").count() == 1
    address = page.url
    for text in ("[a link]", "[a page]", "formula"):
        essay.get_by_text(text).first.click()  # MathJax writes a formula twice
    page.wait_for_load_state("networkidle")
    assert page.evaluate(RAN) == []
    assert page.url == address
    assert find_picture_size(page) == [5, 3]


def test_as_it_was_handed_in_it_would(page, open_submission, as_handed_in, watch):
    assert open_submission("mallory").status == 500  # a picture is gone
    as_handed_in.write_text(as_handed_in.read_text().replace("![gone]", "[gone]"))
    open_submission("mallory")
    page.get_by_role("link", name="a link").click()
    page.wait_for_function("'ran_link' in window")  # the page runs it after the click
    page.wait_for_load_state("networkidle")
    assert set(page.evaluate(RAN)) == {*RUNS_AT_ONCE.values(), "link", "output"}
    assert sorted(watch.requests) == ["http://spy.example/1.png", "http://spy.example/2.png"]
    watch.requests.clear()
    assert page.locator("#essay").count() == 2


def test_what_is_typed_into_formgrader_counts(course, page, open_formgrader, open_submission):
    assert open_submission("ada").status == 200
    assert find_picture_size(page) == [5, 3]
    page.locator("#essay").click()
    page.keyboard.type("2.5")
    with saved(page, "grade"):
        page.keyboard.press("Tab")
    page.locator("#essay-comment").click()
    page.keyboard.type("Well argued, <b>ada</b>")
    with saved(page, "comment"):
        page.keyboard.press("Escape")

    open_formgrader("manage_assignments")
    find_row(page, "hw1").locator(".edit a").click()
    page.locator(".modal-duedate").fill("2026-11-20T10:00")
    page.locator(".modal-timezone").fill("+0000")
    with saved(page, "assignment"):
        page.get_by_role("button", name="Save").click()

    said = run(course, "grade hw1", "feedback hw1", "export hw1 --output scores.csv")
    assert "0 graded now, 2 unchanged" in said
    with (course / "scores.csv").open() as file:
        ada, mallory = sorted(csv.DictReader(file), key=lambda row: row["student_id"])
    columns = ("raw_score", "late_submission_penalty", "score", "max_score")
    assert [float(ada[name]) for name in columns] == [9.5, 2, 7.5, 10]
    assert [float(mallory[name]) for name in columns] == [2, 2, 0, 10]
    page.goto((course / "feedback" / "ada" / "hw1" / "hw1.html").as_uri())
    text = page.inner_text("body")
    assert "7.5 of 10 points" in text
    assert "2 points were taken off for lateness" in text
    assert "Well argued, <b>ada</b>" in text
    page.goto((course / "feedback" / "mallory" / "hw1" / "hw1.html").as_uri())
    assert "0 of 10 points" in page.inner_text("body")
    assert page.evaluate(RAN) == []


def find_picture_size(page):
    """The size of the pasted picture; nothing, where the browser has none to show."""
    picture = page.get_by_alt_text("my drawing")
    return picture.evaluate("one => [one.naturalWidth, one.naturalHeight]")


@contextmanager
def saved(page, kind):
    """Wait until formgrader's server has kept what was typed in here."""
    with page.expect_response(
        lambda answer: f"/api/{kind}/" in answer.url and answer.request.method == "PUT"
    ) as answer:
        yield
    assert answer.value.ok
