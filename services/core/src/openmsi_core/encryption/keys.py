"""What we make of the library KafkaCrypto: the only module, with `certificates`, that imports it.

What is known of release 0.9.11.3, which is pinned, and guarded against here:

- Its defaults take a minute to get a first key, and block meanwhile: `_TUNED`, `clients`.
- A key that was used but is not yet written to the node's files is lost with the process, and the data with it:
  `Keys.get_producer` writes it before its first use.
- The seed is written without fsync, and may go back in time: `seed`.
- Files that are missing are made anew without a word: all are open before it hears of them.
- An error in its thread leaves a lock held for ever: `watch` ends the process, `clients` keeps errors away.
- It takes the first answer to a request only, and a new request makes answers to the one before worthless:
  `_Asking`.
- It listens to requests for a key only where it has made a new one since its start: `Keys.__init__`.
"""

import contextlib
import io
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgpack

from openmsi_core.encryption.certificates import ends, refuse_older
from openmsi_core.encryption.clients import Listening, Sending, get_to_know
from openmsi_core.encryption.node import Node
from openmsi_core.encryption.seed import SeedFile, check_unused, counter_of, went_back
from openmsi_core.errors import ConfigError, Fatal

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what lies below it uses interfaces that others have deprecated
    from kafkacrypto import KafkaConsumer, KafkaCrypto, KafkaProducer, TopicPartition
    from kafkacrypto.cryptokey import CryptoKey
    from kafkacrypto.cryptostore import CryptoStore
    from kafkacrypto.ratchet import Ratchet
    from kafkacrypto.utils import atomic_open

_TUNED: Final[Mapping[str, float]] = {
    "MGMT_POLL_INTERVAL": 100,  # milliseconds
    "MGMT_FLUSH_TIME": 0.2,  # seconds for which it waits for the broker, and neither listens nor ends
    "DESER_INITIAL_WAIT_INTERVALS": 1,  # one less than this it sleeps: never
    "MGMT_LONG_KEYINDEX": True,  # or the keys of two nodes might have one name
}
_CLOSE_SECONDS = 1.0
_FIRST_SECONDS, _LAST_SECONDS = 2, 30  # between two requests that are not answered
_MOST_ASKED = 10_000  # keys in a request, which is one message of 340 kB then
_SECRET_BYTES = 32


class Listener(KafkaConsumer, Listening):  # type: ignore[misc]  # the library has no types
    """Hears what other nodes say."""

    poll, assign_and_seek = Listening.poll, Listening.assign_and_seek


class Sender(KafkaProducer, Sending):  # type: ignore[misc]
    """Speaks to other nodes."""

    send = Sending.send


class _Asking:
    """When keys are asked for, and which answers count. All methods are called with the library's lock held."""

    def __init__(self, keys: "Keys") -> None:
        self._keys = keys
        exchange = keys._cryptoexchange
        self._sign, self._open = exchange.signed_epks, exchange.decrypt_keys
        exchange.signed_epks, exchange.decrypt_keys = self.ask, self.take
        self.new_wanted()

    def new_wanted(self) -> None:
        """A key is wanted that nobody was asked for yet."""
        self._keys.CRYPTO_SUB_INTERVAL = _FIRST_SECONDS

    def ask(self, root: str) -> Any:
        """Sign a request. If nobody answers, the next one waits longer: an answer may be slow, or nobody there."""
        self._keys.CRYPTO_SUB_INTERVAL = min(2 * self._keys.CRYPTO_SUB_INTERVAL, _LAST_SECONDS)
        return self._sign(root)

    def take(self, root: str, msgval: bytes | None = None) -> dict[Any, bytes] | None:
        """The keys in an answer. Others may have answered the same request in vain: so ask at once for the rest."""
        answer = self._open(root, msgval=msgval) or {}
        good = {index: key for index, key in answer.items() if isinstance(key, bytes) and len(key) == _SECRET_BYTES}
        if good:
            self.new_wanted()
            self._keys.want(root)
        return good or None


class Keys(KafkaCrypto):  # type: ignore[misc]
    """KafkaCrypto, with keys that are durable before they are used."""

    def __init__(self, producer: Sender, consumer: Listener, node: Node, state_dir: Path | None) -> None:
        self._node = node
        self.broken: Fatal | None = None
        self.died_of = "?"
        self._file: SeedFile | None = None
        seed = node.seed.read_bytes()
        # The library's thread runs from its constructor on, so the real seed comes when all is found to be well: each
        # opening counts it on.
        rehearsal = Ratchet(io.BytesIO(seed))
        with node.crypto.open("rb") as file:
            identity = CryptoKey(file)
        self._config = atomic_open(str(node.config), "r+")
        store = CryptoStore(None, self._config)
        super().__init__(None, producer, consumer, config=store, cryptokey=identity, seed=rehearsal)
        try:
            for name, value in _TUNED.items():
                setattr(self, name, value)
            used = {index for keys in self._pgens.values() for index in keys}
            check_unused(node, identity.get_id_spk(), counter_of(seed), used)
            self._file = SeedFile(node, identity.get_id_spk(), state_dir)
            with self._lock:
                self._seed = Ratchet(self._file)
                self._asking = _Asking(self)
                refuse_older(self._cryptoexchange, self.expires(), self._trusted())
                for root in self._pgens:  # the library listens only where it has made a new key since its start
                    self._attend(f"{root}{self.TOPIC_SUFFIX_REQS}")
        except BaseException:
            self.stop()
            raise

    def _process_mgmt_messages(self) -> None:
        """The library's thread. What it dies of `watch` tells, because it dies with the lock held."""
        try:
            super()._process_mgmt_messages()
        except Exception as error:
            self.died_of = str(error)

    def get_producer(self, root: str) -> None:
        """Make the key for ``root``, and keep it in the node's files before it is used. Called with the lock held."""
        super().get_producer(root)
        index = self._cur_pgens[root]
        if "value" in self._pgens[root][index]:
            try:
                self._keep_keys()
            except OSError as error:
                self.broken = ConfigError(
                    f"the node {self._node.name} cannot keep a new key ({error.strerror or error}), so nothing more is"
                    f" encrypted: see that {self._node.folder} can be written, and that its disk is not full"
                )
            else:
                return
            del self._pgens[root][index]  # or the library's thread would try to keep it, and die of that
            self._new_pgens = False
        else:  # the library has this key from an earlier process: the same would be made again
            self.broken = went_back(self._node)
        del self._cur_pgens[root]
        raise self.broken

    def _keep_keys(self) -> None:
        keys = [
            [root, index, key["secret"], key["birth"]]
            for root, made in self._pgens.items()
            for index, key in made.items()
        ]
        packed = msgpack.packb({"pgens": keys}, use_bin_type=True)
        self._cryptostore.store_opaque_value("oldkeys", packed, section="crypto")
        self._new_pgens = False

    def make_ready(self, reads: Iterable[str], writes: Iterable[str]) -> None:
        for root in {self.get_root(topic) for topic in writes}:
            self._kc.unknown.append(f"{root}{self.TOPIC_SUFFIX_REQS}")
            get_to_know(self._kp, [f"{root}{self.TOPIC_SUFFIX_KEYS}"])
        for root in {self.get_root(topic) for topic in reads}:
            answers = f"{root}{self.TOPIC_SUFFIX_KEYS}"
            self._kc.unknown.append(answers)
            with self._lock:
                self._attend(answers)
            get_to_know(self._kp, [f"{root}{self.TOPIC_SUFFIX_REQS}", f"{root}{self.TOPIC_SUFFIX_SUBS}"])

    def _attend(self, topic: str) -> None:
        if topic not in self._tps:
            self._tps[topic] = TopicPartition(topic, 0)
            self._tps_offsets[topic] = 0  # = where this node has stopped reading
            self._tps_updated = True

    def want(self, root: str) -> None:
        """Ask for what is missing in this turn. Called with the lock held."""
        if root not in self._subs_needed:
            self._subs_needed.append(root)

    def held(self) -> dict[str, list[float]]:
        with self._lock:
            return {
                root: sorted(key["birth"] + self.CRYPTO_MAX_PGEN_AGE for key in keys.values())
                for root, keys in self._pgens.items()
            }

    def has(self, topic: str, index: bytes | int) -> bool:
        with self._lock:
            return index in self._cgens.get(self.get_root(topic), {})

    def may_ask(self, topic: str, index: bytes | int) -> bool:
        """Whether there is room in a request for this key."""
        with self._lock:
            waits = self._cwaits.get(self.get_root(topic), {})
            if index not in waits:
                self._asking.new_wanted()
            return index in waits or len(waits) < _MOST_ASKED

    def forget_request(self, topic: str, index: bytes | int) -> None:
        with self._lock:
            self._cwaits.get(self.get_root(topic), {}).pop(index, None)

    def is_alive(self) -> bool:
        return bool(self._mgmt_thread.is_alive())

    def is_stuck(self, seconds: float) -> bool:
        if free := self._lock.acquire(timeout=seconds):
            self._lock.release()
        return not free

    def find_fault(self) -> Fatal | None:
        gone = f"{self._node.folder} is gone, or is not what it was: bring back the files of node {self._node.name}"
        with contextlib.suppress(OSError):
            if all(path.is_file() for path in self._node.files) and self._file and not self._file.replaced:
                return None
        return ConfigError(f"{gone}, without which its keys are lost; then start again")

    def expires(self) -> float:
        chains = self._cryptostore.load_section("chains", defaults=False) or {}
        return max((ends(chain, self._trusted()) for chain in chains.values()), default=0.0)

    def _trusted(self) -> list[bytes]:
        return list((self._cryptostore.load_section("allowlist", defaults=False) or {}).values())

    def stop(self) -> None:
        """End the thread. What the library does beyond that waits for a broker that may be away."""
        self._mgmt_thread_stop = True
        self._mgmt_thread.join(_CLOSE_SECONDS)
        if not self._mgmt_thread.is_alive():
            self._config.buffer.close()  # its own close() does not
            if self._file:
                self._file.close()
