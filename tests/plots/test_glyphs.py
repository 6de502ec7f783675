"""Names in any script can be shown, by a font that has them or by a number, without a warning."""

import warnings

import numpy as np
import pytest
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

from course_utils.plots import glyphs
from course_utils.plots.glyphs import FONT, make_printable


def characters(family):
    return set(map(chr, FT2Font(font_manager.findfont(family)).get_charmap()))


@pytest.fixture
def only_matplotlibs_fonts(monkeypatch):
    """The fonts that come with Matplotlib, which have no Chinese and no emoji."""
    inside = [font for font in font_manager.fontManager.ttflist if "mpl-data" in font.fname]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", inside)


def draw(names):
    figure = Figure()
    axes = figure.add_subplot()
    axes.bar(range(len(names)), np.ones(len(names)))
    axes.set_xticks(range(len(names)), names)
    axes.set_title(names[0])
    return figure


def shown(figure):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.canvas.draw()
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def test_names_that_the_font_has_stay(only_matplotlibs_fonts):
    figure = draw(["cat", "Bär", "α"])
    assert make_printable(figure) == {}
    assert {"cat", "Bär", "α"} <= set(shown(figure))


def test_names_that_no_font_has_get_numbers(only_matplotlibs_fonts):
    figure = draw(["熊", "cat", "🐸 frog"])
    assert make_printable(figure) == {"[1]": "熊", "[2]": "🐸 frog"}
    words = shown(figure)
    assert {"[1]", "[2]", "cat"} <= set(words)
    assert not {"熊", "🐸 frog"} & set(words)
    assert figure.axes[0].get_title(loc="center") == "[1]"


def test_another_font_is_taken_where_it_has_the_character(only_matplotlibs_fonts):
    """STIX has some that DejaVu lacks, as a Chinese font would."""
    (name,) = sorted(characters("STIXGeneral") - characters(FONT))[:1]
    figure = draw([name, "cat"])
    assert make_printable(figure) == {}
    assert name in shown(figure)
    families = [text.get_fontfamily() for text in figure.findobj(Text) if text.get_text() == name]
    assert all(family[0] == FONT and len(family) > 1 for family in families)


def test_a_font_that_cannot_be_read_has_no_characters(tmp_path):
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    assert glyphs._characters(str(tmp_path / "broken.ttf")) == frozenset()
