"""Room for open files. A program that places small files in groups keeps some hundreds open, and macOS allows 256."""

import contextlib
import sys

_WANTED = 4096

if sys.platform == "win32":

    def make_room() -> None:
        """Nothing to do: Windows has no such limit."""

else:
    import resource

    def make_room() -> None:
        """Raise this process' own limit of open files, as far as the system allows. Never raises."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = _WANTED if hard == resource.RLIM_INFINITY else min(_WANTED, hard)
        if soft != resource.RLIM_INFINITY and soft < most:
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
