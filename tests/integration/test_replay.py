"""`openmsi replay`: old files once more under new code, each once, beside the service."""

import signal
from pathlib import Path

from tests.support.broker import Broker
from tests.support.processing import Processors
from tests.support.running import QUICK_SESSION, Program, wait_for
from tests.support.sending import Sender, chunks, upload

OLD = """
@processor(files=r".*\\.csv$", name="sizes", version="1")
def sizes(file: DataFile):
    return Result(value={"size": file.size}, files=[ResultFile(f"{file.relative_path}.txt", f"old {file.size}")])
"""
NEW = OLD.replace('version="1"', 'version="2"').replace('f"old ', 'f"new ')
FAILING = NEW.replace("    return", "    assert file.name != 'bad.csv', 'too bad'\n    return")


def replay(processors: Processors, code: Path, *options: str, name: str = "replay", results: str = "") -> Program:
    """Start a replay; with the ``name`` of an earlier one it has the same state folder."""
    where = ("--producer_topic_name", results or processors.results, "--output_dir", str(processors.output))
    command = ("openmsi", "replay", processors.topic, "--processor", str(code), *where, *options)
    return processors.run(name, *command, config=QUICK_SESSION)


def versions(processors: Processors, version: str) -> dict[str, list[object]]:
    """Path → values, of results of that version of the code."""
    return {
        path: values
        for path, results in processors.read().items()
        if (values := [each.json["size"] for each in results if each.headers["openmsi-processor-version"] == version])
    }


def test_the_newest_whole_versions_are_run_again_beside_the_service(
    processors: Processors, sender: Sender, kafka: Broker
) -> None:
    for path, size in {"run/a.csv": 10, "run/b.csv": 2500, "other/c.csv": 5, "run/d.txt": 4, "run/bad.csv": 1}.items():
        sender.file(path, b"x" * size)
    sender.file("run/a.csv", b"y" * 20)
    whole = list(chunks("run/half.csv", b"z" * 3000))
    sender.chunks(whole[:2], upload(b"z" * 3000))
    for _ in range(2):  # as OpenMSIStream does
        sender.chunks(chunks("run/old.csv", b"o" * 5500), None)
    service = processors.start(processors.code(OLD))
    wait_for(
        lambda: versions(processors, "1").keys() >= {"run/b.csv", "run/bad.csv", "run/old.csv", "other/c.csv"},
        "the old results",
    )
    before = versions(processors, "1")
    ran = replay(processors, processors.code(FAILING, "new.py"), "--path", "run/*", "--since", "1h")
    assert ran.exits() == 65, ran.output
    assert "replayed 3 files with sizes, version 2; 1 failed" in ran.output
    assert "left out: 1 older versions, 1 files that are not whole, 0 that are in quarantine" in ran.output
    assert "1 files are in quarantine by now: openmsi quarantine list" in ran.output
    assert versions(processors, "2") == {"run/a.csv": [20], "run/b.csv": [2500], "run/old.csv": [5500]}
    assert (processors.output / "run" / "a.csv.txt").read_text() == "new 20"
    assert (processors.output / "other" / "c.csv.txt").read_text() == "old 5"
    sender.file("run/e.csv", b"123")
    wait_for(lambda: "run/e.csv" in versions(processors, "1"), "the service goes on")
    assert service.stop() == 0
    assert versions(processors, "1") == before | {"run/e.csv": [3]}
    again = replay(processors, processors.code(FAILING, "new.py"), "--path", "run/*", "--since", "1h")
    assert again.exits() == 0, again.output
    assert "1 that are in quarantine" in again.output
    assert versions(processors, "2") == {
        "run/a.csv": [20, 20],
        "run/b.csv": [2500, 2500],
        "run/old.csv": [5500, 5500],
        "run/e.csv": [3],
    }
    groups = kafka.admin().list_consumer_groups().result(10).valid
    assert not [group.group_id for group in groups if group.group_id.startswith("openmsi-replay")]
    assert not list((ran.state).glob("replay-*"))


def test_a_killed_replay_goes_on_and_nothing_is_there_twice(
    processors: Processors, sender: Sender, kafka: Broker, tmp_path: Path
) -> None:
    names = [f"{number}.csv" for number in range(12)]
    for name in names:
        sender.file(name, name.encode())
    gate = tmp_path / "gate"
    slow = NEW.replace("    return", f"    import pathlib, time\n    while {hold(gate)}: time.sleep(0.01)\n    return")
    code, options = processors.code(slow), ("--since", "1h", "--n_threads", "2")
    gate.write_text("6 7")
    first = replay(processors, code, *options)
    wait_for(lambda: len(versions(processors, "2")) >= 6, "some results")
    first.kill()
    assert first.process.returncode == -signal.SIGKILL
    sender.file("0.csv", b"a later version")
    gate.unlink()
    second = replay(processors, code, *options)
    assert second.exits() == 0, second.output
    assert "going on with a replay that did not come to its end" in second.output
    found = versions(processors, "2")
    assert found == {name: [len(name)] for name in names}
    third = replay(processors, code, *options)
    assert third.exits() == 0, third.output
    assert versions(processors, "2")["0.csv"] == [5, 15]


def hold(gate: Path) -> str:
    """An expression that is true for the files that the gate names."""
    return f"pathlib.Path({str(gate)!r}).exists() and file.name[:-4] in pathlib.Path({str(gate)!r}).read_text().split()"
