"""Which machine and which version figures belong to."""

import datetime
import os
import platform
import subprocess
from pathlib import Path

from tests.perf import bare
from tests.perf.lab import Lab
from tests.perf.results import Results
from tests.perf.runs import MB
from tests.perf.workloads import equal
from tests.support.broker import ROOT


def begin_results(*, quick: bool) -> Results:
    """Nothing measured yet."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return Results(version(), now, quick, _facts())


def version() -> str:
    """Of this tree, as git describes it."""
    command = ["git", "describe", "--always", "--dirty", "--tags"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def measure_machine(lab: Lab, results: Results, size: int) -> None:
    """How fast this machine's disk and its SHA-512 are."""
    with lab.room() as folder:
        disk = size / bare.write(folder / "out", equal(1, size)) / MB
    results.machine["write + fsync"] = f"{disk:.0f} MB/s"
    results.machine["SHA-512, one core"] = f"{size / bare.sha512(size) / MB:.0f} MB/s"
    print(f"{results.version}: " + ", ".join(f"{name} {value}" for name, value in results.machine.items()), flush=True)


def _facts() -> dict[str, str]:
    cpu = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": cpu[0].partition(":")[2].strip() if cpu else platform.machine(),
        "cores": str(os.cpu_count()),
        "memory": f"{memory / 1e9:.0f} GB",
        "system": f"Linux {platform.release()}",
        "Python": platform.python_version(),
    }
