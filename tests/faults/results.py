"""Holds the results of a processor, and its result files, against what the files of its topic owe.

As `Judge` does with files: whoever reads only what is committed must see each result once, and one for each file that
was sent; a second one, or one of a file that nobody has sent, is a failure at that instant.
"""

import hashlib
import json
import threading
import time
from collections import Counter
from pathlib import Path
from types import TracebackType

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from tests.faults.judge import Judge

CODE = """\
import hashlib
from openmsi_processor import DataFile, Result, ResultFile, processor

@processor
def hashes(file: DataFile):
    digest = hashlib.sha512(file.bytes).hexdigest()
    return Result(value={"sha512": digest, "size": file.size}, files=[ResultFile(file.relative_path + ".txt", digest)])
"""
"""What the processors run."""

_MOST_PLACINGS = 50


class ResultJudge:
    """Watches while inside; ``partitions`` of ``topic`` hold the results, ``output`` the result files."""

    def __init__(self, bootstrap: str, topic: str, partitions: int, output: Path) -> None:
        self._places = [TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(partitions)]
        self._bootstrap = bootstrap
        self._files = Judge([output])
        self._lock = threading.Lock()
        self._owed: dict[tuple[str, str], int] = {}
        self._seen: Counter[tuple[str, str]] = Counter()
        self._wrong: list[str] = []
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="results", daemon=True)

    def __enter__(self) -> "ResultJudge":
        self._watcher.start()
        self._files.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._watcher.join()
        self._files.__exit__(kind, error, trace)

    def owe(self, path: str, content: bytes) -> None:
        """``content`` is about to be sent as ``path``, for the first time."""
        digest = hashlib.sha512(content).hexdigest()
        with self._lock:
            self._owed[path, digest] = len(content)
        self._files.owe(f"{path}.txt", digest.encode())
        for _ in range(_MOST_PLACINGS):  # whoever dies between placing and committing has it placed again
            self._files.allow(f"{path}.txt", digest.encode())

    def check(self) -> None:
        """Fail at once with all that was seen to be wrong so far."""
        self._files.check()
        with self._lock:
            assert not self._wrong, "\n".join(self._wrong[:20])
        assert self._watcher.is_alive(), "nobody reads the results"

    def settle(self, seconds: float = 60.0) -> None:
        """Wait until every result and every result file is there, each result once."""
        until = time.monotonic() + seconds
        while missing := self._missing():
            self.check()
            assert time.monotonic() < until, f"without result after {seconds:g} s: {len(missing)}: {missing[:10]}"
            time.sleep(0.05)
        self._files.settle(max(5.0, until - time.monotonic()))
        self.check()

    @property
    def results(self) -> int:
        """How many there are."""
        with self._lock:
            return self._seen.total()

    def _missing(self) -> list[str]:
        with self._lock:
            return [path for path, digest in self._owed.keys() - self._seen.keys()]

    def _watch(self) -> None:
        consumer = Consumer({"bootstrap.servers": self._bootstrap, "group.id": "none", "log_level": 0})
        consumer.assign(self._places)
        while not self._over.is_set():
            message = consumer.poll(0.1)
            if message is not None and message.error() is None:
                headers = dict(message.headers() or [])
                path, digest = (_text(headers[f"openmsi-{name}"]) for name in ("path", "sha512"))
                self._hold_against(path, digest, message.value() or b"")
        consumer.close()

    def _hold_against(self, path: str, digest: str, value: bytes) -> None:
        with self._lock:
            self._seen[path, digest] += 1
            size = self._owed.get((path, digest))
            if size is None:
                self._wrong.append(f"{path}: a result of a file that nobody has sent")
            elif json.loads(value) != {"sha512": digest, "size": size}:
                self._wrong.append(f"{path}: a wrong result: {value!r}")
            elif self._seen[path, digest] > 1:
                self._wrong.append(f"{path}: {self._seen[path, digest]} results of one file")


def _text(header: str | bytes | None) -> str:
    return header.decode() if isinstance(header, bytes) else str(header)
