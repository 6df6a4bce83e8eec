"""Headers of a record travel in the clear: where records are encrypted, one sealed header carries what they say."""

from collections.abc import Iterable

import msgpack

from openmsi_core.encryption.cipher import Cipher

SEALED = "openmsi-sealed"
"""The header: a MessagePack map of names to bytes, encrypted as the value of a record of its topic is."""


def seal_headers(cipher: Cipher, topic: str, headers: Iterable[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """``headers`` as they may travel with a record of ``topic``; as they are where ``cipher`` does not encrypt."""
    if not cipher.encrypts:
        return list(headers)
    packed: bytes = msgpack.packb(dict(headers), use_bin_type=True)
    return [(SEALED, cipher.encrypt(topic, "value", packed))]
