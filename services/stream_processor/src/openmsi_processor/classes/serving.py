"""Works on the files that the service hands to a processor of the old kind, several at a time."""

import contextlib
import queue
import sys
import threading
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from openmsi_processor.classes.connection import Connection, Message, working_on
from openmsi_processor.classes.files import DownloadDataFile
from openmsi_processor.classes.printing import Printed
from openmsi_processor.classes.undecryptable import UndecryptableMessage, Undecrypted
from openmsi_processor.data_file import DataFile
from openmsi_processor.result import Result, Retry
from openmsi_processor.worker.answer import answer_of
from openmsi_processor.worker.calling import Answer, failed
from openmsi_processor.worker.loading import digest_of

_LAST_FILES_SECONDS = 1.0


class NotProcessed(Exception):
    """A file was not processed; the text says why."""


class Processor(Protocol):
    """What is needed of the user's object."""

    n_threads: int
    n_msgs_read: int
    lock: Any
    logger: Any
    _output_dir: Path
    datafile_type: type[DownloadDataFile]
    topic_name: str
    files_in_progress_by_path: dict[Path, DownloadDataFile]
    control_command_queue: "queue.Queue[str]"

    @property
    def other_datafile_kwargs(self) -> dict[str, Any]: ...

    def _on_check(self) -> None: ...

    def _openmsi_outcome(self, datafile: Any) -> Result: ...

    def _openmsi_give_up(self, datafile: Any) -> None: ...

    def _openmsi_note(self, datafile: DownloadDataFile) -> None: ...

    def _mismatched_hash_callback(self, datafile: Any, lock: Any) -> None: ...

    def _undecryptable_message_callback(self, msg: Any) -> None: ...


def serve(processor: Processor, connection: Connection, about: Mapping[str, Any]) -> None:
    """Tell the service what it needs to know (``about``), and work on files until it stops."""
    connection.serving = True
    script = _script()
    slots = processor.n_threads
    connection.tell({"is": "ready", "slots": slots, "code": digest_of(script), "file": str(script), **about})
    threads = [
        threading.Thread(target=_work, args=(processor, connection), name=f"files {number}", daemon=True)
        for number in range(slots)
    ]
    obeying = threading.Thread(target=_obey, args=(processor, connection), name="commands", daemon=True)
    for thread in (*threads, obeying):
        thread.start()
    connection.ending.wait()
    for _ in threads:
        connection.files.put(None)
    for thread in threads:
        thread.join(_LAST_FILES_SECONDS)


def answer_to(processor: Processor, message: Message) -> Answer:
    """Have it work on one file. Never raises."""
    head = message[0]
    datafile = None
    try:
        datafile = _datafile(processor, message)
        processor.files_in_progress_by_path[datafile.relative_filepath] = datafile
        result = processor._openmsi_outcome(datafile)
        answer = answer_of(result, DataFile(head["facts"], data=b"", scratch=Path(head["scratch"])))
    except Retry as retry:
        return {"is": "retry", "after": retry.after, "text": str(retry)}, []
    except BaseException as error:  # also SystemExit: it is no reason to end the others
        if datafile is not None and head.get("last"):
            _give_up(processor, datafile)
        return failed(error, _script())
    finally:
        if datafile is not None:
            processor.files_in_progress_by_path.pop(datafile.relative_filepath, None)
    processor._openmsi_note(datafile)
    return answer


def _work(processor: Processor, connection: Connection) -> None:
    while (message := connection.files.get()) is not None:
        with working_on(message[0]["facts"].get("path", "")):
            match message[0]["do"]:
                case "wrong":
                    _mismatched(processor, message)
                    continue
                case "undecryptable":
                    _undecryptable(processor, message)
                    continue
            head, blobs = answer_to(processor, message)
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(Exception):  # replaced, closed, or of a kind of the user's own
                    stream.done() if isinstance(stream, Printed) else stream.flush()
        connection.tell({**head, "id": message[0]["id"]}, blobs)


def _obey(processor: Processor, connection: Connection) -> None:
    while True:
        match processor.control_command_queue.get().casefold():
            case "q" | "quit":
                connection.tell({"is": "stop"})
            case "c" | "check":
                processor._on_check()


def _datafile(processor: Processor, message: Message) -> DownloadDataFile:
    head, blobs = message
    facts = head["facts"]
    path = PurePosixPath(facts["path"])
    more = processor.other_datafile_kwargs
    datafile = processor.datafile_type(processor._output_dir / path, logger=processor.logger, **more)
    subdir = "" if str(path.parent) == "." else str(path.parent)
    content = Path(head["content"]) if head["content"] else None
    datafile.arrived(subdir, facts.get("chunks", 1), blobs[0] if blobs else None, content)
    return datafile


def _give_up(processor: Processor, datafile: DownloadDataFile) -> None:
    with processor.lock:
        processor.n_msgs_read += datafile.n_total_chunks
    try:
        processor._openmsi_give_up(datafile)
    except Exception as error:
        processor.logger.error("the callback for a failed file has failed, too: %s", error, exc_info=error)


def _mismatched(processor: Processor, message: Message) -> None:
    try:
        processor._mismatched_hash_callback(_datafile(processor, message), processor.lock)
    except Exception as error:
        processor.logger.error("the callback for a file with wrong bytes has failed: %s", error, exc_info=error)


def _undecryptable(processor: Processor, message: Message) -> None:
    facts, (key, value, *headers) = message[0]["facts"], message[1]
    try:
        processor._undecryptable_message_callback(
            UndecryptableMessage(
                processor.topic_name,
                facts["partition"],
                facts["offset"],
                facts["timestamp"],
                list(zip(facts["headers"], headers, strict=True)),
                Undecrypted(key) if facts["keyed"] else None,
                Undecrypted(value),
            )
        )
    except Exception as error:
        processor.logger.error("the callback for an undecryptable message has failed: %s", error, exc_info=error)


def _script() -> Path:
    return Path(getattr(sys.modules["__main__"], "__file__", None) or ".").absolute()
