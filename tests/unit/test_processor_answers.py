"""What a worker sends is believed only when it has the right form: user code lives in the same process."""

import io
import json
import struct
from pathlib import Path
from typing import Any

import pytest

from openmsi_processor.answers import checked
from openmsi_processor.trust import Trust
from openmsi_processor.worker.channel import Channel

DONE: dict[str, Any] = {"is": "done", "key": None, "value": 0, "headers": [["a", 1]], "files": []}
FAILED: dict[str, Any] = {"is": "failed", "text": "t", "traceback": "", "worn": False}


def test_good_answers(tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "0").write_text("x")
    answer = checked({**DONE, "files": [{"name": "a/b", "given": 0}]}, [b"v", b"h"], tmp_path)
    assert answer["files"] == [{"name": "a/b", "path": str(tmp_path / "given" / "0")}]
    assert checked({"is": "retry", "text": "t", "after": 1e300}, [], tmp_path)["after"] == 86400
    assert checked(FAILED, [], tmp_path) == FAILED


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"is": []},
        {"is": "ready"},
        {"is": "done"},
        {**DONE, "value": 2},
        {**DONE, "value": -1},
        {**DONE, "value": True},
        {**DONE, "value": "0"},
        {**DONE, "headers": [["a"]]},
        {**DONE, "headers": [[1, 1]]},
        {**DONE, "headers": 5},
        {**DONE, "files": {"a": 1}},
        {**DONE, "files": [{"name": 1, "given": 0}]},
        {**DONE, "files": [{"name": "a", "given": "../../secret"}]},
        *({**DONE, "files": [{"name": "a", "given": number}]} for number in (1, 2, 3, 4)),
        {"is": "retry", "text": "t", "after": float("nan")},
        {"is": "retry", "text": "t", "after": None},
        {**FAILED, "text": None},
        {"is": "failed", "text": "t"},
    ],
)
def test_bad_answers(answer: dict[str, Any], tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.mkdir()
    (tmp_path / "secret").write_text("s")
    (given / "1").symlink_to(tmp_path / "secret")
    (given / "2").hardlink_to(tmp_path / "secret")
    (given / "3").mkdir()
    with pytest.raises(ValueError, match="this is no answer"):
        checked(answer, [b"v", b"h"], tmp_path)


def test_a_folder_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "0").write_text("s")
    (tmp_path / "given").symlink_to("elsewhere")
    with pytest.raises(ValueError, match="link"):
        checked({**DONE, "files": [{"name": "a", "given": 0}]}, [b"v", b"h"], tmp_path)


def message(head: object, *blobs: bytes) -> bytes:
    text = json.dumps(head).encode()
    return struct.pack(">I", len(text)) + text + b"".join(blobs)


@pytest.mark.parametrize(
    "sent",
    [
        b"\xff" * 100,
        struct.pack(">I", 3) + b"{\xff}",
        message([]),
        message("blobs"),
        message({}),
        message({"blobs": 1}),
        message({"blobs": [-1]}),
        message({"blobs": [True]}),
        message({"blobs": [1.0]}),
        message({"blobs": [1 << 40]}),
        message({"blobs": [600, 600]}, b"x" * 1200),
        struct.pack(">I", 100_000) + b"[" * 100_000,
    ],
)
def test_what_is_no_message(sent: bytes) -> None:
    with pytest.raises(ValueError, match="message"):
        Channel(io.BytesIO(sent), io.BytesIO(), most=1000).receive()


def test_a_message_that_is_cut_off_is_none() -> None:
    whole = message({"is": "x", "blobs": [3, 4]}, b"abc", b"defg")
    assert Channel(io.BytesIO(whole), io.BytesIO()).receive() == ({"is": "x"}, [b"abc", b"defg"])
    for size in range(len(whole)):
        assert Channel(io.BytesIO(whole[:size]), io.BytesIO()).receive() is None


def test_trust_ends_after_two_failures_in_a_row() -> None:
    trust = Trust()
    assert not trust.lost("a", failed=True, worn=False)
    assert not trust.lost("b", failed=False, worn=False)
    assert not trust.lost("a", failed=True, worn=False)
    assert trust.lost("a", failed=True, worn=False)


def test_bad_files_do_not_wear_out_workers() -> None:
    trust = Trust()
    replaced = sum(trust.lost(f"bad {number}", failed=True, worn=False) for number in range(1000))
    assert replaced < 25
    assert not trust.lost("bad 999", failed=False, worn=False)


def test_where_replacing_helped_it_is_done_as_soon_again() -> None:
    trust = Trust()
    for _ in range(5):
        assert not trust.lost("a", failed=True, worn=False)
        assert trust.lost("b", failed=True, worn=False)
        assert not trust.lost("a", failed=False, worn=False)


def test_a_worker_that_says_so_is_replaced() -> None:
    assert Trust().lost("a", failed=True, worn=True)
