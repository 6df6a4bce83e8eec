"""Diffraction scans to peaks: position, height, width and lattice spacing of each, and a plot.

The scan is a CSV file as PANalytical's software exports it: [Measurement conditions], then [Scan points].
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import curve_fit
from scipy.signal import find_peaks, savgol_filter

from openmsi_processor import DataFile, Result, processor


@processor(files=r"(?i).*\.csv$", name="xrd")
def process(file: DataFile) -> Result:
    """Peaks and all measurement conditions as one JSON message; the plot beside where the scan belongs."""
    conditions, angle, counts = read_scan(file.bytes.decode("utf-8-sig"))
    alpha1 = float(conditions["K-Alpha1 wavelength"])
    alpha2 = float(conditions.get("K-Alpha2 wavelength", alpha1))
    ratio = float(conditions.get("Ratio K-Alpha2/K-Alpha1", 0.0))
    places = candidates(angle, counts, alpha1, alpha2)
    peaks = []
    for at in places:
        reach = min([1.0] + [abs(other - at) / 2 for other in places if other != at])  # no fit sees two peaks
        near = np.abs(angle - at) < reach
        if peak := fit_peak(angle[near], counts[near], at, alpha1, alpha2, ratio):
            peaks.append(peak)
    plot = file.scratch / f"{file.name}.png"
    draw(plot, file.name, angle, counts, peaks)
    value = {"file": file.relative_path, "sha512": file.sha512, "conditions": conditions, "peaks": peaks}
    return Result(value=value, files=[plot])


def read_scan(text: str) -> tuple[dict[str, str], np.ndarray, np.ndarray]:
    """Measurement conditions by name, angles (2 theta, degrees) and counts. Raises ValueError for another format."""
    header, found, points = text.partition("[Scan points]")
    if not found:
        raise ValueError("there is no [Scan points] in it: this is no exported scan")
    lines = [line.partition(",") for line in header.splitlines() if "," in line]
    conditions = {name.strip(): value.strip() for name, _, value in lines}  # as written: sample 0012 is not sample 12
    if not conditions.get("K-Alpha1 wavelength"):
        raise ValueError("the measurement conditions have no K-Alpha1 wavelength: no lattice spacing without it")
    rows = points.strip().splitlines()[1:]  # the first one says Angle,Intensity
    angle, counts = np.array([row.split(",")[:2] for row in rows], dtype=float).T
    return conditions, angle, counts


def candidates(angle: np.ndarray, counts: np.ndarray, alpha1: float, alpha2: float) -> list[float]:
    """Where peaks may be: five times above the noise of counting, and not the K-alpha2 shadow of a higher one."""
    smooth = savgol_filter(counts, 9, 2)
    noise = np.sqrt(np.maximum(counts, 1.0))
    places, found = find_peaks(smooth, prominence=1.0, width=3)
    places = places[found["prominences"] > 5 * noise[places]]
    kept: list[float] = []
    for at in angle[sorted(places, key=lambda place: -smooth[place])]:
        if all(abs(at - shadow(main, alpha1, alpha2)) > 0.05 for main in kept):
            kept.append(float(at))
    return sorted(kept)


def shadow(position: float, alpha1: float, alpha2: float) -> float:
    """Where K-alpha2 puts a peak that K-alpha1 has at ``position``: Bragg's law, both in degrees of 2 theta."""
    return 2 * np.degrees(np.arcsin(np.minimum(1.0, np.sin(np.radians(position / 2)) * alpha2 / alpha1)))


def pseudo_voigt(x: np.ndarray, position: float, fwhm: float, mixing: float) -> np.ndarray:
    """A peak of height 1: a share ``mixing`` of Lorentz, the rest Gauss, both of the same width."""
    u = ((x - position) / (fwhm / 2)) ** 2
    return mixing / (1 + u) + (1 - mixing) * np.exp(-np.log(2) * u)


def fit_peak(
    x: np.ndarray, y: np.ndarray, at: float, alpha1: float, alpha2: float, ratio: float
) -> dict[str, float] | None:
    """Fit the K-alpha doublet and a straight background around ``at``; None when nothing fits."""

    def model(x, position, height, fwhm, mixing, level, slope):
        second = ratio * pseudo_voigt(x, shadow(position, alpha1, alpha2), fwhm, mixing)
        return level + slope * (x - at) + height * (pseudo_voigt(x, position, fwhm, mixing) + second)

    start = [at, y.max() - y.min(), 0.15, 0.5, y.min(), 0.0]
    limits = ([at - 0.2, 0, 0.01, 0, 0, -np.inf], [at + 0.2, np.inf, 2.0, 1, np.inf, np.inf])
    try:
        best, spread = curve_fit(model, x, y, start, np.sqrt(np.maximum(y, 1.0)), absolute_sigma=True, bounds=limits)
    except (RuntimeError, ValueError, TypeError):  # no convergence, or too few points at an edge of the scan
        return None
    errors = np.sqrt(np.diag(spread))
    return {
        "position": round(float(best[0]), 5),  # degrees of 2 theta
        "position_error": round(float(errors[0]), 5),
        "height": round(float(best[1]), 1),  # counts above the background, K-alpha1 alone
        "fwhm": round(float(best[2]), 5),  # degrees
        "fwhm_error": round(float(errors[2]), 5),
        "d_spacing": round(float(alpha1 / (2 * np.sin(np.radians(best[0] / 2)))), 6),  # as the wavelength: angstrom
    }


def draw(place: Path, title: str, angle: np.ndarray, counts: np.ndarray, peaks: list[dict[str, float]]) -> None:
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.add_subplot(xlabel="2θ (degrees)", ylabel="counts", title=title, yscale="symlog")
    axes.plot(angle, counts, linewidth=0.7)
    for peak in peaks:
        top = counts[np.abs(angle - peak["position"]).argmin()]
        label = f"{peak['d_spacing']:.4f} Å"
        axes.annotate(label, (peak["position"], top), (0, 6), textcoords="offset points", rotation=90, ha="center")
    axes.set_ylim(counts.min() / 2, counts.max() * 50)
    figure.savefig(place, dpi=90)
