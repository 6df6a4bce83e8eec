"""`openmsi processor test`: a function is called with files of this machine, and all that comes of it is shown."""

import contextlib
import json
import logging
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from openmsi_core.carry import prepare
from openmsi_core.deliveries import CompleteFile
from openmsi_core.durable import in_words, sha512_of
from openmsi_core.errors import BadFile, BadInput, Retryable
from openmsi_core.generation import Version
from openmsi_core.paths import RESERVED, RelativePath
from openmsi_core.placing import Folder
from openmsi_core.service import Service
from openmsi_core.status import size
from openmsi_processor.commands.crews import Code, Working, working
from openmsi_processor.commands.local_files import complete_file, drop
from openmsi_processor.commands.saying import say
from openmsi_processor.order import order_for
from openmsi_processor.output import Output
from openmsi_processor.result_topic import ResultTopic, record_of
from openmsi_processor.worker_process import Died

_PRINTS = logging.getLogger("openmsi_processor.user")
_USUAL_LIMIT = 1_048_588
_TOPIC = ResultTopic("", 1, 1 << 62)


def try_files(code: Code, given: Sequence[Path], mode: str, root: Path) -> int:
    """Call ``code`` with the files ``given``; returns 65 when one fails, or when it is called with none.

    Result files go to ``root``. Raises ConfigError for what is wrong with the code, BadInput for missing files.
    """
    files = [(source, path) for each in given for source, path in _found(each)]
    begun = time.monotonic()
    with _prints(), working(code, Service()) as work, _output(root, mode) as (output, scratch):
        by = work.made_by
        say(f"{code.file.name}: {by.name}, version {by.version}; ready after {time.monotonic() - begun:.2f} s")
        called = failed = 0
        for source, path in files:
            if work.wanted.match(path.text) is None:
                say(f"\n{path}: not called, its path does not match {work.wanted.pattern}")
                continue
            say(f"\n{path} ({size(source.stat().st_size)})")
            called += 1
            failed += not _Trial(work, output, scratch).run(source, path)
        say(f"\ncalled for {called} of {len(files)} files, {failed} failed")
        if any(each.name != RESERVED for each in root.iterdir()):
            say(f"result files are in {root}")
    return BadInput.exit_code if failed or not called else 0


class _Trial:
    """One call, and what is said of it."""

    def __init__(self, work: Working, output: Output, scratch: Path) -> None:
        self._work = work
        self._output = output
        self._scratch = scratch

    def run(self, source: Path, path: RelativePath) -> bool:
        """Whether it went well."""
        try:
            with self._output.desk() as desk:
                version = Version(sha512_of(source), "", "", source.stat().st_mtime, (time.time_ns() // 1_000_000, 0))
                file = complete_file(source, path, version, 0, self._scratch)
                try:
                    if self._output.keeps_files:
                        self._output.keep(file)
                    answer, blobs = self._call(file, desk)
                    return self._show(file, answer, blobs)
                finally:
                    drop(file)
        except (BadFile, Retryable, Died) as error:
            text = f"the process that ran the code {error}" if isinstance(error, Died) else str(error)
            say(f"FAILED: {text}", "  ")
            return False
        except OSError as error:
            say(f"FAILED: {in_words(error, source)}", "  ")
            return False

    def _call(self, file: CompleteFile, desk: Path) -> tuple[Mapping[str, Any], Sequence[bytes]]:
        head, blobs = order_for(file, "", self._output, desk, tries_left=0)
        begun = time.monotonic()
        try:
            return self._work.crew.call(head, blobs, file.generation.path.text)
        finally:
            say(f"took {time.monotonic() - begun:.3f} s", "  ")

    def _show(self, file: CompleteFile, answer: Mapping[str, Any], blobs: Sequence[bytes]) -> bool:
        if answer["is"] == "retry":
            say(f"asks to be called again in {answer['after']:g} s: {answer['text']}", "  ")
            return True
        if answer["is"] != "done":
            say(f"FAILED: {answer['text']}", "  ")
            say(answer["traceback"].rstrip(), "    ")
            return False
        record = record_of(answer, blobs, file, _TOPIC, self._work.made_by)
        if record is None and not answer["files"]:
            say("no result", "  ")
        if record is not None:
            say(f"result: key {record.key.decode(errors='backslashreplace')}", "  ")
            for name, value in record.headers:
                say(f"{name}: {value.decode(errors='backslashreplace')}", "    ")
            say(_readable(record.value), "    ")
            if len(record.value) > _USUAL_LIMIT:
                say(f"{size(len(record.value))} is more than topics take unless told to (max.message.bytes)", "  ")
        for each in answer["files"]:
            length = Path(each["path"]).stat().st_size
            self._output.place(each["name"], Path(each["path"]), file.version)
            say(f"result file: {each['name']} ({size(length)})", "  ")
        return True


def _readable(value: bytes) -> str:
    try:
        text = value.decode()
        with contextlib.suppress(ValueError):
            return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except UnicodeDecodeError:
        return f"{len(value)} bytes"
    return text


def _found(given: Path) -> Iterator[tuple[Path, RelativePath]]:
    """The files that ``given`` means, with the paths that they would have in a topic. Raises BadInput."""
    if given.is_file():
        yield given, RelativePath.parse(given.name)
        return
    if not given.is_dir():
        raise BadInput(f"there is no file {given}")
    for each in sorted(given.rglob("*")):
        if each.is_file() and RESERVED not in each.parts:
            yield each, RelativePath.parse(each.relative_to(given).as_posix())


@contextlib.contextmanager
def _output(root: Path, mode: str) -> Iterator[tuple[Output, Path]]:
    """The output folder, and one for what is not whole yet, of which nothing is left."""
    ours = not (root / RESERVED).exists()
    staging = prepare(root)
    try:
        folder = Folder(root)
        folder.check(staging.own)
        yield Output(folder, staging.own, mode), staging.own
    finally:
        staging.close()
        if ours:
            shutil.rmtree(root / RESERVED, ignore_errors=True)


@contextlib.contextmanager
def _prints() -> Iterator[None]:
    """Show what the code prints."""
    handler, level = _Prints(), _PRINTS.level
    _PRINTS.addHandler(handler)
    _PRINTS.setLevel(logging.INFO)
    _PRINTS.propagate = False
    try:
        yield
    finally:
        _PRINTS.removeHandler(handler)
        _PRINTS.setLevel(level)
        _PRINTS.propagate = True


class _Prints(logging.Handler):
    """Shows what the log of the service would hold."""

    def emit(self, record: logging.LogRecord) -> None:
        say(f"| {record.getMessage()}", "  ")
