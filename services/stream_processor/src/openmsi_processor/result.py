"""What a function may give back for a file."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


def usual_key(subdir: str, name: str) -> str:
    """The key of a result of the file ``name`` in ``subdir`` (with ``/`` between parts), as OpenMSIStream has it."""
    return f"{subdir.replace('/', '_')}_{name}_chunk_processing_result"


@dataclass(frozen=True, slots=True)
class ResultFile:
    """A file to put into the output folder."""

    name: str
    """Its path below the output folder, with ``/`` between parts."""
    content: bytes | str | Path
    """Its bytes, its text (UTF-8), or a file that holds them."""


@dataclass(frozen=True, slots=True)
class Result:
    """A message for the result topic, files for the output folder, or both."""

    key: str | bytes | None = None
    """Default: ``<subdir with "_">_<name>_chunk_processing_result``, as OpenMSIStream has it."""
    value: Any = None
    """Text and bytes are sent as they are, anything else as JSON; None = no message."""
    headers: Mapping[str, str | bytes] = field(default_factory=dict)
    """Headers of the message, beside those that say what it was made of."""
    files: Sequence[Path | str | ResultFile] = ()
    """Files that the function has written. One in `DataFile.scratch` keeps its path below that, any other its name,
    and both are put beside where the input file belongs; `ResultFile` says a path of its own."""


class Retry(Exception):
    """Raise or return it to be asked again for this file later: something that it needs is not there yet."""

    def __init__(self, after: float = 60.0, reason: str = "") -> None:
        """``after`` is in seconds, a day at most; ``reason`` is for the log."""
        super().__init__(reason or "the function asked to be called again later")
        self.after = max(0.0, float(after))
        if not math.isfinite(self.after):
            raise ValueError(f"Retry(after={after!r}): give a number of seconds, up to a day")
