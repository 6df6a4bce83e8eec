"""`openmsi processor`: trying a function on files of this machine, and a starting point for a new one."""

import argparse
import contextlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from openmsi_core.command_line import Parser
from openmsi_core.state import default_state_dir, make_state_dir
from openmsi_processor.commands.crews import Code
from openmsi_processor.commands.new import new
from openmsi_processor.commands.trial import try_files
from openmsi_processor.settings import ProcessorSettings


def processor(argv: Sequence[str]) -> int:
    """Try a function on files of this machine, without Kafka, or write a starting point for a new one.

    `test` returns 65 when a file fails or none is called. Raises Fatal.
    """
    given = _arguments().parse_args(argv)
    if given.verb == "new":
        new(given.name, Path.cwd())
        return 0
    file = given.code.absolute()
    state = os.environ.get("OPENMSI_STATE_DIR")
    state_dir = Path(state) if state else default_state_dir("StreamProcessor", file, "", os.environ)
    make_state_dir(state_dir)
    root = given.keep.absolute() if given.keep else Path(tempfile.mkdtemp(prefix=f"{file.stem}-"))
    options = {"topic_name": "files", "producer_topic_name": "results", "output_dir": str(root), "mode": given.mode}
    code = Code(file, state_dir, given.processing_timeout, given.memory_limit, 1, options)
    try:
        return try_files(code, given.files, given.mode, root)
    finally:
        with contextlib.suppress(OSError):  # only an empty folder can be removed so
            root.rmdir()


def _arguments() -> argparse.ArgumentParser:
    options = ProcessorSettings.model_fields
    words = Parser(
        prog="openmsi processor", description="Try a function without Kafka, or begin a new one.", allow_abbrev=False
    )
    verbs = words.add_subparsers(dest="verb", required=True, metavar="test|new")
    test = verbs.add_parser("test", help="run a function on files of this machine, without Kafka", allow_abbrev=False)
    test.add_argument("code", type=Path, metavar="CODE.py", help="the Python file with the function")
    test.add_argument(
        "files", type=Path, nargs="+", metavar="FILE", help="a file, or a folder as it would be watched, with all in it"
    )
    test.add_argument("--mode", choices=("memory", "disk", "both"), default="memory", help=options["mode"].description)
    test.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="folder for result files (default: a new one, which is named)"
    )
    test.add_argument(
        "--processing_timeout", type=_seconds, default=600.0, help="seconds after which the function is ended"
    )
    test.add_argument("--memory_limit", type=_megabytes, help=options["memory_limit"].description)
    start = verbs.add_parser("new", help="write a folder with a starting point for a processor", allow_abbrev=False)
    start.add_argument("name", metavar="NAME", help="its name, as Python allows it: my_analysis")
    return words


def _seconds(text: str) -> float:
    if not (seconds := float(text)) > 0:
        raise argparse.ArgumentTypeError("give a number of seconds above 0")
    return seconds


def _megabytes(text: str) -> int:
    if (megabytes := int(text)) < 64:
        raise argparse.ArgumentTypeError("give 64 MB or more")
    return megabytes
