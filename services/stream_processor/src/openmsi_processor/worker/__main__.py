"""The worker: loads a user's file, then calls its function for one file after the other.

Run by the service as ``python -m openmsi_processor.worker FILE``. It speaks with the service (`channel`) over what were
its standard input and output; what user code prints goes to standard error, which the service puts into its log.
"""

import os
import sys
import traceback
from pathlib import Path
from typing import Any

from openmsi_processor.data_file import DataFile
from openmsi_processor.function import Processor
from openmsi_processor.mistake import Mistake
from openmsi_processor.result import Retry
from openmsi_processor.worker.answer import answer_of
from openmsi_processor.worker.channel import Channel
from openmsi_processor.worker.guard import guard
from openmsi_processor.worker.loading import functions_in, in_words, load_module


def main() -> None:
    """Serve until the service is gone."""
    channel = _take_over()
    file = Path(sys.argv[1])
    guard(sys.argv[2:])
    try:
        function = _find(file)
    except Mistake as mistake:
        channel.send({"is": "mistake", "text": str(mistake)})
        return
    channel.send({"is": "ready", "name": function.name, "version": function.version, "files": function.files.pattern})
    while (message := channel.receive()) is not None:
        head, blobs = message
        answer, *contents = _process(function, head, blobs, file)
        sys.stdout.flush()
        channel.send({**answer, "id": head["id"]}, *contents)


def _take_over() -> Channel:
    """Keep standard input and output for the service, and give user code others."""
    reading = os.fdopen(os.dup(0), "rb")
    writing = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # the interpreter has just made it
    return Channel(reading, writing)


def _find(file: Path) -> Processor:
    module = load_module(file)
    match functions_in(module):
        case [function]:
            return function
        case []:
            raise Mistake(f"{file}: there is no processor in it: put @processor above the function, and import it")
        case several:
            names = ", ".join(each.name for each in several)
            raise Mistake(
                f"{file}: there are {len(several)} processors in it ({names}): put each into a file of its own"
            )


def _process(function: Processor, head: dict[str, Any], blobs: list[bytes], file: Path) -> tuple[Any, ...]:
    scratch = Path(head["scratch"])
    content = Path(head["content"]) if head["content"] else None
    folder = Path(head["folder"]) if head["folder"] else None
    data = blobs[0] if blobs else None
    given = DataFile(head["facts"], data=data, content=content, scratch=scratch, folder=folder)
    try:
        returned = function(given)
        if isinstance(returned, Retry):
            raise returned
        return answer_of(returned, given)
    except Retry as retry:
        return ({"is": "retry", "after": retry.after, "text": str(retry)},)
    except BaseException as error:  # also SystemExit and KeyboardInterrupt: they are no reason to end the worker
        trace = "".join(traceback.format_exception(error))
        return ({"is": "failed", "text": in_words(error, file), "traceback": trace, "worn": _wears(error)},)


def _wears(error: BaseException) -> bool:
    """Whether the process should not be used any more."""
    return isinstance(error, MemoryError)


if __name__ == "__main__":
    main()
