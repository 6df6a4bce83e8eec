"""Storage class, encryption and tags: what boto3 is told, and which mistakes are named at the start."""

import re
from pathlib import Path

import pytest

from openmsi_core.errors import ConfigError, Fatal, UsageError
from openmsi_s3_transfer.marks import marked_version
from openmsi_s3_transfer.settings import TransferSettings
from tests.support.transferring import settings_for


def given(folder: Path, *options: str) -> TransferSettings:
    return settings_for(folder, "bucket", "--topic_name", "T", *options)


def test_nothing_is_said_to_the_store_unless_it_is_asked_for(tmp_path: Path) -> None:
    assert given(tmp_path).object_options == {}


def test_every_option_reaches_the_store(tmp_path: Path) -> None:
    tags = ("--tags", "project=steel & co,year=", "--tags", "who=Zoë")
    encryption = ("--server_side_encryption", "aws:kms", "--kms_key_id", "arn:aws:kms:eu-central-1:1:key/a")
    with pytest.raises(UsageError, match="tags have letters, digits, spaces"):
        given(tmp_path, *tags)
    tags = ("--tags", "project=steel+co,year=", "--tags", "who=Zoë 2")
    assert given(tmp_path, "--storage_class", "STANDARD_IA", *encryption, *tags).object_options == {
        "StorageClass": "STANDARD_IA",
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": "arn:aws:kms:eu-central-1:1:key/a",
        "Tagging": "project=steel%2Bco&year=&who=Zo%C3%AB+2",
    }


@pytest.mark.parametrize(
    ("options", "words", "kind"),
    [
        (("--tags", "a"), "write NAME=VALUE,NAME=VALUE", UsageError),
        (("--tags", "=b"), "write NAME=VALUE,NAME=VALUE", UsageError),
        (("--tags", f"a={'x' * 257}"), "values up to 256", UsageError),
        (("--tags", "AWS:a=b"), "do not begin with aws:", UsageError),
        (("--tags", "a=1,a=2"), "each name once", UsageError),
        (("--tags", ",".join(f"t{i}=x" for i in range(11))), "at most 10 tags", UsageError),
        (("--storage_class", "STANDARD IA"), "write a name such as STANDARD_IA", UsageError),
        (("--server_side_encryption", "aes256"), "input should be 'AES256' or 'aws:kms'", UsageError),
        (("--kms_key_id", "k"), "kms_key_id is of use only with server_side_encryption aws:kms", ConfigError),
        (
            ("--kms_key_id", "k", "--server_side_encryption", "AES256"),
            "kms_key_id is of use only with server_side_encryption aws:kms",
            ConfigError,
        ),
        (("--storage_class", "DEEP_ARCHIVE", "--verify", "full"), "nothing can be read back", ConfigError),
    ],
)
def test_mistakes_are_named(tmp_path: Path, options: tuple[str, ...], words: str, kind: type[Fatal]) -> None:
    with pytest.raises(kind, match=re.escape(words)):
        given(tmp_path, *options)


def test_marks_of_another_topic_are_not_ours() -> None:
    marks = {"sha512": "00" * 64, "mtime": "1.5", "openmsi-timestamp": "1", "openmsi-offset": "2", "openmsi-topic": "A"}
    assert marked_version(marks, "A") == marked_version(marks) is not None
    assert marked_version(marks, "B") is None
    del marks["openmsi-topic"]
    assert marked_version(marks, "A") is None
