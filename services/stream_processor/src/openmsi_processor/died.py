"""How a worker has ended, in words."""

import re
import signal
from collections.abc import Collection

from openmsi_processor.worker.channel import CUT_OFF

_DUMPED = re.compile(r'^  File "(.+)", line (\d+)', re.MULTILINE)  # how faulthandler writes, the innermost first


class Died(Exception):
    """The process has ended before it answered; the text says how, for the log."""

    def __init__(self, text: str, culprit: str, last_words: str = "") -> None:
        """``culprit`` is the file that it died of; empty when it worked on several and nobody knows.

        ``last_words`` are what it printed in the end: often where the code was.
        """
        super().__init__(text)
        self.culprit = culprit
        self.last_words = last_words


def exit_in_words(code: int) -> str:
    """What an exit code, or less than zero a signal, tells."""
    if code == -signal.SIGSEGV:
        return "crashed (segmentation fault)"
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:  # one of those without a name
            name = f"signal {-code}"
        more = ": probably it took more memory than there is" if name == "SIGKILL" else ""
        return f"was ended by {name}{more}"
    if code == CUT_OFF:
        return "was cut off from the service: does the code close file descriptors that are not its own?"
    return f"ended itself (exit code {code})"


def place_in(last_words: str, files: Collection[str]) -> str:
    """Where in one of ``files`` it was, as an end of a sentence; empty if it could not say so."""
    places = (place for place in _DUMPED.findall(last_words) if place[0] in files)
    return next((f", in {file}, line {line}" for file, line in places), "")
