"""Records whose keys come late, or never, when a topic is looked at once."""

from collections.abc import Iterable

import msgpack

from openmsi_core.chunk import encode_value
from openmsi_core.encryption.cipher import PLAIN, Field, Missing
from openmsi_core.encryption.headers import SEALED, seal_headers
from openmsi_core.errors import BadFile
from openmsi_core.late_keys import LateKeys
from openmsi_core.records import Arrival, Locked, Piece, Record, read
from openmsi_processor.result_topic import secret_mark
from tests.support.sending import chunks


class Cipher:
    """Puts the name of a key in front; knows only some of them."""

    encrypts = True

    def __init__(self, *known: bytes) -> None:
        self.known = set(known)
        self.given_up: list[Missing] = []

    def encrypt(self, _topic: str, field: Field, content: bytes) -> bytes:
        return b"K" + field.encode() + content

    def decrypt(self, _topic: str, field: Field, content: bytes) -> bytes | Missing:
        if content[:1] not in self.known:
            return Missing(content[:1])
        if not content[1:].startswith(field.encode()):
            raise BadFile("changed on its way")
        return content[1 + len(field) :]

    def give_up(self, topic: str, missing: Missing) -> None:
        assert topic == "t"
        self.given_up.append(missing)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def arrival(cipher: Cipher, key: bytes, offset: int) -> Arrival:
    (chunk,) = chunks(f"{key.decode()} {offset}", b"x")
    value = key + b"value" + encode_value(chunk)
    return read(Record(0, offset, 0, None), value, None, "t", cipher)


def offsets(arrivals: Iterable[Arrival]) -> list[tuple[type, int]]:
    return [(type(each), each.record.offset) for each in arrivals]


def test_a_key_that_comes_opens_all_and_one_that_does_not_is_given_up() -> None:
    cipher, clock = Cipher(b"A"), Clock()
    late = LateKeys(cipher, "t", 10.0, clock)
    found = [
        each
        for key, offset in ((b"A", 1), (b"B", 2), (b"C", 3), (b"B", 4))
        for each in late.take(arrival(cipher, key, offset))
    ]
    assert offsets(found) == [(Piece, 1)]
    assert len(late) == 3
    assert offsets(late.look()) == []
    cipher.known.add(b"B")
    clock.now += 1
    assert offsets(late.look()) == [(Piece, 2), (Piece, 4)]
    clock.now += 9.5
    assert offsets(late.look()) == [(Locked, 3)]
    assert cipher.given_up == [Missing(b"C")]
    assert not late
    assert offsets(late.take(arrival(cipher, b"C", 5))) == [(Locked, 5)], "at once: nobody waits for it again"


def test_it_is_full_for_as_long_as_it_holds_much() -> None:
    cipher, clock = Cipher(), Clock()
    late = LateKeys(cipher, "t", 10.0, clock)
    large = read(Record(0, 1, 0, None), b"B" + bytes(70 << 20), None, "t", cipher)
    assert not list(late.take(large))
    assert late.full
    clock.now += 11
    assert offsets(late.look()) == [(Locked, 1)]
    assert not late.full


def test_headers_are_sealed_only_where_records_are() -> None:
    headers = [("openmsi-path", b"a/b.csv"), ("own", b"\xff")]
    assert seal_headers(PLAIN, "t", headers) == headers
    ((name, sealed),) = seal_headers(Cipher(), "t", headers)
    assert name == SEALED
    assert msgpack.unpackb(sealed.removeprefix(b"Kvalue")) == dict(headers)


def test_a_mark_is_the_same_only_for_who_knows_the_secret() -> None:
    made = ("a/b.csv", "00" * 64, "")
    assert secret_mark("one", made) == secret_mark("one", made)
    assert len({secret_mark("one", made), secret_mark("two", made), secret_mark("one", ("a", "", ""))}) == 3
