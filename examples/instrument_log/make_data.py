"""Makes the log of a furnace: it heats up, holds, and one of its sensors fails for a moment.

python make_data.py [FOLDER]
"""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

START = datetime(2026, 11, 20, 9, 15, tzinfo=UTC)
SET_POINT = 850.0
RAMP, HOLD, NOISY, LOST = 40, 40, 30, 50
"""Minutes."""


def temperature(minute: int) -> float:
    """What the furnace has in that minute."""
    return round(20.0 + (SET_POINT - 20.0) * min(1.0, minute / RAMP), 1)


def log() -> str:
    """The text of the file."""
    lines = [f"{stamp(0)} INFO  system: firmware 4.2 started, recipe=anneal_7"]
    for minute in range(RAMP + HOLD):
        lines.append(f"{stamp(minute)} INFO  heater: set_point={SET_POINT} temperature={temperature(minute)} C")
        if minute == NOISY:
            lines.append(f"{stamp(minute, 10)} WARNING heater: thermocouple 2 is noisy, firmware=4.2.1")
        if minute == LOST:
            lines.append(f"{stamp(minute, 11)} ERROR control: no reading\n  at sensor.read (slot=2)\n  retried")
        if minute % 5 == 0:
            lines.append(f"{stamp(minute, 30)} DEBUG vacuum: pressure={1e-3 / (1 + minute):.2e} mbar")
    return "\n".join(lines) + "\n"


def stamp(minute: int, second: int = 0) -> str:
    return (START + timedelta(minutes=minute, seconds=second)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "data")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "furnace.log").write_text(log(), encoding="utf-8")
    print(f"{folder / 'furnace.log'}: {len(log().splitlines())} lines")
