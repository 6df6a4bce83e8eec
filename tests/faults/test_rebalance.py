"""Members of a group that freeze at the worst moments, and a round in which they come, die, freeze and thaw."""

import contextlib
import re
from pathlib import Path
from random import Random

import pytest
from confluent_kafka import Consumer, TopicPartition

from tests.faults import strace
from tests.faults.offsets import all_committed, ends, never_back
from tests.faults.scenarios.rebalance import SCENARIOS, Members, ends_well
from tests.faults.world import Route, World, route
from tests.support.downloading import tree
from tests.support.running import Program, wait_for
from tests.support.sending import Sender, chunks, upload

PLACING = "renameat,renameat2"
RENAMES = {"264", "316", "38", "276"}
"""Linux's numbers of them, on x86-64 and on ARM."""
HELD_SECONDS = 7


def test_members_come_die_and_freeze(world: World) -> None:
    SCENARIOS["rebalance: one folder"](world, Random(7))


@pytest.mark.parametrize("end", ["thaws", "dies"])
def test_frozen_between_the_last_verdict_and_the_rename(world: World, end: str) -> None:
    """Another member of the same folder gets the old version and a newer one; the newer one must stay."""
    log = strace.Log(world.folder)
    with route(world) as way:
        members, sender = Members(way), Sender(way.bootstrap, way.topic)
        held = members.join("0", slow_renames(log, HELD_SECONDS))
        other = members.join("1")
        path = paths_of(held, other, sender, 1)[0]
        send(way, sender, path, b"old" * 1000)
        assert sum(ends(way).values()) == 3, "the old version is not in the topic"
        wait_for(lambda: in_rename(held), f"the rename of {path}, partition {sender.partition(path)}")
        members.freeze("0")
        send(way, sender, path, newest := b"newer" * 1000)
        wait_for(lambda: "keeps its turn" in other.output or tree(way.outs[0]) == {path: newest}, "the other member")
        if end == "dies":
            members.kill("0")
            members.join("2")  # a start clears away what the dead have left
        else:
            members.thaw("0")
            held.says("lost partitions")
            wait_for(lambda: "DELAYED" in log.text, "the held rename")
        ends_well(way, members)


def test_frozen_with_many_small_files_to_deliver(world: World) -> None:
    """All of them are rewritten while it is frozen; it must not put any old one back."""
    log = strace.Log(world.folder)
    with route(world) as way:
        members, sender = Members(way), Sender(way.bootstrap, way.topic)
        held = members.join("0", slow_renames(log, 0.4, always=True))
        paths = paths_of(held, members.join("1"), sender, 40)
        for path in paths:
            send(way, sender, path, b"old " + path.encode())
        wait_for(lambda: len(tree(way.outs[0])) >= 4, "the first of them")
        members.freeze("0")
        assert len(tree(way.outs[0])) < 20, "it had nothing left to deliver"
        for path in paths:
            send(way, sender, path, b"newest " + path.encode())

        def newest() -> list[bytes]:
            return [content for content in tree(way.outs[0]).values() if content.startswith(b"newest")]

        wait_for(lambda: len(newest()) > 30, "most of the newest", 60)  # some wait for the turn that it keeps
        members.thaw("0")
        held.says("lost partitions")
        ends_well(way, members)


def test_a_member_that_was_frozen_commits_nothing_of_what_it_lost(world: World) -> None:
    """It holds an offset that others went past; they have left, so the broker would take a commit from anybody."""
    with route(world) as way:
        members, sender = Members(way), Sender(way.bootstrap, way.topic)
        late = members.join("0")
        content = Random(1).randbytes(50_000)
        way.judge.owe("half", content)
        pieces, by = list(chunks("half", content)), upload(content)
        send(way, sender, "before", b"before")
        sender.chunks(pieces[:30], by)
        wait_for(way.judge.staged, "the first half")
        wait_for(lambda: "before" in tree(way.outs[0]), "the file before")
        members.freeze("0")
        sender.chunks(pieces[30:], by)
        members.join("1")
        all_committed(way)
        assert members.running.pop("1").stop() == 0
        members.thaw("0")
        late.says("lost partitions")
        send(way, sender, "after", b"after")
        ends_well(way, members)
        assert never_back(way)[sender.partition("half")][-1] >= len(pieces)


def test_an_offset_that_goes_back_is_seen(world: World) -> None:
    with route(world) as way:
        group = Consumer({"bootstrap.servers": way.bootstrap, "group.id": way.group})
        for offset in (3, 5, 5):
            group.commit(offsets=[TopicPartition(way.topic, 2, offset)], asynchronous=False)
        assert never_back(way) == {2: [3, 5, 5]}
        group.commit(offsets=[TopicPartition(way.topic, 2, 4)], asynchronous=False)
        group.close()
        with pytest.raises(AssertionError, match="partition 2: 4 was committed after"):
            never_back(way)


def send(way: Route, sender: Sender, path: str, content: bytes) -> None:
    way.judge.owe(path, content)
    sender.file(path, content)


def slow_renames(log: strace.Log, seconds: float, *, always: bool = False) -> tuple[str, ...]:
    """Prefix of a downloader whose delivery threads are held for so long just before they give a file its name."""
    effect = f"delay_enter={seconds * 1e6:.0f}"
    return strace.from_start(PLACING, log, strace.injection(PLACING, effect, 1, on=always))


def in_rename(program: Program) -> bool:
    """Whether one of its threads is held there."""
    for thread in Path(f"/proc/{program.process.pid}/task").iterdir():
        with contextlib.suppress(OSError):  # it ended meanwhile
            if (thread / "syscall").read_text().split()[0] in RENAMES:
                return True
    return False


def paths_of(member: Program, other: Program, sender: Sender, count: int) -> list[str]:
    """``count`` paths in partitions that ``member`` reads when ``other`` is the only one beside it."""
    wait_for(lambda: len(partitions(other)) == 2, "a fair share")
    every = (f"{number % 3}/{number}.dat" for number in range(10_000))
    others = partitions(other)
    return [
        path for path, _ in zip((p for p in every if sender.partition(p) not in others), range(count), strict=False)
    ]


def partitions(program: Program) -> list[int]:
    """What it said last that it reads."""
    return [
        int(number) for number in re.findall(r"\d+", re.findall(r"reading partitions \[(.*)\]", program.output)[-1])
    ]
