"""A node without a broker: what becomes of records as keys come, do not come, or are wrong."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest

from openmsi_core.encryption.cipher import Missing
from openmsi_core.encryption.crypto import KafkaCryptoCipher
from openmsi_core.errors import BadFile
from tests.support.encrypting import Nodes

NOWHERE = {"bootstrap.servers": "127.0.0.1:1"}


class Pair:
    """A sender and a receiver; keys reach the receiver by `hand_over`."""

    def __init__(self, folder: Path) -> None:
        nodes = Nodes(folder)
        self.sender = KafkaCryptoCipher(nodes.make("up", "producer", "a"), NOWHERE, False)
        self.receiver = KafkaCryptoCipher(nodes.make("down", "consumer", "a"), NOWHERE, False)

    def hand_over(self) -> None:
        keys = self.receiver._keys
        with keys._lock:
            keys._cgens["a"] = {index: dict(key) for index, key in self.sender._keys._pgens["a"].items()}


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    made = Pair(tmp_path)
    yield made
    made.sender.close()
    made.receiver.close()


def test_a_record_opens_once_its_key_is_here(pair: Pair) -> None:
    sent = pair.sender.encrypt("a.b", "value", b"plain")
    assert isinstance(pair.receiver.decrypt("a.b", "value", sent), Missing)
    pair.hand_over()
    assert pair.receiver.decrypt("a.b", "value", sent) == b"plain"


def test_a_changed_record_is_bad_only_if_its_key_was_here_before(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = pair.sender.encrypt("a", "value", b"plain")
    real = pair.receiver._deserializers["value"].deserialize

    def key_comes_just_then(topic: str, content: bytes) -> Any:
        box = real(topic, content)
        pair.hand_over()
        return box

    monkeypatch.setattr(pair.receiver._deserializers["value"], "deserialize", key_comes_just_then)
    assert isinstance(pair.receiver.decrypt("a", "value", sent), Missing)  # and not in quarantine
    assert pair.receiver.decrypt("a", "value", sent) == b"plain"
    with pytest.raises(BadFile, match="changed on its way"):
        pair.receiver.decrypt("a", "value", sent[:-1] + bytes([sent[-1] ^ 1]))


def test_a_flood_of_keys_that_nobody_has_fits_into_a_request(pair: Pair) -> None:
    def record(number: int) -> bytes:
        return b"\x01" + bytes(msgpack.packb([number.to_bytes(32), bytes(16), b"x" * 16], use_bin_type=True))

    for number in range(12_000):
        assert isinstance(pair.receiver.decrypt("a", "value", record(number)), Missing)
    asked = pair.receiver._keys._cwaits["a"]
    assert len(asked) == 10_000
    for number in range(10_000):
        pair.receiver.give_up("a", Missing(number.to_bytes(32)))
    assert not asked
    pair.receiver.decrypt("a", "value", record(11_999))
    assert len(asked) == 1


def test_requests_that_nobody_answers_become_rare_until_there_is_news(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = pair.receiver._keys
    asking = keys._asking
    monkeypatch.setattr(asking, "_sign", lambda _root: None)
    intervals = []
    for _ in range(6):
        asking.ask("a")
        intervals.append(keys.CRYPTO_SUB_INTERVAL)
    assert intervals == [4, 8, 16, 30, 30, 30]
    pair.receiver.decrypt("a", "value", pair.sender.encrypt("a", "value", b""))
    assert keys.CRYPTO_SUB_INTERVAL == 2
    asking.ask("a")
    monkeypatch.setattr(asking, "_open", lambda _root, **_: {b"one": b"too short", b"two": 5})
    assert asking.take("a", b"") is None  # the library's thread would die of such keys, with its lock held
    assert keys.CRYPTO_SUB_INTERVAL == 4
    monkeypatch.setattr(asking, "_open", lambda _root, **_: {b"one": bytes(32), b"two": 5})
    assert asking.take("a", b"") == {b"one": bytes(32)}
    assert keys.CRYPTO_SUB_INTERVAL == 2
