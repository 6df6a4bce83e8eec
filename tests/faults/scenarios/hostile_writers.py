"""Programs that write badly: what they leave in peace arrives, and nothing that they only passed through."""

import json
import signal
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from random import Random

from tests.faults.odd_files import ODD
from tests.faults.pen import Hand
from tests.faults.world import Route, Scenario, World, route
from tests.faults.writers import WRITERS, Writer, writes_without_end
from tests.support.downloading import reasons
from tests.support.running import QUICK_SESSION, Program, wait_for

ALL = (*WRITERS, *ODD)
_MORE_EVENTS = 9_000  # each for two files: more than the 16,384 that Linux keeps


def play(world: World, random: Random, writers: Sequence[Writer], at_once: int, *, seconds: float = 90.0) -> None:
    """``writers``, ``at_once`` of them beside each other, and one that never ends while they write."""
    with route(world) as way:
        up, down = _start(way)
        hands = [Hand(way, f"{number % 7}/{number}", Random(random.random())) for number in range(len(writers))]
        endless = Hand(way, "endless", random)
        never_still = threading.Thread(target=writes_without_end, args=(endless,))
        never_still.start()
        try:
            _write(hands, writers, at_once)
            way.judge.settle(seconds)
        finally:
            endless.others_done.set()
            never_still.join()
        world.tally["hostile writers"] += len(writers) + 1
        _end(way, [up, down], sum((hand.left_out for hand in hands), Counter[str]()))


def play_unseen(world: World, random: Random, writers: Sequence[Writer], at_once: int) -> None:
    """The same while the uploader is frozen, and more events than Linux keeps for it."""
    with route(world) as way:
        up, down = _start(way)
        hands = [Hand(way, f"{number % 7}/{number}", Random(random.random())) for number in range(len(writers))]
        up.process.send_signal(signal.SIGSTOP)
        noise = [Hand(way, "noise", random).pen(name) for name in "ab"]
        for pen in noise:
            pen.create(last=True)
        for _ in range(_MORE_EVENTS):
            for pen in noise:  # in turn, because the same event twice is one
                pen.paths[0].open("a").close()
        _write(hands, writers, at_once)
        up.process.send_signal(signal.SIGCONT)
        world.tally["events lost on purpose"] += 2 * _MORE_EVENTS
        world.tally["hostile writers"] += len(writers)
        _end(way, [up, down], sum((hand.left_out for hand in hands), Counter[str]()))


def _start(way: Route) -> tuple[Program, Program]:
    up = way.uploader("--chunk_size", "65536")
    down = way.downloader(config=QUICK_SESSION)
    up.says("reached", 60)
    down.says("reading partitions", 60)
    return up, down


def _write(hands: Sequence[Hand], writers: Sequence[Writer], at_once: int) -> None:
    with ThreadPoolExecutor(at_once) as pool:
        for done in [pool.submit(writer, hand) for writer, hand in zip(writers, hands, strict=True)]:
            done.result()


def _end(way: Route, programs: list[Program], left_out: Counter[str]) -> None:
    """Everything is there, a fresh file comes through, and what was not sent was counted."""
    way.judge.settle(120)
    way.put("fresh", b"fresh")
    way.judge.settle(60)
    assert reasons(way.outs[0]) == []
    expected = {f"skipped: {reason}": count for reason, count in left_out.items()}
    wait_for(lambda: _skipped(programs[0]) == expected, f"{expected} to be told, not {_skipped(programs[0])}")
    for program in programs:
        assert program.process.poll() is None, f"a program has ended:\n{program.output}"
        assert "Traceback" not in program.output, program.output
    way.world.tally["files"] += way.judge.obligations


def _skipped(uploader: Program) -> dict[str, int]:
    (file,) = uploader.state.glob("heartbeat-*.json")
    return {note: count for note, count in json.loads(file.read_text())["notes"].items() if note.startswith("skipped")}


def some(random: Random, count: int) -> list[Writer]:
    """``count`` writers, of all kinds as equally as can be."""
    chosen = [writer for _ in range(-(-count // len(ALL))) for writer in random.sample(ALL, len(ALL))]
    return chosen[:count]


SCENARIOS: dict[str, Scenario] = {
    "hostile writers": lambda world, random: play(world, random, some(random, 60), 40),
    "hostile writers unseen": lambda world, random: play_unseen(world, random, some(random, 30), 30),
}
LONG: dict[str, Scenario] = {
    "1,000 hostile writers": lambda world, random: play(world, random, some(random, 1000), 40, seconds=300.0),
}
