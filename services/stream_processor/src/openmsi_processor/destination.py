"""User code as the destination of files: called for each, its result files placed, its result written, remembered.

What is true after ``kill -9`` at each step, in this order:

1. User code runs: nothing is known of it. It is called again.
2. Result files are in place. It is called again, and the same names are given to what it gives then.
3. The result is in the open transaction: as 2, for that is given up.
4. The transaction is committed, with the file's offsets: the result is there once, and the file is done with.
"""

import contextlib
import logging
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from openmsi_core.counters import Counters
from openmsi_core.deliveries import CompleteFile
from openmsi_core.errors import BadFile, Retryable, StagedBytesLost
from openmsi_core.generation import Generation, Verdict, Version, judge
from openmsi_core.paths import RelativePath
from openmsi_core.transaction import Transaction
from openmsi_processor.crew import Crew
from openmsi_processor.died import Died
from openmsi_processor.order import order_for
from openmsi_processor.output import Output
from openmsi_processor.processed import Processed
from openmsi_processor.result_topic import Provenance, ResultTopic, record_of

_log = logging.getLogger(__name__)

_TRIES = 3
_PAUSES = (1.0, 4.0)  # seconds before another try


class ProcessingDestination:
    """Calls user code with files of ``topic``. Safe to use from several threads."""

    def __init__(
        self,
        crew: Crew,
        output: Output,
        processed: Processed,
        topic: str,
        made_by: Provenance,
        transaction: Transaction | None = None,
        results: ResultTopic | None = None,
        counts: Counters | None = None,
    ) -> None:
        """Without ``results`` none are sent; with them there is a ``transaction``."""
        self._crew = crew
        self._output = output
        self._processed = processed
        self._topic = topic
        self._made_by = made_by
        self._transaction = transaction
        self._results = results
        self._counts = counts or Counters()
        self._lock = threading.Lock()
        self._failures: dict[Generation, int] = {}
        self._suspects: set[Generation] = set()
        """They were in the hands of a worker that died of one of several files: nobody knows which."""
        self._warned = False

    def verdict(self, path: RelativePath, version: Version) -> Verdict:
        """As `Destination.verdict`."""
        return judge(version, self._processed.version(path))

    def deliver(self, file: CompleteFile) -> Verdict:
        """As `Destination.deliver`: on return its results are durable. Raises Undone as well."""
        if self._transaction is not None:
            self._transaction.check(file)  # or it would be worked on in vain
        verdict = judge(file.version, self._processed.version(file.generation.path))
        if verdict is Verdict.NEWER and self._output.keeps_files:
            try:
                kept = self._output.keep(file)
            except BadFile as error:
                raise BadFile(str(error), {"processor": self._made_by.name}) from None
            verdict = Verdict.OLDER if kept is Verdict.OLDER else verdict
        if verdict is Verdict.NEWER:
            self._process(file)
        if file.staged is not None:
            with contextlib.suppress(OSError):
                file.staged.unlink(missing_ok=True)
        return verdict

    def _process(self, file: CompleteFile) -> None:
        path = file.generation.path
        with self._output.desk() as desk:
            answer, blobs = self._call(file, desk)
            match answer["is"]:
                case "done":
                    self._finish(file, answer, blobs)
                case "retry":
                    _log.info("%s: %s; again in %g s", path, answer["text"], answer["after"])
                    raise Retryable(f"{path}: {answer['text']}", after=answer["after"])
                case _:
                    self._failed(file, answer["text"], answer["traceback"])
        with self._lock:
            self._failures.pop(file.generation, None)
            self._suspects.discard(file.generation)

    def _call(self, file: CompleteFile, desk: Path) -> tuple[Mapping[str, Any], Sequence[bytes]]:
        generation = file.generation
        tries_left = _TRIES - 1 - self._failures.get(generation, 0)
        head, blobs = order_for(file, self._topic, self._output, desk, tries_left)
        try:
            return self._crew.call(head, blobs, generation.path.text, alone=generation in self._suspects)
        except Died as died:
            if died.culprit == generation.path.text:
                text = f"the process that ran the code {died}"
                return {"is": "failed", "text": text, "traceback": died.last_words}, []
            with self._lock:
                self._suspects |= set() if died.culprit else {generation}
            raise Retryable(f"{generation.path}: the process that ran the code {died}", after=0.0) from None

    def _failed(self, file: CompleteFile, text: str, trace: str) -> None:
        path = file.generation.path
        with self._lock:
            failures = self._failures[file.generation] = self._failures.get(file.generation, 0) + 1
        if failures < _TRIES:
            raise Retryable(f"{path}: {text} (try {failures} of {_TRIES})", after=_PAUSES[failures - 1])
        with self._lock:
            del self._failures[file.generation]
            self._suspects.discard(file.generation)
        facts = {"processor": self._made_by.name, "processor_version": self._made_by.version, "traceback": trace}
        raise BadFile(text + _if_altered(file), facts)

    def _finish(self, file: CompleteFile, answer: Mapping[str, Any], blobs: Sequence[bytes]) -> None:
        path = file.generation.path
        try:
            record = record_of(answer, blobs, file, self._results, self._made_by) if self._results else None
            if self._transaction is not None:
                self._transaction.check(file)  # whoever reads it by now places its result files, too
            for each in answer["files"]:  # all names first: nothing is placed of what cannot be placed as a whole
                RelativePath.parse(each["name"])
            for each in answer["files"]:
                if self._output.keeps_files and each["name"] == path.text:
                    raise BadFile(f"the result file {each['name']} has the name of the file itself: give it another")
                self._output.place(each["name"], Path(each["path"]), file.version)
        except BadFile as error:
            raise BadFile(str(error), {"processor": self._made_by.name}) from None
        if record is not None and self._transaction is not None and self._results is not None:
            with self._transaction.writing(file) as write:
                write(self._results.name, record.key, record.value, record.partition, record.headers)
                self._processed.note(file)
            self._counts.produced(len(record.value))
        else:
            self._processed.record(file)
            if answer["value"] is not None and not self._warned:
                self._warned = True
                _log.warning("the code returned a result, which is not sent: name a topic with --producer_topic_name")
        _log.info("processed %s (%d bytes)", path, file.size)


def _if_altered(file: CompleteFile) -> str:
    """What is put aside are the staged bytes, and user code could write to them."""
    try:
        if file.sealed is not None:
            file.sealed.verify()
    except StagedBytesLost:
        return " (the code has altered its input: what is in quarantine is not what has arrived)"
    return ""
