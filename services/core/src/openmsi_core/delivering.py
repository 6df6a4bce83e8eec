"""What the delivery threads do with complete files: the `deliver` step of the receiver loop."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from openmsi_core.deliveries import CompleteFile, Together
from openmsi_core.destination import Destination, TakesGroups
from openmsi_core.errors import BadFile, Retryable
from openmsi_core.generation import Verdict
from openmsi_core.quarantine import Quarantine

_log = logging.getLogger(__name__)

_GROUP_FILES = 100  # each keeps a descriptor open meanwhile

Ending = Verdict | None
"""What became of a file; None = it is in quarantine."""


class Delivering:
    """Hands files to ``destination``, and those that it will never take to ``quarantine``. Safe for several threads.

    ``wait`` is called with the path of a staged file before it is made durable, and may raise.
    """

    def __init__(self, destination: Destination, quarantine: Quarantine, wait: Callable[[Path], None]) -> None:
        self._destination = destination
        self._quarantine = quarantine
        self._wait = wait

    @property
    def together(self) -> Together[Ending] | None:
        """How the destination takes files in groups, if it does."""
        group = self._destination
        if not isinstance(group, TakesGroups):
            return None
        return Together(_GROUP_FILES, lambda files: self._deliver_together(group, files))

    def deliver(self, file: CompleteFile) -> Ending:
        """As `Destination.deliver`, but raises no BadFile."""
        if file.sealed is not None:
            self._wait(file.sealed.path)
            file.sealed.verify()
        elif self._is_kept(file):
            return Verdict.REPEAT
        try:
            return self._destination.deliver(file)
        except BadFile as error:
            return self._refuse(file, error)

    def _deliver_together(self, group: TakesGroups, files: Sequence[CompleteFile]) -> list[Ending | Exception]:
        some_kept = self._quarantine.folder.is_dir()  # hardly ever: then one look is enough for all
        kept = {file for file in files if some_kept and self._is_kept(file)}
        rest = [file for file in files if file not in kept]
        endings: dict[CompleteFile, Ending | Exception] = dict.fromkeys(kept, Verdict.REPEAT)
        for file, ending in zip(rest, group.deliver_together(rest), strict=True):
            endings[file] = ending
            if isinstance(ending, BadFile):
                try:
                    endings[file] = self._refuse(file, ending)
                except Retryable as error:
                    endings[file] = error
        return [endings[file] for file in files]

    def _is_kept(self, file: CompleteFile) -> bool:
        """Whether it was refused before and is read again."""
        return self._quarantine.has(file.generation, file.version.logged)

    def _refuse(self, file: CompleteFile, error: BadFile) -> Ending:
        content = file.staged if file.data is None else file.data
        assert content is not None
        self._quarantine.file(file.generation, content, file.partition, file.version, str(error), error.facts)
        _log.error("put %s in quarantine: %s", file.generation.path, error)
        return None
