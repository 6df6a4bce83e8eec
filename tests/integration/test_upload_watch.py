"""`DataFileUploadDirectory` against a real broker: what settles in the folder is in the topic, whole, once."""

import json
import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from openmsi_core.heartbeat import heartbeat_file
from openmsi_core.paths import RelativePath, partition_of
from tests.support.broker import Broker
from tests.support.reading_back import Receiver
from tests.support.running import POWERLESS, Program, wait_for

Start = Callable[..., Program]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def start(kafka: Broker, topic: str, tmp_path: Path, folder: Path) -> Iterator[Start]:
    """Starts uploaders of ``folder`` to ``topic`` and waits until they watch; at the end they are killed."""
    running: list[Program] = []

    def start(
        *options: str, settle: float = 0.3, bootstrap: str = kafka.bootstrap, prefix: tuple[str, ...] = ()
    ) -> Program:
        command = ("DataFileUploadDirectory", str(folder), "--topic_name", topic, "--watchdog_lag_time", str(settle))
        program = Program(tmp_path / "uploader", bootstrap, *command, "--rescan_seconds", "2", *options, prefix=prefix)
        running.append(program)
        wait_for(lambda: status(program), "the first heartbeat")
        return program

    yield start
    for program in running:
        program.kill()


def status(program: Program) -> dict[str, object]:
    """The heartbeat of the program that runs now; empty before its first."""
    try:
        beat = json.loads(heartbeat_file(program.state).read_text())
    except FileNotFoundError:
        return {}
    return dict(beat) if beat["pid"] == program.process.pid else {}


def notes(program: Program) -> dict[str, int]:
    return {str(name): int(count) for name, count in dict(status(program)["notes"]).items()}  # type: ignore[call-overload]


def write(folder: Path, files: dict[str, bytes]) -> dict[str, bytes]:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return files


def test_every_regular_file_arrives_whole_and_what_is_left_out_is_counted(
    start: Start, folder: Path, receiver: Receiver
) -> None:
    program = start()
    deep = "/".join(f"level {number}" for number in range(100))
    files = write(
        folder,
        {
            "log.txt": b"log",
            "empty": b"",
            "catalog.csv": b"a,b\n",
            "geology/analog_01.tif": os.urandom(700_000),
            "Größe/日本語 ☃.dat": b"unicode",
            f"{deep}/leaf": b"deep",
            "exact.bin": os.urandom(2 * 524_288),
            "large.bin": os.urandom(20_000_000),
        },
    )
    write(folder, {".hidden": b"", "~$open.docx": b"", ".git/config": b""})
    (folder / "link").symlink_to("log.txt")
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.txt")).write_bytes(b"latin-1")
    receiver.until_files(files)
    for arrived in receiver.uploads:
        assert arrived.partition == partition_of(RelativePath(arrived.path), 4)
        assert next(iter(arrived.chunks.values())).mtime == pytest.approx((folder / arrived.path).stat().st_mtime)
    left_out = {
        "skipped: hidden": 2,
        "skipped: debris of an editor, sync tool or network storage": 1,
        "skipped: symbolic link": 1,
        "skipped: the name is not valid UTF-8": 1,
    }
    wait_for(lambda: notes(program) == left_out, "the counts of what was left out")
    assert len(receiver.uploads) == len(files)
    assert program.stop() == 0
    assert program.output.count("sent log.txt (3 B, partition") == 1


def test_a_file_is_never_taken_while_it_is_written(start: Start, folder: Path, receiver: Receiver) -> None:
    start(settle=1.0)
    content = bytes(range(256))
    with (folder / "drip").open("wb", buffering=0) as drip:
        for byte in content[:20]:
            drip.write(bytes([byte]))
            time.sleep(0.15)
    (folder / "born-empty").touch()
    time.sleep(0.3)
    (folder / "born-empty").write_bytes(b"filled later")
    receiver.until_files({"drip": content[:20], "born-empty": b"filled later"})
    receiver.nothing_new(2)
    assert len(receiver.uploads) == 2


def test_start_up_is_no_exception_from_settling(start: Start, folder: Path, receiver: Receiver) -> None:
    path = folder / "growing"
    path.write_bytes(b"0")
    os.utime(path, ns=(1, 1))
    growing = True

    def grow() -> None:
        while growing:
            with path.open("ab") as file:
                file.write(b"x")
            os.utime(path, ns=(1, 1))
            time.sleep(0.1)

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        start("--upload_existing", settle=1.0)
        receiver.nothing_new(3)
    finally:
        growing = False
        writer.join()
    receiver.until_files({"growing": path.read_bytes()})
    assert len(receiver.uploads) == 1


def test_what_is_there_at_the_first_start_is_not_wanted_until_it_changes_or_is_asked_for(
    start: Start, folder: Path, receiver: Receiver
) -> None:
    write(folder, {"old/a": b"a", "old/b": b"b", ".hidden": b""})
    program = start()
    new = write(folder, {"new": b"new"})
    receiver.until_files(new)
    changed = write(folder, {"old/b": b"changed"})
    receiver.until_files(new | changed)
    assert program.stop() == 0
    program = start()
    receiver.nothing_new(2)
    assert program.stop() == 0
    start("--upload_existing")
    receiver.until_files({"old/a": b"a"} | new | changed)
    receiver.nothing_new(2)
    assert [arrived.path for arrived in receiver.uploads].count("new") == 1


def test_only_new_content_is_sent_after_a_restart(start: Start, folder: Path, receiver: Receiver) -> None:
    files = write(folder, {"same": b"1", "touched": b"2", "changed": b"3", "sly": b"4444", "removed": b"5"})
    program = start("--upload_existing")
    receiver.until_files(files)
    wait_for(lambda: status(program)["files_pending"] == 0, "nothing pending")
    assert program.stop() == 0
    (folder / "touched").touch()
    (folder / "removed").unlink()
    sly = (folder / "sly").stat()
    files |= write(folder, {"changed": b"3+", "sly": b"ylsx", "added/later": b"6"})
    os.utime(folder / "sly", ns=(sly.st_atime_ns, sly.st_mtime_ns))
    program = start()
    receiver.until_files(files)
    receiver.nothing_new(1.5)
    assert len(receiver.uploads) == 5 + 3
    for path in ("changed", "sly"):
        first, second = [a.upload for a in receiver.uploads if a.path == path]
        assert first.source == second.source
        assert first.upload_id < second.upload_id
    assert program.stop() == 0


def test_kill_at_any_time_loses_nothing(start: Start, folder: Path, receiver: Receiver) -> None:
    files: dict[str, bytes] = {}
    for number in range(6):
        files |= write(folder, {f"{number}/{name}": os.urandom(300_000) for name in range(30)})
        program = start("--upload_existing", settle=0.1)
        time.sleep(random.uniform(0.0, 0.4))
        program.kill()
    program = start("--upload_existing", settle=0.1)
    receiver.until_files(files)
    assert program.stop() == 0


def test_trees_moved_in_and_files_renamed_into_place_arrive(
    start: Start, folder: Path, receiver: Receiver, tmp_path: Path
) -> None:
    start("--rescan_seconds", "600")  # so events alone must find them
    files = write(tmp_path / "elsewhere", {"run/1/a.tif": b"a", "run/2/b.tif": b"b"})
    (tmp_path / "elsewhere" / "run").rename(folder / "run")
    write(folder, {".c.tif.x1y2": b"c", "d.part": b"d"})
    (folder / ".c.tif.x1y2").rename(folder / "c.tif")
    (folder / "d.part").rename(folder / "d")
    receiver.until_files(files | {"c.tif": b"c", "d": b"d"})
    (folder / "run").rename(folder / "moved")
    moved = {path.replace("run", "moved", 1): data for path, data in files.items()}
    receiver.until_files(files | moved | {"c.tif": b"c", "d": b"d"})


def test_the_folder_may_be_read_only_and_is_never_written_to(start: Start, folder: Path, receiver: Receiver) -> None:
    files = write(folder, {"a": b"a", "sub/b": os.urandom(9_000_000)})
    for path in (folder / "sub", folder):
        path.chmod(0o555)
    before = [(path, path.stat().st_mtime_ns, path.stat().st_ctime_ns) for path in sorted(folder.rglob("*"))]
    program = start("--upload_existing", prefix=POWERLESS)
    receiver.until_files(files)
    assert program.stop() == 0
    assert [(path, path.stat().st_mtime_ns, path.stat().st_ctime_ns) for path in sorted(folder.rglob("*"))] == before


def test_deleting_and_renaming_at_the_source_deletes_nothing_downstream(
    start: Start, folder: Path, receiver: Receiver
) -> None:
    start()
    write(folder, {"a": b"a", "b": b"b"})
    receiver.until_files({"a": b"a", "b": b"b"})
    (folder / "a").unlink()
    (folder / "b").rename(folder / "c")
    receiver.until_files({"a": b"a", "b": b"b", "c": b"b"})
    receiver.nothing_new(3)


def test_an_unreadable_file_or_folder_does_not_stop_the_others(start: Start, folder: Path, receiver: Receiver) -> None:
    program = start(prefix=POWERLESS)
    files = write(folder, {"good": b"good", "bad": b"bad", "locked/c": b"c"})
    (folder / "bad").chmod(0)
    (folder / "locked").chmod(0)
    receiver.until(lambda: receiver.files.get("good"))
    program.says("bad (user id 0 may not read it: give it the right to read this file)")
    program.says("the folder locked cannot be looked into (Permission denied)")
    wait_for(lambda: notes(program).get("failing, tried again") == 1, "the failing file in the status")
    time.sleep(2)
    assert program.output.count("bad (user id 0") == 1
    (folder / "bad").chmod(0o600)
    (folder / "locked").chmod(0o700)
    receiver.until_files(files)
    wait_for(lambda: notes(program) == {}, "a clean status")


def test_a_folder_that_goes_away_is_waited_for(start: Start, folder: Path, receiver: Receiver, tmp_path: Path) -> None:
    program = start()
    write(folder, {"a": b"a"})
    receiver.until_files({"a": b"a"})
    folder.rename(tmp_path / "away")
    wait_for(lambda: "data" in str(status(program)["waiting_for"]), "the folder in the status")
    write(tmp_path / "away", {"b": b"b"})
    (tmp_path / "away").rename(folder)
    receiver.until_files({"a": b"a", "b": b"b"})
    write(folder, {"c": b"c"})
    receiver.until_files({"a": b"a", "b": b"b", "c": b"c"})
    shutil.rmtree(folder)
    write(folder, {"d": b"d"})
    receiver.until(lambda: receiver.files.get("d"))
    assert status(program)["waiting_for"] is None
    assert program.output.count("is away") <= 2
    assert program.stop() == 0


IN_NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")


def test_polling_is_a_flag(start: Start, folder: Path, receiver: Receiver) -> None:
    program = start("--use_polling_observer")
    files = write(folder, {"a": b"a", "x/y/b": b"b"})
    receiver.until_files(files)
    files |= write(folder, {"a": b"changed"})
    receiver.until_files(files)
    assert "again and again" not in program.output


def test_without_watches_of_the_system_the_folder_is_polled(start: Start, folder: Path, receiver: Receiver) -> None:
    no_watches = 'echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"'
    program = start("--rescan_seconds", "600", prefix=(*IN_NAMESPACE, no_watches, "sh"))
    files = write(folder, {"a": b"a", "x/y/b": b"b"})
    receiver.until_files(files)
    assert program.output.count("again and again, because the system cannot tell of changes there") == 1


def test_where_events_tell_nothing_the_folder_is_polled(
    start: Start, folder: Path, receiver: Receiver, tmp_path: Path
) -> None:
    """The program sees an overlay, and what is written into its lower layer comes without events, as on a share."""
    for name in ("upper", "work"):
        (tmp_path / name).mkdir()
    layers = f"lowerdir={folder},upperdir={tmp_path / 'upper'},workdir={tmp_path / 'work'}"
    mount = f'mount -t overlay overlay -o {layers} {folder} && exec "$@"'
    program = start(prefix=(*IN_NAMESPACE, mount, "sh"))
    files = write(folder, {str(number): b"" for number in range(4)})
    receiver.until_files(files)
    program.says("again and again, because new files were found that no event told of")
    files |= write(folder, {"x/y/later": b"later"})
    receiver.until_files(files)
    assert program.output.count("again and again") == 1


def test_a_damaged_ledger_is_named_and_everything_is_sent_again(start: Start, folder: Path, receiver: Receiver) -> None:
    program = start()
    write(folder, {"a": b"a"})
    receiver.until_files({"a": b"a"})
    assert program.stop() == 0
    write(folder, {"b": b"b"})
    (ledger,) = program.state.glob("ledger-*.sqlite")
    ledger.write_bytes(b"nonsense" * 10_000)
    start().says(f"{ledger} is damaged")
    receiver.until_files({"a": b"a", "b": b"b"})
    receiver.until(lambda: len(receiver.versions("a")) == 2)


def test_hostile_writers_never_cause_a_mixture_and_the_last_version_always_arrives(
    start: Start, folder: Path, receiver: Receiver
) -> None:
    start(settle=0.1)
    written: dict[str, set[bytes]] = {}
    last: dict[str, bytes] = {}

    def torment(seed: int) -> None:
        dice = random.Random(seed)
        path = f"hostile-{seed}"
        written[path] = set()
        for _ in range(25):
            content = dice.randbytes(dice.choice([0, 10, 700_000, 12_000_000]))
            written[path].add(content)
            match dice.choice(["replace", "rewrite", "delete"]):
                case "replace":
                    (folder / f".{path}").write_bytes(content)
                    (folder / f".{path}").rename(folder / path)
                case "rewrite":
                    (folder / path).write_bytes(content)
                case "delete":
                    (folder / path).unlink(missing_ok=True)
                    (folder / path).write_bytes(content)
            last[path] = content
            time.sleep(dice.choice([0.0, 0.05, 0.12, 0.3]))

    writers = [threading.Thread(target=torment, args=(seed,)) for seed in range(4)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        receiver.until(lambda: True)
        time.sleep(0.05)
    receiver.until(lambda: receiver.files == last, 60)
    for arrived in receiver.uploads:  # a writer that pauses after its truncate or half-way may be taken there
        assert any(content.startswith(arrived.data or b"") for content in written[arrived.path])


def test_q_and_signals_end_the_program_cleanly(start: Start, folder: Path, receiver: Receiver) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        program = start("--upload_existing")
        files = write(folder, {f"{number.name}-{index}": os.urandom(100_000) for index in range(50)})
        assert program.stop(number, seconds=10) == 0
    start("--upload_existing")
    receiver.until(lambda: files.keys() <= receiver.files.keys())
