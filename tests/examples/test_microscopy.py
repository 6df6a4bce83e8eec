"""The example reads what each kind of microscope writes, and its figures are those that can be calculated."""

import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from openmsi_processor import DataFile
from tests.support.examples import example, maker, message, results

microscopy = example("microscopy")
make = maker("microscopy")


def made(folder: Path, name: str, image: Any, write: Callable[[Path, Any], None]) -> DataFile:
    write(folder / name, image)
    return DataFile.local(folder / name)


@pytest.mark.parametrize(
    ("name", "write", "metres", "section", "setting"),
    [
        ("a.tif", make.write_fei, make.FEI_PIXEL, "Beam", {"HV": 5000, "Spot": ""}),
        ("b.TIFF", make.write_zeiss, make.ZEISS_PIXEL * 1e-9, "EHT", [5.0, "kV"]),
        (
            "c.dm3",
            make.write_dm,
            make.DM_PIXEL * 1e-9,
            "Microscope Info",
            {"Voltage": 2e5, "Indicated Magnification": 5e4},
        ),
        (
            "d.dm4",
            make.write_dm,
            make.DM_PIXEL * 1e-9,
            "Microscope Info",
            {"Voltage": 2e5, "Indicated Magnification": 5e4},
        ),
    ],
)
def test_size_and_settings(
    tmp_path: Path, name: str, write: Callable[[Path, Any], None], metres: float, section: str, setting: object
) -> None:
    found = message(microscopy, made(tmp_path, name, make.grating(side=192)[:128], write))
    assert found["pixel_size"] == pytest.approx(metres, rel=1e-6)
    assert (found["width"], found["height"]) == (192, 128), "without the bar of text"
    assert found["microscope"][section] == setting


def test_figures_of_a_grating_are_those_that_can_be_calculated(tmp_path: Path) -> None:
    found = message(microscopy, made(tmp_path, "a.dm4", make.grating(period=16), make.write_dm))
    k = 2 * math.pi / 16
    assert found["mean"] == pytest.approx(20000, abs=1)
    assert found["contrast"] == pytest.approx(8000 / math.sqrt(2) / 20000, rel=0.001)
    assert found["focus"] == pytest.approx(k**4 * math.exp(-(k**2)), rel=0.05)
    assert found["saturated"] == found["black"] == 0
    fainter = message(microscopy, made(tmp_path, "b.dm4", make.grating(period=16, amplitude=4000), make.write_dm))
    assert fainter["focus"] == pytest.approx(found["focus"], rel=0.001), "of the detail, not of the contrast"


def test_an_image_out_of_focus_has_a_smaller_figure(tmp_path: Path) -> None:
    figures = [
        message(microscopy, made(tmp_path, f"{blur}.tif", make.particles(side=256, blur=blur), make.write_fei))["focus"]
        for blur in (0, 1, 2, 4)
    ]
    assert figures == sorted(figures, reverse=True)
    assert figures[0] > 4 * figures[-1]


def test_saturated_and_black_pixels_are_counted(tmp_path: Path) -> None:
    image = make.particles(side=100).clip(1, 254)
    image[:10] = 255
    image[10:15] = 0
    found = message(microscopy, made(tmp_path, "a.tif", image, make.write_fei))
    assert (found["saturated"], found["black"]) == (0.1, 0.05)


def test_what_is_not_known_is_null(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30), (10, 20, 30)).save(tmp_path / "colours.tif")
    found = message(microscopy, DataFile.local(tmp_path / "colours.tif"))
    assert (found["pixel_size"], found["microscope"], found["mean"]) == (None, {}, 20.0)
    assert (found["contrast"], found["focus"]) == (0.0, 0.0), "all pixels are the same"
    fei = message(microscopy, made(tmp_path, "a.tif", make.particles(side=64), make.write_fei))
    assert fei["microscope"]["Vacuum"]["ChPressure"] is None, "the file says nan, which JSON has not"


def test_a_diffraction_pattern_has_no_length_of_a_pixel() -> None:
    assert microscopy.metres(0.02, "1/nm") is None
    assert microscopy.metres(2.0, "\u00b5m") == microscopy.metres(2.0, "\u03bcm") == 2e-6


def test_a_spectrum_is_refused_and_a_complex_image_is_not(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a spectrum"):
        microscopy.process(made(tmp_path, "line.dm4", make.grating()[0], make.write_dm))
    transform = message(microscopy, made(tmp_path, "fft.dm3", make.grating() * (3 + 4j), make.write_dm))
    assert transform["mean"] == pytest.approx(100000, abs=5)


def test_the_thumbnail_shows_the_image_without_the_bar(tmp_path: Path) -> None:
    _, files = results(microscopy, made(tmp_path, "a.tif", make.particles(side=512)[:256], make.write_fei))
    with Image.open(io.BytesIO(files["a.tif.png"])) as shown:
        assert (shown.size, shown.mode) == ((256, 128), "L")
