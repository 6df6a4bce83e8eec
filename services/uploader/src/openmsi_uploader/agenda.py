"""Which path is due when. Pure."""

import heapq


class Agenda:
    """Paths with the time at which each is due next; a path stands here once."""

    def __init__(self) -> None:
        self._when: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []

    def put(self, path: str, when: float) -> None:
        """Make ``path`` due at ``when``, whatever was set before."""
        earlier = self._when.get(path)
        self._when[path] = when
        if earlier is None or when < earlier:  # a later time is found when the earlier entry comes up
            heapq.heappush(self._heap, (when, path))

    def drop(self, path: str) -> None:
        """Forget ``path``."""
        self._when.pop(path, None)

    def due(self, now: float) -> list[str]:
        """Take out and return every path whose time has come, earliest first."""
        paths = []
        while self._heap and self._heap[0][0] <= now:
            when, path = heapq.heappop(self._heap)
            really = self._when.get(path)
            if really is None:
                continue
            if really > when:
                heapq.heappush(self._heap, (really, path))
            else:
                del self._when[path]
                paths.append(path)
        return paths

    def next_due(self) -> float | None:
        """A time before which nothing is due; None when nothing is planned."""
        return self._heap[0][0] if self._heap else None

    def __len__(self) -> int:
        return len(self._when)
