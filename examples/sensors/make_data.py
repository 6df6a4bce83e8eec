"""Makes what a SensorPush sensor exports: a file that is longer each time it is asked for.

python make_data.py [FOLDER [MINUTES]]
"""

import math
import random
import sys
from datetime import datetime, timedelta
from pathlib import Path

START = datetime(2026, 11, 20, 8)
HEADINGS = ("Temperature (°C)", "Relative Humidity (%)")
OPENED = 300
"""The minute in which the door of the glove box was opened."""


def reading(minute: int) -> tuple[float, float]:
    """Temperature and humidity in that minute since the start: always the same numbers."""
    since = max(0, minute - OPENED)
    leak = math.exp(-since / 40) if minute >= OPENED else 0.0
    noise = random.Random(minute)
    temperature = 21.5 + 0.8 * math.sin(2 * math.pi * minute / 720) - 1.5 * leak + noise.gauss(0, 0.03)
    humidity = 8.0 + 27.0 * leak + noise.gauss(0, 0.2)
    return round(temperature, 4), round(humidity, 4)


def export(minutes: int) -> str:
    """The text of the file after so many minutes."""
    lines = [f"Timestamp for sample frequency every 1 min,{HEADINGS[0]} (calibrated +0.0°C),{HEADINGS[1]}"]
    for minute in range(minutes):
        temperature, humidity = reading(minute)
        lines.append(f"{START + timedelta(minutes=minute)},{temperature:.4f},{humidity:.4f}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "data")
    minutes = int(sys.argv[2]) if len(sys.argv) > 2 else 600
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "glovebox.csv").write_text(export(minutes), encoding="utf-8")
    print(f"{folder / 'glovebox.csv'}: {minutes} minutes")
