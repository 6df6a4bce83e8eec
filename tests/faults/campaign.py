"""``make faults ROUNDS=n SEED=s``: plays rounds of fault scenarios at random and prints what was done and found.

Each round is one scenario in a world of its own, with chance from ``SEED`` and the round's number alone, so that a
failed one can be played again: ``make faults ARGS="--only ROUND"`` with the same seed.
"""

import argparse
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from random import Random

from tests.faults.scenarios import LONG, SCENARIOS
from tests.faults.world import World
from tests.support.broker import Broker, jars_folder

_LARGE = 100
"""A campaign of so many rounds plays the long scenarios too."""


@dataclass(frozen=True, slots=True)
class Round:
    """One scenario to play."""

    number: int
    scenario: str
    random: Random


@dataclass(frozen=True, slots=True)
class Result:
    """How it went."""

    round: Round
    seconds: float
    tally: Counter[str]
    error: str | None


def main() -> int:
    """Run the campaign; exit code 1 when a promise was broken."""
    options = _options()
    rounds = _rounds(options.rounds, options.seed)
    if options.only is not None:
        rounds = [rounds[options.only]]
    with _broker() as broker, ThreadPoolExecutor(options.at_once) as pool:
        results = list(pool.map(lambda each: _report(_play(each, broker, options.keep)), rounds))
    print(_table(results))
    failed = [result for result in results if result.error]
    print(f"{len(results)} rounds with seed {options.seed}: {len(failed)} failed")
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make faults")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=3, help="rounds beside each other")
    parser.add_argument("--only", type=int, help="play only the round with this number")
    parser.add_argument("--keep", action="store_true", help="keep the folders of failed rounds")
    return parser.parse_args()


def _rounds(count: int, seed: int) -> list[Round]:
    names = sorted(LONG) if count >= _LARGE else []  # first, so that the others run beside them
    names += [name for _, name in zip(range(count - len(names)), cycle(sorted(SCENARIOS)), strict=False)]
    return [Round(number, name, Random(f"{seed}-{number}")) for number, name in enumerate(names)]


@contextmanager
def _broker() -> Iterator[Broker]:
    folder = Path(tempfile.mkdtemp(prefix="faults-broker-"))
    broker = Broker(folder, jars_folder())
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _play(each: Round, broker: Broker, keep: bool) -> Result:
    world = World(Path(tempfile.mkdtemp(prefix=f"faults-{each.number}-")), broker)
    begin, error = time.monotonic(), None
    try:
        (SCENARIOS | LONG)[each.scenario](world, each.random)
    except Exception:  # whatever it is, the round failed
        error = traceback.format_exc()
    if error is None or not keep:
        shutil.rmtree(world.folder, ignore_errors=True)
    else:
        error += f"its files are in {world.folder}\n"
    return Result(each, time.monotonic() - begin, world.tally, error)


def _report(result: Result) -> Result:
    said = ", ".join(f"{count} {what}" for what, count in sorted(result.tally.items()))
    verdict = "FAILED" if result.error else "ok"
    print(f"round {result.round.number} {result.round.scenario}: {verdict}, {result.seconds:.0f} s, {said}", flush=True)
    if result.error:
        print(result.error, file=sys.stderr, flush=True)
    return result


def _table(results: list[Result]) -> str:
    lines = ["| faults | rounds | failed | what was done |", "|---|---|---|---|"]
    for name in sorted({result.round.scenario for result in results}):
        own = [result for result in results if result.round.scenario == name]
        tally = sum((result.tally for result in own), Counter[str]())
        done = ", ".join(f"{count:,} {what}" for what, count in sorted(tally.items()))
        lines.append(f"| {name} | {len(own)} | {sum(result.error is not None for result in own)} | {done} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
