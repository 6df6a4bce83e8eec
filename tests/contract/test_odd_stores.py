"""Stores, and proxies before them, that answer oddly: a server in this process does what no real one does at will."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from openmsi_core.errors import ConfigError, Retryable
from openmsi_core.generation import Verdict, unfinished
from openmsi_core.kafka import Troubles
from openmsi_core.status import Status
from openmsi_s3_transfer.bucket import Abilities, Bucket, Wanted
from openmsi_s3_transfer.client import Clients
from openmsi_s3_transfer.probe import find_abilities
from openmsi_s3_transfer.refusals import refusals
from openmsi_s3_transfer.wait_for_bucket import create, refuse, wait_for_bucket
from tests.support.odd_store import LOST, Answers, OddStore, Reply, Request, refusal
from tests.support.putting import destination, staged
from tests.support.transferring import settings_for

COMPLETE = "CompleteMultipartUpload"
CONDITIONS = ("if-match", "if-none-match")


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
