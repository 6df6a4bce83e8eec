"""What an object is called and what kind it is. Pure."""

import mimetypes
import re

from openmsi_core.errors import BadFile
from openmsi_core.paths import RelativePath

DEFAULT_TEMPLATE = "{topic}/{path}"

_PATH, _TOPIC = "{path}", "{topic}"
_LONGEST_KEY = 1024  # bytes, of every S3
_LONGEST_TEMPLATE = 512
# XML 1.0 has no way to write these, and S3 lists keys in XML: one such key, and other programs cannot list the bucket.
_UNLISTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ufffe\uffff]")
_ANYTHING = "application/octet-stream"
_KINDS = mimetypes.MimeTypes()  # Python's own table: the same on every machine


def check_template(template: str) -> str:
    """``template`` as it is, if it gives every file a key of its own. Raises ValueError that says what is wrong.

    What stands before ``{path}`` is the same for all files of a topic and nothing stands behind it, so keys differ as
    paths do.
    """
    fixed = template.removesuffix(_PATH)
    for field in re.findall(r"\{[^{}]*\}", fixed):
        if field not in (_PATH, _TOPIC):
            raise ValueError(f"there is no {field}: it is made of {_TOPIC}, {_PATH} and plain text")
    if fixed == template or _PATH in fixed:
        raise ValueError(f"it must have {_PATH} once, at its end, so that no two files get one key")
    if re.search(r"[{}]", fixed.replace(_TOPIC, "")):
        raise ValueError(f"braces stand only around {_TOPIC} and {_PATH}")
    if {"", ".", ".."} & set(fixed.split("/")[:-1]):
        raise ValueError("a key does not begin with / and has no empty part, no . and no .. between slashes")
    if _CONTROL.search(fixed) or len(template.encode(errors="replace")) > _LONGEST_TEMPLATE:
        raise ValueError(f"it has no control characters and at most {_LONGEST_TEMPLATE} bytes")
    return template


def prefix_of(topic: str, template: str = DEFAULT_TEMPLATE) -> str:
    """What the keys of all files of ``topic`` begin with; may be empty. ``template`` is one of `check_template`."""
    return template.removesuffix(_PATH).replace(_TOPIC, topic)


def key_of(topic: str, path: RelativePath, template: str = DEFAULT_TEMPLATE) -> str:
    """The key of ``path``. Raises BadFile when S3 has none like that."""
    key = prefix_of(topic, template) + path.text
    if (length := len(key.encode())) > _LONGEST_KEY:
        raise BadFile(f"its key would be {length} bytes long, and S3 allows {_LONGEST_KEY}: shorten the path")
    if bad := _UNLISTABLE.search(key):
        raise BadFile(f"S3 cannot list a key with the character U+{ord(bad[0]):04X}: rename the file at its source")
    return key


def content_type(path: RelativePath) -> str:
    """The content type that the name suggests; a compressed file is just bytes."""
    kind, encoding = _KINDS.guess_type(path.name)
    return kind if kind and encoding is None else _ANYTHING
