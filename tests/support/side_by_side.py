"""Which tests may run at the same time."""

from xdist.scheduler import LoadScopeScheduling


class SideBySide(LoadScopeScheduling):  # type: ignore[misc]  # published without types
    """Those of a file stay together, for what they share; and there is only one container engine."""

    def _split_scope(self, nodeid: str) -> str:
        return "engine" if nodeid.startswith("tests/e2e/") else nodeid.partition("::")[0]
