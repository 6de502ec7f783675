"""A page as a browser would see it, and what must not be on one."""

import base64
import io
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

from PIL import Image


def draw_picture(picture_format="PNG", size=(2, 1)):
    """A picture in base64."""
    file = io.BytesIO()
    Image.new("L", size).save(file, picture_format)
    return base64.b64encode(file.getvalue()).decode()


class Page(HTMLParser):
    """Collects a page's tables, by caption, its pictures, its tags and its text."""

    def __init__(self, path):
        super().__init__()
        self.tables, self.pictures, self.tags, self.text = {}, [], [], ""
        self._caption, self._cell = None, None
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag == "img":
            self.pictures.append(dict(attributes))
        elif tag in ("caption", "th", "td"):
            self._cell = ""
        elif tag == "tr":
            self.tables[self._caption].append([])

    def handle_data(self, data):
        self.text += data
        if self._cell is not None:
            self._cell += data

    def handle_endtag(self, tag):
        if tag == "caption":
            self._caption = self._cell
            self.tables[self._caption] = []
        elif tag in ("th", "td"):
            self.tables[self._caption][-1].append(self._cell)
        if tag in ("caption", "th", "td"):
            self._cell = None


def assert_harmless(page):
    assert not {"script", "link", "iframe", "svg", "object"} & {tag for tag, _ in page.tags}
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
        assert "href" not in attributes
        assert tag == "img" or "src" not in attributes
    policy = next(one for _, one in page.tags if one.get("http-equiv"))
    assert policy["content"].startswith("default-src 'none'; ")
    for picture in page.pictures:
        assert picture["alt"]
        kind, _, content = picture["src"].partition(";base64,")
        assert kind == "data:image/svg+xml"
        ET.fromstring(base64.b64decode(content))
