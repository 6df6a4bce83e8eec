"""A file as the service hands it to a processor of the old kind."""

from pathlib import Path
from typing import Any


def handed(
    folder: Path, path: str = "run/1/ä.csv", data: bytes = b"123", **more: Any
) -> tuple[dict[str, Any], list[bytes]]:
    """The message and its bytes; ``more`` replaces what is in the message."""
    facts = {"path": path, "sha512": "", "size": len(data), "mtime": 0.0, "upload_id": "", "topic": "t"}
    facts |= {"partition": 0, "offset": 5, "chunks": 3}
    head = {"facts": facts, "scratch": str(folder / "desk"), "content": None, "folder": None}
    return {**head, **more}, [data]
