"""What the operating system does for a worker: a limit of its memory, and its end when the service has ended."""

import contextlib
import faulthandler
import os
import sys
from collections.abc import Sequence
from pathlib import Path

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG
_FIRST_TO_DIE = "1000"


def guard(options: Sequence[str]) -> None:
    """``options`` are ``parent=PID`` and, where there is a limit, ``memory=BYTES``. Does what the platform has.

    From now on standard error gets to know where the code was when it crashes, and on SIGABRT.
    """
    given = dict(option.split("=") for option in options)
    faulthandler.enable(os.dup(2))  # of our own: user code may close the other
    if sys.platform != "win32":
        import resource  # noqa: PLC0415  # there is none on Windows

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash must not fill the disk
        if sys.platform == "linux":
            if limit := int(given.get("memory", 0)):
                resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
            _die_with_service(int(given["parent"]))
            with contextlib.suppress(OSError):  # when memory runs out, the kernel is to end user code, not the service
                Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_DIE, encoding="ascii")


def _die_with_service(parent: int) -> None:
    """Also when user code hangs and would not notice that nobody reads its answers. Source: prctl(2)."""
    import ctypes  # noqa: PLC0415
    import signal  # noqa: PLC0415

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:  # it has ended before that
        os._exit(1)
