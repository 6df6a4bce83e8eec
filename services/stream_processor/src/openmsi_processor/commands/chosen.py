"""User code as the destination of the files that a replay has chosen, and of no others."""

import threading
from collections.abc import Mapping
from pathlib import Path

from openmsi_core.deliveries import CompleteFile
from openmsi_core.errors import BadFile
from openmsi_core.generation import Generation, Verdict, Version
from openmsi_core.paths import RelativePath
from openmsi_core.quarantine import Quarantine
from openmsi_processor.destination import ProcessingDestination


class ChosenDestination:
    """Hands the ``newest`` version of each path to ``inner``; what fails there goes to ``quarantine``."""

    def __init__(
        self,
        inner: ProcessingDestination,
        newest: Mapping[str, tuple[Generation, Version]],
        quarantine: Quarantine,
    ) -> None:
        self._inner = inner
        self._newest = newest
        self._quarantine = quarantine
        self._lock = threading.Lock()
        self.done = self.failed = self.left_out = 0

    def verdict(self, path: RelativePath, version: Version) -> Verdict:
        """As `Destination.verdict`."""
        return self._inner.verdict(path, version) if self._is_chosen(path, version) else Verdict.OLDER

    def deliver(self, file: CompleteFile) -> Verdict:
        """As `Destination.deliver`. Raises no BadFile."""
        path, version = file.generation.path, file.version
        if not self._is_chosen(path, version):
            return Verdict.OLDER
        try:
            verdict = self._inner.deliver(file)
        except BadFile as error:
            content: Path | bytes | memoryview | None = file.staged if file.data is None else file.data
            assert content is not None
            # Here, because what the receiver itself puts aside is of no use after the replay.
            self._quarantine.file(file.generation, content, file.partition, version, str(error), error.facts)
            with self._lock:
                self.failed += 1
            return Verdict.OLDER
        with self._lock:
            self.done += verdict is Verdict.NEWER
            self.left_out += verdict is not Verdict.NEWER
        return verdict

    def _is_chosen(self, path: RelativePath, version: Version) -> bool:
        _, newest = self._newest.get(path.text, (None, None))
        return newest is not None and (newest.file_hash, newest.upload_id) == (version.file_hash, version.upload_id)
