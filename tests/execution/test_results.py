"""Results and pages of a run: nothing is lost, nothing is executed, nothing is fetched."""

import csv
import io
import re
from html.parser import HTMLParser

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils.execution.lessons import RunError
from course_utils.execution.records import MIME_PREFIX, Record
from course_utils.execution.results import (
    Result,
    index_page,
    notebook_page,
    read_results,
    results_csv,
)
from course_utils.execution.runs import Summary

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
)
HOSTILE = '<script>alert("&")</script>'

FINITE = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
RECORD = st.builds(
    Record,
    name=st.from_regex(r"[a-z_][a-z0-9_]*", fullmatch=True),
    value=FINITE | st.integers(-(10**300), 10**300) | TEXT | st.sampled_from(["=1+1", "'5", "nan"]),
    low=st.none() | FINITE,
    high=st.none() | FINITE,
    text=TEXT,
)


RESULT = st.builds(Result, lesson=TEXT, record=RECORD, parameters=TEXT, finished=TEXT, version=TEXT)


def make_summary(lesson="01_first", *, failure="", given=()):
    return Summary(
        lesson=lesson,
        status="failed" if failure else "ok",
        failure=failure,
        started="2031-05-04T12:30:00+02:00",
        finished="2031-05-04T12:31:01+02:00",
        seconds=61.0,
        peak_memory=512 * 10**6,
        parameters={"n": HOSTILE},
        given=given,
        versions={"pixels-and-people": "1.2.3"},
        has_notebook=lesson != "03_nothing",
    )


class Loads(HTMLParser):
    """Collects what a page would load, and its images."""

    def __init__(self, page):
        super().__init__()
        self.loaded, self.images, self.links = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        given_attributes = dict(attributes)
        if tag in ("script", "link", "iframe", "img", "object", "embed", "video", "audio"):
            self.loaded += [
                given_attributes[name]
                for name in ("src", "href", "data", "srcset")
                if name in given_attributes
            ]
        if tag == "img":
            self.images.append(given_attributes)
        if tag == "a":
            self.links.append(given_attributes.get("href"))


@given(st.lists(RESULT, max_size=4))
def test_results_come_back_as_they_were(tmp_path_factory, results):
    folder = tmp_path_factory.getbasetemp()
    (folder / "results.csv").write_bytes(results_csv(results).encode())
    assert read_results(folder) == results


@given(st.lists(RESULT, max_size=4))
def test_no_cell_is_a_formula(results):
    for row in csv.reader(io.StringIO(results_csv(results), newline="")):
        for cell in row:
            assert not cell.startswith(("=", "+", "@", "\t", "\r"))
            assert not cell.startswith("-") or float(cell) <= 0


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"lesson,name\n\xff", b"\x00"])
def test_a_table_that_no_run_wrote_is_refused(tmp_path, content):
    (tmp_path / "results.csv").write_bytes(content)
    with pytest.raises(RunError, match="results"):
        read_results(tmp_path)
    with pytest.raises(RunError, match="no results"):
        read_results(tmp_path / "nowhere")


def test_a_table_of_an_earlier_version_is_read(tmp_path):
    (tmp_path / "results.csv").write_text(
        '"lesson","name","value","low","high","text"\n"01_first","n",3,"","","3"\n'
    )
    assert read_results(tmp_path) == [Result("01_first", Record("n", 3, None, None, "3"))]


def test_the_index_links_pages_and_escapes_what_lessons_say():
    failure = f"in cell 3 of 9, “{HOSTILE}”: ValueError: {HOSTILE}"
    lessons = [
        make_summary(given=("n",)),
        make_summary("02_a b&c", failure=failure),
        make_summary("03_nothing", failure=failure),
    ]
    accuracy = Record("accuracy", 0.5, 0.25, 0.75, f"50 % {HOSTILE}")
    page = index_page(lessons, [Result("01_first", accuracy)])
    assert "<script" not in page
    assert "50 % &lt;script&gt;" in page
    assert "n &lt;script&gt;" in page
    assert "1 of 3 lessons" in page
    assert "1 min 01 s" in page
    assert "512 MB" in page
    assert "2031-05-04 12:31" in page
    assert "1.2.3" in page
    found = Loads(page)
    assert found.loaded == []
    assert set(found.links) == {
        "results.csv",
        "01_first.html",
        "01_first.ipynb",
        "02_a%20b%26c.html",
        "02_a%20b%26c.ipynb",
    }


def test_a_page_keeps_outputs_and_alternative_texts_and_loads_nothing():
    cells = [
        nbformat.v4.new_markdown_cell(r"# Softmax" + "\n\n" + r"$e^{x_i}$ <b>bold</b>"),
        nbformat.v4.new_code_cell(
            "plot()",
            outputs=[
                nbformat.v4.new_output(
                    "display_data",
                    data={"image/png": PIXEL},
                    metadata={"image/png": {"alt": 'A "curve" > 0.5'}},
                ),
                nbformat.v4.new_output("display_data", data={"image/png": PIXEL}),
                nbformat.v4.new_output(
                    "display_data",
                    data={"text/plain": "gap: 0.25", f"{MIME_PREFIX}text/plain": "0.25"},
                ),
                nbformat.v4.new_output("stream", text="printed <tag>"),
            ],
        ),
    ]
    notebook = nbformat.writes(nbformat.v4.new_notebook(cells=cells))
    page = notebook_page(notebook, title="01_first")
    found = Loads(page)
    assert all(address.startswith("data:image/png;") for address in found.loaded)
    assert [image["alt"] for image in found.images] == [
        'A "curve" > 0.5',
        "No description has been provided for this image",
    ]
    assert "gap: 0.25" in page
    assert "printed &lt;tag&gt;" in page
    assert "$e^{x_i}$" in page
    assert not re.search(r"@import|url\(\s*['\"]?(https?:)?//|\bimport\(", page)
