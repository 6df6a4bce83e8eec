"""Counts the broker's answers for one upload."""

import threading
from collections.abc import Callable

from confluent_kafka import KafkaError

from openmsi_core.errors import OpenMSIError
from openmsi_core.kafka_errors import translate
from openmsi_uploader.outcome import Job, NotSent, Outcome


class Flight:
    """Counts what the broker has yet to answer of one upload."""

    def __init__(self, job: Job, topic: str, report: Callable[[Outcome], None]) -> None:
        self._job = job
        self._topic = topic
        self._report = report
        self._lock = threading.Lock()
        self._landed = 0
        self._outcome: Outcome | None = None
        self._error: OpenMSIError | None = None
        self.launched = 0
        """Records handed to the producer; only the uploading thread touches it before `complete`."""

    def landed(self, error: KafkaError | None, _message: object) -> None:
        """The producer's delivery callback."""
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

    def _report_when_over(self) -> None:
        with self._lock:
            if self._outcome is None or self._landed < self.launched:
                return
            outcome, self._outcome = self._outcome, None
        self._report(outcome if self._error is None else NotSent(self._job, self._error))
