"""Makes a diffraction scan of silicon powder, as an instrument with a copper tube would write it.

python make_data.py [FOLDER]
"""

import sys
from pathlib import Path

import numpy as np

ALPHA1, ALPHA2, RATIO = 1.540598, 1.544426, 0.5  # angstrom
LATTICE = 5.43102  # angstrom: silicon
LINES = {(1, 1, 1): 9000, (2, 2, 0): 5200, (3, 1, 1): 2900, (4, 0, 0): 600, (3, 3, 1): 1000, (4, 2, 2): 1200}
"""Miller indices and heights in counts."""
STEP = 0.02  # degrees of 2 theta


def peaks() -> list[tuple[float, float, float]]:
    """What is in the scan: position and full width at half maximum in degrees of 2 theta, and height in counts."""
    found = []
    for (h, k, l), height in LINES.items():  # noqa: E741
        spacing = LATTICE / np.sqrt(h * h + k * k + l * l)
        theta = np.arcsin(ALPHA1 / (2 * spacing))
        found.append((float(2 * np.degrees(theta)), float(0.10 + 0.08 * np.tan(theta)), float(height)))
    return found


def scan(seed: int = 1) -> str:
    """The text of the file: peaks, a falling background, and the noise of counting."""
    angle = np.arange(20.0, 95.0 + STEP / 2, STEP)
    counts = 40 + 160 * np.exp(-(angle - 20) / 25)
    for position, width, height in peaks():
        second = 2 * np.degrees(np.arcsin(np.sin(np.radians(position / 2)) * ALPHA2 / ALPHA1))
        counts += height * (shape(angle, position, width) + RATIO * shape(angle, second, width))
    counts = np.random.default_rng(seed).poisson(counts)
    rows = "\n".join(f"{x:.5f},{y:.1f}" for x, y in zip(angle, counts, strict=True))
    return f"""[Measurement conditions]
Sample identification,Si powder
Comment,
Anode material,Cu
K-Alpha1 wavelength,{ALPHA1:.7f}
K-Alpha2 wavelength,{ALPHA2:.7f}
Ratio K-Alpha2/K-Alpha1,{RATIO:.3f}
Divergence slit,Fixed,0.50mm
Generator voltage, 45
Tube current, 40
File date and time,20/Nov/2026 09:15
Scan axis,Gonio
Scan range,{angle[0]:.5f},{angle[-1]:.5f}
Scan step size,{STEP:.7f}
No. of points, {len(angle)}
Scan type,CONTINUOUS
Time per step,0.880
[Scan points]
Angle,Intensity
{rows}
"""


def shape(x: np.ndarray, position: float, width: float) -> np.ndarray:
    """Height 1, half Lorentz and half Gauss."""
    u = ((x - position) / (width / 2)) ** 2
    return 0.5 / (1 + u) + 0.5 * 2.0**-u


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "data")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "silicon.csv").write_text(scan())
    print(f"{folder / 'silicon.csv'}: peaks at", ", ".join(f"{peak[0]:.3f}" for peak in peaks()), "degrees")
