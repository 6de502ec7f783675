"""Durations, amounts of memory and points as text, and texts that are safe in a spreadsheet."""

import re

_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)*(?:[eE][+-]?\d+)?\s?%?|-", re.ASCII)


def format_seconds(seconds: float) -> str:
    """Write a duration, such as ``1 min 05 s``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{seconds:.1f} s"


def format_memory(num_bytes: int) -> str:
    """Write an amount of memory in megabytes, such as ``512 MB``."""
    return f"{num_bytes / 1e6:,.0f} MB"


def format_points(points: float) -> str:
    """Write points with two decimals at most, such as ``7.5``."""
    return f"{points:.2f}".rstrip("0").rstrip(".")


def escape_formula(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would take for a formula, but for numbers."""
    is_formula = _FORMULA.match(text) and not _NUMBER.fullmatch(text)
    return f"'{text}" if is_formula else text
