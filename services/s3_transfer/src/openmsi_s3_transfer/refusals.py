"""Errors of boto3, sorted by what to do about them, in words."""

import contextlib
from collections.abc import Iterator

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
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
_LONGEST_WAIT = 300.0


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


def status_of(error: ClientError) -> int:
    """The HTTP status of the store's answer; 0 = unknown."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _of_store(error: ClientError, endpoint: str, bucket: str) -> OpenMSIError | Changed:
    answer = error.response.get("Error", {})
    code, text, status = str(answer.get("Code", "")), str(answer.get("Message", "")), status_of(error)
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
    if code in _CLOCK:
        return Retryable(f"the clock of this machine and that of {endpoint} differ too much: set this one right")
    if code in _REGION or status == 301:
        return Retryable(f"the bucket {bucket} is in another region ({said}): correct region in [s3]")
    if code in _QUOTA or status == 507:
        return Retryable(f"bucket {bucket} is full ({said}): make room, delivery goes on by itself")
    if code in _LOGIN:
        return Retryable(f"{endpoint} refuses these keys ({said}): correct access_key_id and secret_key_id in [s3]")
    if status in (401, 403):
        return Retryable(
            f"{endpoint} refuses access to bucket {bucket} ({said}): correct the keys in [s3], or give them"
            " the right to read, write and list there"
        )
    if status in (429, 503):
        return Busy(f"{endpoint} is busy ({said})", _retry_after(error))
    return Retryable(f"{endpoint} refuses ({status} {said})")


def _retry_after(error: ClientError) -> float:
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    try:
        return min(max(float(headers.get("retry-after", 0)), 0.0), _LONGEST_WAIT)
    except ValueError:  # a date: rare, and our own back-off does
        return 0.0


def _of_network(error: BotoCoreError, endpoint: str) -> str:
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return "no keys for the store were found: give access_key_id and secret_key_id in [s3]"
    if isinstance(error, SSLError):
        if "WRONG_VERSION_NUMBER" in str(error):
            return f"{endpoint} does not speak https: write http:// in endpoint_url"
        return f"the certificate of {endpoint} is not trusted: name its authority's file with --ca_bundle ({error})"
    if isinstance(error, HTTPClientError | NoConnection):
        return f"the store {endpoint} does not answer ({type(error).__name__})"
    return f"the store {endpoint} cannot be used: {error}"
