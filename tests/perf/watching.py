"""What a process cost: memory and processor time, from /proc."""

import contextlib
import os
from pathlib import Path


def peak_memory(pid: int) -> int:
    """Largest resident set so far, bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def cpu_seconds(pid: int) -> float:
    """User and system time so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_of_children(name: str) -> float:
    """The same of all processes called ``name`` that this one has started and that still run."""
    total = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            before, _, after = stat.read_text().rpartition(")")
            if before.endswith(f"({name}") and int(after.split()[1]) == os.getpid():
                total += cpu_seconds(int(stat.parent.name))
    return total
