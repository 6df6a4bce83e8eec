"""Options that no old class knows and that a script's command line may have all the same."""

import argparse
from collections.abc import Sequence

from openmsi_core.errors import UsageError

NAMES = (
    "state_dir",
    "processing_timeout",
    "memory_limit",
    "on_lost_offsets",
    "idle_quarantine_hours",
    "log_format",
)


def split(args: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The values of those options, and what is left for the script. Raises UsageError."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for name in NAMES:
        parser.add_argument(f"--{name}")
    try:
        found, rest = parser.parse_known_args(list(args))
    except argparse.ArgumentError as error:
        raise UsageError(str(error)) from None
    return {name: value for name, value in vars(found).items() if value is not None}, rest
