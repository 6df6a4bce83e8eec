"""Whose script this process runs, and how it is handed over to the service."""

import builtins
import os
import subprocess
import sys
from pathlib import Path

from openmsi_processor.classes.connection import current

_ARGUMENTS = tuple(sys.argv[1:])  # as they were before the script could change them
_TEST_RUNNERS = ("pytest", "unittest.__main__")


def hand_over() -> None:
    """Where the script was started by its user, let the service take this process's place, and run the script again.

    The service has the credentials, the connection to Kafka, and a process for the script, which it can replace.
    Returns only where that is so already, or where there is no script to run: in a notebook, or in a test.
    """
    target = None if current() else _target()
    if target is None:
        return
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    command = [sys.executable, "-P", "-m", "openmsi_processor.old_class", target, *_ARGUMENTS]
    if os.name == "posix":
        os.execv(command[0], command)
    sys.exit(subprocess.call(command))


def _target() -> str | None:
    """``module:NAME`` or ``file:PATH`` of what Python was told to run."""
    main = sys.modules["__main__"]
    interactive = sys.flags.interactive or hasattr(sys, "ps1") or hasattr(builtins, "get_ipython")
    if interactive or any(name in sys.modules for name in _TEST_RUNNERS):
        return None
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name:
        return f"module:{spec.name.removesuffix('.__main__')}"
    file = getattr(main, "__file__", None)
    return f"file:{Path(file).absolute()}" if file and Path(file).is_file() else None
