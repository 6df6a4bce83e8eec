"""What an object carries about itself, as user metadata, and what can be told from it. Pure.

==================  ============================================================
sha512              SHA-512 of the content, hexadecimal
mtime               of the source, seconds since the epoch with fraction, as rclone reads it; 0.0 = unknown
openmsi-upload      id of the upload it came by, empty for one of another program
openmsi-source      id of the uploader instance, likewise; percent-encoded
openmsi-topic       the topic
openmsi-partition   where its last chunk was read
openmsi-offset      of its newest record
openmsi-timestamp   Kafka's, of the same record, in milliseconds
openmsi-size        bytes
==================  ============================================================

Some 1,600 bytes at most; S3 allows 2,048.
"""

from collections.abc import Mapping
from urllib.parse import quote, unquote

from openmsi_core.deliveries import CompleteFile
from openmsi_core.generation import Version


def marks_of(file: CompleteFile, topic: str) -> dict[str, str]:
    """The metadata of ``file``: ASCII, as S3 wants it."""
    version = file.version
    return {
        "sha512": version.file_hash.hex(),
        "mtime": repr(version.mtime),
        "openmsi-upload": version.upload_id,
        "openmsi-source": quote(version.source, safe=""),
        "openmsi-topic": topic,
        "openmsi-partition": str(file.partition),
        "openmsi-offset": str(version.logged[1]),
        "openmsi-timestamp": str(version.logged[0]),
        "openmsi-size": str(file.size),
    }


def marked_version(metadata: Mapping[str, str], topic: str | None = None) -> Version | None:
    """The version that an object says it is; None when it does not carry the marks of `marks_of`.

    None also when it came from another topic than ``topic``, if that is given: where keys do not name the topic, that
    is another file, and neither may replace the other.
    """
    marks = {name.lower(): value for name, value in metadata.items()}
    if topic is not None and marks.get("openmsi-topic") != topic:
        return None
    try:
        return Version(
            bytes.fromhex(marks["sha512"]),
            marks.get("openmsi-upload", ""),  # some stores drop what is empty
            unquote(marks.get("openmsi-source", "")),
            float(marks["mtime"]),
            (int(marks["openmsi-timestamp"]), int(marks["openmsi-offset"])),
        )
    except (KeyError, ValueError):
        return None


def has_its_size(metadata: Mapping[str, str], size: int) -> bool:
    """Whether an object of ``size`` bytes is as long as it says; one that does not say counts as such."""
    marks = {name.lower(): value for name, value in metadata.items()}
    return marks.get("openmsi-size", str(size)) == str(size)
