"""What a bucket destination does when somebody else changes things, on stores of several makes."""

import contextlib
import dataclasses
import hashlib
from pathlib import Path
from typing import Literal

import pytest

from openmsi_core.errors import BadFile, Retryable, StagedBytesLost
from openmsi_core.generation import Verdict, unfinished
from openmsi_s3_transfer.bucket import Abilities, Bucket, Placed, Wanted
from openmsi_s3_transfer.refusals import Changed
from tests.contract.conftest import Finder, Stores
from tests.support.putting import destination, staged
from tests.support.store import Store
from tests.support.stores import KINDS

KEY = "T/f"
SIZES = {"at once": 10_000, "in parts": 20_000_000}


@pytest.fixture(params=list(SIZES.values()), ids=list(SIZES))
def content(request: pytest.FixtureRequest) -> bytes:
    size: int = request.param
    return bytes(range(256)) * (size // 256)


@pytest.fixture(params=list(KINDS))
def store(request: pytest.FixtureRequest, stores: Stores) -> Store:
    return stores(request.param)


@pytest.fixture
def bucket(store: Store, found: Finder) -> Bucket:
    return found(store)


@pytest.mark.parametrize(
    ("store", "abilities"),
    [
        ("versitygw", Abilities(conditions=True, checksum="sha256")),
        ("moto", Abilities(conditions=True, checksum="md5")),
        ("rclone", Abilities(conditions=False, checksum="md5")),  # it passes over both
    ],
    indirect=["store"],
)
def test_a_store_is_found_out_and_nothing_is_left(bucket: Bucket, store: Store, abilities: Abilities) -> None:
    assert bucket.abilities == abilities
    assert store.inside(bucket.name).keys == []
    assert store.inside(bucket.name).all_uploads == []


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
        noticed = bucket.abilities.conditions or len(content) < 16 << 20
        assert place.deliver(older) is (Verdict.OLDER if noticed else Verdict.NEWER)
    assert store.inside(bucket.name).tree == {KEY: b"newer" if noticed else content}
    assert store.inside(bucket.name).uploads == []


def test_conditions_are_what_the_store_is_asked_to_keep(bucket: Bucket) -> None:
    wanted = Wanted(KEY, "text/plain", {})
    bucket.put(wanted, b"first", None)
    first = bucket.look(KEY)
    assert first is not None
    kept = pytest.raises(Changed) if bucket.abilities.conditions else contextlib.nullcontext()
    with kept:
        bucket.put(wanted, b"second", None)
    bucket.put(wanted, b"second", first)
    with kept:
        bucket.put(wanted, b"third", first)
    assert bucket.hash(KEY) == hashlib.sha512(b"second" if bucket.abilities.conditions else b"third").digest()


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
    put = bucket.put

    def put_and_forget(wanted: Wanted, data: bytes, placed: Placed | None) -> None:
        put(wanted, data, placed)
        monkeypatch.setattr(bucket, "look", lambda _: Placed(7, {}, "tag"))  # a store that loses what it is told

    monkeypatch.setattr(bucket, "put", put_and_forget)
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


def test_a_repeat_is_none_any_more_after_another_version_came(bucket: Bucket, store: Store, tmp_path: Path) -> None:
    """Of a program that gives its uploads no ids, the log alone says what is newer."""

    def arrives(content: bytes, number: int) -> Verdict:
        file = staged(tmp_path, content, number)
        version = dataclasses.replace(file.version, upload_id="", source="", mtime=0.0)
        file = dataclasses.replace(file, version=version)
        verdict = place.verdict(file.generation.path, unfinished(version))
        return place.deliver(file) if verdict is Verdict.NEWER else verdict

    with destination(bucket, tmp_path) as place:
        verdicts = [arrives(content, number) for number, content in enumerate((b"a", b"a", b"b", b"a"), 1)]
    assert verdicts == [Verdict.NEWER, Verdict.REPEAT, Verdict.NEWER, Verdict.NEWER]
    assert store.inside(bucket.name).tree == {KEY: b"a"}


def test_an_object_that_is_not_as_long_as_it_says_is_no_repeat(bucket: Bucket, store: Store, tmp_path: Path) -> None:
    inside, file = store.inside(bucket.name), staged(tmp_path, b"content")
    path, again = file.generation.path, unfinished(file.version)
    with destination(bucket, tmp_path) as place:
        place.deliver(file)
        head = inside.head(KEY)
        assert head is not None
        inside.client.put_object(Bucket=bucket.name, Key=KEY, Body=b"", Metadata=head["Metadata"])
        assert place.verdict(path, again) is Verdict.NEWER
        assert place.deliver(staged(tmp_path, b"content")) is Verdict.NEWER
        assert place.verdict(path, again) is Verdict.REPEAT


def test_nothing_that_must_be_read_back_is_a_repeat_before_it_was(bucket: Bucket, tmp_path: Path) -> None:
    file = staged(tmp_path, b"content")
    with destination(bucket, tmp_path, "full") as place:
        place.deliver(file)
        assert place.verdict(file.generation.path, unfinished(file.version)) is Verdict.NEWER
        assert place.deliver(staged(tmp_path, b"content")) is Verdict.REPEAT


@pytest.mark.parametrize("store", ["versitygw"], indirect=True)
def test_a_large_file_named_as_a_folder_is_put_aside(
    bucket: Bucket, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = store.inside(bucket.name)
    inside.client.put_object(Bucket=bucket.name, Key=f"{KEY}/below", Body=b"")
    monkeypatch.setattr("openmsi_s3_transfer.bucket_destination._LARGE", 1)
    with destination(bucket, tmp_path) as place, pytest.raises(BadFile, match="move that one away"):
        place.deliver(staged(tmp_path, b"content"))
    assert (inside.keys, inside.uploads) == ([f"{KEY}/below"], [])


def test_an_object_of_others_is_never_replaced(bucket: Bucket, store: Store, tmp_path: Path, content: bytes) -> None:
    inside = store.inside(bucket.name)
    inside.client.put_object(Bucket=bucket.name, Key=KEY, Body=b"precious")
    with destination(bucket, tmp_path) as place:
        with pytest.raises(BadFile, match="not ours"):
            place.deliver(staged(tmp_path, content))
        assert inside.tree == {KEY: b"precious"}
        assert place.deliver(staged(tmp_path, b"precious")) is Verdict.REPEAT


def test_a_store_that_forgets_metadata_gets_nothing_twice(tmp_path: Path, found: Finder) -> None:
    store = Store(tmp_path / "store", KINDS["rclone"])  # it has them in memory alone
    try:
        store.start()
        bucket = found(store)
        with destination(bucket, tmp_path) as place:
            place.deliver(staged(tmp_path, b"content"))
            assert (bucket.look(KEY) or Placed(0, {}, "")).metadata
            store.kill()
            store.start()
            assert not (bucket.look(KEY) or Placed(0, {"": ""}, "")).metadata
            assert place.deliver(staged(tmp_path, b"content")) is Verdict.REPEAT
    finally:
        store.kill()
