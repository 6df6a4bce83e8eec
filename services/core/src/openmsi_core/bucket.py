"""How much may go, and whose turn it is: the pure parts of `pace`."""

SAVED_SECONDS = 0.5
"""What was not used for a while is saved up to what the rate allows in this time."""


class Bucket:
    """How much may go: a token bucket that may be overdrawn. Pure; times are monotonic seconds, handed in.

    A record goes whole as soon as nothing is owed for those before it. So in any time, there goes at most what the rate
    allows, what was saved before (`SAVED_SECONDS`), and one record.
    """

    def __init__(self, now: float) -> None:
        self.rate: float | None = None
        """Bytes a second; None = without limit."""
        self._left = 0.0
        self._at = now

    def set(self, rate: float | None, now: float) -> None:
        """From now on, ``rate`` holds. What is owed for earlier records stays, unless there is no limit."""
        self._fill(now)
        self.rate = rate
        self._left = min(self._left, 0.0) if rate is not None else 0.0

    def seconds(self, now: float) -> float:
        """How long nothing may go yet; 0 = the next record may."""
        self._fill(now)
        if self.rate is None or self._left > -1:  # less than a byte: a clock may be too coarse for its time
            return 0.0
        return -self._left / self.rate

    def spend(self, count: int) -> None:
        """So many bytes go now."""
        if self.rate is not None:
            self._left -= count

    def _fill(self, now: float) -> None:
        if self.rate is not None:
            self._left = min(self._left + self.rate * (now - self._at), self.rate * SAVED_SECONDS)
        self._at = now


class Turns:
    """Whose turn it is, when several want to send: each gets the same share, counted in bytes. Pure.

    One that sends little, or comes anew, is not made to wait for all that others have lined up. Source: Goyal, Vin and
    Cheng, "Start-time Fair Queueing", SIGCOMM 1996.
    """

    def __init__(self) -> None:
        self._waiting: dict[int, float] = {}
        self._ends: dict[int, float] = {}
        self._reached = 0.0

    def enter(self, who: int) -> None:
        """``who`` wants to send a record."""
        self._waiting[who] = max(self._reached, self._ends.get(who, 0.0))

    def is_first(self, who: int) -> bool:
        """Whether it is the turn of ``who``. Of several that have sent the same, the one that came first."""
        return min(self._waiting, key=self._waiting.__getitem__) == who

    def sent(self, who: int, count: int) -> None:
        """``who``, whose turn it was, has sent a record of ``count`` bytes."""
        self._reached = self._waiting.pop(who)
        self._ends[who] = self._reached + count

    def leave(self, who: int) -> None:
        """``who`` does not want to send any more."""
        self._waiting.pop(who, None)
