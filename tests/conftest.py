"""What every test can ask for, and the rule that CI skips nothing."""

import os
import subprocess
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.support.broker import Broker, jars_folder
from tests.support.side_by_side import SideBySide
from tests.support.store import Store

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A real broker that all tests share: never stop it, and use topics and groups of your own."""
    yield from _running(tmp_path_factory.mktemp("kafka"))


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[Broker]:
    """A real broker for one test, which may stop, kill or freeze it."""
    yield from _running(tmp_path / "own-kafka")


@pytest.fixture
def topic(kafka: Broker) -> str:
    """A new topic with 4 partitions on the shared broker."""
    return kafka.create_topic()


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A real S3 server that all tests share: never stop it, and use a bucket of your own."""
    yield from _running_store(tmp_path_factory.mktemp("store"))


@pytest.fixture
def own_store(tmp_path: Path) -> Iterator[Store]:
    """A real S3 server for one test, which may kill or freeze it."""
    yield from _running_store(tmp_path / "own-store")


def _running_store(folder: Path) -> Iterator[Store]:
    store = Store(folder)
    try:
        store.start()
        yield store
    finally:
        store.kill()


def _running(folder: Path) -> Iterator[Broker]:
    broker = Broker(folder, jars_folder())
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


def pytest_configure() -> None:
    """As wide as a pipe: tests that run side by side are told the terminal's width."""
    os.environ.pop("COLUMNS", None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """How tests that run side by side are dealt out."""
    return SideBySide(config, log)


def pytest_report_header() -> list[str]:
    """Name what is real in this run."""
    engine = _first_line("docker", "version", "--format", "{{.Server.Version}}") or "not running"
    java = _first_line("java", "--version") or "not installed"
    jars = sorted(path.name for path in (Path(__file__).parents[1] / ".cache" / "kafka").glob("*.*.*"))
    return [f"real: Kafka {', '.join(jars) or 'not fetched yet'} ({java}); container engine {engine}"]


def _first_line(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except OSError:
        return ""
    return done.stdout.partition("\n")[0].strip() if done.returncode == 0 else ""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skipped test is a failed test."""
    report = yield
    return _no_skips(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """In CI a skipped module is a failed module."""
    report = yield
    return _no_skips(report)


def _no_skips(report: Report) -> Report:
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"CI skips nothing, but this was skipped: {report.longrepr}"
    return report
