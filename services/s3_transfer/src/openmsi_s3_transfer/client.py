"""Makes the clients of a store. boto3 is untyped: its clients are `Any` here."""

from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from openmsi_core.errors import ConfigError
from openmsi_s3_transfer.settings import TransferSettings

PARTS_AT_ONCE = 4
"""Of all large files together."""


@dataclass(frozen=True, slots=True)
class Clients:
    """The clients of one store; both are safe to use from several threads."""

    quick: Any
    """Asks once and waits for seconds only: what fails is tried again by the receiver, after its back-off."""
    patient: Any
    """For the parts of large files: one lost connection must not cost all that was sent before."""
    steady: Any
    """Asks once and waits for long: for what may not be asked again while the store is still at it."""
    endpoint: str
    """For messages."""
    region: str


def make_clients(settings: TransferSettings) -> Clients:
    """Make them; nothing is sent. Raises ConfigError when boto3 cannot make any of these settings."""
    s3 = settings.s3
    if settings.ca_bundle is not None and not settings.ca_bundle.is_file():
        raise ConfigError(f"the file of certificates, {settings.ca_bundle}, is not there: correct --ca_bundle")
    try:
        session = boto3.session.Session()
        region = s3.get("region") or session.region_name or "us-east-1"

        def client(attempts: int, read_seconds: int) -> Any:
            made = session.client(
                "s3",
                region_name=region,
                endpoint_url=s3.get("endpoint_url"),
                aws_access_key_id=s3.get("access_key_id"),
                aws_secret_access_key=s3.get("secret_key_id"),
                verify=str(settings.ca_bundle) if settings.ca_bundle else None,
                config=_config(attempts, read_seconds, settings.n_threads + PARTS_AT_ONCE),
            )
            # botocore asks HeadBucket where a redirect leads; redirected itself, that would ask again, without end.
            made.meta.events.register("before-call.s3.HeadBucket", _no_further)
            return made

        quick = client(1, 15)
        return Clients(quick, client(4, 120), client(1, 120), str(quick.meta.endpoint_url), region)
    except (BotoCoreError, ValueError) as error:
        raise ConfigError(f"the store cannot be used as [s3] of the config file says: {error}") from None


def _no_further(params: dict[str, Any], **_: object) -> None:
    params["context"].setdefault("s3_redirect", {})["redirected"] = True


def _config(attempts: int, read_seconds: int, connections: int) -> Config:
    # Nothing about the bucket's place in the address: boto3 puts it into the host name for Amazon and into the path for
    # every other endpoint, unless a profile says `addressing_style = virtual`, as a few stores want it.
    return Config(
        connect_timeout=5,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=connections,
        # Each body comes with a checksum in a header that is signed: to hash it once more for the signature doubles the
        # work of both ends.
        s3={"payload_signing_enabled": False},
        request_checksum_calculation="when_required",  # we give our own where the store takes it
        response_checksum_validation="when_required",
    )
