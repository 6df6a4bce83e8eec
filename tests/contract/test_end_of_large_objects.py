"""The end of a large object at stores that answer late, not at all or oddly: nothing is aborted that is being made."""

import contextlib
import threading
import time
from pathlib import Path

import pytest

from openmsi_core.errors import Retryable
from openmsi_core.generation import Verdict
from openmsi_s3_transfer.bucket import Bucket, Wanted
from openmsi_s3_transfer.multipart import Multipart
from openmsi_s3_transfer.unfinished import Unfinished
from tests.support.odd_store import LOST, Answers, OddStore, Reply, Request, refusal
from tests.support.putting import destination, staged

COMPLETE = "CompleteMultipartUpload"
ABORT = "AbortMultipartUpload"
DONE = b"<CompleteMultipartUploadResult/>"


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files go as large ones do, and nothing is waited for long."""
    monkeypatch.setattr("openmsi_s3_transfer.bucket_destination._LARGE", 1)
    monkeypatch.setattr("openmsi_s3_transfer.complete._PAUSE_SECONDS", 0.02)


@pytest.mark.usefixtures("in_parts")
@pytest.mark.parametrize("answer", [LOST, refusal(504, "GatewayTimeout")], ids=["lost", "504"])
@pytest.mark.parametrize("done", [True, False], ids=["done", "not done"])
def test_a_large_file_whose_end_is_not_answered_is_asked_for_again(
    odd: OddStore, bucket: Bucket, tmp_path: Path, answer: Reply, done: bool
) -> None:
    def no_answer(request: Request) -> Reply:
        if done:
            odd.do(request)
        return answer

    odd.odd = Answers(COMPLETE, *[no_answer] * 6, None)  # more than a store may refuse
    with destination(bucket, tmp_path) as place:
        assert place.deliver(staged(tmp_path, b"content")) is Verdict.NEWER
    assert odd.objects["T/f"].content == b"content"
    assert odd.asked.count(COMPLETE) == 7
    assert ABORT not in odd.asked


@pytest.mark.usefixtures("in_parts")
@pytest.mark.parametrize(
    "second",
    [
        Reply(200, DONE),
        refusal(404, "NoSuchUpload"),
        refusal(409, "ConditionalRequestConflict"),
        refusal(412, "PreconditionFailed"),
    ],
    ids=lambda reply: str(reply.status),
)
def test_a_store_that_is_long_at_it_is_left_to_it(odd: OddStore, bucket: Bucket, tmp_path: Path, second: Reply) -> None:
    asked_again = threading.Event()

    def slow(request: Request) -> Reply:
        asked_again.wait(60)
        time.sleep(0.3)  # it still copies when the second is answered
        return odd.do(request)

    def early(_: Request) -> Reply:
        asked_again.set()
        return second

    answers = Answers(COMPLETE, slow, early)
    looks = Answers("HeadObject", None, refusal(500, "InternalError"), None)  # it has much to do
    odd.odd = lambda request: answers(request) or looks(request)
    with destination(bucket, tmp_path) as place:
        assert place.deliver(staged(tmp_path, b"content")) in (Verdict.NEWER, Verdict.REPEAT)
    assert odd.objects["T/f"].content == b"content"
    assert odd.asked.count("UploadPart") == 1


@pytest.mark.usefixtures("in_parts")
@pytest.mark.parametrize(
    ("answer", "asked"),
    [
        (refusal(400, "InvalidPart"), 1),
        (refusal(404, "NoSuchUpload"), 1),
        (refusal(500, "InternalError"), 4),
    ],
    ids=["400", "404", "500"],
)
def test_a_large_file_that_is_refused_is_aborted(
    odd: OddStore, bucket: Bucket, tmp_path: Path, answer: Reply, asked: int
) -> None:
    odd.odd = Answers(COMPLETE, answer)
    with destination(bucket, tmp_path) as place, pytest.raises(Retryable):
        place.deliver(staged(tmp_path, b"content"))
    assert odd.asked.count(COMPLETE) == asked
    assert odd.asked.count(ABORT) == 1
    assert (odd.objects, odd.uploads) == ({}, {})


@pytest.mark.parametrize("then", ["no answer", "not there"])
def test_a_program_that_stops_waits_for_no_large_file(
    odd: OddStore, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    stop = threading.Event()

    def stops(_: Request) -> Reply:
        stop.set()
        return refusal(504, "GatewayTimeout") if then == "no answer" else Reply(200, DONE)

    monkeypatch.setattr("openmsi_s3_transfer.complete._PAUSE_SECONDS", 0.0)
    odd.odd = Answers(COMPLETE, refusal(504, "GatewayTimeout"), stops, refusal(400, "TooLate"))
    file, notes = staged(tmp_path, b"content"), Unfinished(tmp_path / "unfinished")
    assert file.sealed is not None
    multipart, began = Multipart(bucket, notes, stop), time.monotonic()
    with contextlib.closing(notes), contextlib.closing(multipart), contextlib.suppress(Retryable):
        multipart.put(Wanted("T/f", "text/plain", {}), file.sealed, file.size, None)
    assert time.monotonic() - began < 15
    assert odd.asked.count(COMPLETE) == 2


@pytest.mark.usefixtures("in_parts")
def test_a_large_file_that_never_comes_to_be_leaves_no_upload(
    odd: OddStore, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openmsi_s3_transfer.complete._LEAST_LOOK_SECONDS", 0.3)
    odd.odd = Answers(COMPLETE, refusal(504, "GatewayTimeout"), Reply(200, DONE))
    with destination(bucket, tmp_path) as place, pytest.raises(Retryable, match="is not in the bucket"):
        place.deliver(staged(tmp_path, b"content"))
    assert (odd.objects, odd.uploads) == ({}, {})
