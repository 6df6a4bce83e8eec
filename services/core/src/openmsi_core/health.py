"""Health check: ``python -m openmsi_core.health`` prints one line; exit code 0 = healthy, 1 = not.

Healthy means progress: the program's loop turned within the last minute, and no file has waited for too long.
"""

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from openmsi_core.env_file import load_environment
from openmsi_core.errors import ConfigError
from openmsi_core.heartbeat import heartbeat_file

_MAX_AGE = 60.0
_MAX_PENDING = 3600.0


def unhealthy(state_dir: Path, max_pending: float, now: float) -> str | None:
    """Why the program whose state folder this is counts as unhealthy at monotonic time ``now``; None = it does not."""
    try:
        beat = json.loads(heartbeat_file(state_dir).read_bytes())
        age, oldest = now - float(beat["monotonic"]), beat["oldest_pending_seconds"]
    except FileNotFoundError:
        return f"no program runs with the state folder {state_dir}"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"the heartbeat in {state_dir} cannot be read ({type(error).__name__})"
    waiting = f" (waiting for {beat['waiting_for']})" if beat.get("waiting_for") else ""
    if not 0 <= age <= _MAX_AGE:
        return f"the program has not turned its loop for {age:.0f} s{waiting}"
    if oldest is not None and oldest + age > max_pending:
        return f"a file has waited for {oldest + age:.0f} s, more than {max_pending:.0f} s{waiting}"
    return None


def main(environ: Mapping[str, str], cwd: Path, now: float) -> int:
    """Check the state folder that ``OPENMSI_STATE_DIR`` names; the limit is ``OPENMSI_HEALTH_MAX_PENDING_SECONDS``."""
    try:
        environ = load_environment(environ, cwd)
        max_pending = float(environ.get("OPENMSI_HEALTH_MAX_PENDING_SECONDS") or _MAX_PENDING)
    except (ConfigError, ValueError) as error:
        print(f"unhealthy: {error}")
        return 1
    if not (state_dir := environ.get("OPENMSI_STATE_DIR")):
        print("unhealthy: OPENMSI_STATE_DIR does not say which state folder to look at")
        return 1
    reason = unhealthy(cwd / state_dir, max_pending, now)
    print(f"unhealthy: {reason}" if reason else "healthy")
    return 1 if reason else 0


if __name__ == "__main__":
    sys.exit(main(os.environ, Path.cwd(), time.monotonic()))
