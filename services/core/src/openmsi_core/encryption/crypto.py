"""KafkaCrypto at work: the only module, with `certificates`, that imports it.

What is known of release 0.9.11.3, which is pinned, and guarded against here:

- Its defaults take a minute to get a first key, and block meanwhile: `_TUNED`.
- A key that was used but is not yet written to the node's files is lost with the process, and the data with it:
  `_Keys.get_producer` writes it before its first use.
- The seed is written without fsync: `_DurableFile`. A seed that went back in time would encrypt two records alike.
- An error in its thread leaves a lock held for ever: `Watchdog` ends the process.
"""

import io
import os
import threading
import warnings
from collections.abc import Iterable, Mapping
from typing import Final

import msgpack

from openmsi_core.encryption.certificates import ends
from openmsi_core.encryption.cipher import Field, Missing, is_encrypted
from openmsi_core.encryption.node import Node
from openmsi_core.errors import BadFile, InternalError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what lies below it uses interfaces that others have deprecated
    from kafkacrypto import KafkaConsumer, KafkaCrypto, KafkaProducer
    from kafkacrypto.ratchet import Ratchet

_TUNED: Final[Mapping[str, int]] = {
    "CRYPTO_SUB_INTERVAL": 5,  # seconds between two requests for keys
    "MGMT_POLL_INTERVAL": 100,  # milliseconds
    "DESER_INITIAL_WAIT_INTERVALS": 1,  # one less than this it sleeps: never
    "MGMT_LONG_KEYINDEX": True,  # or the keys of two nodes might have one name
}
_CLOSE_SECONDS = 3.0
_STUCK_SECONDS = 60.0
_KEY_INDEX_BYTES = 64


class KafkaCryptoCipher:
    """The node at work: asks for keys, and hands its own out, for as long as it is open."""

    encrypts = True

    def __init__(self, node: Node, options: Mapping[str, str], plain_too: bool) -> None:
        """``options`` are librdkafka's, for the connection. ``plain_too``: records that are not encrypted are taken.

        Does not connect; the exchange topics must be there already. Raises OSError when the node's files cannot be
        used, and what the library raises for files that are damaged.
        """
        self._node = node
        self._plain_too = plain_too
        producer = KafkaProducer(**options)
        consumer = KafkaConsumer(
            **{key: value for key, value in options.items() if key != "group.id"},
            group_id=f"{node.name}.kafkacrypto",
            **{"auto.offset.reset": "earliest"},  # the answer may be there before we listen
        )
        self._keys = _Keys(producer, consumer, node)
        self._serializers = {"key": self._keys.getKeySerializer(), "value": self._keys.getValueSerializer()}
        self._deserializers = {"key": self._keys.getKeyDeserializer(), "value": self._keys.getValueDeserializer()}

    def prime(self, topics: Iterable[str]) -> None:
        """As `Cipher.prime`."""
        for topic in topics:
            self.encrypt(topic, "value", b"")

    @property
    def roots(self) -> frozenset[str]:
        """Beginnings of topics (before the first dot) for which this node has keys to hand out."""
        return frozenset(self._keys.used)

    def encrypt(self, topic: str, field: Field, content: bytes) -> bytes:
        """As `Cipher.encrypt`. CPU: outside the GIL, but one call at a time."""
        try:
            encrypted: bytes = self._serializers[field].serialize(topic, content)
        except UnboundLocalError:  # how the library fails after it has logged why
            raise InternalError(self._keys.trouble or f"the node {self._node.name} cannot encrypt") from None
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
        missing = Missing(_key_index(content))
        box = self._deserializers[field].deserialize(topic, content)
        if box.isCleartext(retry=False):
            decrypted: bytes = box.getMessage(retry=False)
            return decrypted
        if not box.isPossiblyDecryptable():
            raise BadFile("it only looks encrypted: it is not in KafkaCrypto's format")
        if self._keys.has(topic, missing.key_index):
            raise BadFile("its own key does not decrypt it: it was changed on its way")
        return missing

    def give_up(self, topic: str, missing: Missing) -> None:
        """As `Cipher.give_up`."""
        self._keys.forget_request(topic, missing.key_index)

    def trouble(self) -> str | None:
        """Why this cipher has come to its end; None while it works. Blocks up to a minute, then it has."""
        return self._keys.find_trouble()

    @property
    def expires(self) -> float:
        """When the node's certificate ends, seconds since the epoch; a newer one may come over the topic `chains`."""
        return self._keys.expires()

    def close(self) -> None:
        """Hand out no more keys. Blocks for a few seconds at most; nothing is lost without it."""
        closing = threading.Thread(target=self._keys.close, name="close keys", daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)


class _Keys(KafkaCrypto):  # type: ignore[misc]  # the library has no types
    """KafkaCrypto, with keys that are durable before they are used. Methods with a lock held are marked so."""

    def __init__(self, producer: KafkaProducer, consumer: KafkaConsumer, node: Node) -> None:
        self.trouble: str | None = None
        self._name = node.name
        ratchet = Ratchet(file=_DurableFile(node.seed, "rb+"))
        super().__init__(None, producer, consumer, config=str(node.config), cryptokey=str(node.crypto), seed=ratchet)
        for name, value in _TUNED.items():
            setattr(self, name, value)

    def get_producer(self, root: str) -> None:
        """Make the key for ``root``, and keep it in the node's files before it is used. Called with the lock held."""
        super().get_producer(root)
        index = self._cur_pgens[root]
        made = self._pgens[root][index]
        try:
            if "value" not in made:  # the library has this key from an earlier process: the same would be made again
                raise OSError(f"{self._name}.seed has gone back in time: delete that node, and provision a new one")
            self._keep_keys()
        except Exception as error:
            del self._cur_pgens[root]  # so that it is made anew, or found to be an old one, next time
            if "value" in made:
                del self._pgens[root][index]
            self.trouble = f"the node {self._name} cannot make a key: {error}"
            raise

    def _keep_keys(self) -> None:
        keys = [
            [root, index, key["secret"], key["birth"]]
            for root, made in self._pgens.items()
            for index, key in made.items()
        ]
        packed = msgpack.packb({"pgens": keys}, use_bin_type=True)
        self._cryptostore.store_opaque_value("oldkeys", packed, section="crypto")
        self._new_pgens = False

    @property
    def used(self) -> list[str]:
        with self._lock:
            return list(self._pgens)

    def has(self, topic: str, index: bytes | int) -> bool:
        with self._lock:
            return index in self._cgens.get(self.get_root(topic), {})

    def forget_request(self, topic: str, index: bytes | int) -> None:
        with self._lock:
            self._cwaits.get(self.get_root(topic), {}).pop(index, None)

    def find_trouble(self) -> str | None:
        if not self._mgmt_thread.is_alive():
            return f"the exchange of keys of node {self._name} has died: see that its folder can be written"
        if not self._lock.acquire(timeout=_STUCK_SECONDS):
            return f"the exchange of keys of node {self._name} hangs"
        self._lock.release()
        return None

    def expires(self) -> float:
        chains = self._cryptostore.load_section("chains", defaults=False) or {}
        trusted = self._cryptostore.load_section("allowlist", defaults=False) or {}
        return ends(next(iter(chains.values())), trusted.values())


class _DurableFile(io.FileIO):
    """A file whose flush() means it."""

    def flush(self) -> None:
        super().flush()
        if not self.closed:
            os.fsync(self.fileno())


def _key_index(content: bytes) -> bytes | int:
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
