"""The other side of these tests is OpenMSIStream itself; at the end they print who could read whom."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop import openmsistream
from tests.interop.lab import Group, Lab, begin_group
from tests.interop.matrix import Matrix
from tests.support.broker import Broker

_MATRIX = pytest.StashKey[Matrix]()


@pytest.fixture(scope="session")
def matrix(request: pytest.FixtureRequest) -> Matrix:
    """Where every comparison of this run is counted."""
    return request.config.stash.setdefault(_MATRIX, Matrix())


@pytest.fixture(scope="session")
def _installed() -> None:
    openmsistream.install()


@pytest.fixture(scope="session")
def group(kafka: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    """A group that cannot complete its files."""
    lab = Lab(kafka, tmp_path_factory.mktemp("group"), 12)
    try:
        yield begin_group(lab)
    finally:
        lab.end()


@pytest.fixture(scope="session", autouse=True)
def _early(request: pytest.FixtureRequest, _installed: None) -> None:
    """It takes a minute until `group` says what is wrong: begin it before all other tests, if it is asked for."""
    if any("group" in item.fixturenames for item in request.session.items if isinstance(item, pytest.Function)):
        request.getfixturevalue("group")


@pytest.fixture(params=[1, 4, 12])
def partitions(request: pytest.FixtureRequest) -> int:
    """How many partitions the topic of `lab` has."""
    return int(request.param)


@pytest.fixture
def lab(kafka: Broker, tmp_path: Path, partitions: int) -> Iterator[Lab]:
    """A new topic, and what runs around it."""
    made = Lab(kafka, tmp_path, partitions)
    yield made
    made.end()


def pytest_report_header() -> str:
    """Name what is real in this run."""
    return f"real: OpenMSIStream {openmsistream.VERSION}, from PyPI, in its own venv"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print who could read whom."""
    made = terminalreporter.config.stash.get(_MATRIX, None)
    if made is not None and (lines := made.table()):
        terminalreporter.section("interop: compared and identical, byte for byte")
        for line in lines:
            terminalreporter.line(line)
