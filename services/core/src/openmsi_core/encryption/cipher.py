"""What the rest of the product knows of encryption: records go in, records come out, or a key is missing."""

from dataclasses import dataclass
from typing import Literal, Protocol

import msgpack

from openmsi_core.errors import BadFile

Field = Literal["key", "value"]

_KEY_INDEX_BYTES = 64
_ENCRYPTED = b"\x01\x93"  # version 1, then a MessagePack array of three


@dataclass(frozen=True, slots=True)
class Missing:
    """The key of a record is not here, and was asked for: it may come."""

    key_index: bytes | int
    """Which key; all records with it open once one of them does."""


class Cipher(Protocol):
    """Encrypts and decrypts the records of this process; any thread may call it.

    Key and value of a record are encrypted separately, so that OpenMSIStream reads both. Nothing else of a record is
    hidden: topic, partition, headers, time and size are for all to see.
    """

    @property
    def encrypts(self) -> bool:
        """Whether records are anything but plain."""

    def encrypt(self, topic: str, field: Field, content: bytes) -> bytes:
        """``content`` as it travels; no two calls give the same. Raises Fatal when it cannot be made safe."""

    def decrypt(self, topic: str, field: Field, content: bytes) -> bytes | Missing:
        """What ``content`` was before; does not block. Raises BadFile when it never will be.

        That is: it is not encrypted, or was changed on its way.
        """

    def give_up(self, topic: str, missing: Missing) -> None:
        """Ask for this key no more, until another record wants it."""


class Plain:
    """No encryption."""

    encrypts = False

    def encrypt(self, _topic: str, _field: Field, content: bytes) -> bytes:
        """As it is."""
        return content

    def decrypt(self, _topic: str, _field: Field, content: bytes) -> bytes | Missing:
        """As it is. Raises BadFile for what looks encrypted."""
        if is_encrypted(content):
            raise BadFile("it is encrypted: this program needs a [kafkacrypto] section in its config file to read it")
        return content

    def give_up(self, topic: str, missing: Missing) -> None:
        """Nothing to do."""


PLAIN = Plain()


def is_encrypted(content: bytes) -> bool:
    """Whether ``content`` is in KafkaCrypto's format; no plain record of ours or of OpenMSIStream begins like that."""
    return content.startswith(_ENCRYPTED)


def key_index(content: bytes) -> bytes | int:
    """Which key opens ``content``, which `is_encrypted`. Raises BadFile when it is not in KafkaCrypto's format."""
    head = msgpack.Unpacker(raw=True, max_bin_len=_KEY_INDEX_BYTES, max_str_len=_KEY_INDEX_BYTES)
    head.feed(content[1 : 8 + _KEY_INDEX_BYTES])
    try:
        head.read_array_header()
        index = head.unpack()
    except Exception:  # msgpack documents no closed set of exceptions for garbage
        index = None
    if not isinstance(index, (bytes, int)):
        raise BadFile("it only looks encrypted: it is not in KafkaCrypto's format")
    return index
