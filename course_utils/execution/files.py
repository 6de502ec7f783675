"""Files that are either there as a whole or not at all."""

import os
from pathlib import Path


def write_text(path: Path, text: str) -> None:
    """Write a text file under a temporary name beside it, then rename it.

    Args:
        path: the file; its folder is made if need be, and an older file replaced.
        text: its content, written as UTF-8; what UTF-8 cannot hold becomes ``?``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(text.encode("utf-8", errors="replace"))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
