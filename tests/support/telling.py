"""Uploaders that tell about themselves on topics, and what heartbeats must add up to."""

from collections.abc import Callable
from pathlib import Path

from tests.support.broker import Broker, unique
from tests.support.reports import Heartbeat, records, total
from tests.support.running import Program, Programs

Watch = Callable[..., Program]


class Uploads(Programs):
    """Uploaders of ``data`` in ``folder``, which is made, to ``topic``."""

    def __init__(self, bootstrap: str, topic: str, folder: Path) -> None:
        super().__init__(bootstrap, folder)
        self._command = ("DataFileUploadDirectory", str(folder / "data"), "--topic_name", topic)
        (folder / "data").mkdir(parents=True)

    def start(self, *options: str, config: str = "") -> Program:
        """Start one; a later one has the same state folder."""
        command = (*self._command, "--watchdog_lag_time", "0.1", *options)
        return self.run("uploader", *command, config=config)


def beating(topic: str, program_id: str = "UP", interval: str = "0.2") -> tuple[str, ...]:
    """The options that switch heartbeats on."""
    names = ("--heartbeat_topic_name", "--heartbeat_program_id", "--heartbeat_interval_secs")
    return tuple(word for pair in zip(names, (topic, program_id, interval), strict=True) for word in pair)


def drop(folder: Path, count: int, size: int = 5000) -> None:
    """Put new files into ``folder``."""
    for number in range(count):
        (folder / unique()).write_bytes(number.to_bytes(2) * (size // 2))


def produced(kafka: Broker, topic: str) -> dict[str, int]:
    """What is in the topic, as an uploader counts it."""
    there = records(kafka.bootstrap, topic)
    return {"n_messages_produced": len(there), "n_bytes_produced": sum(len(message) for message in there)}


def settled(beats: list[Heartbeat], program: str = "UP") -> dict[str, int]:
    """The sums of one program."""
    return total(beat for beat in beats if beat.program == program)
