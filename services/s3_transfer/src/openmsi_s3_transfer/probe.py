"""What a store can do: tried once at the start, on an object of our own that is removed again."""

import contextlib
import logging
from collections.abc import Mapping

from botocore.exceptions import BotoCoreError, ClientError

from openmsi_core.errors import BadFile, ConfigError, Retryable
from openmsi_s3_transfer.bucket import NO_OPTIONS, Abilities, Bucket, Placed, Wanted
from openmsi_s3_transfer.checksums import Checksum, checksum_of
from openmsi_s3_transfer.client import Clients
from openmsi_s3_transfer.refusals import Busy, Changed, NoBucket, refusals, status_of

_log = logging.getLogger(__name__)

_TEXT = b"OpenMSI streaming tries here what this store can do; this may be deleted.\n"
_NO_SUCH_TAG = '"00000000000000000000000000000000"'
_NOT_KNOWN = {400, 411, 412, 501}  # how stores refuse a header they do not know


def find_abilities(clients: Clients, name: str, key: str, options: Mapping[str, str] = NO_OPTIONS) -> Abilities:
    """Try out the store with an object at ``key``, begun with ``options`` as all others will be.

    Raises Retryable, NoBucket among them, when it cannot be written, and ConfigError when no object can have that key
    or those options.
    """
    try:
        checksum = _find_checksum(clients, name, key, options)
        bucket = Bucket(clients, name, Abilities(conditions=True, checksum=checksum), options)
        conditions = all(_refuses(bucket, key, placed) for placed in (None, Placed(0, {}, _NO_SUCH_TAG)))
        conditions = conditions and _refuses_complete(bucket, key)
        _look_at_options(clients, name, key, options)
    except BadFile as error:
        raise ConfigError(f"no object can be made in bucket {name} under {key}: {error}") from None
    finally:
        _remove(clients, name, key)
    if not conditions:
        _log.warning("%s knows no conditions: let nobody else write this topic's objects", clients.endpoint)
    return Abilities(conditions, checksum)


def _find_checksum(clients: Clients, name: str, key: str, options: Mapping[str, str]) -> Checksum:
    try:
        return _first_checksum(clients, name, key, options)
    except (Retryable, BadFile) as error:
        if not options or _refusal(error) is None:
            raise
    _first_checksum(clients, name, key, NO_OPTIONS)  # raises when they are not what is wrong
    try:
        return _first_checksum(clients, name, key, options)  # once more: it may have been a trouble that passes
    except (Retryable, BadFile) as error:
        if (said := _refusal(error)) is None:
            raise
    raise ConfigError(
        f"{clients.endpoint} makes objects in bucket {name}, but none with {_words(options)} ({said}):"
        " correct these options, or the rights of the keys"
    )


def _refusal(error: Retryable | BadFile) -> str | None:
    """What the store said if it does not want just this request; None = there is another trouble."""
    cause = error.__cause__
    if not isinstance(cause, ClientError) or isinstance(error, Busy | NoBucket):
        return None
    if status_of(cause) != 501 and status_of(cause) not in range(400, 500):
        return None
    said = cause.response.get("Error", {})
    return f"{said.get('Code')}: {said.get('Message')}"


def _first_checksum(clients: Clients, name: str, key: str, options: Mapping[str, str]) -> Checksum:
    wanted = Wanted(key, "text/plain", {})
    try:
        Bucket(clients, name, Abilities(conditions=False, checksum="sha256"), options).put(wanted, _TEXT, None)
    except Retryable as error:
        cause = error.__cause__
        if not isinstance(cause, ClientError) or status_of(cause) not in _NOT_KNOWN:
            raise
        Bucket(clients, name, Abilities(conditions=False, checksum="md5"), options).put(wanted, _TEXT, None)
        return "md5"
    bucket = Bucket(clients, name, Abilities(conditions=False, checksum="sha256"), options)
    return "sha256" if _looks_at_sha256(bucket, wanted) else "md5"


def _looks_at_sha256(bucket: Bucket, wanted: Wanted) -> bool:
    """Whether the store compares: some take a checksum that they do not know, and ignore it."""
    wrong = checksum_of([b"not that"], "sha256")
    with refusals(bucket.clients.endpoint, bucket.name):
        try:
            bucket.clients.quick.put_object(Body=_TEXT, **bucket.beginning(wanted), **wrong)
        except ClientError as error:
            if status_of(error) != 400:
                raise
            return True
    return False


def _look_at_options(clients: Clients, name: str, key: str, options: Mapping[str, str]) -> None:
    """See that a store that has taken the options keeps to them: some pass over what they do not know."""
    if not {"ServerSideEncryption", "StorageClass"} & options.keys():
        return
    with refusals(clients.endpoint, name):
        found = clients.quick.head_object(Bucket=name, Key=key)
    wanted = options.get("ServerSideEncryption")
    if wanted and found.get("ServerSideEncryption") != wanted:
        raise ConfigError(f"{clients.endpoint} does not encrypt with {wanted}: leave out server_side_encryption")
    kept = found.get("StorageClass", "STANDARD")
    if kept != options.get("StorageClass", kept):
        _log.warning("%s keeps objects as %s instead of %s", clients.endpoint, kept, options["StorageClass"])


def _words(options: Mapping[str, str]) -> str:
    names = {"StorageClass": "storage_class", "ServerSideEncryption": "server_side_encryption"}
    names |= {"SSEKMSKeyId": "kms_key_id", "Tagging": "tags"}
    return ", ".join(f"{names[name]} {value}" for name, value in options.items())


def _refuses(bucket: Bucket, key: str, placed: Placed | None) -> bool:
    """Whether the store refuses to replace the object at ``key`` as if ``placed`` were there, which is not."""
    try:
        bucket.put(Wanted(key, "text/plain", {}), _TEXT, placed)
    except Changed:
        return True
    except Retryable as error:
        cause = error.__cause__
        if not isinstance(cause, ClientError) or status_of(cause) not in _NOT_KNOWN:
            raise
    return False


def _refuses_complete(bucket: Bucket, key: str) -> bool:
    """The same of large objects: there are stores that look at conditions only when a small one is put."""
    store, where = bucket.clients.quick, {"Bucket": bucket.name, "Key": key}
    with refusals(bucket.clients.endpoint, bucket.name):
        where["UploadId"] = store.create_multipart_upload(**bucket.beginning(Wanted(key, "text/plain", {})))["UploadId"]
        try:
            part = {"PartNumber": 1, "ETag": store.upload_part(**where, PartNumber=1, Body=_TEXT)["ETag"]}
            store.complete_multipart_upload(**where, MultipartUpload={"Parts": [part]}, **bucket.condition(None))
        except ClientError as error:
            with contextlib.suppress(ClientError, BotoCoreError):
                store.abort_multipart_upload(**where)
            if status_of(error) not in _NOT_KNOWN:
                raise
            return status_of(error) == 412
    return False


def _remove(clients: Clients, name: str, key: str) -> None:
    # Without the right to delete it stays, which harms nobody.
    with contextlib.suppress(Retryable, BadFile, Changed), refusals(clients.endpoint, name):
        clients.quick.delete_object(Bucket=name, Key=key)
