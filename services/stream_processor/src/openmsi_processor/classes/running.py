"""Runs a user's script in the process that the service has started for it."""

import inspect
import logging
import runpy
import sys
import threading
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from openmsi_processor.classes.connection import Connection, connect
from openmsi_processor.classes.handler import DataFileStreamHandler
from openmsi_processor.classes.log import ToService
from openmsi_processor.classes.printing import Printed
from openmsi_processor.mistake import Mistake
from openmsi_processor.worker.channel import Channel
from openmsi_processor.worker.loading import in_words

_NOTHING_IN_IT = (
    "there is no processor in it: put @processor above the function, or make a class of DataFileStreamProcessor,"
    " DataFileStreamReproducer or MetadataJSONReproducer"
)


def run_script(channel: Channel, target: str) -> int:
    """Run ``target`` (``file:PATH`` or ``module:NAME``) to its end, as Python does; returns its exit code.

    Where that did not process files and its file has one class that can, that is run with the arguments.
    """
    connection = connect(channel)
    sys.stdout, sys.stderr = (Printed(stream, connection) for stream in (sys.stdout, sys.stderr))
    logging.getLogger().addHandler(ToService(connection))
    logging.getLogger().setLevel(logging.INFO)
    args = [str(each) for each in connection.wait_for_answer().get("args", [])]
    place = Path(target.partition(":")[2])
    code = 0
    try:
        module = _run(target, args)
        if not connection.serving:
            _run_class_in(module, place, args, connection)
        _wait_for_threads()
    except SystemExit as end:
        code = _exit_code(end)
        _wait_for_threads()
    except BaseException as error:  # whatever a script can end with
        code = 1
        if connection.serving:
            traceback.print_exception(error)
        else:
            connection.tell({"is": "mistake", "text": _in_words(error, place)})
    sys.stdout.flush()
    _say_end(connection, code)
    return code


def _run(target: str, args: list[str]) -> Any:
    """The module that the script was."""
    kind, _, name = target.partition(":")
    sys.argv[1:] = args
    if kind == "module":
        sys.path.insert(0, str(Path.cwd()))
        return runpy.run_module(name, run_name="__main__", alter_sys=True)
    file = Path(name)
    if not file.is_file():
        raise Mistake(f"there is no file {file}")
    sys.argv[0] = name
    sys.path.insert(0, str(file.parent))
    module = ModuleType("__main__")
    module.__file__ = name
    sys.modules["__main__"] = module  # and it stays there: what it has started may need it
    exec(compile(file.read_bytes(), name, "exec"), vars(module))
    return vars(module)


def _run_class_in(names: dict[str, Any], place: Path, args: list[str], connection: Connection) -> None:
    found = [
        each
        for each in names.values()
        if isinstance(each, type) and issubclass(each, DataFileStreamHandler) and each.__module__ == "__main__"
    ]
    leaves = {
        each for each in found if not inspect.isabstract(each) and not any(each in other.__mro__[1:] for other in found)
    }
    match sorted(leaves, key=lambda each: each.__name__):
        case [one]:
            one.run_from_command_line(args)
        case [] if connection.constructed:
            pass
        case []:
            abstract = next((each for each in found if inspect.isabstract(each)), None)
            if abstract is not None:
                missing = ", ".join(sorted(abstract.__abstractmethods__))
                raise Mistake(f"{place}: {abstract.__name__} lacks the method {missing}")
            raise Mistake(f"{place}: {_NOTHING_IN_IT}")
        case several:
            text = ", ".join(each.__name__ for each in several)
            raise Mistake(
                f"{place}: there are {len(several)} processors in it ({text}): call run_from_command_line() of one of"
                " them at its end, or put each into a file of its own"
            )


def _wait_for_threads() -> None:
    """As Python does before it ends."""
    while others := [
        each for each in threading.enumerate() if each is not threading.current_thread() and not each.daemon
    ]:
        others[0].join()


def _say_end(connection: Connection, code: int) -> None:
    if not connection.serving:
        connection.tell({"is": "mistake", "text": "", "exit": code})
    elif not connection.ending.is_set():
        connection.tell({"is": "stop"})


def _exit_code(end: SystemExit) -> int:
    if isinstance(end.code, str):
        print(end.code, file=sys.stderr)
        return 1
    return int(end.code or 0)


def _in_words(error: BaseException, place: Path) -> str:
    if isinstance(error, ModuleNotFoundError) and (error.name or "").startswith("openmsistream"):
        old = error.name or ""
        return (
            f"{place}: {error}: write {old.replace('openmsistream', 'openmsi_processor', 1)} in the import line instead"
        )
    return str(error) if isinstance(error, Mistake) else in_words(error, place)
