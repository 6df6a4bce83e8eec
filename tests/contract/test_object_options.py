"""Storage class, encryption, tags and keys as users wish them: on stores that take, refuse and pass over them."""

import json
import subprocess
from datetime import datetime
from pathlib import Path

import pytest

from openmsi_core.errors import BadFile, ConfigError
from openmsi_core.generation import Verdict
from openmsi_s3_transfer.bucket import Bucket
from openmsi_s3_transfer.probe import find_abilities
from tests.contract.conftest import Finder, Stores
from tests.support.putting import MTIME, destination, staged
from tests.support.store import ACCESS, SECRET
from tests.support.stores import KINDS, rclone

TAGS = {"Tagging": "project=steel&who=Zo%C3%AB+2"}
SIZES = {"at once": 1000, "in parts": 17 << 20}


def tags_of(bucket: Bucket) -> dict[str, str]:
    found = bucket.clients.quick.get_object_tagging(Bucket=bucket.name, Key="T/f")
    return {tag["Key"]: tag["Value"] for tag in found["TagSet"]}


@pytest.mark.parametrize("size", list(SIZES.values()), ids=list(SIZES))
def test_options_reach_every_object(stores: Stores, found: Finder, tmp_path: Path, size: int) -> None:
    options = {"StorageClass": "STANDARD_IA", "ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "key"} | TAGS
    bucket = found(stores("moto"), options)
    with destination(bucket, tmp_path) as place:
        assert place.deliver(staged(tmp_path, bytes(size))) is Verdict.NEWER
    head = bucket.clients.quick.head_object(Bucket=bucket.name, Key="T/f")
    assert head.items() >= {"StorageClass": "STANDARD_IA", "ServerSideEncryption": "aws:kms"}.items()
    assert tags_of(bucket) == {"project": "steel", "who": "Zoë 2"}


@pytest.mark.parametrize("size", list(SIZES.values()), ids=list(SIZES))
@pytest.mark.parametrize("kind", ["versitygw", "moto"])
def test_tags_reach_every_object(stores: Stores, found: Finder, tmp_path: Path, kind: str, size: int) -> None:
    bucket = found(stores(kind), TAGS)
    with destination(bucket, tmp_path) as place:
        assert place.deliver(staged(tmp_path, bytes(size))) is Verdict.NEWER
    assert tags_of(bucket) == {"project": "steel", "who": "Zoë 2"}


def test_a_store_that_refuses_an_option_is_named_with_it(stores: Stores, found: Finder) -> None:
    said = r"makes objects in bucket \S+, but none with storage_class NOPE \(InvalidStorageClass: .*\): correct these"
    with pytest.raises(ConfigError, match=said):
        found(stores("moto"), {"StorageClass": "NOPE"})


def test_a_store_that_only_seems_to_encrypt_is_not_believed(stores: Stores, found: Finder) -> None:
    with pytest.raises(ConfigError, match="does not encrypt with AES256: leave out server_side_encryption"):
        found(stores("versitygw"), {"ServerSideEncryption": "AES256"})


def test_a_store_with_other_classes_is_named(stores: Stores, found: Finder, caplog: pytest.LogCaptureFixture) -> None:
    found(stores("versitygw"), {"StorageClass": "GLACIER_IR"})
    assert "keeps objects as STANDARD instead of GLACIER_IR" in caplog.text


def test_an_object_where_keys_begin_is_named(stores: Stores, found: Finder) -> None:
    store = stores("versitygw")  # keeps objects as files
    clients, inside = found.clients(store), store.bucket()
    inside.client.put_object(Bucket=inside.name, Key="raw", Body=b"in the way")
    with pytest.raises(
        ConfigError, match=r"no object can be made in bucket .* under raw/T/probe: .*move that one away"
    ):
        find_abilities(clients, inside.name, "raw/T/probe")


@pytest.mark.parametrize("kind", list(KINDS))
def test_files_of_two_topics_with_one_key_do_not_replace_each_other(
    stores: Stores, found: Finder, tmp_path: Path, kind: str
) -> None:
    store = stores(kind)
    bucket, only_path = found(store), "{path}"
    with destination(bucket, tmp_path, topic="A", template=only_path) as place:
        assert place.deliver(staged(tmp_path, b"of A")) is Verdict.NEWER
    with destination(bucket, tmp_path, topic="B", template=only_path) as place:
        with pytest.raises(BadFile, match="not ours"):
            place.deliver(staged(tmp_path, b"of B, and newer", upload=2))
        assert place.deliver(staged(tmp_path, b"of A", upload=3)) is Verdict.REPEAT
    assert store.inside(bucket.name).tree == {"f": b"of A"}


def test_rclone_reads_the_time_of_the_source(stores: Stores, found: Finder, tmp_path: Path) -> None:
    store = stores("versitygw")
    bucket = found(store)
    with destination(bucket, tmp_path) as place:
        place.deliver(staged(tmp_path, b"content"))
    login = {"ACCESS_KEY_ID": ACCESS, "SECRET_ACCESS_KEY": SECRET, "ENDPOINT": store.endpoint}
    remote = {f"RCLONE_S3_{name}": value for name, value in {"PROVIDER": "Other", **login}.items()}
    listing = [str(rclone()), "lsjson", "--config", "", f":s3:{bucket.name}/T"]
    done = subprocess.run(listing, env=remote, capture_output=True, text=True, check=True, timeout=60)
    (listed,) = json.loads(done.stdout)
    assert (listed["Path"], datetime.fromisoformat(listed["ModTime"]).timestamp()) == ("f", MTIME)


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_template_makes_the_keys(stores: Stores, found: Finder, tmp_path: Path, kind: str) -> None:
    store = stores(kind)
    bucket = found(store)
    with destination(bucket, tmp_path, template="raw data/{topic}-{path}") as place:
        assert place.deliver(staged(tmp_path, b"content")) is Verdict.NEWER
        assert place.deliver(staged(tmp_path, b"content")) is Verdict.REPEAT
    assert store.inside(bucket.name).tree == {"raw data/T-f": b"content"}
