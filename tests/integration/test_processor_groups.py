"""Several processors share a topic: whatever is killed, frozen or taken away, each file has one result."""

import random
import signal
import time
from pathlib import Path

from tests.support.broker import Broker
from tests.support.processing import Processors
from tests.support.running import QUICK_SESSION, Program, wait_for
from tests.support.sending import Sender, chunks, upload

SIZE = """
@processor
def size(file: DataFile):
    return {"size": file.size}
"""
GATED = """
import os, time
from pathlib import Path

@processor(files="gated")
def gated(file: DataFile):
    here = Path(__file__).parent
    (here / f"called {os.getpid()}").touch()
    while not (here / "open").exists():
        time.sleep(0.02)
    return {"size": file.size}
"""
QUICK_TRANSACTIONS = QUICK_SESSION + "\n[producer]\ntransaction.timeout.ms = 3000\n"


def feed(sender: Sender, count: int, stem: str = "run") -> dict[str, int]:
    """Send files of one to five chunks; returns their sizes by path."""
    sizes = {f"{stem}/{number}.dat": random.randrange(1, 5000) for number in range(count)}
    for path, size in sizes.items():
        sender.file(path, random.randbytes(size))
    return sizes


def wait_for_results(processors: Processors, sizes: dict[str, int], seconds: float = 60) -> None:
    """Until each file has a result; it must be one."""
    wait_for(lambda: processors.read().keys() >= sizes.keys(), "all results", seconds)
    assert results(processors) == {path: [size] for path, size in sizes.items()}


def member(processors: Processors, code: Path, name: str, *options: str, config: str = QUICK_TRANSACTIONS) -> Program:
    """One more of the group."""
    options = ("--consumer_group_id", f"group-{processors.topic}", *options)
    return processors.start(code, *options, name=name, config=config)


def results(processors: Processors) -> dict[str, list[int]]:
    """All results by path."""
    return {path: [each.json["size"] for each in read] for path, read in processors.read().items()}


def test_members_come_go_and_die(processors: Processors, sender: Sender) -> None:
    """1 → 3 → 1, one state folder each; who comes last finds none."""
    code, sizes = processors.code(SIZE), feed(sender, 80)
    running = [member(processors, code, "0")]
    for name in ("1", "2"):
        running.append(member(processors, code, name))
        sizes |= feed(sender, 80, f"turn {name}")
    wait_for(lambda: all("reading partitions [" in each.output.replace("[]", "") for each in running), "partitions")
    sizes |= feed(sender, 120, "killed")
    running[2].says("processed killed", 30)
    for each in running[1:]:
        each.kill()
    running += [member(processors, code, "lost")]
    sizes |= feed(sender, 80, "last")
    wait_for_results(processors, sizes)
    assert [running[0].stop(), running[3].stop()] == [0, 0]
    assert results(processors) == {path: [size] for path, size in sizes.items()}
    assert "Traceback" not in running[0].output + running[3].output


def test_two_processes_share_a_state_folder(processors: Processors, sender: Sender) -> None:
    code, sizes = processors.code(SIZE), feed(sender, 60)
    state = str(processors.folder / "shared")
    running = [member(processors, code, name, "--state_dir", state) for name in ("0", "1")]
    for each in running:
        each.says("reading partitions [", 30)
    for turn in range(2):
        sizes |= feed(sender, 60, f"turn {turn}")
        running[turn % 2].kill()
        running[turn % 2] = member(processors, code, str(turn % 2), "--state_dir", state)
    wait_for_results(processors, sizes)
    again = {path: random.randbytes(size) for path, size in list(sizes.items())[:20]}
    for path, content in again.items():
        sender.file(path, content)
        sender.file(path, content)  # is known, whoever has had the first
    wait_for(lambda: sum(map(len, results(processors).values())) >= len(sizes) + len(again), "the second versions")
    assert [each.stop() for each in running] == [0, 0]
    assert results(processors) == {path: [size] * (1 + (path in again)) for path, size in sizes.items()}


def test_a_file_whose_partition_goes_and_comes_back_while_it_is_worked_on(processors: Processors) -> None:
    """The same file is called again meanwhile, by another and by the first; the first call answers at last."""
    code = processors.code(GATED)
    here, sender = processors.folder, Sender(processors.bootstrap, processors.topic)
    sender.file("gated", b"12345")
    first = member(processors, code, "first")
    wait_for(lambda: len(list(here.glob("called *"))) == 1, "the first call")
    first.process.send_signal(signal.SIGSTOP)
    other = member(processors, code, "other")
    wait_for(lambda: len(list(here.glob("called *"))) == 2, "the second call")
    first.process.send_signal(signal.SIGCONT)
    time.sleep(random.uniform(0, 1.0))
    other.kill()
    wait_for(lambda: first.output.count("reading partitions [0, 1, 2, 3]") >= 2, "the partitions to come back")
    (here / "open").touch()
    wait_for_results(processors, {"gated": 5})
    assert first.stop() == 0
    assert results(processors) == {"gated": [5]}


def test_who_was_frozen_goes_on(processors: Processors, sender: Sender) -> None:
    """Beyond the session, and beyond the longest transaction."""
    code, sizes = processors.code(SIZE), feed(sender, 60)
    frozen = member(processors, code, "frozen")
    frozen.says("processed", 30)
    sizes |= feed(sender, 60, "frozen")
    time.sleep(random.uniform(0, 0.3))
    frozen.process.send_signal(signal.SIGSTOP)
    other = member(processors, code, "other")
    until = time.monotonic() + 5.0
    sizes |= feed(sender, 60, "meanwhile")
    other.says("processed", 30)
    time.sleep(max(0.0, until - time.monotonic()))
    frozen.process.send_signal(signal.SIGCONT)
    sizes |= feed(sender, 60, "thawed")
    wait_for_results(processors, sizes)
    other.kill()
    sizes |= feed(sender, 20, "alone")
    wait_for_results(processors, sizes)
    assert frozen.stop() == 0
    assert results(processors) == {path: [size] for path, size in sizes.items()}


def test_a_broker_that_goes_is_waited_for(own_kafka: Broker, tmp_path: Path) -> None:
    topic, target = own_kafka.create_topic(), own_kafka.create_topic()
    processors, sender = Processors(own_kafka.bootstrap, topic, target, tmp_path), Sender(own_kafka.bootstrap, topic)
    try:
        code, sizes = processors.code(SIZE), feed(sender, 100)
        program = member(processors, code, "0", config=QUICK_SESSION)
        program.says("processed", 30)
        # Not killed: Kafka 4.3 may then lose the end of a transaction that it has decided to commit.
        own_kafka.freeze()
        time.sleep(4.0)
        own_kafka.thaw()
        sizes |= feed(sender, 100, "killed")
        wait_for_results(processors, sizes, 90)
        assert program.stop() == 0
        assert results(processors) == {path: [size] for path, size in sizes.items()}
    finally:
        processors.kill()


def test_a_topic_that_is_made_anew(kafka: Broker, topic: str, processors: Processors, sender: Sender) -> None:
    """Its offsets begin at 0 again."""
    code, sizes = processors.code(SIZE), feed(sender, 50)
    program = member(processors, code, "0")
    wait_for_results(processors, sizes)
    admin = kafka.admin()
    admin.delete_topics([topic])[topic].result(10)
    kafka.create_topic(topic)
    sizes |= feed(Sender(kafka.bootstrap, topic), 20, "new")
    wait_for(lambda: results(processors).keys() >= sizes.keys() or program.process.poll() is not None, "the new", 60)
    if program.process.poll() is not None:
        program = member(processors, code, "0")
    wait_for_results(processors, sizes)
    assert program.stop() == 0


def test_scattered_chunks_repeats_and_old_versions(processors: Processors, sender: Sender) -> None:
    """As OpenMSIStream sends them, over all partitions in no order; one process is killed again and again."""
    code = processors.code(SIZE)
    scattered = {f"scattered {number}": random.randbytes(random.randrange(1, 9000)) for number in range(60)}
    pieces = [piece for path, content in scattered.items() for piece in chunks(path, content)]
    random.shuffle(pieces)
    for turn in range(2):
        sender.chunks(pieces[turn::2], None)
        program = member(processors, code, "0")
        program.says("reading partitions", 30)
        time.sleep(random.uniform(0.5, 1.5))
        program.kill()
    sender.file("a", b"new", mtime=2e9)
    sender.file("a", b"older", mtime=1e9, by=upload(b"older", "another source"))
    for path in list(scattered)[:10]:
        sender.file(path, scattered[path], mtime=2e9)
    sender.file("end", b"")
    program = member(processors, code, "0")
    sizes = {path: len(content) for path, content in scattered.items()} | {"a": 3, "end": 0}
    wait_for_results(processors, sizes)
    assert program.stop() == 0
    assert results(processors) == {path: [size] for path, size in sizes.items()}
