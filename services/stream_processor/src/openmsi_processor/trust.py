"""Whether a worker is still sound: what one file has left behind in it must not fail the files after it."""

_FIRST_PATIENCE = 2  # so that of three tries of a lonely file the last has a new worker
_MOST_PATIENCE = 64
_MOST_BLAMED = 1000


class Trust:
    """In the workers of one seat. Not thread-safe."""

    def __init__(self) -> None:
        self._failed: list[str] = []
        self._blamed: set[str] = set()
        self._patience = _FIRST_PATIENCE

    def lost(self, path: str, failed: bool, worn: bool) -> bool:
        """Note how the worker did with ``path``; returns whether it is to be replaced.

        It is after some failures in a row; where replacing did not help, because it is the files that are bad, after
        twice as many the next time. ``worn`` = it says itself that it must be.
        """
        if not failed:
            if path in self._blamed:  # it was not the file
                self._patience = _FIRST_PATIENCE
            self._failed.clear()
            self._blamed.discard(path)
            return worn
        self._failed.append(path)
        if worn:
            self._failed.clear()
            return True
        if len(self._failed) < self._patience:
            return False
        if len(self._blamed) > _MOST_BLAMED:
            self._blamed.clear()
        self._blamed.update(self._failed)
        self._failed.clear()
        self._patience = min(2 * self._patience, _MOST_PATIENCE)
        return True
