"""Facts that have to stand in more than one file are the same in all of them."""

import re
from pathlib import Path

from openmsi_core import __version__

_ROOT = Path(__file__).parents[2]


def _found(pattern: str, *globs: str) -> set[str]:
    paths = [path for glob in globs for path in _ROOT.glob(glob)]
    return {match for path in paths for match in re.findall(pattern, path.read_text())}


def test_the_version() -> None:
    assert _found(r"OPENMSI_VERSION:-([^}]+)}", "compose/*.yaml") == {__version__}
    assert _found(r"openmsi/downloader:([\d.]+)", "images/custom/Dockerfile") == {__version__}


def test_the_version_of_kafka() -> None:
    assert _found(r"apache/kafka:([^}]+)}", "compose/*.yaml") == _found(
        r"<kafka.version>(.+)</kafka.version>", "tools/kafka/pom.xml"
    )


def test_the_python_base() -> None:
    bases = _found(r"python:[\w.-]+-slim-[\w-]+", "compose/*.yaml", "images/Dockerfile", "tools/bases")
    assert len(bases) == 1


def test_the_default_topic() -> None:
    (named,) = _found(r"(?m)^OPENMSI_TOPIC_NAME=(.+)$", "openmsi.env.example")
    assert _found(r"OPENMSI_TOPIC_NAME:-([^}]+)}", "compose/*.yaml") == {named}
