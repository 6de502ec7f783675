"""How long a run may last, in a file that imports nothing slow, as a second call needs it."""

from dataclasses import dataclass

SLOWEST_CLOCK = 0.25  # of a clock that stands still while a sandboxed kernel waits, per second


@dataclass(frozen=True)
class RunLimits:
    """What the run of a notebook may take, beside what a sandbox allows its kernel.

    Time in which a sandboxed kernel waits because the computer is busy does not count, up to three
    quarters of the whole: nobody should lose points to another's load.

    Attributes:
        start_seconds: until its kernel answers.
        cell_seconds: for one cell.
        notebook_seconds: for all cells together.
        output_bytes: of all messages of the kernel together.
        messages: of the kernel.
    """

    start_seconds: float = 120.0
    cell_seconds: float = 120.0
    notebook_seconds: float = 600.0
    output_bytes: int = 20_000_000
    messages: int = 20_000

    @property
    def longest_seconds(self) -> float:
        """The longest that a run can last, in seconds of wall time."""
        return (self.start_seconds + self.notebook_seconds) / SLOWEST_CLOCK
