"""Figures that can show the names of any class: a font that has the characters, or a number."""

from collections.abc import Collection, Iterator
from functools import cache

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

_LAST_RESORT = "Last Resort"  # a font that has a box for every character
FONT = "DejaVu Sans"  # which comes with Matplotlib


def make_printable(figure: Figure) -> dict[str, str]:
    """Give the texts of a figure fonts that have their characters, such as Chinese or emoji.

    A text with a character that no installed font has is replaced by a number in brackets.

    Args:
        figure: changed in place.

    Returns:
        For each number, such as ``[1]``, the text that it stands for.
    """
    axes = [axis for one in figure.axes for axis in (one.xaxis, one.yaxis)]
    labels = {axis: [label.get_text() for label in axis.get_ticklabels()] for axis in axes}
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]
    words = [word for axis in axes for word in labels[axis]] + [text.get_text() for text in texts]
    needed = {character for word in words for character in word if not character.isspace()}
    missing = needed - _characters(font_manager.findfont(FONT))
    if not missing:
        return {}
    families = tuple(_find_families(missing))
    left = missing.difference(*map(_characters_of_family, families))
    strange = dict.fromkeys(word for word in words if left & set(word))
    numbers = {word: f"[{number}]" for number, word in enumerate(strange, start=1)}
    for axis in axes:
        if missing & set("".join(labels[axis])):
            axis.set_ticks(
                axis.get_ticklocs(), labels=[numbers.get(word, word) for word in labels[axis]]
            )
    for text in texts:
        text.set_text(numbers.get(text.get_text(), text.get_text()))
    for text in [*texts, *(label for axis in axes for label in axis.get_ticklabels())]:
        text.set_fontfamily([FONT, *families])
    return {number: word for word, number in numbers.items()}


def _find_families(characters: Collection[str]) -> Iterator[str]:
    """Installed fonts that have some of the characters, until all are found."""
    left = set(characters)
    known = {font.name for font in font_manager.fontManager.ttflist}
    for family in sorted(name for name in known if not name.startswith(_LAST_RESORT)):
        if left & _characters_of_family(family):
            left -= _characters_of_family(family)
            yield family
        if not left:
            return


@cache
def _characters_of_family(family: str) -> frozenset[str]:
    properties = font_manager.FontProperties(family=[family])
    return _characters(font_manager.findfont(properties, fallback_to_default=False))


@cache
def _characters(path: str) -> frozenset[str]:
    """The characters of a font that Matplotlib can draw; none of one made of pictures."""
    try:
        font = FT2Font(path)
    except (OSError, RuntimeError):
        return frozenset()
    is_outline = font.num_glyphs and font.units_per_EM
    return frozenset(map(chr, font.get_charmap())) if is_outline else frozenset()
