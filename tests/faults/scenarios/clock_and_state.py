"""The clock is stepped, and what the programs remember is lost, damaged or wiped."""

import os
import shutil
import signal
import time
from collections.abc import Mapping
from random import Random

from openmsi_core.paths import RESERVED
from tests.faults.clock import Clock
from tests.faults.scenarios.lost_offsets import offsets_lost
from tests.faults.sending_on import send_on
from tests.faults.world import SETTLE_SECONDS, Route, Scenario, World, route
from tests.support.running import QUICK_SESSION, Program, wait_for

_DAY = 86_400
_STEPS = (-365 * _DAY, -_DAY, -3600, -1, 1, 3600, _DAY, 365 * _DAY)
_TIMES = (-1, 0, 1, 1_000_000_000, 4_000_000_000, 15_000_000_000)
"""Modification times: before and at the epoch (which means "unknown"), long ago, after 2038 and after 2400."""
_BIG = 24_000_000


def clock_steps(world: World, random: Random) -> None:
    """Both programs' clocks go back and forth under them, and the uploader is started again in the past."""
    clock = Clock(world.folder)
    with route(world) as way:
        uploader = way.uploader(env=clock.env)
        way.downloader(env=clock.env, config=QUICK_SESSION)
        send_on(way, random)
        last = _upload_id(way)
        for number in range(5):
            if number == 4:
                uploader.kill()
                clock.step(-_DAY)
                uploader = way.uploader(env=clock.env)
            began = time.monotonic()
            way.put("rewritten", random.randbytes(5000))
            clock.step(random.choice(_STEPS) if number < 4 else -_DAY)
            way.judge.settle()
            assert time.monotonic() - began >= float(SETTLE_SECONDS), "taken before it had settled"
            last, before = _upload_id(way), last
            assert last > before, "upload ids fell back"
            world.tally["clock steps"] += 1


def file_times(world: World, random: Random) -> None:
    """Modification times from before the epoch to after 2400, forth and back: the later upload wins all the same."""
    with route(world) as way:
        way.uploader()
        way.downloader(config=QUICK_SESSION)
        for when in random.sample(_TIMES, len(_TIMES)):
            content = random.randbytes(3000)
            way.judge.owe("rewritten", content)
            (beside := world.folder / "beside").write_bytes(content)
            os.utime(beside, (when, when))
            beside.replace(way.source / "rewritten")
            way.judge.settle()
            world.tally["files"] += 1


def state_lost(world: World, random: Random) -> None:
    """The uploader's state folder is lost: a new source id, everything is sent again, nothing is placed again."""
    with route(world) as way:
        uploader = way.uploader()
        way.downloader(config=QUICK_SESSION)
        sizes = _fill(way, random)
        uploader.kill()
        shutil.rmtree(uploader.state)
        world.tally["states lost"] += 1
        way.put("file 0", random.randbytes(2000))
        _sent_again(way, way.uploader(), sizes)
        send_on(way, random)


def ledger_damaged(world: World, random: Random) -> None:
    """The ledger is damaged: named in the log, moved aside, made anew."""
    with route(world) as way:
        uploader = way.uploader()
        way.downloader(config=QUICK_SESSION)
        sizes = _fill(way, random)
        assert uploader.stop() == 0
        (ledger,) = uploader.state.glob("ledger-*.sqlite")
        size = ledger.stat().st_size
        match random.choice(("begin", "middle", "end")):
            case "begin":
                ledger.write_bytes(random.randbytes(100) + ledger.read_bytes()[100:])
            case "middle":
                ledger.write_bytes(ledger.read_bytes()[:4096] + random.randbytes(size - 4096))
            case "end":
                os.truncate(ledger, size // 2)
        world.tally["ledgers damaged"] += 1
        uploader = way.uploader()
        uploader.says(f"the ledger {ledger} is damaged")
        assert list(uploader.state.glob("*.damaged-*")), "not kept aside"
        _sent_again(way, uploader, sizes)
        send_on(way, random)


def upload_ids_damaged(world: World, random: Random) -> None:
    """Without the bound of the upload ids, newer versions could lose: the program says so and does not start."""
    with route(world) as way:
        uploader = way.uploader()
        way.downloader(config=QUICK_SESSION)
        send_on(way, random)
        uploader.kill()
        file = uploader.state / "upload-ids"
        file.write_bytes(random.choice((b"", b"x" * 13, b"\xff\xfe\x00")))
        uploader = way.uploader()
        assert uploader.exits() == 78, uploader.output
        assert f"{file} is damaged" in uploader.output.splitlines()[-1]
        world.tally["upload ids damaged"] += 1
        file.write_text(str(time.time_ns() // 1_000_000 + 2000))
        way.uploader()
        send_on(way, random)


def staging_wiped(world: World, random: Random) -> None:
    """What waits in the output folder is removed under the running downloader, in mid-file and between files."""
    with route(world) as way:
        way.uploader()
        downloader = way.downloader(config=QUICK_SESSION)
        send_on(way, random)
        if random.random() < 0.5:
            way.put("big", random.randbytes(_BIG))
            wait_for(way.judge.staged, "a part of the file")
            downloader.process.send_signal(signal.SIGSTOP)
            _wipe(way, random)
            downloader.process.send_signal(signal.SIGCONT)
        else:
            _wipe(way, random)
        send_on(way, random)


def _wipe(way: Route, random: Random) -> None:
    shutil.rmtree(way.outs[0] / RESERVED / random.choice(("", "staging")), ignore_errors=True)
    way.world.tally["folders wiped"] += 1


def _fill(way: Route, random: Random) -> dict[str, int]:
    """Several files are in place; path → size."""
    sizes = {f"file {number}": random.randrange(1_500_000) for number in range(6)}
    for path, size in sizes.items():
        way.put(path, random.randbytes(size))
    way.judge.settle()
    return sizes


def _sent_again(way: Route, uploader: Program, sizes: Mapping[str, int]) -> None:
    twice = [f"sent {path} " for path in sizes]
    wait_for(lambda: all(uploader.output.count(each) > 1 for each in twice), "all to be sent again")
    way.world.tally["bytes sent again"] += sum(sizes.values())


def _upload_id(way: Route) -> bytes:
    return os.getxattr(way.outs[0] / "rewritten", "user.openmsi.upload")


SCENARIOS: dict[str, Scenario] = {
    "clock_steps": clock_steps,
    "file_times": file_times,
    "state_lost": state_lost,
    "ledger_damaged": ledger_damaged,
    "upload_ids_damaged": upload_ids_damaged,
    "staging_wiped": staging_wiped,
    "offsets_lost": offsets_lost,
}
LONG: dict[str, Scenario] = {}
