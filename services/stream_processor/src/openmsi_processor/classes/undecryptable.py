"""An encrypted message whose key has not come, as a script sees it."""

from typing import NamedTuple


class Undecrypted:
    """A key or a value as it came; ``bytes()`` gives it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __bytes__(self) -> bytes:
        return self._content

    def isCleartext(self, retry: bool = True) -> bool:  # noqa: ARG002, N802  # the name is KafkaCrypto's
        """No."""
        return False

    def isPossiblyDecryptable(self) -> bool:  # noqa: N802
        """Yes, with its key."""
        return True

    def getMessage(self, retry: bool = True) -> bytes:  # noqa: ARG002, N802
        """Raises ValueError: it is not decrypted."""
        raise ValueError("the message is not decrypted: its key has not come")


class UndecryptableMessage(NamedTuple):
    """What `_undecryptable_message_callback` is called with."""

    topic: str
    partition: int
    offset: int
    timestamp: int | None
    """Milliseconds since the epoch."""
    headers: list[tuple[str, bytes]]
    key: Undecrypted | None
    value: Undecrypted
