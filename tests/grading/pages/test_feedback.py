"""A learner's page: nothing in it runs, loads, or tells what a hidden check asks for."""

import base64
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from course_utils.exercises.publishing import MIME_TYPE
from course_utils.grading.judgement import AnswerResult, CheckResult, Ending, Judgement, Repair
from course_utils.grading.pages.feedback import (
    ENDING_ADVICE,
    REPAIR_ADVICE,
    FeedbackError,
    feedback,
    feedback_page,
    verdict,
)
from course_utils.grading.pages.html import plain_text

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
)
PIXEL_SOURCE = f"data:image/png;base64,{PIXEL}"
SECRET = "expected_secret = 42.125"
CHECK = f'check("3.1", step)\n### BEGIN HIDDEN TESTS\n{SECRET}\n### END HIDDEN TESTS'
HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</pre></code></div><script src='https://example.org/x.js'></script>",
    "[link](javascript:alert(1))",
    "![picture](https://example.org/track.png)",
    "<iframe src='https://example.org'></iframe>",
    "<style>@import 'https://example.org/x.css'</style>",
    "<svg onload=alert(1)>",
    "<meta http-equiv=refresh content='0;url=https://example.org'>",
    "{{ 7 * 7 }}{% include 'x' %}",
    '" onmouseover="alert(1)',
    "<!-- ]]> -->",
)
CHECK_RESULT = CheckResult(
    "check-3-1",
    "3.1",
    0.5,
    1.0,
    (AnswerResult("numbers", True, ""), AnswerResult("arrays", False, "the answer is a list")),
    "",
    "[1, 2]",
)
JUDGEMENT = Judgement(
    "ada", "03_training", "03_training", (CHECK_RESULT,), (), Ending("finished", 0, ""),
    61.0, 512 * 10**6, "",
)  # fmt: skip
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "h3", "h4", "h5", "h6"),
    *(
        "p",
        "bdi",
        "div",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "a",
        "span",
        "pre",
    ),
    *("code", "samp", "figure", "img", "strong"),
}
TEXT = st.text(max_size=40)
property_settings = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


class Page(HTMLParser):
    """Collects the tags of a page, with their attributes, and its text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def find(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def assert_harmless(text):
    """Only tags of the template, no handlers, no addresses but the page's own."""
    page = Page(text)
    assert {tag for tag, _ in page.tags} <= TAGS
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        assert attributes.get("href", "#").startswith("#")
        assert tag == "img" or "src" not in attributes
        assert re.match(
            r"data:image/(png|jpeg);base64,[\w+/=]*$", attributes.get("src", PIXEL_SOURCE)
        )
        assert "srcset" not in attributes
    policies = [one for one in page.find("meta") if "http-equiv" in one]
    assert [one["http-equiv"] for one in policies] == ["Content-Security-Policy"]
    assert policies[0]["content"].startswith("default-src 'none'; ")
    assert "http:" not in policies[0]["content"]
    return page


def code(source, *outputs, grade_id=None):
    metadata = {"nbgrader": {"grade_id": grade_id}} if grade_id else {}
    return {
        "cell_type": "code",
        "source": source,
        "metadata": metadata,
        "execution_count": 1,
        "outputs": list(outputs),
    }


def markdown(source):
    return {"cell_type": "markdown", "source": source, "metadata": {}}


def stream(text):
    return {"output_type": "stream", "name": "stdout", "text": text}


def display(metadata=None, **data):
    data = {name.replace("_", "/"): value for name, value in data.items()}
    return {"output_type": "display_data", "data": data, "metadata": metadata or {}}


def error(*traceback, ename="ValueError", evalue="bad"):
    return {
        "output_type": "error",
        "ename": ename,
        "evalue": evalue,
        "traceback": list(traceback),
    }


def make_page(*cells, **changes):
    notebook = json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells})
    return feedback_page(replace(JUDGEMENT, **{"executed": notebook} | changes))


def picture(size=(3, 2), picture_format="PNG"):
    buffer = io.BytesIO()
    Image.new("RGB", size).save(buffer, picture_format)
    return base64.b64encode(buffer.getvalue()).decode()


# ------------------------------------------------------------------------------------ the verdict


def test_the_page_is_where_nbgrader_has_feedback(tmp_path):
    path = feedback(JUDGEMENT, tmp_path / "feedback")
    assert path == tmp_path / "feedback" / "ada" / "03_training" / "03_training.html"
    assert path.read_text() == feedback_page(JUDGEMENT)
    assert [found.name for found in path.parent.iterdir()] == ["03_training.html"]


def test_it_says_scores_outcomes_and_reasons():
    page = assert_harmless(make_page())
    assert "0.5 of 1 points" in page.text
    assert "Exercise 3.1: partly right" in page.text
    assert "1 of 2 cases right" in page.text
    assert "the answer is a list" in page.text
    assert "[1, 2]" not in page.text
    assert "ran to its end, after 1 min 01 s, with 512 MB" in page.text


def test_every_link_goes_somewhere():
    page = Page(make_page(markdown("# One"), code(CHECK, grade_id="check-3-1"),
                          ending=Ending("died", 2, "the kernel died at cell 2")))  # fmt: skip
    targets = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    links = {attributes["href"].removeprefix("#") for attributes in page.find("a")}
    assert links == {"check-1", "cell-2"}
    assert links <= targets


@pytest.mark.parametrize("kind", [kind for kind in ENDING_ADVICE if kind != "finished"])
def test_an_early_end_is_said_at_the_top_and_at_its_cell(kind):
    text = make_page(code("a"), code("b"), ending=Ending(kind, 2, "out of something at cell 2"))
    page = assert_harmless(text)
    assert page.text.count("out of something at cell 2") == 3
    assert ENDING_ADVICE[kind] in page.text
    assert text.index('id="cell-2"') < text.index("The run ended here")


def test_an_end_beyond_the_notebook_has_no_link():
    page = Page(make_page(code("a"), ending=Ending("died", 7, "the kernel died at cell 7")))
    assert "#cell-7" not in [attributes["href"] for attributes in page.find("a")]


@pytest.mark.parametrize("kind", REPAIR_ADVICE)
def test_repairs_come_with_what_to_do(kind):
    page = Page(
        make_page(repairs=(Repair(kind, "check-3-1", f"it was {kind}"), Repair(kind, "", "")))
    )
    assert f"it was {kind}" in page.text
    assert page.text.count(REPAIR_ADVICE[kind]) == 2
    assert "the whole notebook" in page.text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"score": 1.0, "answers": (AnswerResult("a", True, ""),)}, "right"),
        ({"score": 1.0, "answers": ()}, "right"),
        ({}, "partly right"),
        ({"score": 0.0}, "wrong"),
        ({"score": 0.0, "answers": (), "reason": "not done"}, "not done"),
        ({"score": 0.0, "max_score": 0.0, "answers": (), "reason": "not done"}, "not done"),
        ({"score": 0.0, "max_score": 0.0}, "wrong"),
    ],
)
def test_verdicts(changes, expected):
    assert verdict(replace(CHECK_RESULT, **changes)) == expected


def test_without_a_notebook_or_checks_there_is_still_a_page():
    page = assert_harmless(make_page(checks=(), executed=""))
    assert "No exercise of this notebook" in page.text
    assert "There is no notebook to show" in page.text


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../evil", "a/b", "/etc", "a\\b", "a\0b", "evil/", "./a"]
)
@pytest.mark.parametrize("field", ["learner", "assignment", "notebook"])
def test_no_name_leads_out_of_the_folder(tmp_path, field, name):
    with pytest.raises(FeedbackError, match="no name for a file"):
        feedback(replace(JUDGEMENT, **{field: name}), tmp_path / "feedback")
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------- the hidden parts


LINES = st.lists(st.text(st.characters(exclude_characters="\n"), max_size=20), max_size=4)


@property_settings
@given(LINES, LINES, LINES, st.sampled_from(["HIDDEN TESTS", "MARK SCHEME"]), st.booleans())
def test_no_hidden_line_reaches_the_page(before, hidden, after, mark, ended):
    secrets = [f"SECRET-{place}-{line}" for place, line in enumerate([*hidden, "last"])]
    end = [f"### END {mark}"] if ended else []
    source = "\n".join([*before, f"### BEGIN {mark}", *secrets, *end, *after])
    outputs = [
        stream("\n".join(secrets) + "\nkept\n"),
        display(text_plain=repr(source)),
        error(*[f"\x1b[0;32m---> {number} \x1b[0m{line}" for number, line in enumerate(secrets)],
              evalue=secrets[0]),
    ]  # fmt: skip
    check = code(source, *outputs, grade_id="check-3-1")
    text = make_page(check, code("print(In)", *outputs), markdown(source), code("show"))
    assert "SECRET" not in text
    assert "BEGIN" not in text
    assert "kept" in text
    assert "show" in text
    assert_harmless(text)


def test_a_traceback_does_not_quote_a_check_cell():
    quoted = (
        "      1 check(\x1b[33m'3.1'\x1b[39m, step)\n----> 2 short\n      3 ### BEGIN HIDDEN TESTS"
    )
    failure = error(quoted, ename="NameError", evalue="name 'step' is not defined")
    page = Page(make_page(code(CHECK, failure), code("step", failure)))
    assert "NameError: name 'step' is not defined" in page.text
    assert page.text.count("----> 2 short") == 1
    assert "BEGIN HIDDEN" not in page.text


def test_emitted_answers_are_dropped_with_all_that_comes_with_them():
    emitted = {MIME_TYPE: {"answers": [7.125]}, "text/plain": "answers 7.125", "image/png": PIXEL}
    output = {"output_type": "display_data", "data": emitted, "metadata": {}}
    page = Page(make_page(code("check()", output, stream("kept"))))
    assert "7.125" not in page.text
    assert page.find("img") == []
    assert "kept" in page.text


def test_found_and_expected_values_of_checks_stay_out():
    page = make_page(checks=(replace(CHECK_RESULT, found="a found value"),))
    assert "a found value" not in page


# ------------------------------------------------------------------------------ hostile notebooks


@pytest.mark.parametrize("hostile", HOSTILE)
def test_no_markup_from_outside_works(hostile):
    check = replace(
        CHECK_RESULT,
        exercise=hostile,
        reason=hostile,
        answers=(AnswerResult(hostile, False, hostile),),
    )
    text = make_page(
        markdown(hostile),
        markdown(f"# {hostile}\n{hostile}"),
        code(
            hostile,
            stream(hostile),
            error(hostile, ename=hostile, evalue=hostile),
            display(text_html=hostile),
            display(text_plain=hostile, text_html=hostile, text_markdown=hostile),
            display(image_svg=hostile, **{"application_javascript": hostile}),
            display({"image/png": {"alt": hostile}}, image_png=PIXEL, text_plain=hostile),
            display(**{hostile: hostile}),
            grade_id="check-3-1",
        ),
        {"cell_type": hostile, "source": hostile, "metadata": {"nbgrader": {"grade_id": hostile}}},
        learner=hostile,
        assignment=hostile,
        notebook=hostile,
        checks=(check,),
        repairs=(Repair("extra", hostile, hostile),),
        ending=Ending("died", 1, hostile),
    )
    page = assert_harmless(text)
    assert page.text.count(hostile) >= 12
    assert [one["alt"] for one in page.find("img")] == [hostile]


def test_only_text_and_pictures_are_shown():
    page = assert_harmless(
        make_page(
            code(
                "x",
                display(text_html="<b>bold</b>", text_plain="plain"),
                display(text_html="<b>only</b>"),
                display(image_jpeg=picture(picture_format="JPEG")),
                display({"image/png": {"alt": "a figure"}}, image_png=PIXEL, text_plain="<Figure>"),
            )
        )
    )
    assert "plain" in page.text
    assert "An output of the type text/html is not shown." in page.text
    assert "only" not in page.text
    assert [one["alt"] for one in page.find("img")] == ["A picture", "a figure"]


@pytest.mark.parametrize(
    "data",
    [
        "not base64!",
        base64.b64encode(b"<svg onload=alert(1)>").decode(),
        base64.b64encode(b"GIF89a").decode(),
        PIXEL[:20],
        picture((10_000, 10_000)),
        "A" * 5_000_000,
        picture(picture_format="JPEG"),
        "",
        5,
        None,
        ["a", "b"],
        {},
    ],
    ids=lambda data: str(data)[:12],
)
def test_what_is_no_bearable_png_is_not_shown_as_one(data):
    page = assert_harmless(make_page(code("x", display(image_png=data, text_plain="instead"))))
    assert page.find("img") == []
    assert "instead" in page.text


def test_a_picture_may_be_stored_in_lines():
    assert len(
        Page(make_page(code("x", display(image_png=PIXEL[:40] + "\n" + PIXEL[40:])))).find("img")
    )


def test_giant_outputs_are_cut():
    outputs = [stream(f"start{'x' * 3_000_000}"), *[stream("more")] * 200]
    text = make_page(code("y" * 1_000_000, *outputs), markdown("# " + "z" * 1_000_000))
    page = assert_harmless(text)
    assert len(text) < 100_000
    assert "2,990,005 more characters are not shown" in page.text
    assert "980,000 more characters are not shown" in page.text
    assert "151 more outputs are not shown." in page.text


def test_a_giant_notebook_is_cut():
    text = make_page(*[code("y" * 20_000)] * 2_000)
    assert len(text) < 25_000_000
    assert re.search(r"its last 1\d\d\d cells are not shown", text)


@pytest.mark.parametrize(
    "notebook",
    [
        "{",
        "[]",
        "null",
        "3",
        '{"cells": 3}',
        '{"cells": [3, null, [], {}, {"cell_type": 3, "source": {}, "outputs": 3}]}',
        '{"cells": [{"cell_type": "code", "outputs": [3, {}, {"output_type": "error"}]}]}',
        '{"cells": [{"outputs": [{"data": {"image/png": {}}, "metadata": 3}]}]}',
        '{"cells": [{"metadata": {"nbgrader": 3}}, {"metadata": 3}, {"source": [3, "a"]}]}',
        "[" * 100_000,
        '{"cells": ' + "[" * 100_000,
        "\ud800",
        '{"cells": [{"source": "\\ud800"}]}',
    ],
    ids=lambda notebook: notebook[:20],
)
def test_a_broken_notebook_breaks_nothing(tmp_path, notebook):
    path = feedback(replace(JUDGEMENT, executed=notebook), tmp_path)
    assert "0.5 of 1 points" in assert_harmless(path.read_text()).text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT | st.sampled_from(HOSTILE),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["cells", "source", "outputs", "cell_type", "output_type", "data", "text",
                         "metadata", "nbgrader", "traceback", "image/png", "text/plain"]), inner,
        max_size=4),
    max_leaves=12,
)  # fmt: skip


@property_settings
@given(st.lists(JSON, max_size=4), TEXT, TEXT)
def test_arbitrary_notebooks_make_harmless_pages(cells, learner, message):
    text = make_page(*cells, learner=learner, ending=Ending("died", 1, message))
    assert_harmless(text)
    assert plain_text(text) == text


@property_settings
@given(st.text(), st.sampled_from(HOSTILE), st.text())
def test_arbitrary_cells_make_harmless_pages(before, hostile, after):
    text = before + hostile + after
    assert_harmless(make_page(markdown(text), code(text, stream(text), error(text))))


# ------------------------------------------------------------------------------------- plain text


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("\x1b[31mred\x1b[0m \x1b[1;4mbold", "red bold"),
        ("\x1b]0;title\x07a\x1b]8;;https://example.org\x1b\\b", "ab"),
        ("10 %\r20 %\r\ndone\r", "20 %\ndone"),
        ("ab\x08c", "ac"),
        ("a\x00b\x1bc\x9bd", "a\\u0000b\\u001bc\\u009bd"),
        ("abc\u202egpj.exe\u2066", "abc\\u202egpj.exe\\u2066"),
        ("tab\tnew\nline ✓ é 漢", "tab\tnew\nline ✓ é 漢"),
    ],
)
def test_plain_text_has_no_tricks(text, plain):
    assert plain_text(text) == plain


@given(st.text(st.characters() | st.sampled_from("\x1b[]m\r\n\x08\x07\u202e")))
def test_plain_text_is_plain(text):
    plain = plain_text(text)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", plain)
    assert plain_text(plain) == plain


@pytest.mark.parametrize("text", ["\x1b]", "\x1b[", "a\x08", "\r", "\x1b]a\n", "\x1b[1;"])
def test_plain_text_of_a_lot_of_tricks(text):
    assert len(plain_text(text * 200_000)) <= 8 * 200_000 * len(text)
