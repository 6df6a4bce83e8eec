"""``docker compose --profile s3 up`` in a fresh clone: what is dropped into ./data is an object in a bucket."""

import hashlib
import random
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.support.containers import BundledStore, Images, Stack, run
from tests.support.running import wait_for
from tests.support.store import Inside

FILES = {
    "plain.csv": b"a,b\n1,2\n",
    "empty.dat": b"",
    "run 1/deep/er/trace.bin": bytes(range(256)) * 40,
    "Grüße/测定 №1 – ½.tif": "größer".encode(),
    "large.raw": random.Random(1).randbytes(20 << 20),
}
TOPIC = "openmsi-data"  # and the bucket's name
S3 = "--profile=s3"


@pytest.fixture(scope="module")
def stack(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("clone"), images)
    try:
        stack.compose(S3, "up", "--detach")
        yield stack
    finally:
        stack.down()


def _keys(bucket: Inside) -> set[str]:
    try:
        return set(bucket.keys)
    except ClientError:  # not made yet
        return set()


def _are_there(stack: Stack, bucket: Inside, files: dict[str, bytes]) -> None:
    """Wait until ``files`` are objects, with exactly their bytes."""
    wanted = {f"{TOPIC}/{name}" for name in files}
    try:
        wait_for(lambda: wanted <= _keys(bucket), "the objects", 60)
    except AssertionError:
        print(stack.compose("logs", "--tail=30", "uploader", "s3_transfer", check=False))
        raise
    assert {name: bucket.content(f"{TOPIC}/{name}") for name in files} == files


def test_every_kind_of_file_is_an_object_and_a_file(stack: Stack) -> None:
    for name, content in FILES.items():
        stack.drop(name, content)
    bucket = BundledStore(stack).bucket()
    _are_there(stack, bucket, FILES)
    assert set(bucket.tree) == {f"{TOPIC}/{name}" for name in FILES}
    for name, content in FILES.items():
        head = bucket.head(f"{TOPIC}/{name}")
        assert head is not None
        assert head["Metadata"]["sha512"] == hashlib.sha512(content).hexdigest()
        assert float(head["Metadata"]["mtime"]) == pytest.approx((stack.data / name).stat().st_mtime, abs=1e-3)
        assert head["Metadata"]["openmsi-topic"] == TOPIC
    wait_for(lambda: stack.delivered() == FILES, "the files in ./downloads", 60)


def test_the_objects_can_be_listed_without_any_tool(stack: Stack) -> None:
    found = stack.compose("exec", "-T", "s3", "find", f"/srv/objects/{TOPIC}", "-type", "f")
    assert set(found.splitlines()) == {f"/srv/objects/{TOPIC}/{TOPIC}/{name}" for name in FILES}


def test_nothing_runs_with_more_rights_than_it_needs(stack: Stack) -> None:
    for service in ("s3", "s3_transfer"):
        said = stack.compose(
            "exec", "-T", service, "sh", "-c", "id -u; grep CapEff /proc/self/status; touch /x 2>&1 || true"
        )
        assert "CapEff:\t0000000000000000" in said
        assert "Read-only file system" in said
        assert not said.startswith("0\n")


def test_both_are_well(stack: Stack) -> None:
    wait_for(lambda: "(healthy)" in stack.compose("ps", "s3"), "the store's health", 60)
    stack.compose("exec", "-T", "s3_transfer", "python", "-m", "openmsi_core.health")


def test_only_who_has_the_keys_gets_in_and_only_from_here(stack: Stack) -> None:
    assert BundledStore(stack).address.startswith("http://127.0.0.1:")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"{BundledStore(stack).address}/{TOPIC}", timeout=10)
    _, secret = BundledStore(stack).keys
    assert len(secret) == 40
    assert secret not in stack.compose("logs")
    described = run("docker", "inspect", *stack.compose("ps", "--all", "--quiet").split())
    assert secret not in described


def test_a_second_up_changes_nothing(stack: Stack) -> None:
    def containers() -> set[str]:
        return set(stack.compose("ps", "--quiet", "s3", "s3_transfer").split())

    before, keys = containers(), BundledStore(stack).keys
    stack.compose(S3, "up", "--detach")
    assert (containers(), BundledStore(stack).keys) == (before, keys)


def test_nothing_is_lost_when_the_transfer_is_killed_and_all_is_stopped(stack: Stack) -> None:
    files = {f"killed/{number:02}.bin": random.Random(number).randbytes(1 << 20) for number in range(20)}
    files["killed/large.raw"] = random.Random(2).randbytes(40 << 20)
    for name, content in files.items():
        stack.drop(name, content)
    bucket = BundledStore(stack).bucket()
    wait_for(lambda: any("killed/" in key for key in _keys(bucket)), "the first object", 60)
    bucket.client.put_object(Bucket=bucket.name, Key="of another program", Body=b"kept")
    stack.compose("kill", "--signal=KILL", "s3_transfer")
    files["killed/while it was dead.txt"] = b"late"
    stack.drop("killed/while it was dead.txt", b"late")
    stack.compose(S3, "down")
    stack.compose(S3, "up", "--detach")
    files["killed/after.txt"] = b"later"
    stack.drop("killed/after.txt", b"later")
    bucket = BundledStore(stack).bucket()
    _are_there(stack, bucket, files)
    assert {key for key in _keys(bucket) if "killed/" in key} == {f"{TOPIC}/{name}" for name in files}
    assert bucket.content("of another program") == b"kept"


def test_another_store_in_the_env_file_is_used_and_none_is_started(
    stack: Stack, images: Images, tmp_path: Path
) -> None:
    """The other store is the first stack's, and so is the other cluster: a network away, known by address alone."""
    theirs = BundledStore(stack).bucket("another")
    theirs.client.create_bucket(Bucket="another")
    other = Stack(tmp_path, images)
    access, secret = BundledStore(stack).keys
    other.settings(
        CONFLUENT_BOOTSTRAP_SERVERS="kafka:9092",
        **{"ENDPOINT_URL": "http://s3:7070", "ACCESS_KEY_ID": access, "SECRET_KEY_ID": secret},
        OPENMSI_BUCKET_NAME="another",
    )
    try:
        other.compose(S3, "up", "--detach")
        assert other.running() == {"uploader", "downloader", "s3_transfer"}
        (container,) = other.compose("ps", "--quiet", "s3_transfer").split()
        run("docker", "network", "connect", f"{stack.project}_default", container)
        _are_there(other, theirs, FILES)
    finally:
        other.down()
