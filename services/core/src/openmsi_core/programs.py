"""Names that users know: programs, options and sections of the config file, and how to find the nearest one.

One config file and one env file serve every program of a laboratory, so each program must know the others' names.
"""

import difflib
from collections.abc import Iterable, Mapping

SERVICE = "openmsi_directory_stream_service"
"""The section of openmsipython's Windows service."""

OLD_PROGRAMS: Mapping[str, str] = {
    "upload_data_file": "UploadDataFile",
    "upload_data_files_added_to_directory": "DataFileUploadDirectory",
    SERVICE: "DataFileUploadDirectory",
    "reconstruct_data_files": "DataFileDownloadDirectory",
}
"""Names of openmsipython 0.0.1, and what the program is called today."""

PROGRAMS: frozenset[str] = frozenset(
    {
        "UploadDataFile",
        "DataFileUploadDirectory",
        "DataFileDownloadDirectory",
        "S3TransferStreamProcessor",
        "StreamProcessor",
        "DataFileStreamProcessor",
        "DataFileStreamReproducer",
        "MetadataJSONReproducer",
        "LecroyFileUploadDirectory",
        "PDVPlotMaker",
        "ProvisionNode",
        "relay",
        "key-server",
        "InstallService",
        "ManageService",
        "manage_service",
    }
    | OLD_PROGRAMS.keys()
)
"""Every program, by its present name and by the names it had before; each may have a section of its own."""

KAFKA_SECTIONS: frozenset[str] = frozenset({"broker", "producer", "consumer", "heartbeat", "log"})
"""Sections whose keys are librdkafka's."""

FIXED_KEYS: Mapping[str, frozenset[str]] = {
    "kafkacrypto": frozenset({"config_file", "node_id"}),
    "s3": frozenset({"access_key_id", "secret_key_id", "endpoint_url", "region"}),
}
"""Sections whose keys are neither Kafka's nor options."""

SECTIONS: frozenset[str] = PROGRAMS | KAFKA_SECTIONS | FIXED_KEYS.keys() | {"cluster", "DEFAULT"}

OPTIONS: frozenset[str] = frozenset(
    {
        "config",
        "topic_name",
        "state_dir",
        "logger_stream_level",
        "logger_file_level",
        "logger_file_path",
        "log_format",
        "update_seconds",
        "heartbeat_topic_name",
        "heartbeat_program_id",
        "heartbeat_interval_secs",
        "log_topic_name",
        "log_program_id",
        "log_interval_secs",
        "upload_dir",
        "filepath",
        "upload_regex",
        "include",
        "exclude",
        "chunk_size",
        "queue_max_size",
        "upload_existing",
        "new_files_only",
        "watchdog_lag_time",
        "use_polling_observer",
        "rescan_seconds",
        "n_threads",
        "bandwidth_limit",
        "priority",
        "timeout_seconds",
        "serve_keys",
        "output_dir",
        "consumer_group_id",
        "consumer_group_ID",
        "download_regex",
        "consumer_topic_name",
        "on_lost_offsets",
        "idle_quarantine_hours",
        "treat_undecryptable_as_plaintext",
        "max_wait_per_decrypt",
        "max_initial_wait_per_decrypt",
        "target_topic",
        "bucket_name",
        "mode",
        "key_template",
        "create_bucket",
        "verify",
        "storage_class",
        "server_side_encryption",
        "kms_key_id",
        "tags",
        "ca_bundle",
        "producer_topic_name",
        "processor_file",
        "processing_timeout",
        "memory_limit",
        "n_consumer_threads",
        "n_producer_threads",
    }
)
"""Every option of every program: what may follow ``OPENMSI_`` in the environment, and what `[DEFAULT]` may hold."""


def sections_of(program: str) -> tuple[str, ...]:
    """Names of the section that holds the options of ``program``: its own and those it had before."""
    return (program, *(old for old, now in OLD_PROGRAMS.items() if now == program))


def nearest(name: str, known: Iterable[str], likeness: float = 0.7) -> str | None:
    """The one of ``known`` that ``name`` was probably meant to be; None when none is near.

    Ignores case, ``-``, ``_`` and dots. ``likeness`` (0 … 1) is the least that counts as near.
    """
    plain = {_plain(candidate): candidate for candidate in sorted(known)}
    near = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=likeness)
    return plain[near[0]] if near else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`` (did you mean X?)`` for the nearest of ``known``, or nothing when none is near."""
    near = nearest(name, known)
    return f" (did you mean {near}?)" if near else ""


def _plain(name: str) -> str:
    return name.casefold().replace("-", "").replace("_", "").replace(".", "")
