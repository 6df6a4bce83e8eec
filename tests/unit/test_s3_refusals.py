"""What a store says, sorted by what to do about it, in one line."""

import time
from email.utils import formatdate

import pytest
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, NoCredentialsError, SSLError

from openmsi_core.errors import BadFile, Retryable
from openmsi_s3_transfer.refusals import Busy, Changed, NoBucket, refusals

STORE = "https://s3.example.org"


def answer(code: str, status: int, text: str = "", **headers: str) -> ClientError:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    facts = {"HTTPStatusCode": status, "HTTPHeaders": names}
    return ClientError({"Error": {"Code": code, "Message": text}, "ResponseMetadata": facts}, "PutObject")


def sorted_out(error: Exception) -> Exception:
    with pytest.raises((Retryable, BadFile, Changed)) as caught, refusals(STORE, "bucket"):
        raise error
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("code", "status", "kind", "words"),
    [
        ("InternalError", 500, Retryable, "is in trouble, its own log may say why (500 InternalError)"),
        ("SomethingNew", 400, Retryable, "refuses (400 SomethingNew)"),
        ("SlowDown", 503, Busy, "is busy"),
        ("TooManyRequests", 429, Busy, "is busy"),
        ("RequestTimeTooSkewed", 403, Retryable, "the clock of this machine"),
        ("SignatureDoesNotMatch", 403, Retryable, "refuses these keys"),
        ("XAdminUserNotFound", 404, Retryable, "refuses these keys"),
        ("AccessDenied", 403, Retryable, "the right to read, write and list"),
        ("PermanentRedirect", 301, Retryable, "another region"),
        ("QuotaExceeded", 403, Retryable, "is full"),
        ("NoSuchBucket", 404, NoBucket, "there is no bucket bucket"),
        ("BadDigest", 400, Retryable, "refuses (400 BadDigest)"),
        ("KeyTooLongError", 400, BadFile, "does not take such a name"),
        ("ObjectParentIsFile", 409, BadFile, "move that one away"),
        ("EntityTooLarge", 400, BadFile, "more than the store takes"),
        ("PreconditionFailed", 412, Changed, "PreconditionFailed"),
        ("ConditionalRequestConflict", 409, Changed, "ConditionalRequestConflict"),
    ],
)
def test_answers_are_sorted(code: str, status: int, kind: type[Exception], words: str) -> None:
    error = sorted_out(answer(code, status))
    assert type(error) is kind
    assert words in str(error)


def test_a_busy_store_says_how_long_it_wants_to_be_left_alone() -> None:
    now = "Fri, 31 Dec 1999 23:59:30 GMT"  # of the store: ours may be wrong
    for given, seconds in (
        ("7", 7.0),
        ("9999", 300.0),
        ("-1", 0.0),
        ("soon", 0.0),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 29.0),
        ("Fri, 31 Dec 1999 22:00:00 GMT", 0.0),
    ):
        error = sorted_out(answer("SlowDown", 503, retry_after=given, date=now))
        assert isinstance(error, Busy)
        assert error.seconds == seconds
    error = sorted_out(answer("SlowDown", 503, retry_after=now))
    assert isinstance(error, Busy)
    assert error.seconds == 0.0


def test_a_refusal_without_words_names_the_clock_when_the_clocks_differ() -> None:
    for apart, words in (
        (0, "refuses access"),
        (3600, "the clock of this machine"),
        (-3600, "the clock of this machine"),
    ):
        date = formatdate(time.time() + apart, usegmt=True)
        assert words in str(sorted_out(answer("403", 403, date=date)))
    assert "refuses access" in str(sorted_out(answer("403", 403, date="no date")))


def test_a_locked_object_is_named() -> None:
    text = "Access Denied because object protected by object lock."
    assert "lift the lock" in str(sorted_out(answer("AccessDenied", 403, text)))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (EndpointConnectionError(endpoint_url=STORE), f"the store {STORE} does not answer"),
        (NoCredentialsError(), "no keys for the store were found"),
        (SSLError(endpoint_url=STORE, error="[SSL: WRONG_VERSION_NUMBER]"), "does not speak https"),
        (SSLError(endpoint_url=STORE, error="CERTIFICATE_VERIFY_FAILED"), "--ca_bundle"),
    ],
)
def test_the_network_is_waited_for(error: BotoCoreError, words: str) -> None:
    ours = sorted_out(error)
    assert type(ours) is Retryable
    assert words in str(ours)
