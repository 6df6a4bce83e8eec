"""All that one bench has measured; kept as JSON, so that versions can be compared."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from tests.perf.runs import Run


class Who(enum.StrEnum):
    """What was measured."""

    PRODUCE = "bare produce"
    WINDOW = "bare produce, 6 in flight"
    HASH = "SHA-512"
    UP = "our uploader"
    CONSUME = "bare consume"
    WRITE = "bare write + fsync"
    KEEP = "bare consume + write + fsync"
    DOWN = "our downloader"
    DOWN_2 = "2 downloaders"
    DOWN_4 = "4 downloaders"
    THROUGH = "both at once"
    CP = "cp -r + sync"
    RCLONE = "rclone copy + sync"
    THEIR_UP = "OpenMSIStream's uploader"
    THEIR_DOWN = "OpenMSIStream's downloader"


@dataclass(frozen=True)
class Calls:
    """System calls of a run in which they were counted, less those of a run with nothing to do."""

    files: int
    size: int
    by_name: dict[str, int]

    @property
    def per_file(self) -> float:
        """All of them."""
        return sum(self.by_name.values()) / self.files

    @property
    def per_mb(self) -> float:
        """All of them."""
        return sum(self.by_name.values()) * 1e6 / self.size


Runs = dict[str, dict[Who, list[Run]]]
"""Workload → who → one run a round, so that runs with the same index are neighbours in time."""


@dataclass
class Results:
    """Grows while the bench runs."""

    version: str
    began: str
    quick: bool
    machine: dict[str, str]
    titles: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Files and bytes of each workload."""
    runs: Runs = field(default_factory=dict)
    calls: dict[str, dict[Who, Calls]] = field(default_factory=dict)
    latencies: dict[str, list[float]] = field(default_factory=dict)
    """Seconds from close to visible, beyond the settle time."""
    costs: dict[int, dict[Who, Run]] = field(default_factory=dict)
    """Runs with so many files of 4 KiB."""
    figures: dict[str, float] = field(default_factory=dict)
    """What is measured once; the unit is in the name."""

    def keep(self, workload: str, who: Who, run: Run) -> None:
        """One more run."""
        self.runs.setdefault(workload, {}).setdefault(who, []).append(run)

    def of(self, workload: str, who: Who) -> list[Run]:
        """Its runs; none is fine."""
        return self.runs.get(workload, {}).get(who, [])

    def seconds(self, workload: str, *those: Who) -> Iterable[tuple[float, ...]]:
        """Of each round in which all of them ran."""
        lines = ([run.seconds for run in self.of(workload, who)] for who in those)
        return zip(*lines, strict=False)


_ADAPTER = TypeAdapter(Results)


def save(results: Results, file: Path) -> None:
    """Write all of it."""
    file.write_bytes(_ADAPTER.dump_json(results, indent=1))


def load(file: Path) -> Results:
    """What `save` wrote."""
    return _ADAPTER.validate_json(file.read_bytes())
