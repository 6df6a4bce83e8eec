"""Stores, and proxies before them, that answer oddly: a server in this process does what no real one does at will."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from botocore.config import Config

import openmsi_s3_transfer.client
from openmsi_core.errors import ConfigError, Retryable
from openmsi_core.generation import Verdict, unfinished
from openmsi_core.kafka import Troubles
from openmsi_core.status import Status
from openmsi_s3_transfer.bucket import Abilities, Bucket, Wanted
from openmsi_s3_transfer.client import Clients
from openmsi_s3_transfer.multipart import Multipart
from openmsi_s3_transfer.probe import find_abilities
from openmsi_s3_transfer.refusals import refusals
from openmsi_s3_transfer.unfinished import Unfinished
from openmsi_s3_transfer.wait_for_bucket import create, refuse, wait_for_bucket
from tests.support.odd_store import LOST, OddStore, Reply, Request, refusal
from tests.support.putting import destination, staged
from tests.support.transferring import clients_for, settings_for

COMPLETE = "CompleteMultipartUpload"
ABORT = "AbortMultipartUpload"
DONE = b"<CompleteMultipartUploadResult/>"
CONDITIONS = ("if-match", "if-none-match")
Odd = Callable[[Request], Reply | None]


@pytest.fixture(scope="module")
def server() -> Iterator[OddStore]:
    store = OddStore()
    yield store
    store.close()


@pytest.fixture(scope="module")
def clients(server: OddStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    """Clients that wait for a second only where they would wait for minutes."""
    config = openmsi_s3_transfer.client._config

    def hasty(attempts: int, read_seconds: int, connections: int) -> Config:
        return config(attempts, 1 if read_seconds > 60 else read_seconds, connections)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openmsi_s3_transfer.client, "_config", hasty)
        made = clients_for(server.endpoint, tmp_path_factory.mktemp("clients"))
    yield made
    for client in (made.quick, made.patient, made.steady):
        client.close()


@pytest.fixture
def odd(server: OddStore) -> OddStore:
    """The store, empty."""
    server.forget()
    return server


@pytest.fixture
def bucket(clients: Clients) -> Bucket:
    return Bucket(clients, "bucket", Abilities(conditions=True, checksum="sha256"))


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files go as large ones do, and nothing is waited for long."""
    monkeypatch.setattr("openmsi_s3_transfer.bucket_destination._LARGE", 1)
    monkeypatch.setattr("openmsi_s3_transfer.complete._PAUSE_SECONDS", 0.02)


class Answers:
    """Answers requests of that ``name`` one after the other as told; the last answer again and again."""

    def __init__(self, name: str, *answers: Reply | Odd | None) -> None:
        self._name = name
        self._answers = list(answers)

    def __call__(self, request: Request) -> Reply | None:
        if request.name != self._name:
            return None
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return answer(request) if callable(answer) else answer


# What is found out at the start


def test_a_store_that_does_all_is_believed(odd: OddStore, clients: Clients) -> None:
    assert find_abilities(clients, "bucket", "probe") == Abilities(conditions=True, checksum="sha256")
    assert (odd.objects, odd.uploads) == ({}, {})


@pytest.mark.parametrize("how", ["passes over them", "does not know them"])
def test_conditions_must_hold_for_large_objects_too(odd: OddStore, clients: Clients, how: str) -> None:
    def answer(request: Request) -> Reply:
        return odd.do(request.without(*CONDITIONS)) if how == "passes over them" else refusal(501, "NotImplemented")

    odd.odd = Answers(COMPLETE, answer)
    assert find_abilities(clients, "bucket", "probe") == Abilities(conditions=False, checksum="sha256")
    assert (odd.objects, odd.uploads) == ({}, {})


def test_a_checksum_that_nobody_looks_at_is_none(odd: OddStore, clients: Clients) -> None:
    odd.odd = lambda request: odd.do(request.without("x-amz-checksum-sha256"))
    assert find_abilities(clients, "bucket", "probe") == Abilities(conditions=True, checksum="md5")
    assert (odd.objects, odd.uploads) == ({}, {})


def test_a_way_to_https_is_named_and_not_followed_for_ever(odd: OddStore, clients: Clients) -> None:
    odd.odd = lambda _: refusal(301, "Moved", Location="https://127.0.0.1/bucket")
    with pytest.raises(Retryable, match=r"sends us on to https: write https:// in endpoint_url$") as caught:
        find_abilities(clients, "bucket", "probe")
    assert "\n" not in str(caught.value)
    assert len(odd.asked) < 20


# Waiting for the bucket


class Beats:
    """Notes when the program says that it waits."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def __call__(self, status: Status) -> None:
        assert status.waiting_for
        self.times.append(time.monotonic())


def waited(clients: Clients, folder: Path, beat: Beats, make: Callable[[Clients, str], None]) -> Bucket | None:
    """The bucket, as a transfer finds it."""
    settings = settings_for(folder, ENDPOINT_URL=clients.endpoint)
    return wait_for_bucket(clients, settings, make, Troubles(lambda _: None), threading.Event(), beat)


def test_a_bucket_that_was_made_is_not_asked_for_without_a_pause(
    odd: OddStore, clients: Clients, tmp_path: Path
) -> None:
    seen: list[float] = []

    def answer(request: Request) -> Reply | None:
        if request.name == "CreateBucket":
            seen.append(time.monotonic() + 0.7)
        return None if seen and time.monotonic() > seen[0] else odd_not_yet(request)

    odd.odd = answer
    assert waited(clients, tmp_path, Beats(), create)
    assert 1 <= odd.asked.count("CreateBucket") <= 3


def odd_not_yet(request: Request) -> Reply | None:
    return None if request.name == "CreateBucket" else refusal(404, "NoSuchBucket")


def test_a_bucket_that_is_missing_is_a_mistake_unless_it_may_be_made(
    odd: OddStore, clients: Clients, tmp_path: Path
) -> None:
    odd.odd = odd_not_yet
    with pytest.raises(ConfigError, match="there is no bucket bucket"):
        waited(clients, tmp_path, Beats(), refuse)


def test_a_busy_store_is_waited_for_with_signs_of_life(odd: OddStore, clients: Clients, tmp_path: Path) -> None:
    beats = Beats()
    odd.odd = Answers("PutObject", refusal(503, "SlowDown", Retry_After="5"), None)
    began = time.monotonic()
    assert waited(clients, tmp_path, beats, refuse)
    assert time.monotonic() - began > 5
    assert len(beats.times) >= 3


# One question


@pytest.mark.parametrize("missing", ["ETag", "Content-Length"])
def test_an_answer_without_what_every_store_says_is_waited_out(odd: OddStore, bucket: Bucket, missing: str) -> None:
    headers = {"ETag": '"tag"', "Content-Length": "5"} | {missing: ""}
    odd.odd = lambda _: Reply(200, headers=headers)
    with pytest.raises(Retryable, match="a proxy in between, or no S3 store"):
        bucket.look("T/f")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyError("UploadId"), "http://store lacks 'UploadId': a proxy in between"),
        (FileNotFoundError(2, "No such file or directory", "token"), "http://store cannot be asked: "),
        (PermissionError(13, "Permission denied", "token"), "http://store cannot be asked: "),
    ],
)
def test_what_boto3_lets_through_is_waited_out(error: Exception, words: str) -> None:
    with pytest.raises(Retryable) as caught, refusals("http://store", "bucket"):
        raise error
    assert type(caught.value) is Retryable
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_each_kind_of_redirect_to_https_is_named(odd: OddStore, bucket: Bucket, status: int) -> None:
    odd.odd = lambda _: refusal(status, "Moved", Location="https://127.0.0.1/bucket")
    with pytest.raises(Retryable, match=r"write https:// in endpoint_url$"):
        bucket.put(Wanted("T/f", "text/plain", {}), b"content", None)


def test_a_put_whose_answer_is_lost_ends_what_was_known(odd: OddStore, bucket: Bucket, tmp_path: Path) -> None:
    first, second = staged(tmp_path, b"first", 1), staged(tmp_path, b"second", 2)
    path, again = first.generation.path, unfinished(first.version)
    with destination(bucket, tmp_path) as place:
        place.deliver(first)
        assert place.verdict(path, again) is Verdict.REPEAT

        def place_and_lose(request: Request) -> Reply:
            odd.do(request.without(*CONDITIONS))
            return LOST

        odd.odd = Answers("PutObject", place_and_lose, None)
        with pytest.raises(Retryable):
            place.deliver(second)
        assert odd.objects["T/f"].content == b"second"
        assert place.verdict(path, again) is not Verdict.REPEAT


# The end of a large file


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
