"""Counts the broker's answers for one upload."""

import functools
import threading
from collections.abc import Callable
from typing import Any, Protocol

from confluent_kafka import KafkaError

from openmsi_core.counters import Counters
from openmsi_core.errors import OpenMSIError
from openmsi_core.kafka_errors import translate
from openmsi_uploader.outcome import Job, NotSent, Outcome, Progress
from openmsi_uploader.prefix import Prefix
from openmsi_uploader.unfinished import Unfinished
from openmsi_uploader.window import Window


class HasOffset(Protocol):
    """What is used of a `confluent_kafka.Message` that was delivered."""

    def offset(self) -> int | None:
        """Where it stands in its partition; None when the broker did not say."""


class Flight:
    """Counts what the broker has yet to answer of one upload, whose records go to the partition of ``window``."""

    def __init__(
        self, job: Job, topic: str, window: Window, report: Callable[[Outcome], None], counts: Counters
    ) -> None:
        self._job = job
        self._topic = topic
        self._window = window
        self._report = report
        self._counts = counts
        self._lock = threading.Lock()
        self._launched = 0  # only the uploading thread touches it before `complete`
        self._landed = 0
        self._outcome: Outcome | None = None
        self._error: OpenMSIError | None = None
        self._prefix: Prefix | None = None
        self._note: Callable[[Progress], None] = lambda _: None

    def track(self, begun: Unfinished, note: Callable[[Progress], None]) -> None:
        """Tell ``note`` now and then how far the broker has it; call it before the first record."""
        self._prefix, self._note = Prefix(begun), note

    def launch(self, index: int, size: int, check: Callable[[], None]) -> Callable[[KafkaError | None, Any], None]:
        """The producer's delivery callback for chunk ``index``, a record with a value of ``size`` bytes.

        Blocks until there is room for it in the window; ``check`` is called as `Window.enter` says. Raises what it
        raises, and what `check` does. Then the record must be handed to the producer, or taken back.
        """

        def may_go_on() -> None:
            check()
            self.check()

        self._window.enter(size, may_go_on)
        self._launched += 1
        if self._prefix is None:
            return functools.partial(self.landed, size)
        return functools.partial(self._landed_at, self._prefix, index, size)

    def take_back(self, size: int) -> None:
        """The producer did not take the record that was launched last."""
        self._launched -= 1
        self._window.leave(size)

    def landed(self, size: int, error: KafkaError | None, _message: object) -> None:
        """The broker has answered for a record of ``size`` bytes."""
        self._window.leave(size)
        if error is None:
            self._counts.produced(size)
        with self._lock:
            self._landed += 1
            if error is not None and self._error is None:
                self._error = translate(error, self._topic)
        self._report_when_over()

    def check(self) -> None:
        """Raise the error with which a record of this upload failed, if one did."""
        if self._error is not None:
            raise self._error

    def complete(self, outcome: Outcome) -> None:
        """Nothing more will be launched; ``outcome`` holds unless a record fails."""
        with self._lock:
            self._outcome = outcome
        self._report_when_over()

    def _landed_at(self, prefix: Prefix, index: int, size: int, error: KafkaError | None, message: HasOffset) -> None:
        if error is None:
            with self._lock:
                progress = prefix.landed(index, message.offset())
            self._tell(progress)
        self.landed(size, error, message)  # counts it only now, so that no note can follow the outcome

    def _report_when_over(self) -> None:
        with self._lock:
            if self._outcome is None or self._landed < self._launched:
                return
            outcome, self._outcome = self._outcome, None
        if self._error is not None:
            outcome = NotSent(self._job, self._error)
        if isinstance(outcome, NotSent) and self._prefix is not None:
            self._tell(self._prefix.rest())
        self._report(outcome)

    def _tell(self, progress: Unfinished | None) -> None:
        if progress is not None:
            self._note(Progress(self._job, progress))
