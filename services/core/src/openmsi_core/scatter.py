"""Says so when a group of several processes cannot complete what OpenMSIStream scattered over all partitions."""

import logging
from collections.abc import Iterable

from openmsi_core.assembly import OpenFile
from openmsi_core.generation import Generation

_log = logging.getLogger(__name__)


_NAMED = 10


class ScatterWarning:
    """Tells once of each file whose missing chunks may lie in partitions that others read."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._told: set[Generation] = set()

    def look(self, stalled: Iterable[OpenFile]) -> None:
        """``stalled``: all files that have waited long for chunks; those of our own uploader are never scattered."""
        scattered = {file.generation for file in stalled if not file.generation.upload_id}
        new = sorted(str(generation.path) for generation in scattered - self._told)
        self._told = scattered
        if new:
            names = ", ".join(new[:_NAMED]) + (f" and {len(new) - _NAMED} more" if len(new) > _NAMED else "")
            _log.warning(
                "chunks of %d files have not come (%s): OpenMSIStream scattered them over partitions that other members"
                " of this group read; run one process for topic %s, or `openmsi relay NEW_TOPIC --topic_name %s` and"
                " let the group read NEW_TOPIC",
                len(new),
                names,
                self._topic,
                self._topic,
            )
