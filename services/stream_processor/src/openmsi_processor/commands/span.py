"""A part of a topic: where it begins and ends in each partition, and the newest whole version of each path in it."""

import contextlib
import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from openmsi_core.assembly import Assembly, OpenFile
from openmsi_core.encryption.cipher import PLAIN, Cipher
from openmsi_core.errors import Undone, UsageError
from openmsi_core.generation import Generation, Verdict, Version, judge
from openmsi_core.kafka_errors import raise_fatal, translate
from openmsi_core.late_keys import LateKeys
from openmsi_core.pace import Pace
from openmsi_core.paths import RelativePath
from openmsi_core.records import Arrival, Locked, Piece, Reader

_log = logging.getLogger(__name__)

_ASK_SECONDS = 15.0
_SILENCE_SECONDS = 60.0
_PAUSE_SECONDS = 0.1
_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def moment(text: str, now: float) -> float:
    """Seconds since the epoch, of ``7d`` or ``12h`` (before ``now``), or of an ISO time (UTC unless it says otherwise).

    Raises UsageError.
    """
    if ago := re.fullmatch(r"(\d+(?:\.\d+)?)([mhdw])", text):
        return now - float(ago[1]) * _UNITS[ago[2]]
    with contextlib.suppress(ValueError):
        then = datetime.fromisoformat(text)
        return (then if then.tzinfo else then.replace(tzinfo=UTC)).timestamp()
    raise UsageError(f"{text!r} is no time: write 7d, 12h, 2026-11-20 or 2026-11-20T14:30 (UTC)")


@dataclass(frozen=True, slots=True)
class Span:
    """Partition → the first offset, and the one behind the last."""

    starts: Mapping[int, int]
    ends: Mapping[int, int]


def span_of(consumer: Consumer, topic: str, partitions: int, since: float, until: float | None) -> Span:
    """From ``since`` to ``until``, or to where the topic ends now. Blocks on the broker; raises Undone and Fatal."""
    ends: dict[int, int] = {}
    starts: dict[int, int] = {}
    with kafka_errors(topic):
        for number in range(partitions):
            ends[number] = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=_ASK_SECONDS)[1]
    for at, found in ((since, starts), (until, ends)):
        if at is None:
            continue
        asked = [TopicPartition(topic, number, max(0, int(at * 1000))) for number in range(partitions)]
        with kafka_errors(topic):
            for place in consumer.offsets_for_times(asked, timeout=_ASK_SECONDS):
                found[place.partition] = place.offset if place.offset >= 0 else ends[place.partition]
    return Span(starts, {number: max(end, starts[number]) for number, end in ends.items()})


@dataclass(slots=True)
class Found:
    """What a span holds."""

    newest: dict[str, tuple[Generation, Version]] = field(default_factory=dict)
    """Path → the version that wins."""
    behind: dict[str, dict[int, int]] = field(default_factory=dict)
    """Path → of each partition with records of that version, the offset behind the last."""
    older: int = 0
    """Versions that do not win."""
    incomplete: int = 0
    """Files that are not there as a whole."""
    locked: int = 0
    """Encrypted records whose key nobody has given; nothing is known of their files."""


def scan(
    consumer: Consumer,
    topic: str,
    span: Span,
    wanted: Callable[[RelativePath], bool],
    tick: Callable[[], bool],
    cipher: Cipher = PLAIN,
    key_seconds: float = 0.0,
    pace: Pace | None = None,
) -> Found | None:
    """Read all of ``span``; None as soon as ``tick``, which is called every second, says so. Raises Undone, Fatal.

    A key that is missing is waited for, ``key_seconds`` at most.
    """
    at, files, found = dict(span.starts), _Files(), Found()
    consumer.assign([TopicPartition(topic, number, offset) for number, offset in at.items()])
    heard = time.monotonic()
    late, waited = LateKeys(cipher, topic, key_seconds), False

    def take(arrivals: Iterable[Arrival]) -> None:
        for arrival in arrivals:
            found.locked += isinstance(arrival, Locked)
            if isinstance(arrival, Piece) and wanted(arrival.generation.path):
                files.add(arrival, found)

    with _decoders() as pool:
        reader = Reader(consumer, pool, topic, cipher, pace)
        while (unread := any(at[number] < end for number, end in span.ends.items())) or late:
            if unread and not late.full:
                incoming, errors = reader.read(_PAUSE_SECONDS if late else 1.0)
            else:
                incoming, errors = [], []
                waited = waited or _say_waiting(len(late), key_seconds)
                time.sleep(_PAUSE_SECONDS)
            for each in incoming:
                arrival = each.arrival()
                number, offset = arrival.record.partition, arrival.record.offset
                if at[number] <= offset < span.ends[number]:
                    take(late.take(arrival))
                at[number] = max(at[number], offset + 1)
            take(late.look())
            for error, number in errors:
                _obey(error, number, consumer, topic, span, at)
            if tick():
                return None
            if incoming or errors or late:
                heard = time.monotonic()
            elif time.monotonic() - heard > _SILENCE_SECONDS:
                raise Undone("nothing comes from the broker")
    found.incomplete = len(files.open)
    return found


def _say_waiting(records: int, seconds: float) -> bool:
    _log.info("waiting for the keys of %d records, %g s at most", records, seconds)
    return True


class _Files:
    """Which files are open, and where their records are."""

    def __init__(self) -> None:
        self.open = Assembly()
        self._places: dict[Generation, dict[int, int]] = {}

    def add(self, piece: Piece, found: Found) -> None:
        generation, record, path = piece.generation, piece.record, piece.generation.path.text
        known = found.newest.get(path)
        if known and known[0] == generation:  # a record that was sent twice
            return
        file = self.open.find(generation)
        if file is None:
            file = OpenFile(generation, piece.version, 0.0)
            self.open.open(file)
        places = self._places.setdefault(generation, {})
        places[record.partition] = max(record.offset + 1, places.get(record.partition, 0))
        if not file.has(piece.chunk.index):
            self.open.add(file, piece.chunk, 0.0)
        if piece.version.logged > file.version.logged:
            file.version = piece.version
        if file.missing > 0:
            return
        self.open.close(generation)
        del self._places[generation]
        verdict = judge(file.version, known[1] if known else None)
        found.older += known is not None and verdict is not Verdict.REPEAT
        if verdict is Verdict.NEWER:
            found.newest[path], found.behind[path] = (generation, file.version), places


def _obey(error: KafkaError, number: int, consumer: Consumer, topic: str, span: Span, at: dict[int, int]) -> None:
    match error.code():
        case KafkaError._PARTITION_EOF:  # the last offsets may hold no records, but marks of transactions
            at[number] = max(at[number], span.ends[number])
        case KafkaError._AUTO_OFFSET_RESET:  # records were deleted while we were on our way to them
            place = TopicPartition(topic, number)
            with kafka_errors(topic):
                place.offset = at[number] = consumer.get_watermark_offsets(place, timeout=_ASK_SECONDS)[0]
                consumer.incremental_unassign([place])
                consumer.incremental_assign([place])
        case _:
            problem = translate(error, topic)
            raise_fatal(problem)
            _log.debug("%s", problem)


@contextlib.contextmanager
def kafka_errors(topic: str) -> Iterator[None]:
    """Turn what librdkafka raises inside into Fatal, or Undone where another try may succeed."""
    try:
        yield
    except KafkaException as error:
        problem = translate(error.args[0], topic)
        raise_fatal(problem)
        raise Undone(str(problem)) from None


@contextlib.contextmanager
def _decoders() -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(2, "decode")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
