"""What learners must not see of a cell: solutions, hidden tests and mark schemes."""

import re
from typing import NamedTuple

from course_utils.notebooks import NbgraderSettings

# nbgrader's settings, spelt as nbgrader spells them, and what they are by default.
_KINDS = {
    "ClearSolutions": ("solution", "SOLUTION"),
    "ClearHiddenTests": ("test", "HIDDEN TESTS"),
    "ClearMarkScheme": ("mark_scheme", "MARK SCHEME"),
}


class Marks(NamedTuple):
    """What the lines look like between which something is hidden."""

    begin: re.Pattern[str]
    end: re.Pattern[str]


def find_marks(settings: NbgraderSettings) -> Marks:
    """Find the marks that a course sets in ``nbgrader_config.py``; nbgrader's own count too."""
    return Marks(_find_mark(settings, "begin"), _find_mark(settings, "end"))


def _find_mark(settings: NbgraderSettings, which: str) -> re.Pattern[str]:
    marks = [f"{which} {default}" for _, default in _KINDS.values()]
    for name, (kind, _) in _KINDS.items():
        mark = settings.get(name, {}).get(f"{which}_{kind}_delimeter")
        if isinstance(mark, str) and mark.strip():
            marks.append(mark)
    return re.compile("|".join(map(re.escape, marks)), re.IGNORECASE)


def split_hidden(source: str, marks: Marks) -> tuple[str, list[str]]:
    """Take out of a cell's source what learners must not see.

    Where marks are missing or nested, more is taken rather than less.

    Returns:
        The rest of the source, and the hidden lines with their marks.
    """
    lines = source.split("\n")
    begins = [place for place, line in enumerate(lines) if marks.begin.search(line)]
    ends = [place for place, line in enumerate(lines) if marks.end.search(line)]
    if not begins and not ends:
        return source, []
    first = begins[0] if begins and not (ends and ends[0] < begins[0]) else 0
    last = ends[-1] if ends and not (begins and ends[-1] < begins[-1]) else len(lines)
    return "\n".join(lines[:first] + lines[last + 1 :]), lines[first : last + 1]
