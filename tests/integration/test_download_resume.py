"""A large half-received file is not fetched again: what a restarted downloader gets from the broker is counted."""

import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.broker import Broker
from tests.support.downloading import Downloads
from tests.support.relay import Relay, relay
from tests.support.running import QUICK_SESSION as QUICK
from tests.support.running import wait_for
from tests.support.sending import Sender, chunks, upload

CHUNK = 512 << 10
CHUNKS = 600
SIZE = CHUNK * CHUNKS
MOST_AGAIN = 128 << 20
CONTENT = random.Random(3).randbytes(1 << 20) * (SIZE >> 20)
SENT_FIRST = 540


@pytest.fixture
def way(kafka: Broker) -> Iterator[Relay]:
    door = kafka.doors.get()
    with relay(door) as way:
        yield way
    kafka.doors.put(door)


@pytest.fixture
def through(way: Relay, topic: str, tmp_path: Path) -> Iterator[Downloads]:
    downloads = Downloads(way.bootstrap, topic, tmp_path)
    yield downloads
    downloads.kill()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_at_most_128_mib_are_fetched_again(through: Downloads, way: Relay, sender: Sender, end: signal.Signals) -> None:
    by = upload(CONTENT)
    pieces = list(chunks("large.dat", CONTENT, size=CHUNK))
    sender.chunks(pieces[:SENT_FIRST], by)
    first = through.start("--consumer_group_id", f"resumes-{end.name}", config=QUICK)
    wait_for(lambda: way.received > SENT_FIRST * CHUNK, "90 % of the file", 60)
    wait_for(lambda: staged_bytes(through) >= SENT_FIRST * CHUNK, "90 % of the file on disk")
    first.stop(end)
    before = way.received
    sender.chunks(pieces[SENT_FIRST:], by)
    through.start("--consumer_group_id", f"resumes-{end.name}", config=QUICK)
    wait_for((through.out / "large.dat").exists, "the whole file", 60)
    again = way.received - before - (CHUNKS - SENT_FIRST) * CHUNK
    print(f"fetched again after {end.name}: {again / (1 << 20):.1f} MiB of {SIZE >> 20}")
    assert (through.out / "large.dat").read_bytes() == CONTENT
    assert again <= MOST_AGAIN
    assert through.staged == []


def staged_bytes(downloads: Downloads) -> int:
    return sum(path.stat().st_size for path in downloads.staged if path.exists())
