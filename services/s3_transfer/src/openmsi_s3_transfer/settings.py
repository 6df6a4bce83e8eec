"""Options of `S3TransferStreamProcessor`."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import CliPositionalArg

from openmsi_core.config_file import ConfigFile
from openmsi_core.receiver_settings import ReceiverSettings
from openmsi_s3_transfer.keys import DEFAULT_TEMPLATE, check_template
from openmsi_s3_transfer.login import login
from openmsi_s3_transfer.object_options import Encryption, StorageClass, Tags, contradiction, object_options


def _bucket(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", value) or ".." in value:
        raise ValueError(
            "a bucket's name has 3 to 63 small letters, digits, dots and hyphens, and a letter or digit at both ends"
        )
    return value


class TransferSettings(ReceiverSettings):
    """Put every file of a Kafka topic into an S3 bucket: whole and verified, or not at all."""

    program: ClassVar = "S3TransferStreamProcessor"
    place: ClassVar = "bucket_name"

    bucket_name: CliPositionalArg[Annotated[str, AfterValidator(_bucket)]] = Field(
        description="the bucket for the files"
    )
    output_dir: Path | None = Field(
        None,
        description="folder for what is not complete yet and for quarantine; no files are kept there"
        " (default: the folder work in the state folder)",
    )
    mode: Literal["memory", "disk", "both"] = Field(
        "memory", description="no effect: files wait on disk until they are complete, and leave no copy there"
    )
    key_template: Annotated[str, AfterValidator(check_template)] = Field(
        DEFAULT_TEMPLATE,
        description="how a file's key is made: plain text and {topic}, with {path} (SUBFOLDER/FILE) at its end",
    )
    create_bucket: bool = Field(False, description="make the bucket if it is missing")
    verify: Literal["head", "full"] = Field(
        "head", description="look at each new object's size and metadata (head), or read all of it back (full)"
    )
    storage_class: StorageClass | None = Field(None, description="storage class of the objects (default: the store's)")
    server_side_encryption: Encryption | None = Field(
        None, description="what the store is to encrypt objects with (default: as the bucket says)"
    )
    kms_key_id: str | None = Field(
        None, min_length=1, description="the key for server_side_encryption aws:kms (default: the account's)"
    )
    tags: Tags = Field((), description="tags of each object, NAME=VALUE (repeat, or separate with commas)")
    ca_bundle: Path | None = Field(None, description="file of certificates to trust instead of the usual ones (PEM)")

    s3: Mapping[str, str] = Field({}, repr=False)
    """Where the store is and how to log in there: the keys of `[s3]` that have a value."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if why := contradiction(self.storage_class, self.server_side_encryption, self.kms_key_id, self.verify):
            raise ValueError(why)
        return self

    @property
    def object_options(self) -> Mapping[str, str]:
        """As `object_options.object_options` says."""
        return object_options(self.storage_class, self.server_side_encryption, self.kms_key_id, self.tags)

    @property
    def work_dir(self) -> Path:
        """The folder for what is not complete yet."""
        return self.output_dir or self.state_dir / "work"

    @classmethod
    def more(cls, config: ConfigFile, environ: Mapping[str, str]) -> dict[str, Any]:
        """As `ProgramSettings` says."""
        return {"s3": login(config, environ)}
