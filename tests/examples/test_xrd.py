"""The example finds in a diffraction scan what its maker has put there."""

import statistics
from pathlib import Path

import pytest

from openmsi_processor import DataFile
from tests.support.examples import example, maker, message, results

xrd = example("xrd")
make = maker("xrd")


def scan(folder: Path, text: str) -> DataFile:
    place = folder / "silicon.csv"
    place.write_text(text)
    return DataFile.local(place, "run7/silicon.csv")


def test_peaks_are_where_they_were_put_and_as_wide_and_high(tmp_path: Path) -> None:
    found = message(xrd, scan(tmp_path, make.scan()))["peaks"]
    assert len(found) == 6, "each line once, and no K-alpha2 for itself"
    for peak, (position, width, height) in zip(found, make.peaks(), strict=True):
        assert peak["position"] == pytest.approx(position, abs=4 * peak["position_error"])
        assert peak["position_error"] < 0.002, "degrees"
        assert peak["fwhm"] == pytest.approx(width, abs=4 * peak["fwhm_error"])
        assert peak["height"] == pytest.approx(height, rel=0.05)


def test_the_spacings_are_those_of_silicon(tmp_path: Path) -> None:
    found = message(xrd, scan(tmp_path, make.scan(seed=2)))["peaks"]
    indices = [sum(index * index for index in line) ** 0.5 for line in make.LINES]
    lattice = statistics.mean(peak["d_spacing"] * length for peak, length in zip(found, indices, strict=True))
    assert lattice == pytest.approx(make.LATTICE, abs=0.0003), "angstrom"


def test_the_wavelength_is_that_of_the_header(tmp_path: Path) -> None:
    text = make.scan()
    one = message(xrd, scan(tmp_path, text))["peaks"]
    text = text.replace("wavelength,1.5405980", "wavelength,3.0811960").replace(
        "wavelength,1.5444260", "wavelength,3.0888520"
    )
    other = message(xrd, scan(tmp_path, text))["peaks"]
    for short, long in zip(one, other, strict=True):
        assert long["d_spacing"] == pytest.approx(2 * short["d_spacing"], rel=1e-5)


def test_noise_has_no_peaks_and_conditions_stay_as_they_were_written(tmp_path: Path) -> None:
    header, mark, _ = make.scan().partition("[Scan points]\nAngle,Intensity\n")
    noise = "".join(f"{20 + step / 50:.5f},{100 + step * 7919 % 31 - 15}.0\n" for step in range(2000))
    found = message(xrd, scan(tmp_path, header.replace("Si powder", "0012") + mark + noise))
    assert found["peaks"] == []
    assert found["conditions"]["Sample identification"] == "0012"
    assert found["conditions"]["Divergence slit"] == "Fixed,0.50mm"


def test_the_plot_goes_beside_the_scan(tmp_path: Path) -> None:
    _, files = results(xrd, scan(tmp_path, make.scan()))
    assert [*files] == ["run7/silicon.csv.png"]
    assert files["run7/silicon.csv.png"].startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("time,temperature\n1,2\n", r"no \[Scan points\]"),
        ("[Measurement conditions]\nComment,\n[Scan points]\nAngle,Intensity\n1,2\n", "no K-Alpha1 wavelength"),
    ],
)
def test_what_is_no_scan_is_said_to_be_none(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        xrd.process(scan(tmp_path, text))
