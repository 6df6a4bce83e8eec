"""KafkaCrypto at work, as a `Cipher`. What the library does is in `keys`."""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

from openmsi_core.encryption.cipher import Field, Missing, is_encrypted, key_index
from openmsi_core.encryption.clients import Telling
from openmsi_core.encryption.keys import Keys, Listener, Sender
from openmsi_core.encryption.node import Node
from openmsi_core.errors import BadFile, Fatal, InternalError
from openmsi_core.kafka import Troubles

_log = logging.getLogger(__name__)

_SENDER = {"message.timeout.ms": 30_000}  # what is later is asked for again
_LISTENER = {
    "enable.auto.commit": "false",  # what was answered before is answered again, which is harmless
    "fetch.wait.max.ms": "100",  # a new topic is listened to only after the answer to the fetch before
}
_BOTH = {"socket.keepalive.enable": "true", "logger": logging.getLogger("librdkafka")}


class KafkaCryptoCipher:
    """The node at work: asks for keys, and hands its own out, for as long as it is open."""

    encrypts = True

    def __init__(self, node: Node, options: Mapping[str, str], plain_too: bool, state_dir: Path | None = None) -> None:
        """``options`` are librdkafka's, for the connection. ``plain_too``: records that are not encrypted are taken.

        ``state_dir`` keeps how far the node's seed has counted. Does not connect; the exchange topics must be there
        already. Raises ConfigError when the seed was used before, OSError when the node's files cannot be used, and
        what the library raises for files that are damaged.
        """
        self._plain_too = plain_too
        telling = Telling(Troubles(_log.warning))
        telling.take_over("kafkacrypto")
        common = {**options, **_BOTH, "error_cb": telling}
        producer = Sender(**common, **_SENDER)
        consumer = Listener(**common, **_LISTENER, group_id=f"{node.name}.kafkacrypto")
        producer.tell = consumer.tell = telling
        consumer.unknown = []
        self._keys = Keys(producer, consumer, node, state_dir)
        self._serializers = {"key": self._keys.getKeySerializer(), "value": self._keys.getValueSerializer()}
        self._deserializers = {"key": self._keys.getKeyDeserializer(), "value": self._keys.getValueDeserializer()}

    def make_ready(self, reads: Iterable[str], writes: Iterable[str]) -> None:
        """See that the first keys for these topics come and go without delay. Blocks for some answers of the broker."""
        self._keys.make_ready(reads, writes)

    def prime(self, topics: Iterable[str]) -> None:
        """Make the keys of all that is written to ``topics`` from now on; durable on return. Raises Fatal."""
        for topic in topics:
            self.encrypt(topic, "value", b"")

    def held(self) -> dict[str, list[float]]:
        """Beginnings of topics (before the first dot) → until when each of their keys is handed out (epoch, sorted)."""
        return self._keys.held()

    def encrypt(self, topic: str, field: Field, content: bytes) -> bytes:
        """As `Cipher.encrypt`. CPU: outside the GIL, but one call at a time."""
        if self._keys.broken:
            raise self._keys.broken
        try:
            encrypted: bytes = self._serializers[field].serialize(topic, content)
        except UnboundLocalError:  # how the library fails after it has logged why
            raise (self._keys.broken or InternalError("a record cannot be encrypted")) from None
        return encrypted

    def decrypt(self, topic: str, field: Field, content: bytes) -> bytes | Missing:
        """As `Cipher.decrypt`."""
        if not is_encrypted(content):
            if self._plain_too:
                return content
            raise BadFile(
                "it is not encrypted: whoever sent it has no [kafkacrypto] section"
                " (--treat_undecryptable_as_plaintext takes plain records, too)"
            )
        missing = Missing(key_index(content))
        here = self._keys.has(topic, missing.key_index)  # asked before: the key may come at any moment
        if not here and not self._keys.may_ask(topic, missing.key_index):
            return missing
        box = self._deserializers[field].deserialize(topic, content)
        if box.isCleartext(retry=False):
            decrypted: bytes = box.getMessage(retry=False)
            return decrypted
        if not box.isPossiblyDecryptable():
            raise BadFile("it only looks encrypted: it is not in KafkaCrypto's format")
        if here:
            raise BadFile("its own key does not decrypt it: it was changed on its way")
        return missing

    def give_up(self, topic: str, missing: Missing) -> None:
        """As `Cipher.give_up`."""
        self._keys.forget_request(topic, missing.key_index)

    def fault(self) -> Fatal | None:
        """Why the program must end in order; None while all is well."""
        return self._keys.broken or self._keys.find_fault()

    def is_dead(self) -> str | None:
        """Why nothing can be ended in order any more."""
        return None if self._keys.is_alive() else f"has died ({self._keys.died_of}): see that its folder can be written"

    def is_stuck(self, seconds: float) -> bool:
        """Whether nothing could be encrypted or decrypted for so long; blocks until then at most."""
        return self._keys.is_stuck(seconds)

    @property
    def expires(self) -> float:
        """When the node's certificate ends, seconds since the epoch; a newer one may come over the topic `chains`."""
        return self._keys.expires()

    def close(self) -> None:
        """Hand out no more keys. Blocks for a second at most; nothing is lost without it."""
        self._keys.stop()
