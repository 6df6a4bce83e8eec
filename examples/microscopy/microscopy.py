"""Micrographs to metadata: pixel size, settings of the microscope, figures of quality, and a thumbnail.

Reads TIFF of FEI/Thermo Fisher and Zeiss scanning microscopes, any other TIFF without a pixel size, and Gatan's DM3 and
DM4.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_laplace
from tifffile import TiffFile

from openmsi_processor import DataFile, Result, processor

try:
    from nion.io.DM_IO.dm3_image_utils import load_image
except ModuleNotFoundError:  # its version for Python 3.11 has it elsewhere
    from nionswift_plugin.DM_IO.dm3_image_utils import load_image

METRES = {"pm": 1e-12, "nm": 1e-9, "um": 1e-6, "mm": 1e-3, "m": 1.0}
METRES |= {"\u00b5m": 1e-6, "\u03bcm": 1e-6}  # two characters look like a Greek mu, and both are used


@processor(files=r"(?i).*\.(tiff?|dm[34])$", name="microscopy")
def process(file: DataFile) -> Result:
    """Metadata and figures as one JSON message; the thumbnail beside where the image belongs."""
    image, pixel_size, microscope = read_dm(file) if file.name[-4:-1].lower() == ".dm" else read_tiff(file)
    thumbnail = file.scratch / f"{file.name}.png"
    draw(thumbnail, image)
    value = {
        "file": file.relative_path,
        "sha512": file.sha512,
        "width": image.shape[1],
        "height": image.shape[0],
        "pixel_size": pixel_size,  # metres; null = the file does not say
        **quality(image),
        "microscope": plain(microscope),
    }
    return Result(value=value, files=[thumbnail])


def read_tiff(file: DataFile) -> tuple[np.ndarray, float | None, dict[str, Any]]:
    """The image without the bar of text below it, metres per pixel, and what the microscope wrote."""
    with file.open() as stream, TiffFile(stream) as tiff:
        image = grey(tiff.pages[0].asarray())
        fei, zeiss = tiff.fei_metadata, tiff.sem_metadata
    if fei:
        rows = fei.get("Image", {}).get("ResolutionY", image.shape[0])
        return image[:rows], (fei.get("Scan") or fei.get("EScan", {})).get("PixelWidth"), fei
    if zeiss:
        settings = {" ".join(name.split()): values for name, *values in (zeiss[key] for key in zeiss if key)}
        size = settings.get("Image Pixel Size") or settings.get("Pixel Size")
        return image, metres(*size) if size else None, settings
    return image, None, {}


def read_dm(file: DataFile) -> tuple[np.ndarray, float | None, dict[str, Any]]:
    """The same of a DM3 or DM4 file; of a stack, its first image."""
    with file.open() as stream:
        found = load_image(stream)
    image = np.asarray(found.data)
    scale = found.dimensional_calibrations[-1]
    return grey(image), metres(scale.scale, scale.units), dict(found.metadata)


def metres(number: float, unit: str = "") -> float | None:
    """None for what is no length, 1/nm of a diffraction pattern for instance."""
    return number * METRES[unit] if unit in METRES else None


def grey(image: np.ndarray) -> np.ndarray:
    """Colours are averaged, of a stack the first image is taken, and of complex numbers the amount."""
    if image.ndim < 2:
        raise ValueError("there is no image in it, only a line of numbers: a spectrum?")
    image = np.abs(image) if np.iscomplexobj(image) else image
    if image.ndim == 3 and image.shape[2] in (3, 4):
        return image[:, :, :3].mean(axis=2).astype(image.dtype)
    while image.ndim > 2:
        image = image[0]
    return image


def quality(image: np.ndarray) -> dict[str, float]:
    """Figures that compare images of the same kind of sample, taken with the same settings."""
    values = image.astype(float)
    spread, mean = float(values.std()), float(values.mean())
    counts = np.issubdtype(image.dtype, np.integer)
    return {
        "mean": mean,
        "contrast": spread / mean if mean > 0 else 0.0,  # root mean square
        # How much fine detail there is, smoothed by one pixel against noise. A grating with k = 2 pi / period has
        # k^4 exp(-k^2), whatever its contrast.
        "focus": float(gaussian_laplace(values, 1).var()) / spread**2 if spread else 0.0,
        "saturated": float(np.mean(image == np.iinfo(image.dtype).max)) if counts else 0.0,  # share of all pixels
        "black": float(np.mean(image == np.iinfo(image.dtype).min)) if counts else 0.0,
    }


def draw(place: Path, image: np.ndarray) -> None:
    """At most 256 pixels wide or high, from the darkest to the brightest hundredth."""
    low, high = np.percentile(image, (1, 99))
    shown = np.clip((image - low) / max(high - low, 1e-12), 0, 1) * 255
    small = Image.fromarray(shown.astype(np.uint8))
    small.thumbnail((256, 256))
    small.save(place)


def plain(value: Any) -> Any:
    """As JSON can hold it: no "not a number", no infinity, no raw bytes."""
    if isinstance(value, dict):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)
