"""What people do without Kafka: copy the folder. Followed by a sync, so that durable is compared with durable."""

import contextlib
import os
import subprocess
import time
from pathlib import Path

from tests.perf.runs import Run
from tests.perf.watching import peak_memory
from tests.perf.workloads import Workload
from tests.support.stores import rclone


def cp(source: Path, target: Path, workload: Workload) -> Run:
    """``cp -r``."""
    return _timed(["cp", "-r", str(source), str(target)], workload)


def rclone_copy(source: Path, target: Path, workload: Workload) -> Run:
    """``rclone copy``, as it comes: four files at a time."""
    return _timed([str(rclone()), "copy", "--config", "", str(source), str(target)], workload)


def _timed(command: list[str], workload: Workload) -> Run:
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while True:
        with contextlib.suppress(OSError, ValueError):  # it has ended (what wait4 knows counts our own memory, too)
            peak = peak_memory(process.pid)
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        if ended:
            break
        time.sleep(0.005)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    os.sync()
    seconds, cpu = time.perf_counter() - begin, usage.ru_utime + usage.ru_stime
    return Run(seconds, len(workload.files), workload.size, 0.0, peak, {"own": cpu})
