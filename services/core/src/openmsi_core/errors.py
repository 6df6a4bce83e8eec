"""Every error of ours, sorted by what to do about it.

::

    OpenMSIError
    ├── Retryable            the same call may succeed later: keep everything, back off, call again
    │   └── StagedBytesLost      …after the file's records were read again from Kafka
    │       └── Doubted              …which is done at once
    ├── Undone               what was written since the last commit is not there: begin anew from the committed offsets
    ├── BadFile              this record or file cannot be used: quarantine it, say why, go on
    └── Fatal                stop the program with ``exit_code``
        ├── UsageError       64  the command line is wrong
        ├── BadInput         65  the one file asked for cannot be sent (one-shot programs)
        ├── BrokerUnreachable 69 no broker answered in time (one-shot programs)
        ├── InternalError    70  a fault of ours; please report
        └── ConfigError      78  a setting, a folder's permissions or a topic needs mending
            └── TakenOver            …or another process has the name of ours in Kafka

The text of an error is one line for a scientist: what is wrong and what to do next. Exit codes follow BSD
``sysexits.h``.
"""

from collections.abc import Mapping
from types import MappingProxyType


class OpenMSIError(Exception):
    """Base of the tree; never raised itself."""


class Retryable(OpenMSIError):
    """Nothing was lost and nothing was recorded as done; calling again may succeed."""

    def __init__(self, text: str, after: float | None = None) -> None:
        """``after`` says in how many seconds, where that is known."""
        super().__init__(text)
        self.after = after


class StagedBytesLost(Retryable):
    """Somebody removed a staged file; its records must be read again."""


class Doubted(StagedBytesLost):
    """A file did not check out once: its records are read again, because the disk may have done it, not the sender."""


class Undone(OpenMSIError):
    """A Kafka transaction was not committed: nothing of it is there, and what it was made of must be read again."""


class BadFile(OpenMSIError):
    """This record or file will never be usable as it is; others are not affected."""

    def __init__(self, text: str, facts: Mapping[str, str] = MappingProxyType({})) -> None:
        """``facts`` are kept with the file in quarantine, by name."""
        super().__init__(text)
        self.facts = facts


class Fatal(OpenMSIError):
    """The program cannot go on; ``exit_code`` tells the caller why."""

    exit_code = 70


class UsageError(Fatal):
    """The command line is wrong."""

    exit_code = 64


class BadInput(Fatal):
    """The file that a one-shot program was asked to send cannot be sent."""

    exit_code = 65


class BrokerUnreachable(Fatal):
    """A one-shot program found no broker within its time limit."""

    exit_code = 69


class InternalError(Fatal):
    """Something that should be impossible happened."""

    exit_code = 70


class ConfigError(Fatal):
    """A setting, a permission or a topic must be mended by the user."""

    exit_code = 78


class TakenOver(ConfigError):
    """Transactions of this process are refused: another has its name, or they took too long."""
