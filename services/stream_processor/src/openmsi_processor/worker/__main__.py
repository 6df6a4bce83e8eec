"""The worker: loads a user's file, then calls its function for one file after the other.

Run by the service as ``python -m openmsi_processor.worker FILE``. It speaks with the service (`channel`) over what were
its standard input and output; what user code prints goes to standard error, which the service puts into its log.
"""

import os
import sys
from pathlib import Path
from typing import Any

from openmsi_processor.classes.embedded import relay
from openmsi_processor.classes.running import run_script
from openmsi_processor.data_file import DataFile
from openmsi_processor.function import Processor
from openmsi_processor.mistake import Mistake
from openmsi_processor.worker.calling import Order, call
from openmsi_processor.worker.channel import CUT_OFF, Channel
from openmsi_processor.worker.guard import guard
from openmsi_processor.worker.loading import digest_of, functions_in, load_module


def main() -> None:
    """Serve until the service is gone."""
    channel = _take_over()
    channel.stay_here()
    file = Path(sys.argv[1])
    guard(sys.argv[2:])
    if sys.argv[1].startswith(("file:", "module:")):
        sys.exit(run_script(channel, sys.argv[1]))
    if sys.argv[1].startswith("here:"):
        sys.exit(relay(channel, sys.argv[1]))
    code = digest_of(file)
    try:
        function = _find(file)
    except Mistake as mistake:
        channel.send({"is": "mistake", "text": str(mistake)})
        return
    facts = {"name": function.name, "version": function.version, "files": function.files.pattern}
    order = Order()
    channel.send({"is": "ready", "code": code, **facts})
    while (message := channel.receive()) is not None:
        head, blobs = message
        answer, contents = call(function, _given(head, blobs), file, function.function)
        order.restore()
        channel.send({**answer, "id": head["id"]}, contents)


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
            names = ", ".join(f"{each.name} at line {each.function.__code__.co_firstlineno}" for each in several)
            raise Mistake(
                f"{file}: there are {len(several)} processors in it ({names}): put each into a file of its own"
            )


def _given(head: dict[str, Any], blobs: list[bytes]) -> DataFile:
    scratch = Path(head["scratch"])
    content = Path(head["content"]) if head["content"] else None
    folder = Path(head["folder"]) if head["folder"] else None
    data = blobs[0] if blobs else None
    return DataFile(head["facts"], data=data, content=content, scratch=scratch, folder=folder)


if __name__ == "__main__":
    try:
        main()
    except OSError:  # the channel is broken
        os._exit(CUT_OFF)
    os._exit(0)  # what user code has left behind, threads and calls at exit, must not keep it
