"""A judged notebook made harmless for formgrader, nbgrader's page that may change every score.

Formgrader lets nbconvert turn an answer into HTML and shows that as it comes: links with scripts,
pictures from anywhere, and HTML. Here an answer goes through the same renderer with those parts
shown as the text that was written; no second parser has to agree with nbconvert's on what is what.
"""

import re
from html import escape
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from course_utils.grading.pictures import (
    FORMATS,
    OUTPUT_FORMATS,
    Attachments,
    check_picture,
    keep_pictures,
)
from course_utils.notebooks import grade_id

if TYPE_CHECKING:
    from nbformat import NotebookNode

# nbconvert takes four seconds for the worst text of this length.
_MAX_RENDERED = 20_000  # characters of a cell
_MAX_RENDERED_IN_ALL = 100_000  # characters of a notebook
_MAX_OUTPUT_PICTURE = 10_000_000  # bytes

# Nothing else is a link: what remains is fetched by a click, and shows where it goes.
_LINK = re.compile(r"(?:https?://|mailto:|#)[^\x00-\x20\\]*", re.IGNORECASE)
_PICTURE = re.compile(rf"data:(?:{'|'.join(FORMATS)});base64,[A-Za-z0-9+/=]*")
_NAMED = re.compile(r'<h[1-6] id="([^"]*)"')
_SUFFIXES = ("", "-comment", "_extra_credit")  # of the page's fields for a cell
_ATTACHMENT = "attachment:"
_LINE_ENDS = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")


def make_harmless(notebook: "NotebookNode") -> None:
    """Take out of a notebook, in place, what would run in a browser or be fetched by one.

    What a learner wrote stays to be read. A Markdown cell in which nothing has to be changed stays
    as it is; any other becomes the HTML that it renders to. A cell's outputs keep text, PNG and
    JPEG.
    """
    notebook.metadata.pop("widgets", None)
    num_left = _MAX_RENDERED_IN_ALL
    names = [name for cell in notebook.cells if (name := grade_id(cell))]
    taken = frozenset(f"{name}{suffix}" for name in names for suffix in _SUFFIXES)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            _clean_outputs(cell)
        elif cell.cell_type == "markdown":
            num_left -= len(cell.source)
            is_long = num_left < 0 or len(cell.source) > _MAX_RENDERED
            _clean_markdown(cell, taken, is_long=is_long)
        else:
            cell.source = escape(cell.source, quote=False)


def _clean_outputs(cell: "NotebookNode") -> None:
    for output in cell.outputs:
        if "data" in output:
            output.data = _keep_shown(output.data)
        if "metadata" in output:
            output.metadata = {
                kind: described
                for kind in OUTPUT_FORMATS
                if (described := _keep_description(output.metadata.get(kind)))
            }


def _keep_shown(data: dict[str, object]) -> dict[str, object]:
    shown: dict[str, object] = {
        kind: checked
        for kind in OUTPUT_FORMATS
        if (checked := check_picture(data.get(kind), kind, max_bytes=_MAX_OUTPUT_PICTURE))
    }
    return shown | {kind: text for kind, text in data.items() if kind == "text/plain"}


def _keep_description(described: object) -> dict[str, object]:
    """A picture's size and its alternative text; nbconvert writes the size without quotes."""
    if not isinstance(described, dict):
        return {}
    sizes = {name: described.get(name) for name in ("width", "height")}
    kept: dict[str, object] = {name: size for name, size in sizes.items() if type(size) is int}
    alt = described.get("alt")
    return kept | ({"alt": alt} if isinstance(alt, str) else {})


def _clean_markdown(cell: "NotebookNode", taken: frozenset[str], *, is_long: bool) -> None:
    attachments = keep_pictures(cell.pop("attachments", None))
    if is_long:
        cell.source = _as_written(cell.source)
        return
    renderer = _HarmlessRenderer(attachments, taken)
    try:
        html = MarkdownWithMath(renderer=renderer).render(cell.source)
    except Exception:  # of a text that formgrader could not show either
        cell.source = _as_written(cell.source)
        return
    if renderer.has_changed:
        cell.source = _as_one_block(f"<div>{html}</div>")
    elif attachments:
        cell.attachments = attachments


def _as_written(source: str) -> str:
    text = escape(source, quote=False)
    return _as_one_block(f'<pre style="white-space: pre-wrap">{text}</pre>')


def _as_one_block(html: str) -> str:
    """HTML in one line, which Markdown takes as one block, to be left as it is."""
    return _LINE_ENDS.sub("&#10;", html)


class _HarmlessRenderer(IPythonRenderer):
    """Formgrader's renderer, but what could do harm becomes the text that was written.

    Attributes:
        has_changed: whether there was such a thing, or formgrader would not find a picture.
    """

    def __init__(self, attachments: Attachments, taken: frozenset[str]) -> None:
        super().__init__(escape=False, attachments=attachments)
        self.has_changed = False
        self._taken = taken

    def link(self, text: str, url: str, title: str | None = None) -> str:
        if _LINK.fullmatch(url):
            return cast(str, super().link(text, url, title))
        self.has_changed = True
        is_address = text in (url, escape(url))
        return text if is_address else f"[{text}]({_show_address(url, title)})"

    def image(self, text: str, url: str, title: str | None = None) -> str:
        if _PICTURE.fullmatch(url):
            return cast(str, super().image(text, url, title))
        name = url.removeprefix(_ATTACHMENT)
        if url.startswith(_ATTACHMENT) and name in self.attachments:
            return cast(str, super().image(text, url, title))
        self.has_changed = True
        if url.startswith(_ATTACHMENT) and unquote(name) in self.attachments:
            return cast(str, super().image(text, _ATTACHMENT + unquote(name), title))
        return f"![{text}]({_show_address(url, title)})"

    def heading(self, text: str, level: int, **attrs: Any) -> str:
        """A heading, without the name for links to it that a field of the page has already."""
        html = cast(str, super().heading(text, level, **attrs))
        named = _NAMED.match(html)
        if named and named[1] in self._taken:
            self.has_changed = True
            return f"<h{level}>{text}</h{level}>\n"
        return html

    def inline_html(self, html: str) -> str:
        self.has_changed = True
        return escape(html)

    def block_html(self, html: str) -> str:
        self.has_changed = True
        return f'<p style="white-space: pre-wrap">{escape(html.strip())}</p>\n'

    def block_mermaidjs(self, code: str) -> str:
        """A drawing in Mermaid's language, which nbconvert would pass on as HTML."""
        self.has_changed = True
        return cast(str, super().block_code(code, info=None))


def _show_address(url: str, title: Any) -> str:
    return escape(f'{url} "{title}"' if title else url)
