"""What a process cost: memory and processor time, from /proc."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


def peak_memory(pid: int) -> int:
    """Largest resident set so far, bytes."""
    return _memory(pid, "VmHWM")


def memory(pid: int) -> int:
    """Resident set now, bytes."""
    return _memory(pid, "VmRSS")


def cpu_seconds(pid: int) -> float:
    """User and system time so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_of_family(pid: int) -> float:
    """The same of a process and all that it has started, also of what has ended."""
    children: dict[int, list[tuple[int, int]]] = {}
    for each, _, parent, ticks in _processes():
        children.setdefault(parent, []).append((each, ticks))
        if each == pid:
            children.setdefault(-1, []).append((each, ticks))
    total, left = 0, children.get(-1, [])
    while left:
        each, ticks = left.pop()
        total += ticks
        left += children.get(each, [])
    return total / os.sysconf("SC_CLK_TCK")


def cpu_of_children(name: str) -> float:
    """User and system time so far of all processes called ``name`` that this one has started and that still run."""
    own = os.getpid()
    ticks = sum(ticks for _, called, parent, ticks in _processes() if called == name and parent == own)
    return ticks / os.sysconf("SC_CLK_TCK")


def _processes() -> Iterator[tuple[int, str, int, int]]:
    """Id, name, parent and ticks (of it and of the children that it has waited for) of every process."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            before, _, after = stat.read_text().rpartition(")")
            fields = after.split()
            yield int(stat.parent.name), before.partition("(")[2], int(fields[1]), sum(map(int, fields[11:15]))


def _memory(pid: int, field: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024
