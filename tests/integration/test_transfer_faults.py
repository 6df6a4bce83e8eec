"""`S3TransferStreamProcessor` when it is killed and when the store is away: nothing half, nothing lost."""

import random
import re
from pathlib import Path

import pytest

from tests.support.broker import Broker, unique
from tests.support.downloading import committed
from tests.support.running import QUICK_SESSION, wait_for
from tests.support.sending import Sender
from tests.support.transferring import Transfers

_LARGE = 200_000_000
_MOST_MEMORY_KB = 250_000


@pytest.fixture(scope="module")
def large() -> bytes:
    return random.randbytes(1_000_000) * (_LARGE // 1_000_000)


def test_a_large_file_arrives_in_little_memory(transfers: Transfers, sender: Sender, large: bytes) -> None:
    sender.file("big.dat", large, size=500_000)
    program = transfers.start()
    program.says("put big.dat", 120)
    status = Path(f"/proc/{program.process.pid}/status").read_text()
    assert program.stop() == 0
    assert transfers.tree == {"big.dat": large}
    assert transfers.inside.uploads == []
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
    assert int(peak) < _MOST_MEMORY_KB


def test_killed_between_the_parts_it_leaves_nothing_and_begins_anew(
    transfers: Transfers, sender: Sender, kafka: Broker, large: bytes
) -> None:
    group = unique("group")
    sender.file("big.dat", large, size=500_000)
    program = transfers.start("--consumer_group_id", group, config=QUICK_SESSION)
    wait_for(lambda: transfers.inside.uploads, "the first part", 120)
    program.kill()
    assert transfers.tree == {}
    assert len(transfers.inside.uploads) == 1
    assert committed(kafka.bootstrap, transfers.topic, group)[sender.partition("big.dat")] <= 0
    again = transfers.start("--consumer_group_id", group, config=QUICK_SESSION)
    again.says("aborted 1 unfinished uploads of an earlier run")
    again.says("put big.dat", 120)
    assert again.stop() == 0
    assert transfers.tree == {"big.dat": large}
    assert transfers.inside.uploads == []


def test_asked_to_stop_between_the_parts_it_aborts(transfers: Transfers, sender: Sender, large: bytes) -> None:
    sender.file("big.dat", large, size=500_000)
    program = transfers.start()
    wait_for(lambda: transfers.inside.uploads, "the first part", 120)
    assert program.stop() == 0
    assert "put big.dat" not in program.output
    assert transfers.inside.uploads == []
    assert transfers.tree == {}
    transfers.start().says("put big.dat", 120)
    assert transfers.tree == {"big.dat": large}


def test_a_store_that_goes_away_is_waited_for(own_transfers: Transfers, sender: Sender, kafka: Broker) -> None:
    group = unique("group")
    sender.file("before", b"1")
    program = own_transfers.start("--consumer_group_id", group)
    wait_for(lambda: own_transfers.tree == {"before": b"1"}, "the first file")
    own_transfers.store.kill()
    sent = {"small": b"2", "staged": random.randbytes(5000)}
    for path, content in sent.items():
        sender.file(path, content)
    program.says(f"the store {own_transfers.store.endpoint} does not answer")
    for path in sent:
        held = sender.partition(path)
        if held != sender.partition("before"):
            assert committed(kafka.bootstrap, own_transfers.topic, group)[held] <= 0
    own_transfers.store.start()
    wait_for(lambda: own_transfers.tree == {"before": b"1", **sent}, "all files", 90)
    assert program.stop() == 0


def test_a_store_that_is_away_at_the_start_is_waited_for(own_transfers: Transfers, sender: Sender) -> None:
    sender.file("f", b"content")
    own_transfers.store.kill()
    program = own_transfers.start()
    program.says(f"the store {own_transfers.store.endpoint} does not answer")
    own_transfers.store.start()
    wait_for(lambda: own_transfers.tree == {"f": b"content"}, "the file", 60)
    assert program.stop() == 0


def test_killed_right_after_an_object_was_made_it_is_not_made_twice(transfers: Transfers, sender: Sender) -> None:
    for number in range(50):
        sender.file(f"f{number}", b"x" * 3000)
    program = transfers.start(config=QUICK_SESSION)
    wait_for(lambda: len(transfers.inside.keys) > 5, "some files")
    program.kill()
    before = {key: (transfers.inside.head(key) or {})["LastModified"] for key in transfers.inside.keys}
    again = transfers.start(config=QUICK_SESSION)
    wait_for(lambda: len(transfers.tree) == 50, "all files")
    sender.file("last", b"")
    wait_for(lambda: len(transfers.tree) == 51, "the last file")
    assert again.stop() == 0
    assert {key: (transfers.inside.head(key) or {})["LastModified"] for key in before} == before
