"""What a heartbeat of the uploader tells: records that the broker has acknowledged, no others."""

from pathlib import Path

from confluent_kafka import KafkaError

from openmsi_core.counters import Counters
from openmsi_core.paths import RelativePath
from openmsi_uploader.flight import Flight
from openmsi_uploader.outcome import Job, Outcome
from openmsi_uploader.source import look_at
from openmsi_uploader.window import Window


def test_only_what_was_acknowledged_counts(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    stat = look_at(tmp_path / "a")
    assert stat
    outcomes: list[Outcome] = []
    counters = Counters()
    flight = Flight(Job(RelativePath("a"), stat, "id", None), "topic", Window(), outcomes.append, counters)
    landed = [flight.launch(index, size, lambda: None) for index, size in ((1, 700), (2, 50), (3, 8))]
    for answered, error in zip(landed, (None, KafkaError(KafkaError._MSG_TIMED_OUT), None), strict=True):
        answered(error, None)
    assert dict(counters.take()) == {"n_messages_produced": 2, "n_bytes_produced": 708}
