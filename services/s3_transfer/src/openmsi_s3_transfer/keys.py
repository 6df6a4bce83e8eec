"""What an object is called and what kind it is. Pure."""

import mimetypes

from openmsi_core.errors import BadFile
from openmsi_core.paths import RelativePath

_LONGEST_KEY = 1024  # bytes, of every S3
_ANYTHING = "application/octet-stream"
_KINDS = mimetypes.MimeTypes()  # Python's own table: the same on every machine


def key_of(topic: str, path: RelativePath) -> str:
    """The key of ``path``: ``TOPIC/SUBFOLDER/FILE``. Raises BadFile when it is longer than S3 allows."""
    key = f"{topic}/{path.text}"
    if (length := len(key.encode())) > _LONGEST_KEY:
        raise BadFile(f"its key would be {length} bytes long, and S3 allows {_LONGEST_KEY}: shorten the path")
    return key


def content_type(path: RelativePath) -> str:
    """The content type that the name suggests; a compressed file is just bytes."""
    kind, encoding = _KINDS.guess_type(path.name)
    return kind if kind and encoding is None else _ANYTHING
