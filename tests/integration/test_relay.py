"""`openmsi relay`: whatever is killed, each file is in the other topic once, whole, in the partition of its path."""

import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.broker import Broker
from tests.support.downloading import Downloads, reasons
from tests.support.relaying import Relays
from tests.support.running import wait_for
from tests.support.sending import Sender, chunks, upload


@pytest.fixture
def relays(kafka: Broker, topic: str, tmp_path: Path) -> Iterator[Relays]:
    """Relays of ``topic`` to a new one; those still running at the end are killed."""
    made = Relays(kafka.bootstrap, topic, kafka.create_topic(), tmp_path)
    yield made
    made.kill()


def some_files(count: int, stem: str = "run", most: int = 9000) -> dict[str, bytes]:
    """Files of 1 to 10 chunks."""
    return {f"{stem}/ä {number}.dat": random.randbytes(random.randrange(1, most)) for number in range(count)}


def scatter(sender: Sender, files: dict[str, bytes]) -> None:
    """As OpenMSIStream does: the chunks of each file over all partitions, without headers."""
    for path, content in files.items():
        sender.chunks(chunks(path, content), None)


def wait_until_relayed(relays: Relays, files: dict[str, bytes], seconds: float = 60) -> None:
    """Wait until all ``files`` can be read."""
    wait_for(lambda: relays.read().times.keys() >= files.keys(), "all files", seconds)


def test_what_was_scattered_is_read_by_a_group(relays: Relays, sender: Sender, tmp_path: Path) -> None:
    files = some_files(40) | {"empty": b"", "large": random.randbytes(2_000_000), "whole": bytes(5000)}
    scatter(sender, files)
    relay = relays.start("--chunk_size", "100000")
    wait_until_relayed(relays, files)
    assert relay.stop() == 0
    relayed = relays.read()
    assert relayed.tree == files
    assert set(relayed.times.values()) == {1}
    assert {len(each) for path, each in relayed.chunks.items() if path == "large"} == {20}
    downloads = Downloads(relays.bootstrap, relays.target, tmp_path)
    try:
        members = [downloads.start("--consumer_group_id", relays.target, name=name) for name in ("one", "two")]
        wait_for(lambda: downloads.tree == files, "all files in the folder", 60)
        assert [member.stop() for member in members] == [0, 0]
    finally:
        downloads.kill()


def test_what_our_uploader_says_of_a_file_is_kept(relays: Relays, sender: Sender) -> None:
    content = random.randbytes(5000)
    by = upload(content)
    sender.file("ours", content, mtime=1.6e9, by=by)
    for again in (b"first", b"other", b"first"):
        sender.chunks(chunks("back to what it was", again, mtime=0.0), None)
    sender.chunks(chunks("last", b"last"), None)
    relays.start()
    wait_until_relayed(relays, {"ours": content, "last": b""})
    relayed = relays.read()
    assert relayed.uploads["ours"] == by
    assert relayed.chunks["ours"][0].mtime == 1.6e9
    assert relayed.tree["back to what it was"] == b"first"


@pytest.mark.parametrize("state", ["kept", "lost"])
def test_killed_at_any_moment_it_writes_nothing_twice(relays: Relays, sender: Sender, state: str) -> None:
    """One file never ends, so that everything after it is read again by each start."""
    held = list(chunks("held", random.randbytes(8000)))
    sender.chunks(held[:3], None)
    files: dict[str, bytes] = {}
    for turn in range(4):
        more = some_files(25, f"turn {turn}")
        scatter(sender, more)
        files |= more
        relay = relays.start(name="relay" if state == "kept" else f"relay {turn}")
        if turn % 2:
            wait_until_relayed(relays, files)
        else:
            relay.says("relayed", 60)
            time.sleep(random.uniform(0, 1.2))
        relay.kill()
    scatter(sender, {"last": b"last"})
    sender.chunks(held[3:], None)
    relay = relays.start()
    wait_for(lambda: relays.read().times.keys() == files.keys() | {"last", "held"}, "all files", 60)
    assert relay.stop() == 0
    relayed = relays.read()
    assert {path: times for path, times in relayed.times.items() if times > 1} == {}
    assert {path: relayed.tree[path] for path in files} == files


def test_what_cannot_be_kept_with_the_offsets_gives_way(kafka: Broker, tmp_path: Path) -> None:
    """As with some 24,000 records in no order at all."""
    topic = kafka.create_topic(partitions=1)
    relays, sender = Relays(kafka.bootstrap, topic, kafka.create_topic(), tmp_path), Sender(kafka.bootstrap, topic, 1)
    held = {f"held {number}": random.randbytes(3000) for number in range(120)}
    files: dict[str, bytes] = {}
    try:
        for path, content in held.items():
            sender.chunks(list(chunks(path, content))[:2], None)
            beside = some_files(random.randrange(1, 4), f"beside {path}", most=100)
            scatter(sender, beside)
            files |= beside
        relay = relays.start(patch="openmsi_core.transaction.MOST_BYTES = 150")
        wait_until_relayed(relays, files)
        relay.kill()
        assert "what came after it was finished first" in str(reasons(relay.state))
        for path, content in held.items():
            sender.chunks(list(chunks(path, content))[2:], None)
        relay = relays.start()
        wait_until_relayed(relays, held, 60)
        assert relay.stop() == 0
        assert "beginning anew" not in relay.output
        relayed = relays.read()
        assert set(relayed.times.values()) == {1}
        assert relayed.tree == files | held
    finally:
        relays.kill()


def test_a_broker_that_goes_is_waited_for_but_keeps_nobody_from_stopping(own_kafka: Broker, tmp_path: Path) -> None:
    topic = own_kafka.create_topic()
    relays = Relays(own_kafka.bootstrap, topic, own_kafka.create_topic(), tmp_path)
    sender = Sender(own_kafka.bootstrap, topic)
    files = some_files(200, "killed")
    try:
        relay = relays.start()
        scatter(sender, files)
        relay.says("relayed killed/", 60)
        own_kafka.kill()
        own_kafka.start()
        wait_until_relayed(relays, files, 120)
        more = some_files(200, "frozen")
        scatter(sender, more)
        files |= more
        relay.says("relayed frozen/", 60)
        own_kafka.freeze()
        assert relay.stop(seconds=15) == 0, "with time to spare on a loaded machine"
        own_kafka.thaw()
        relay = relays.start()
        wait_until_relayed(relays, files, 120)
        assert relay.stop() == 0
        relayed = relays.read()
        assert relayed.tree == files
        assert set(relayed.times.values()) == {1}
    finally:
        relays.kill()


def test_of_two_relays_the_later_goes_on(relays: Relays, sender: Sender) -> None:
    """However long the first was frozen: nothing of what it had begun is ever committed."""
    before, after = some_files(200), some_files(5, "more")
    scatter(sender, before)
    first = relays.start(name="first")
    first.says("relayed", 60)
    first.process.send_signal(signal.SIGSTOP)
    second = relays.start(name="second")
    wait_until_relayed(relays, before)
    first.process.send_signal(signal.SIGCONT)
    scatter(sender, after)
    assert first.exits(60) == 78
    assert "keep one of the two" in first.output
    wait_until_relayed(relays, before | after)
    assert second.stop() == 0
    assert set(relays.read().times.values()) == {1}


def test_a_group_that_others_are_in_is_refused(relays: Relays, tmp_path: Path) -> None:
    """A variable may name it for all programs."""
    downloads = Downloads(relays.bootstrap, relays.source, tmp_path)
    try:
        downloads.start("--consumer_group_id", relays.target).says("reading partitions", 60)
        relay = relays.start("--consumer_group_id", relays.target)
        assert relay.exits(60) == 78
        assert f"other programs are in group {relays.target}" in relay.output
    finally:
        downloads.kill()


def test_a_relay_onto_its_own_topic_is_refused(relays: Relays) -> None:
    relays.target = relays.source
    relay = relays.start()
    assert relay.exits() == 78
    assert "onto itself would never end" in relay.output
