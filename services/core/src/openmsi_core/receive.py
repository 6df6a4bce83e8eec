"""The one receiver loop: poll → decode → assemble → deliver → commit.

A receiver is this loop with a destination. What is true at each step, also after ``kill -9``:

1. A record is read: nothing has changed; its offset is not committed.
2. Its bytes are staged under a hidden name: invisible; the watermark holds the first offset of its file. Of large
   files a journal beside them is durable now and then, from which a restart goes on.
3. The file is complete and verified: handed to the destination, still held.
4. The destination has it durably under its name (or it is in quarantine): the hold is released.
5. Offsets are committed up to the oldest hold. A restart before this reads some files again; the destination
   recognises them as repeats.

(Longer than other files, so that the whole loop can be read in one place.)
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from openmsi_core.assembly import OpenFile
from openmsi_core.beginning import begins_at_the_end, start_of
from openmsi_core.commits import Commits
from openmsi_core.counters import Counters
from openmsi_core.deliveries import CompleteFile, Deliveries
from openmsi_core.delivering import Delivering, Ending
from openmsi_core.destination import Destination
from openmsi_core.encryption.cipher import PLAIN, Cipher
from openmsi_core.errors import Doubted, Retryable, StagedBytesLost, Undone
from openmsi_core.generation import Generation, Verdict
from openmsi_core.intake import Intake
from openmsi_core.kafka import Troubles
from openmsi_core.kafka_errors import raise_fatal, translate
from openmsi_core.membership import Membership
from openmsi_core.pace import Pace
from openmsi_core.policy import Policy
from openmsi_core.quarantine import Quarantine
from openmsi_core.records import Arrival, Incoming, Locked, Piece, Reader, size_of
from openmsi_core.resume import Resume
from openmsi_core.retry import Backoff
from openmsi_core.scatter import ScatterWarning
from openmsi_core.staging import NotYet, Staging
from openmsi_core.status import Status
from openmsi_core.waiting import WaitingRoom

_log = logging.getLogger(__name__)

_MEMORY_BYTES = 16 << 20  # of small files on their way to the destination
_FINISH_SECONDS = 5.0  # with the last commit, below the 10 s that Docker gives by default
_LONGEST_SILENCE = 2.0  # without a poll, before partitions are paused
_LOOK_AROUND_SECONDS = 10.0
_SCATTER_SECONDS = 60.0
_FEW = 100  # records in a turn
_KEY_SECONDS = 0.1  # between two looks for keys, when nothing else is to be done


class Receiver:
    """One member of a consumer group that carries files to ``destination``."""

    def __init__(
        self,
        consumer: Consumer,
        destination: Destination,
        staging: Staging,
        quarantine: Quarantine,
        troubles: Troubles,
        commits: Commits,
        policy: Policy,
        counts: Counters | None = None,
        cipher: Cipher = PLAIN,
        pace: Pace | None = None,
    ) -> None:
        self._consumer = consumer
        self._staging = staging
        self._quarantine = quarantine
        self._troubles = troubles
        self._commits = commits
        self._policy = policy
        self._counts = counts or Counters()
        watermark = self._watermark = commits.watermark
        self._intake = Intake(destination, staging, quarantine, watermark, policy.wanted)
        log = f"{policy.topic_id}/{policy.group}" if policy.topic_id and commits.resumes else ""
        self._resume = Resume(self._intake, staging, watermark, log)
        delivering = Delivering(destination, quarantine, self._resume.wait)
        self._deliveries = Deliveries[Ending](
            delivering.deliver, policy.workers, _MEMORY_BYTES, together=delivering.together
        )
        self._shares = policy.sharing == "group" and not commits.resumes
        place = self._place if self._shares else lambda place: place.offset
        self._membership = Membership(consumer, policy.topic, commits, self._begin, self._finish, self._forget, place)
        self._decoders = ThreadPoolExecutor(2, "decode")
        self._reader = Reader(consumer, self._decoders, policy.topic, cipher, pace)
        self._waiting = WaitingRoom(cipher, policy.topic, policy.key_seconds, self._decoders, watermark, quarantine)
        self._backlog: deque[Incoming] = deque()
        self._scatter = ScatterWarning(policy.topic)
        self._disk = Backoff()
        self._last_poll = time.monotonic()
        self._next_look = 0.0
        self._files_done = self._bytes_done = 0

    def run(self, stop: threading.Event, beat: Callable[[Status], None]) -> None:
        """Carry files until ``stop``; blocks. On return offsets are committed and the group is left.

        Raises Fatal errors; what was not committed is read again by the next start.
        """
        try:
            if self._policy.sharing == "group":
                self._membership.join()
            else:
                self._membership.take_all(self._policy.topic_partitions)
            while not stop.is_set():
                self._turn()
                beat(self.status())
            self._finish(self._membership.assigned)
            self._membership.commit_at_end()
            self._resume.keep()
        except Undone:
            self._commits.close()
            self._membership.leave()  # its partitions need not wait until all deliveries have heard of it
            raise
        finally:
            self._commits.close()
            self._deliveries.close()
            self._resume.close()
            self._decoders.shutdown()
            self._waiting.close()
            self._membership.leave()

    @property
    def _is_busy(self) -> bool:
        return self._waiting.busy or bool(len(self._deliveries) and not self._deliveries.trouble)

    def status(self) -> Status:
        """What was done, and what waits."""
        waiting = [t for t in (self._deliveries.oldest, self._disk.since) if t is not None]
        return Status(
            files_done=self._files_done,
            bytes_done=self._bytes_done,
            files_pending=len(self._intake.files),
            bytes_pending=self._intake.files.bytes,
            oldest_pending_seconds=time.monotonic() - min(waiting) if waiting else None,
            notes=self._intake.notes
            | ({"records that wait for a key": len(self._waiting)} if len(self._waiting) else {}),
            waiting_for=self._disk.reason
            or self._deliveries.trouble
            or ("missing keys" if self._waiting.full else None),
        )

    def _turn(self) -> None:
        self._poll()
        self._try_keys()
        self._waiting.hurried = self._commits.crowded
        if not self._commits.crowded:
            self._work_off(len(self._backlog))
        elif not self._disk.waiting:
            in_the_way = self._make_way() or len(self._waiting) or len(self._deliveries)
            self._work_off(0 if in_the_way else _FEW)  # what is left is to be read again, or nothing would go on
        self._collect(self._commits.pause if self._backlog else 0.0)
        if self._deliveries.trouble:
            self._troubles.say(self._deliveries.trouble)
        self._membership.commit_when_due()
        for generation in self._resume.note():
            self._read_again(generation, StagedBytesLost("the disk did not keep what was staged, reading it again"))
        self._find_offsets()
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + _LOOK_AROUND_SECONDS
            self._look_around()

    def _poll(self) -> None:
        self._membership.seek_back()
        if not self._backlog and self._waiting.full:
            self._membership.pause()
            timeout = 0.02 if self._is_busy else _KEY_SECONDS
        elif not self._backlog:
            self._membership.resume()
            timeout = 0.02 if self._is_busy else _KEY_SECONDS if len(self._waiting) else 0.25
        elif time.monotonic() - self._last_poll > _LONGEST_SILENCE:
            self._membership.pause()
            timeout = 0.0
        else:
            return
        incoming, errors = self._reader.read(timeout)
        # A rebalance inside the read may have taken, or rewound, partitions whose records are in this very batch.
        taken = [each for each in incoming if self._membership.in_sequence(each.partition)]
        for each in taken:
            each.tell(self._counts.read)
        self._backlog.extend(taken)
        self._last_poll = time.monotonic()
        for error, partition in errors:
            self._on_error(error, partition)

    def _try_keys(self) -> None:
        aside = self._waiting.look()
        for each in aside:
            self._counts.processed(size_of(each))
        if aside:
            self._intake.notes["quarantined"] += len(aside)
            self._troubles.say(
                f"put {len(aside)} records of topic {self._policy.topic} in quarantine, because nobody gave their key;"
                " once the uploader that sent them runs, or openmsi key-server for its node, bring them back with"
                " openmsi quarantine retry"
            )
        if self._waiting.trouble:
            self._troubles.say(self._waiting.trouble)

    def _work_off(self, most: int) -> None:
        """Take in all records whose keys have come, and ``most`` others."""
        while not self._deliveries.full and not self._disk.waiting:
            if opened := self._waiting.opened():
                if not self._take(opened, waited=True):
                    return
            elif self._backlog and most > 0:
                most -= 1
                if not self._take(self._backlog[0].arrival(), waited=False):
                    return
            else:
                return

    def _take(self, arrival: Arrival, *, waited: bool) -> bool:
        """Take in the first record of those that `waited` for a key, or of the backlog; False when that must wait."""
        try:
            complete = self._take_opened(arrival) if waited else self._take_read(arrival)
        except StagedBytesLost as error:
            assert isinstance(arrival, Piece)  # poison is not staged
            self._read_again(arrival.generation, error)
            return True
        except NotYet:
            return False
        except Retryable as error:
            self._disk.failed(str(error))
            self._troubles.say(str(error))
            return False
        self._disk.succeeded()
        if not isinstance(arrival, Locked):
            self._counts.processed(size_of(arrival))
        if complete is not None:
            self._deliveries.submit(complete)
        return True

    def _take_opened(self, arrival: Arrival) -> CompleteFile | None:
        assert not isinstance(arrival, Locked)
        with self._waiting.admit():
            return self._intake.take(arrival)

    def _take_read(self, arrival: Arrival) -> CompleteFile | None:
        record = arrival.record
        complete: CompleteFile | None = None
        if not self._watermark.is_done(record.partition, record.offset):
            if isinstance(arrival, Locked):
                self._waiting.hold(arrival)
            else:
                complete = self._intake.take(arrival)
        self._backlog.popleft()
        self._watermark.done(record.partition, record.offset)
        return complete

    def _collect(self, timeout: float) -> None:
        for finished in self._deliveries.collect(timeout):
            file = finished.file
            if isinstance(finished.error, StagedBytesLost):
                if file.staged is not None:
                    self._staging.remove(file.staged)
                if finished.ours:
                    self._read_again(file.generation, finished.error)
            elif finished.error is not None:
                raise finished.error
            else:
                if finished.outcome is Verdict.NEWER:
                    self._files_done += 1
                    self._bytes_done += file.size
                else:
                    self._intake.notes[finished.outcome.value if finished.outcome else "quarantined"] += 1
                self._intake.settled(file, finished.outcome)

    def _read_again(self, generation: Generation, error: StagedBytesLost) -> None:
        _log.warning("%s: %s", generation.path, error)
        if not self._disk.waiting and not isinstance(error, Doubted):  # many files may be lost at once
            self._disk.failed(str(error))  # not at once: the disk may be failing
        offsets = self._intake.lost(generation)
        self._backlog = deque(each for each in self._backlog if each.partition not in offsets)
        self._waiting.read_again(offsets)
        self._membership.rewind(offsets)

    def _begin(self, partitions: set[int]) -> dict[int, int]:
        begin = self._resume.begin(partitions, self._membership.committed)
        if self._commits.resumes and not begins_at_the_end(self._policy.start):
            # Librdkafka would say so of one after the other, and each would be asked for over a connection on which a
            # fetch of those before it waits for records.
            new = self._membership.untouched(partitions - begin.keys())
            return begin | dict.fromkeys(new, OFFSET_BEGINNING)
        return begin

    def _finish(self, _leaving: set[int]) -> None:
        """Give deliveries that are under way a few seconds."""
        until = time.monotonic() + _FINISH_SECONDS
        while len(self._deliveries) and not self._deliveries.trouble and time.monotonic() < until:
            self._collect(0.1)
            if self._commits.eager:
                self._membership.commit_when_due()

    def _forget(self, partitions: set[int]) -> None:
        self._resume.hand_over(partitions)
        self._backlog = deque(each for each in self._backlog if each.partition not in partitions)
        self._waiting.forget(partitions)
        for file in self._deliveries.cancel(self._intake.forget(partitions)):
            if file.staged is not None:
                self._staging.remove(file.staged)
        self._commits.leave(self._deliveries.orphans)

    def _look_around(self) -> None:
        try:
            self._staging.folder.heal()
            for file in self._intake.stalled(self._policy.idle_seconds):
                self._set_aside(file, partial(self._intake.park, idle_seconds=self._policy.idle_seconds))
        except Retryable as error:
            self._troubles.say(str(error))
        if len(self._membership.assigned) < self._policy.topic_partitions and not len(self._waiting):
            self._scatter.look(self._intake.stalled(_SCATTER_SECONDS))

    def _make_way(self) -> bool:
        """Let all that is incomplete go on later, from quarantine, so that offsets can pass it; was there any?"""
        files = [file for file in self._intake.files if file.missing > 0]
        try:
            for file in files:
                self._set_aside(file, self._intake.give_way)
        except Retryable as error:
            self._disk.failed(str(error))
            self._troubles.say(str(error))
        else:
            self._disk.succeeded()
            self._membership.commit_soon()
        return bool(files)

    def _set_aside(self, file: OpenFile, park: Callable[[OpenFile], None]) -> None:
        try:
            park(file)
        except StagedBytesLost as error:
            self._read_again(file.generation, error)

    def _place(self, place: TopicPartition) -> int:
        """Where to begin to read ``place``, of which others may have read before; runs inside poll(). Raises Undone."""
        try:
            offset, lost = start_of(self._consumer, place, self._policy.start, self._policy.on_lost_offsets)
        except KafkaException as error:
            raise Undone(f"where to begin to read is not known ({error.args[0].str()})") from None
        self._watermark.goes_on(place.partition, offset)
        if lost:
            self._intake.notes["records lost to retention"] += lost
        return offset

    def _find_offsets(self) -> None:
        if self._shares and self._membership.homeless:
            # To assign a partition anew, outside of a rebalance, would tell librdkafka that we have given away what it
            # is about to ask for, which we might commit after that.
            raise Undone("the broker has no records any more where reading was to go on")
        try:
            lost = self._membership.find_offsets(self._policy.start, self._policy.on_lost_offsets)
        except KafkaException as error:
            self._troubles.say(str(translate(error.args[0], self._policy.topic)))
            return
        if lost:
            self._intake.notes["records lost to retention"] += lost

    def _on_error(self, error: KafkaError, partition: int) -> None:
        if error.code() == KafkaError._AUTO_OFFSET_RESET:
            self._membership.homeless.add(partition)
        elif error.code() != KafkaError._PARTITION_EOF:
            translated = translate(error, self._policy.topic)
            raise_fatal(translated)
            self._troubles.say(str(translated))
