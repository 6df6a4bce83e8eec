"""`S3TransferStreamProcessor` when it is killed and when the store is away: nothing half, nothing lost."""

import random
import re
import threading
from pathlib import Path

import pytest

from openmsi_core.errors import Retryable
from openmsi_s3_transfer.bucket import Abilities, Bucket
from openmsi_s3_transfer.multipart import Multipart
from openmsi_s3_transfer.unfinished import UNKNOWN, Unfinished
from tests.support.broker import Broker, unique
from tests.support.downloading import committed
from tests.support.running import QUICK_SESSION, wait_for
from tests.support.sending import Sender
from tests.support.store import Store
from tests.support.transferring import Transfers, clients_for

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


def test_an_upload_is_not_over_because_the_keys_are_unknown(store: Store, tmp_path: Path) -> None:
    """versitygw says 404 of them, as of an upload that is gone."""
    inside = store.bucket()
    begun = inside.client.create_multipart_upload(Bucket=inside.name, Key="k")["UploadId"]
    for key in ("k", "k2"):
        inside.client.create_multipart_upload(Bucket=inside.name, Key=key)

    def multipart(**keys: str) -> Multipart:
        clients = clients_for(store.endpoint, tmp_path, **store.login | keys)
        bucket = Bucket(clients, inside.name, Abilities(conditions=True, checksum="sha256"))
        return Multipart(bucket, Unfinished(tmp_path), threading.Event())

    with pytest.raises(Retryable, match="refuses these keys"):
        multipart(ACCESS_KEY_ID="nobody").abort("k", begun)
    assert inside.uploads.count("k") == 2
    multipart().abort("k", begun)
    assert inside.uploads == ["k", "k2"]
    multipart().abort("k", begun)
    multipart().abort("k", UNKNOWN)
    assert inside.uploads == ["k2"]
