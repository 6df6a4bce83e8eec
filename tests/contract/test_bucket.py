"""What a bucket destination does when somebody else changes things, against a real store; and when a store is busy."""

import contextlib
import dataclasses
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

import pytest
from xxhash import xxh3_128

from openmsi_core.deliveries import CompleteFile
from openmsi_core.errors import BadFile, Retryable, StagedBytesLost
from openmsi_core.generation import Generation, Verdict, Version, unfinished
from openmsi_core.paths import RelativePath
from openmsi_core.staging import Sealed
from openmsi_s3_transfer.bucket import Abilities, Bucket, Placed, Wanted
from openmsi_s3_transfer.bucket_destination import BucketDestination
from openmsi_s3_transfer.multipart import Multipart
from openmsi_s3_transfer.refusals import Changed
from openmsi_s3_transfer.unfinished import Unfinished
from tests.support.store import Store
from tests.support.transferring import clients_for, found_bucket

KEY = "T/f"
SIZES = {"at once": 10_000, "in parts": 20_000_000}


@contextlib.contextmanager
def destination(
    bucket: Bucket, folder: Path, verify: Literal["head", "full"] = "head", now: tuple[float, ...] = ()
) -> Iterator[BucketDestination]:
    """One for the topic T; its clock says each of ``now`` in turn, if any."""
    notes = Unfinished(folder / "unfinished")
    multipart = Multipart(bucket, notes, threading.Event())
    ticks = iter(now)
    try:
        yield BucketDestination(bucket, multipart, "T", verify, (lambda: next(ticks)) if now else (lambda: 0.0))
    finally:
        multipart.close()
        notes.close()


def staged(folder: Path, content: bytes, upload: int = 1) -> CompleteFile:
    """A complete file that was staged in ``folder``."""
    digest, upload_id = hashlib.sha512(content).digest(), f"01890000-0000-7000-8000-{upload:012x}"
    path = folder / f"staged{upload}"
    path.write_bytes(content)
    version = Version(digest, upload_id, "source", 1e9, (upload, upload))
    generation = Generation(RelativePath.parse("f"), digest, 2, upload_id)
    return CompleteFile(generation, version, len(content), None, Sealed(path, xxh3_128(content).digest()), 0)


@pytest.fixture(params=list(SIZES.values()), ids=list(SIZES))
def content(request: pytest.FixtureRequest) -> bytes:
    size: int = request.param
    return bytes(range(256)) * (size // 256)


@pytest.fixture
def bucket(store: Store, tmp_path: Path) -> Bucket:
    return found_bucket(store, tmp_path)


def test_a_store_is_found_out_and_nothing_is_left(bucket: Bucket, store: Store) -> None:
    assert bucket.abilities == Abilities(conditions=True, checksum="sha256")
    assert store.inside(bucket.name).keys == []


def test_bytes_that_changed_on_the_disk_are_not_put(
    bucket: Bucket, store: Store, tmp_path: Path, content: bytes
) -> None:
    file = staged(tmp_path, content)
    assert file.staged is not None
    with file.staged.open("r+b") as damaged:
        damaged.seek(len(content) // 2)
        damaged.write(b"?")
    with destination(bucket, tmp_path) as place, pytest.raises(StagedBytesLost):
        place.deliver(file)
    assert store.inside(bucket.name).keys == []
    assert store.inside(bucket.name).uploads == []


def test_what_somebody_else_puts_meanwhile_is_judged_anew(
    bucket: Bucket, store: Store, tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer, older = staged(tmp_path, b"newer", 2), staged(tmp_path, content, 1)
    look = bucket.look

    def look_too_early(key: str) -> Placed | None:
        monkeypatch.setattr(bucket, "look", look)
        before = look(key)
        other.deliver(newer)
        return before

    with destination(bucket, tmp_path) as place, destination(bucket, tmp_path / "other") as other:
        if len(content) > 16 << 20:
            monkeypatch.setattr(bucket, "look", look_too_early)
        else:
            other.deliver(newer)
        assert place.deliver(older) is Verdict.OLDER
    assert store.inside(bucket.name).tree == {KEY: b"newer"}
    assert store.inside(bucket.name).uploads == []


def test_conditions_are_what_the_store_is_asked_to_keep(bucket: Bucket) -> None:
    wanted = Wanted(KEY, "text/plain", {})
    bucket.put(wanted, b"first", None)
    first = bucket.look(KEY)
    assert first is not None
    with pytest.raises(Changed):
        bucket.put(wanted, b"second", None)
    bucket.put(wanted, b"second", first)
    with pytest.raises(Changed):
        bucket.put(wanted, b"third", first)


@pytest.mark.parametrize(("verify", "damaged"), [("head", b"short"), ("full", None)])
def test_an_object_that_is_not_what_it_says_is_replaced(
    bucket: Bucket, store: Store, tmp_path: Path, content: bytes, verify: Literal["head", "full"], damaged: bytes | None
) -> None:
    inside = store.inside(bucket.name)
    with destination(bucket, tmp_path, verify) as place:
        place.deliver(staged(tmp_path, content))
        head = inside.head(KEY)
        assert head is not None
        other = damaged or bytes(len(content))
        inside.client.put_object(Bucket=bucket.name, Key=KEY, Body=other, Metadata=head["Metadata"])
        assert place.deliver(staged(tmp_path, content)) is Verdict.NEWER
        assert inside.content(KEY) == content
        assert place.deliver(staged(tmp_path, content)) is Verdict.REPEAT


def test_what_does_not_come_back_as_it_was_put_is_not_delivered(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "look", lambda _: Placed(7, {}, "tag"))  # a store that loses what it is told
    with destination(bucket, tmp_path) as place, pytest.raises(Retryable, match="is not what was put there"):
        place.deliver(staged(tmp_path, b"content"))


def test_a_record_that_is_read_again_is_a_repeat(bucket: Bucket, tmp_path: Path) -> None:
    file = staged(tmp_path, b"content")
    again = unfinished(file.version)
    newer = unfinished(dataclasses.replace(file.version, file_hash=bytes(64), upload_id="9"))
    with destination(bucket, tmp_path) as place:
        assert place.verdict(file.generation.path, again) is Verdict.NEWER
        place.deliver(file)
        assert place.verdict(file.generation.path, again) is Verdict.REPEAT
        assert place.verdict(file.generation.path, newer) is Verdict.NEWER


def test_an_object_of_others_is_never_replaced(bucket: Bucket, store: Store, tmp_path: Path, content: bytes) -> None:
    inside = store.inside(bucket.name)
    inside.client.put_object(Bucket=bucket.name, Key=KEY, Body=b"precious")
    with destination(bucket, tmp_path) as place:
        with pytest.raises(BadFile, match="not ours"):
            place.deliver(staged(tmp_path, content))
        assert inside.tree == {KEY: b"precious"}
        assert place.deliver(staged(tmp_path, b"precious")) is Verdict.REPEAT


class Full(BaseHTTPRequestHandler):
    """Has no time now."""

    asked = 0

    def do_PUT(self) -> None:
        """Say so."""
        type(self).asked += 1
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(503)
        self.send_header("Retry-After", "7")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def test_a_busy_store_is_left_alone_for_as_long_as_it_asks(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Full) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        clients = clients_for(f"http://127.0.0.1:{server.server_port}", tmp_path)
        bucket = Bucket(clients, "bucket", Abilities(conditions=True, checksum="sha256"))
        # asked, told until when, too early, in time, told again
        with destination(bucket, tmp_path, now=(0.0, 0.0, 6.9, 7.0, 7.0)) as place:
            for asked in (1, 1, 2):
                with pytest.raises(Retryable, match="busy"):
                    place.deliver(staged(tmp_path, b"content"))
                assert Full.asked == asked
        clients.quick.close()
        server.shutdown()
