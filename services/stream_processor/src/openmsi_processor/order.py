"""What a worker is told to do with a file."""

from pathlib import Path
from typing import Any

from openmsi_core.deliveries import CompleteFile
from openmsi_processor.output import Output

Order = tuple[dict[str, Any], list[bytes | memoryview]]


def order_for(file: CompleteFile, topic: str, output: Output, desk: Path, tries_left: int) -> Order:
    """The message, and the bytes of ``file`` where they are in memory; elsewhere they are laid out at ``desk``.

    ``tries_left`` is how often it is tried again if this fails. Raises Retryable.
    """
    version, content = file.version, output.lay_out(file, desk)
    facts = {
        "path": file.generation.path.text,
        "sha512": version.file_hash.hex(),
        "size": file.size,
        "mtime": version.mtime,
        "upload_id": version.upload_id,
        "topic": topic,
        "partition": file.partition,
        "offset": version.logged[1],
        "chunks": file.generation.total,
    }
    head = {
        "do": "file",
        "facts": facts,
        "last": tries_left == 0,
        "scratch": str(desk),
        "content": str(content) if content else None,
        "folder": str(content.parent) if content and output.keeps_files else None,
    }
    return head, [] if file.data is None else [file.data]
