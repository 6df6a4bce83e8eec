"""What is done with each file of a quarantine that is run again."""

import logging
import threading
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from openmsi_core.deliveries import CompleteFile
from openmsi_core.durable import disk_errors, sha512_of
from openmsi_core.errors import BadFile, Retryable
from openmsi_core.generation import Verdict, judge
from openmsi_core.paths import RelativePath
from openmsi_processor.commands.entries import Entry, Trying
from openmsi_processor.commands.local_files import complete_file, drop
from openmsi_processor.commands.saying import say
from openmsi_processor.destination import ProcessingDestination
from openmsi_processor.processed import Processed
from openmsi_processor.result_topic import Made

_log = logging.getLogger(__name__)

_TRIES = 3
_LONGEST_SECONDS = 10.0  # that we wait before another try


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file, in words."""

    done: bool
    """It is out of quarantine."""
    text: str


class Attempts:
    """Tries with the ``destination``; what is not whole yet is in ``scratch``. `deliver` runs in several threads."""

    def __init__(
        self,
        destination: ProcessingDestination,
        memory: Processed | None,
        made: Collection[Made],
        trying: Trying | None,
        scratch: Path,
        stop: threading.Event,
    ) -> None:
        """``memory`` is that of the service, ``made`` what results of earlier calls are made of."""
        self._destination = destination
        self._memory = memory
        self._made = made
        self._trying = trying
        self._scratch = scratch
        self._stop = stop
        self._entries: dict[CompleteFile, Entry] = {}

    def begin(self, entry: Entry) -> CompleteFile | Outcome:
        """The file to `deliver`, or why there is nothing to do. On return a killed call can be told from none."""
        try:
            path, version = RelativePath.parse(entry.path), entry.version
            if entry.made in self._made:
                file = complete_file(entry.content, path, version, entry.facts.partition, self._scratch)
                self._remember(file)
                drop(file)
                return self._done(entry, "its result was sent by an earlier call")
            known = self._memory.version(path) if self._memory else None
            match judge(version, known):
                case Verdict.REPEAT:
                    return self._done(entry, "it has been processed meanwhile")
                case Verdict.OLDER:
                    return Outcome(False, "a newer version has been processed: delete the entry if you do not need it")
            with disk_errors(entry.folder):
                if not entry.content.exists():
                    return Outcome(False, "its content is gone: send the file again, and delete the entry")
                if sha512_of(entry.content) != version.file_hash:
                    return Outcome(False, "its content is not what was sent: send the file again, and delete the entry")
            file = complete_file(entry.content, path, version, entry.facts.partition, self._scratch)
            if self._trying is not None:
                entry.note(self._trying)
        except (BadFile, Retryable, ValueError) as error:
            return Outcome(False, str(error))
        self._entries[file] = entry
        return file

    def deliver(self, file: CompleteFile) -> Outcome:
        """Have the code work on ``file``. Blocks; raises Undone and Fatal."""
        entry = self._entries[file]
        try:
            match self._tried(file):
                case Verdict.OLDER:
                    return Outcome(False, "a newer version of it is there: delete the entry if you do not need it")
                case _:
                    return Outcome(True, f"processed ({entry.folder.name})")
        except BadFile as error:
            entry.failed(str(error), error.facts)
            return Outcome(False, str(error))
        except Retryable as error:
            return Outcome(False, str(error))

    def end(self, file: CompleteFile, outcome: Outcome) -> Outcome:
        """After `deliver`: what is out of quarantine is not processed again when it is sent once more."""
        entry = self._entries.pop(file)
        drop(file)
        if not outcome.done:
            return outcome
        try:
            self._remember(file)
            return self._done(entry, "processed")
        except Retryable as error:
            return Outcome(False, str(error))

    def _tried(self, file: CompleteFile) -> Verdict:
        tries = 0
        while True:
            tries += 1
            try:
                return self._destination.deliver(file)
            except Retryable as error:
                after = 1.0 if error.after is None else error.after
                if tries >= _TRIES or after > _LONGEST_SECONDS or self._stop.wait(after):
                    raise

    def _remember(self, file: CompleteFile) -> None:
        path = file.generation.path
        if self._memory is not None and judge(file.version, self._memory.version(path)) is Verdict.NEWER:
            self._memory.record(file)

    def _done(self, entry: Entry, text: str) -> Outcome:
        entry.remove(self._scratch)
        return Outcome(True, text)


def tell(entry: Entry, outcome: Outcome) -> int:
    """Say what became of ``entry``; returns how many files stay for it: 0 or 1."""
    say(f"{entry.path}: {outcome.text}" if outcome.done else f"stays: {entry.path}: {outcome.text}")
    return int(not outcome.done)
