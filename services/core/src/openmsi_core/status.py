"""What a program has done and has yet to do, as it tells it each turn of its loop."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Status:
    """Counts since the program started, and what waits now."""

    files_done: int = 0
    bytes_done: int = 0
    files_pending: int = 0
    bytes_pending: int = 0
    oldest_pending_seconds: float | None = None
    """How long the oldest undelivered file has waited; None = nothing waits."""
    notes: Mapping[str, int] = field(default_factory=dict)
    """Counts of what is out of the ordinary, by reason, such as ``skipped: hidden``."""
    waiting_for: str | None = None
    """What keeps the program from going on, such as ``broker kafka:9092``; None = nothing."""

    def __str__(self) -> str:
        text = f"{self.files_done} files ({size(self.bytes_done)}) done"
        text += f", {self.files_pending} files ({size(self.bytes_pending)}) pending"
        if self.oldest_pending_seconds is not None:
            text += f", the oldest for {self.oldest_pending_seconds:.0f} s"
        for reason, count in sorted(self.notes.items()):
            text += f"; {reason}: {count}"
        return f"{text}; waiting for {self.waiting_for}" if self.waiting_for else text


def size(count: int) -> str:
    """A number of bytes for people, in powers of ten like Kafka's and the disk makers'."""
    if count < 1000:
        return f"{count} B"
    exponent = min((len(str(count)) - 1) // 3, 4)
    return f"{count / 1000**exponent:.1f} {('kB', 'MB', 'GB', 'TB')[exponent - 1]}"
