"""Errors of boto3, sorted by what to do about them, in words."""

import contextlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    SSLError,
)
from botocore.exceptions import (
    ConnectionError as NoConnection,
)

from openmsi_core.errors import BadFile, OpenMSIError, Retryable

_CLOCK = {"RequestTimeTooSkewed", "RequestExpired"}
_LOGIN = {
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "TokenRefreshRequired",
    "InvalidClientTokenId",
    "AuthFailure",
    "XAdminUserNotFound",  # versitygw's
}
_REGION = {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301"}
_QUOTA = {"QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "507"}
_BAD_KEY = {
    "KeyTooLongError",
    "KeyTooLong",
    "InvalidURI",
    "InvalidObjectName",
    "XMinioInvalidObjectName",
    "XMinioInvalidResourceName",
}
_IN_THE_WAY = {
    "ObjectParentIsFile",
    "ExistingObjectIsDirectory",
    "XMinioParentIsObject",
    "XMinioObjectExistsAsDirectory",
}
_TOO_MUCH = {"EntityTooLarge", "MetadataTooLarge", "MaxMessageLengthExceeded"}
BUSY = (429, 503)
"""How a store says that it wants to be left alone."""
_LONGEST_WAIT = 300.0
_CLOCKS_APART = 300.0  # Amazon refuses what is 900 s off


class Busy(Retryable):
    """The store asks to be left alone for ``seconds``."""

    def __init__(self, text: str, seconds: float) -> None:
        super().__init__(text)
        self.seconds = seconds


class Changed(Exception):
    """A condition did not hold: another version is in place than the one that was looked at."""


class NoBucket(Retryable):
    """There is no such bucket."""


@contextlib.contextmanager
def refusals(endpoint: str, bucket: str) -> Iterator[None]:
    """Turn what boto3 raises in the block into errors of ours, and into Changed."""
    try:
        yield
    except ClientError as error:
        raise _of_store(error, endpoint, bucket) from error
    except BotoCoreError as error:
        raise Retryable(_of_network(error, endpoint)) from error
    except KeyError as error:
        raise Retryable(f"the answer of {endpoint} lacks {error}: a proxy in between, or no S3 store") from error
    except OSError as error:  # a file that boto3 wants to read, such as a token
        raise Retryable(f"{endpoint} cannot be asked: {error}") from error


def status_of(error: ClientError) -> int:
    """The HTTP status of the store's answer; 0 = unknown."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def error_code(error: ClientError) -> str:
    """The name that S3 has for it; of an answer without a body its HTTP status."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _of_store(error: ClientError, endpoint: str, bucket: str) -> OpenMSIError | Changed:
    answer = error.response.get("Error", {})
    code, text, status = error_code(error), str(answer.get("Message", "")), status_of(error)
    said = f"{code}: {text}" if text else code
    if code in ("PreconditionFailed", "ConditionalRequestConflict", "412"):
        return Changed(said)
    if code in _BAD_KEY:
        return BadFile(f"the store does not take such a name ({said}): rename the file at its source")
    if code in _IN_THE_WAY:
        return BadFile(f"the store keeps another object at a part of its path ({said}): move that one away")
    if code in _TOO_MUCH:
        return BadFile(f"it is more than the store takes ({said})")
    if code == "NoSuchBucket":
        return NoBucket(f"there is no bucket {bucket} at {endpoint}: make it, or correct its name")
    if code in _CLOCK or (status == 403 and _clock_is_wrong(error)):
        return Retryable(f"the clock of this machine and that of {endpoint} differ too much: set this one right")
    location = str(error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("location", ""))
    if status in (301, 302, 307, 308) and location.startswith("https:") and endpoint.startswith("http:"):
        return Retryable(f"{endpoint} sends us on to https: write https:// in endpoint_url")
    if code in _REGION or status == 301:
        return Retryable(f"the bucket {bucket} is in another region ({said}): correct region in [s3]")
    if code in _QUOTA or status == 507:
        return Retryable(f"bucket {bucket} is full ({said}): make room, delivery goes on by itself")
    if code in _LOGIN:
        return Retryable(f"{endpoint} refuses these keys ({said}): correct access_key_id and secret_key_id in [s3]")
    if status in (401, 403):
        return Retryable(_denied(endpoint, bucket, said))
    if status in BUSY:
        return Busy(f"{endpoint} is busy ({said})", seconds_asked(_headers(error)))
    hint = _perhaps_https(endpoint) if code == "400" else ""  # S3 has a name for each of its own errors
    verb = "is in trouble, its own log may say why" if status >= 500 else "refuses"
    return Retryable(f"{endpoint} {verb} ({status} {said}){hint}")


def _denied(endpoint: str, bucket: str, said: str) -> str:
    if "object lock" in said.lower():
        return f"an object in bucket {bucket} is locked ({said}): lift the lock, delivery goes on by itself"
    return (
        f"{endpoint} refuses access to bucket {bucket} ({said}): correct the keys in [s3], or give them"
        " the right to read, write and list there"
    )


def seconds_asked(headers: Mapping[str, str]) -> float:
    """For how long an answer asks to be left alone; never more than some minutes. ``headers``: names in small letters.

    A date counts from the answer's own, so that no clock of ours is needed (RFC 9110, 10.2.3).
    """
    asked = headers.get("retry-after", "0")
    try:
        seconds = float(asked)
    except ValueError:
        until, now = _date(asked), _date(headers.get("date", ""))
        seconds = (until - now).total_seconds() if until and now else 0.0
    return min(max(seconds, 0.0), _LONGEST_WAIT)


def _headers(error: ClientError) -> Mapping[str, str]:
    headers: Mapping[str, str] = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return headers


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _clock_is_wrong(error: ClientError) -> bool:
    """Whether the store's clock shows quite another time: of some requests a refusal does not say why (HEAD)."""
    theirs = _date(_headers(error).get("date", ""))
    return theirs is not None and abs((datetime.now(UTC) - theirs).total_seconds()) > _CLOCKS_APART


def _of_network(error: BotoCoreError, endpoint: str) -> str:
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return "no keys for the store were found: give access_key_id and secret_key_id in [s3]"
    if isinstance(error, SSLError):
        if "WRONG_VERSION_NUMBER" in str(error):
            return f"{endpoint} does not speak https: write http:// in endpoint_url"
        return f"the certificate of {endpoint} is not trusted: name its authority's file with --ca_bundle ({error})"
    if isinstance(error, HTTPClientError | NoConnection):
        hint = _perhaps_https(endpoint) if isinstance(error, ConnectionClosedError) else ""
        return f"the store {endpoint} does not answer ({type(error).__name__}){hint}"
    return f"the store {endpoint} cannot be used: {error}"


def _perhaps_https(endpoint: str) -> str:
    return "; if it speaks https, write https:// in endpoint_url" if endpoint.startswith("http://") else ""
