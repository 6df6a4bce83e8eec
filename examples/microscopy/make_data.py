"""Makes micrographs as four kinds of microscopes would write them, and gratings of which every figure is known.

python make_data.py [FOLDER]
"""

import datetime
import sys
from pathlib import Path

import numpy as np
from nion.data.Calibration import Calibration
from nion.data.DataAndMetadata import new_data_and_metadata
from scipy.ndimage import gaussian_filter
from tifffile import imwrite

try:
    from nion.io.DM_IO.dm3_image_utils import save_image
except ModuleNotFoundError:  # its version for Python 3.11 has it elsewhere
    from nionswift_plugin.DM_IO.dm3_image_utils import save_image

FEI_TAG, ZEISS_TAG = 34682, 34118
BAR = 24  # rows of text that an FEI microscope writes below its images
FEI_PIXEL = 4.88e-9  # metres
ZEISS_PIXEL = 35.9375  # nanometres
DM_PIXEL = 0.25  # nanometres


def particles(side: int = 512, blur: float = 0.0, seed: int = 1) -> np.ndarray:
    """Bright balls on a dark ground, out of focus by ``blur`` pixels, with noise; 8 bits."""
    chance = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    image = np.full((side, side), 60.0)
    for _ in range(60):
        across, down = chance.uniform(0, side, 2)
        inside = 1 - ((x - across) ** 2 + (y - down) ** 2) / chance.uniform(8, 30) ** 2
        image = np.maximum(image, 90 + 120 * np.sqrt(np.maximum(inside, 0)) * (inside > 0) - 90 * (inside <= 0))
    image = gaussian_filter(image, blur) + chance.normal(0, 3, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


def grating(period: int = 16, amplitude: float = 8000.0, mean: float = 20000.0, side: int = 256) -> np.ndarray:
    """Stripes whose brightness is a sine; 16 bits."""
    line = mean + amplitude * np.sin(2 * np.pi * np.arange(side) / period)
    return np.tile(np.round(line), (side, 1)).astype(np.uint16)


def write_fei(place: Path, image: np.ndarray) -> None:
    """A TIFF as of an FEI Helios: settings in a tag of text, and a bar of text below the image."""
    text = (
        "[User]\r\nDate=11/20/2026\r\nTime=9:15:00 AM\r\n[System]\r\nSystemType=Helios NanoLab\r\n"
        "[Beam]\r\nHV=5000\r\nSpot=\r\n[Scan]\r\nDwelltime=3e-006\r\n"
        f"PixelWidth={FEI_PIXEL}\r\nPixelHeight={FEI_PIXEL}\r\n"
        f"[Image]\r\nResolutionX={image.shape[1]}\r\nResolutionY={image.shape[0]}\r\n[Vacuum]\r\nChPressure=nan\r\n"
    )
    bar = np.zeros((BAR, image.shape[1]), image.dtype)
    imwrite(place, np.vstack([image, bar]), extratags=[(FEI_TAG, "s", 0, text, True)], metadata=None)


def write_zeiss(place: Path, image: np.ndarray) -> None:
    """A TIFF as of a Zeiss Merlin."""
    lines = ["0", "0", "0", f"{ZEISS_PIXEL * 1e-9:e}", "AP_IMAGE_PIXEL_SIZE", f"Image Pixel Size = {ZEISS_PIXEL} nm"]
    lines += ["AP_MAG", "Mag = 10.00 K X", "AP_ACTUALKV", "EHT = 5.00 kV", "AP_TIME", "Time :9:15:00"]
    imwrite(place, image, extratags=[(ZEISS_TAG, "s", 0, "\r\n".join(lines) + "\r\n", True)], metadata=None)


def write_dm(place: Path, image: np.ndarray) -> None:
    """A DM3 or DM4 file as of Gatan's DigitalMicrograph, by the ending of its name."""
    settings = {"Microscope Info": {"Voltage": 200000.0, "Indicated Magnification": 50000.0}}
    when = datetime.datetime(2026, 11, 20, 9, 15)
    found = new_data_and_metadata(image, None, [Calibration(0.0, DM_PIXEL, "nm")] * image.ndim, settings, when)
    with place.open("wb") as stream:
        save_image(found, stream, int(place.suffix[-1]))


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "data")
    folder.mkdir(parents=True, exist_ok=True)
    write_fei(folder / "sharp.tif", particles())
    write_fei(folder / "blurred.tif", particles(blur=4))
    write_zeiss(folder / "zeiss.tif", particles(seed=2))
    write_dm(folder / "grating.dm3", grating())
    write_dm(folder / "grating.dm4", grating())
    print("\n".join(str(path) for path in sorted(folder.iterdir()) if path.is_file()))
