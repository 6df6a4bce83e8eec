"""What a receiver needs of the place it puts files."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from openmsi_core.deliveries import CompleteFile
from openmsi_core.generation import Verdict, Version
from openmsi_core.paths import RelativePath


class Destination(Protocol):
    """A folder, a bucket, a user's function. `deliver` runs in several threads, in order for each path."""

    def verdict(self, path: RelativePath, version: Version) -> Verdict:
        """Whether ``version`` would be placed at ``path``, as far as that is cheap to tell.

        Raises BadFile when nothing can be placed there, Retryable when the destination cannot be asked now.
        """

    def deliver(self, file: CompleteFile) -> Verdict:
        """Make ``file`` durable and visible under its name, unless its verdict is against it; returns the verdict.

        May block for as long as the destination needs; on return the staged file is gone or may go. Raises BadFile
        (the file goes to quarantine), Retryable (called again later), StagedBytesLost (its records are read again);
        anything else ends the program with nothing recorded as done.
        """


@runtime_checkable
class TakesGroups(Protocol):
    """A destination for which many small files at once are hardly more work than one."""

    def deliver_together(self, files: Sequence[CompleteFile]) -> list[Verdict | Exception]:
        """As `Destination.deliver`, for files of different paths: what it would return or raise for each."""
