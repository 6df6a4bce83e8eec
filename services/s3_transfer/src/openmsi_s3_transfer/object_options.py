"""What a user wishes for every object: storage class, encryption, tags. Pure."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlencode

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

Encryption = Literal["AES256", "aws:kms"]

_MOST_TAGS = 10  # S3's limits
_LONGEST_NAME, _LONGEST_VALUE = 128, 256
_TAG_TEXT = re.compile(r"[\w .:/=+@-]*")
_NO_READING = frozenset({"GLACIER", "DEEP_ARCHIVE"})


def _split(value: object) -> object:
    return tuple(part for each in value.split(",") if (part := each.strip())) if isinstance(value, str) else value


def _tags(tags: tuple[str, ...]) -> tuple[str, ...]:
    names = [tag.partition("=")[0] for tag in tags]
    for tag in tags:
        name, equals, value = tag.partition("=")
        if not equals or not 1 <= len(name) <= _LONGEST_NAME or len(value) > _LONGEST_VALUE:
            raise ValueError("write NAME=VALUE,NAME=VALUE; names have up to 128 characters, values up to 256")
        if not _TAG_TEXT.fullmatch(tag) or name.casefold().startswith("aws:"):
            raise ValueError("tags have letters, digits, spaces and . : / = + @ _ - and do not begin with aws:")
    if len(set(names)) < len(names) or len(names) > _MOST_TAGS:
        raise ValueError(f"an object has at most {_MOST_TAGS} tags, each name once")
    return tags


def _storage_class(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", value):
        raise ValueError("write a name such as STANDARD_IA")
    return value


Tags = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_tags)]
StorageClass = Annotated[str, AfterValidator(_storage_class)]


def object_options(
    storage_class: str | None, encryption: Encryption | None, kms_key_id: str | None, tags: tuple[str, ...]
) -> Mapping[str, str]:
    """The arguments for boto3 that begin such an object. No ACL is among them: the bucket's owner decides."""
    wanted = {
        "StorageClass": storage_class,
        "ServerSideEncryption": encryption,
        "SSEKMSKeyId": kms_key_id,
        "Tagging": urlencode(dict(tag.split("=", 1) for tag in tags)),
    }
    return {name: value for name, value in wanted.items() if value}


def contradiction(
    storage_class: str | None, encryption: Encryption | None, kms_key_id: str | None, verify: str
) -> str | None:
    """Why these cannot be wished for together; None = they can."""
    if kms_key_id and encryption != "aws:kms":
        return "kms_key_id is of use only with server_side_encryption aws:kms: give both"
    if verify == "full" and storage_class in _NO_READING:
        return f"nothing can be read back from the storage class {storage_class}: leave out verify full"
    return None
