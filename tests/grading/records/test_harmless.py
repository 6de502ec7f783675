"""What of a learner's reaches formgrader's page, rendered as formgrader renders it."""

import html
import re
from html.parser import HTMLParser

import nbformat
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, new_raw_cell

from course_utils.grading.records.harmless import make_harmless
from tests.grading.browsing import draw_picture

PICTURE = draw_picture()
ATTACHMENTS = {"my pic.png": {"image/png": PICTURE}, "x.svg": {"image/svg+xml": "PHN2Zz4="}}
# Each with what a grader has to see of it.
HOSTILE = {
    "[x](javascript:alert(1))": "[x](javascript:alert(1))",
    "[x](JaVaScript:alert(1))": "[x](JaVaScript:alert(1))",
    "[x](<  javascript:alert(1)>)": "javascript:alert(1)",
    "[x](java&#115;cript:alert(1))": "[x](javascript:alert(1))",
    "[x](&#x6A;avascript&colon;alert(1))": "[x](javascript:alert(1))",
    "[x](javascript%3Aalert(1))": "[x](javascript%3Aalert(1))",
    "[x](<java\tscript:alert(1)>)": "script:alert(1)",
    "[x](\x01javascript:alert(1))": "javascript:alert(1)",
    "[x](vbscript:msgbox)": "[x](vbscript:msgbox)",
    "[x](data:text/html;base64,PHNjcmlwdD4=)": "[x](data:text/html;base64,PHNjcmlwdD4=)",
    '[x](javascript:alert(1) "why")': '[x](javascript:alert(1) "why")',
    "[x][1]\n\n[1]: javascript:alert(1)": "[x](javascript:alert(1))",
    "<javascript:alert(1)>": "javascript:alert(1)",
    "[x](//example.org)": "[x](//example.org)",
    "[x](../../logout)": "[x](../../logout)",
    "![x](http://example.org/a.png)": "![x](http://example.org/a.png)",
    "![x](//example.org/a.png)": "![x](//example.org/a.png)",
    "![x](/logout)": "![x](/logout)",
    "![x](attachment:none.png)": "![x](attachment:none.png)",
    "![x](attachment:x.svg)": "![x](attachment:x.svg)",
    "![x](data:image/svg+xml;base64,PHN2Zz4=)": "![x](data:image/svg+xml;base64,PHN2Zz4=)",
    "![x][1]\n\n[1]: http://example.org/a.png": "![x](http://example.org/a.png)",
    "[![x](http://example.org/a.png)](javascript:b)": "[![x](http://example.org/a.png)]",
    "| a |\n|---|\n| [x](javascript:alert(1)) |": "[x](javascript:alert(1))",
    "# <img src=x onerror=alert(1)>": "<img src=x onerror=alert(1)>",
    "a <b onmouseover='alert(1)'>c</b>": "a <b onmouseover='alert(1)'>c</b>",
    "<script>\n\nalert(1)\n\n</script>": "<script>\n\nalert(1)\n\n</script>",
    "<iframe src='javascript:alert(1)'></iframe>": "<iframe src='javascript:alert(1)'></iframe>",
    "<object data='http://example.org'></object>": "<object data='http://example.org'>",
    "<p style='background: url(http://example.org)'>a": "<p style='background: url(",
    "<svg><script>alert(1)</script></svg>": "<svg><script>alert(1)</script></svg>",
    "<form action='/x'><button>": "<form action='/x'><button>",
    "<meta http-equiv=refresh content='0;url=//example.org'>": "<meta http-equiv=refresh",
    "<base href='http://example.org'>": "<base href='http://example.org'>",
    "<link rel=stylesheet href='//example.org/a.css'>": "<link rel=stylesheet",
    "<style>@import '//example.org/a.css'</style>": "<style>@import",
    "a\n\n<!-- a\n\n--><img src=x onerror=alert(1)>": "<img src=x onerror=alert(1)>",
    "<![CDATA[<img src=x onerror=alert(1)>]]>": "<img src=x onerror=alert(1)>",
    "```mermaid\n<img src=x onerror=alert(1)>\n```": "<img src=x onerror=alert(1)>",
    "$$\n<img src=x onerror=alert(1)>\n$$ <img src=x onerror=alert(2)>": "onerror=alert(2)",
    "# essay\n": "essay",
    "# essay-comment\n": "essay-comment",
}
HARMLESS = (
    "Because *it* **is** so: `a<b`, 1 < 2 & 3 > 2.\n\n- one\n- two\n\n> quoted",
    "```python\nif a<b or '[x](javascript:alert(1))':\n    pass\n```",
    "# Why?\n\nSee [the paper](https://example.org/a?b=c&d#e 'title'), <https://example.org>, "
    "https://example.org/x, [below](#below) and [mail](mailto:ada@example.org)",
    r"$a<b$ and $$\sum_i x_i^2$$" + "\n\n| a | b |\n|:--|--:|\n| 1 | 2 |\n",
    "&lt;script&gt; &amp; &copy; \\<b\\>",
    f"![pasted](data:image/png;base64,{PICTURE})",
)
TAGS = {
    *("a", "blockquote", "br", "code", "dd", "del", "div", "dl", "dt", "em", "h1", "h2", "h3"),
    *("h4", "h5", "h6", "hr", "img", "input", "li", "ol", "p", "pre", "section", "span", "strong"),
    *("table", "tbody", "td", "th", "thead", "tr", "ul"),
}
ATTRIBUTES = {
    *("a class", "a href", "a title", "code class", "div class", "img alt", "img src", "img title"),
    *("input type", "input disabled", "input checked", "input class", "li class", "ol start"),
    *("span class", "pre class", "p style", "pre style", "td style", "th style"),
}
MARKS = (
    *"<>`$\\&;|#*_\"'()\n \r\0\x0b\x0c\x1c\x85\u2028",
    *("\n\n", "    ", "> ", "- ", "1. ", ": ", "](", "![", "```", "~~~", "~~", "mermaid", "[1]: "),
    *("$$", "\\\\[", "\\\\]", "\\begin{a}", "\\end{a}"),
    *("<div>", "</div>", "<pre>", "</pre>", "<a href=", "<!--", "-->", "<?", "?>"),
    *("javascript:", "http://example.org", "attachment:my%20pic.png"),
)
PIECES = st.sampled_from([*HOSTILE, *HARMLESS, *MARKS])
TEXTS = st.lists(PIECES | st.text(max_size=5), max_size=8).map("".join)


class Tags(HTMLParser):
    """Collects the tags of a page, with their attributes, and its text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def handle_comment(self, data):
        self.tags.append(("comment", {}))

    handle_decl = handle_pi = unknown_decl = handle_comment


def make_essay(text, attachments=ATTACHMENTS):
    essay = new_markdown_cell(text, attachments=nbformat.from_dict(attachments))
    essay.metadata["nbgrader"] = {"grade_id": "essay"}
    return essay


def render(cell):
    """A Markdown cell's HTML on formgrader's page."""
    return HTMLExporter().markdown2html({"cell": cell}, cell.source)


def show(text):
    essay = make_essay(text)
    make_harmless(new_notebook(cells=[essay]))
    return essay, Tags(render(essay))


def assert_harmless(page):
    for tag, attributes in page.tags:
        assert tag in TAGS
        for name, value in attributes.items():
            assert f"{tag} {name}" in ATTRIBUTES or re.fullmatch("h[1-6] id", f"{tag} {name}")
            if name == "style":
                assert re.fullmatch(r"white-space: pre-wrap|text-align:(left|right|center)", value)
            if name == "src":
                assert value == f"data:image/png;base64,{PICTURE}"
            if name == "href":
                assert re.match(r"https?://|mailto:|#", value, re.IGNORECASE)
            if name == "id":
                assert value not in ("essay", "essay-comment", "essay_extra_credit")


def in_one_line(text):
    return " ".join(text.split())


@pytest.mark.parametrize(("hostile", "visible"), HOSTILE.items())
def test_what_would_run_or_be_fetched_is_shown_as_it_was_written(hostile, visible):
    for text in (hostile, f"Because.\n\n{hostile}\n\nAnd **so** on.", f"> - {hostile}"):
        _, page = show(text)
        assert_harmless(page)
        if not text.startswith(">"):
            assert in_one_line(visible) in in_one_line(page.text)
    assert [tag for tag, _ in show(f"Because.\n\n{hostile}\n\nAnd **so** on.")[1].tags] != []


@pytest.mark.parametrize("text", HARMLESS)
def test_an_answer_that_does_no_harm_stays_as_it_is(text):
    essay, page = show(text)
    assert essay.source == text
    assert_harmless(page)


@pytest.mark.parametrize("name", ["my%20pic.png", "my pic.png"])
@pytest.mark.parametrize("more", ["", " <b>bold</b> ![](http://example.org/x.png)"])
def test_a_pasted_picture_is_shown(name, more):
    _, page = show(f"![what it shows](<attachment:{name}>){more}")
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    assert pictures == [{"src": f"data:image/png;base64,{PICTURE}", "alt": "what it shows"}]
    assert_harmless(page)


def test_an_answer_of_pasted_pictures_only_stays_markdown():
    text = "![](attachment:a.png)"
    essay = make_essay(text, {"a.png": {"image/png": PICTURE, "image/svg+xml": "PHN2Zz4="}})
    make_harmless(new_notebook(cells=[essay]))
    assert (essay.source, essay.attachments) == (text, {"a.png": {"image/png": PICTURE}})


@given(TEXTS)
@example("# <javascript:alert(1)>\n")
@example("[x]()![]()<>")
def test_no_answer_does_harm_or_keeps_the_page_from_being_made(text):
    assert_harmless(show(text)[1])


@given(TEXTS)
def test_what_was_changed_reaches_the_page_as_it_was_made(text):
    """Markdown finds nothing to do in it: else what was shown as text could come to life again."""
    essay, _ = show(text)
    if essay.source != text:
        assert render(essay).rstrip("\n") == essay.source
        assert len(essay.source.splitlines()) <= 1


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_nothing_is_lost_of_a_text_in_a_script(text):
    """Where HTML is shown as text, all of it is there."""
    _, page = show(f"<script>{text}</script>")
    letters = [letter for letter in html.unescape(text) if letter.isalnum() and letter.isascii()]
    assert [one for one in page.text if one.isalnum() and one.isascii()] == [
        *"script", *letters, *"script"
    ]  # fmt: skip


def test_a_text_too_long_to_render_is_shown_as_it_was_written():
    attack = "<img src=x onerror=alert(1)>\n\n"
    cells = [make_essay(attack * 1000), *[make_essay("*word* " * 2000) for _ in range(9)]]
    make_harmless(new_notebook(cells=cells))
    pages = [Tags(render(cell)) for cell in cells]
    for page in pages:
        assert_harmless(page)
    assert pages[0].text.strip() == (attack * 1000).strip()
    assert pages[1].tags[1][0] == "em"
    assert "*word* *word*" in pages[-1].text


def test_raw_cells_are_text():
    cell = new_raw_cell("<script>alert(1)</script>")
    make_harmless(new_notebook(cells=[cell]))
    assert cell.source == "&lt;script&gt;alert(1)&lt;/script&gt;"


def test_outputs_keep_text_and_pictures():
    data = {"image/png": PICTURE, "text/plain": "<Figure>"}
    active = ("text/html", "image/svg+xml", "application/javascript", "text/markdown", "text/latex")
    described = {"image/png": {"width": 20, "height": 10, "alt": "a figure"}}
    output = new_output(
        "display_data",
        data | dict.fromkeys(active, "<script>alert(1)</script>"),
        metadata=described,
    )
    make_harmless(new_notebook(cells=[new_code_cell(outputs=[output])]))
    assert (output.data, output.metadata) == (data, described)


@pytest.mark.parametrize(
    "metadata",
    [
        {"image/png": {"width": "1 onload=alert(1)", "height": "1 onload=alert(1)"}},
        {"width": "1 onload=alert(1)", "height": "1 onload=alert(1)"},
        {"filenames": {"image/png": "http://example.org/a.png"}},
        {"image/png": {"width": True, "alt": ["x"]}},
        {"image/png": "x"},
    ],
)
def test_what_an_output_says_of_its_picture_does_no_harm(metadata):
    """nbconvert writes sizes without quotes, and believes file names."""
    output = new_output("display_data", {"image/png": PICTURE}, metadata=metadata)
    notebook = new_notebook(cells=[new_code_cell(outputs=[output])])
    make_harmless(notebook)
    page, _ = HTMLExporter(template_name="classic").from_notebook_node(notebook)
    pictures = [attributes for tag, attributes in Tags(page).tags if tag == "img"]
    assert [one["src"] for one in pictures] == [f"data:image/png;base64,{PICTURE}"]
    assert all(one.keys() <= {"src", "class", "alt"} for one in pictures)


def test_the_state_of_widgets_is_dropped():
    notebook = new_notebook(metadata={"widgets": {"x": "</script><script>alert(1)</script>"}})
    make_harmless(notebook)
    assert notebook.metadata == {}
