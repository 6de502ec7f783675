"""How the ``course`` command speaks: where it prints, and what its helps have in common."""

from typing import Any

from rich.console import Console

console = Console()
error_console = Console(stderr=True)
PLAIN: dict[str, Any] = {"soft_wrap": True, "markup": False, "highlight": False}


def examples(*lines: str) -> str:
    """An epilogue for a command's help."""
    return "\n\n".join(["[bold]Examples[/]", *(f"  [cyan]{line}[/]" for line in lines)])
