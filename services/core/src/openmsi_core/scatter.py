"""Says so when a group of several processes cannot complete what OpenMSIStream scattered over all partitions."""

import logging
from collections.abc import Iterable

from openmsi_core.assembly import OpenFile
from openmsi_core.generation import Generation

_log = logging.getLogger(__name__)


class ScatterWarning:
    """Tells once of each file whose missing chunks may lie in partitions that others read."""

    def __init__(self) -> None:
        self._told: set[Generation] = set()

    def look(self, stalled: Iterable[OpenFile]) -> None:
        """``stalled``: all files that have waited long for chunks; those of our own uploader are never scattered."""
        scattered = {file.generation for file in stalled if not file.generation.upload_id}
        new = scattered - self._told
        self._told = scattered
        if new:
            _log.warning(
                "chunks of %d files, such as %s, have not come: OpenMSIStream scattered them over partitions that other"
                " members of this group read; run one process for this topic",
                len(new),
                min(str(generation.path) for generation in new),
            )
