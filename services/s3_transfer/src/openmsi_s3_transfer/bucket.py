"""A bucket: what is in place under a key, and how bytes get there. Knows S3, and nothing of Kafka."""

import contextlib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from botocore.exceptions import ClientError

from openmsi_core.errors import Retryable
from openmsi_s3_transfer.checksums import Checksum, checksum_of
from openmsi_s3_transfer.client import Clients
from openmsi_s3_transfer.refusals import Changed, refusals, status_of

_READ = 1 << 20
NO_OPTIONS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the store was found to do."""

    conditions: bool
    """It honours ``If-None-Match`` and ``If-Match``."""
    checksum: Checksum


@dataclass(frozen=True, slots=True)
class Placed:
    """The object in place."""

    size: int
    metadata: Mapping[str, str]
    tag: str
    """Its ETag: says whether it is still the same object, and nothing about its content."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An object to be."""

    key: str
    kind: str
    """Its content type."""
    metadata: Mapping[str, str]

    @property
    def arguments(self) -> dict[str, Any]:
        """Those of boto3 that begin an object."""
        return {"Key": self.key, "ContentType": self.kind, "Metadata": dict(self.metadata)}


class Bucket:
    """One bucket. Safe for use by several threads.

    Everything may block on the network and raises Retryable (of which Busy is one), BadFile and Changed as `refusals`
    sorts them.
    """

    def __init__(
        self, clients: Clients, name: str, abilities: Abilities, options: Mapping[str, str] = NO_OPTIONS
    ) -> None:
        self.clients = clients
        self.name = name
        self.abilities = abilities
        self._options = options

    def beginning(self, wanted: Wanted) -> dict[str, Any]:
        """The arguments for boto3 that begin an object here, whole or in parts."""
        return {"Bucket": self.name, **wanted.arguments, **self._options}

    def look(self, key: str) -> Placed | None:
        """What is in place under ``key``."""
        with refusals(self.clients.endpoint, self.name):
            try:
                found = self.clients.quick.head_object(Bucket=self.name, Key=key)
            except ClientError as error:
                if status_of(error) == 404:
                    return None
                raise
            return Placed(int(found["ContentLength"]), found.get("Metadata", {}), str(found["ETag"]))

    def put(self, wanted: Wanted, data: bytes, placed: Placed | None) -> None:
        """Make a small object at once; durable on return. Raises Changed unless ``placed`` is what it replaces."""
        with refusals(self.clients.endpoint, self.name):
            self.clients.quick.put_object(
                Body=data,
                **self.beginning(wanted),
                **checksum_of([data], self.abilities.checksum),
                **self.condition(placed),
            )

    def refuses_such(self, wanted: Wanted) -> None:
        """Raise BadFile when the store takes no object of that key at all; it is asked with bytes it must refuse."""
        if not self.abilities.conditions or self.abilities.checksum != "sha256":
            return  # it might take them
        with contextlib.suppress(Retryable, Changed), refusals(self.clients.endpoint, self.name):
            wrong = checksum_of([b"not that"], self.abilities.checksum)
            self.clients.quick.put_object(Body=b"", **self.beginning(wanted), **wrong, IfNoneMatch="*")

    def condition(self, placed: Placed | None) -> dict[str, str]:
        """The argument for boto3 that makes the store refuse when not ``placed`` is in place."""
        if not self.abilities.conditions:
            return {}
        return {"IfNoneMatch": "*"} if placed is None else {"IfMatch": placed.tag}

    def hash(self, key: str) -> bytes:
        """The SHA-512 of what the store gives back, all of it. Raises Retryable when it breaks off."""
        with refusals(self.clients.endpoint, self.name):
            body = self.clients.quick.get_object(Bucket=self.name, Key=key)["Body"]
            digest = hashlib.sha512()
            try:
                with body:
                    for piece in body.iter_chunks(_READ):
                        digest.update(piece)
            except OSError as error:  # urllib3's, which botocore lets through in part
                raise Retryable(f"reading {key} back from {self.clients.endpoint} broke off: {error}") from error
        return digest.digest()
