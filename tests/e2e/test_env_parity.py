"""One openmsi.env gives the same values through docker run, compose and a native run."""

import json
import sys
from pathlib import Path

from tests.support.containers import Images, Stack, run

# Compose itself cannot read a value with ${ in it or a quote at its beginning; openmsi.env.example says so.
_VALUES = {
    "CONFLUENT_BOOTSTRAP_SERVERS": "192.0.2.1:9092",
    "CONFLUENT_USERNAME": "00123",
    "CONFLUENT_PASSWORD": '$x$$ it\'s "quoted" \\n',
    "A": "%41%%s",
    "B": "a#b #c",
    "C": "space at the end ",
    "D": "=a=b",
    "E": "`x` $(y) ~ ! *",
    "OPENMSI_TOPIC_NAME": "0.10",
    "OPENMSI_DOWNLOAD_REGEX": r"^[^#]*\.csv$",
    "MOUNTED_ENV_FILE": "./openmsi.env",
}
_CONFIG = """\
[broker]
bootstrap.servers = $CONFLUENT_BOOTSTRAP_SERVERS
sasl.username = $CONFLUENT_USERNAME
sasl.password = $CONFLUENT_PASSWORD
[consumer]
a.a = $A
b.b = $B
c.c = $C
d.d = $D
e.e = $E
"""
_SHOW = """\
import json, os, pathlib
from openmsi_core.settings import load
from openmsi_downloader.settings import DownloadSettings as Model
found = load(Model, ["data"], os.environ, pathlib.Path.cwd())
print(json.dumps([found.topic_name, found.download_regex.pattern, dict(found.consumer)], sort_keys=True))
"""


def _shown(said: str) -> object:
    (line,) = (line for line in said.splitlines() if line.startswith("["))
    return json.loads(line)


def test_three_ways_to_run_one_set_of_values(images: Images, tmp_path: Path) -> None:
    stack = Stack(tmp_path, images)
    (tmp_path / "config.config").write_text(_CONFIG)
    (tmp_path / "openmsi.env").write_text("".join(f"{name}={value}\n" for name, value in _VALUES.items()))
    native = _shown(run(sys.executable, "-c", _SHOW, cwd=tmp_path))
    mount = ("-v", "./config.config:/home/openmsi/config.config", "--env-file", "openmsi.env")
    docker = _shown(run("docker", "run", "--rm", *mount, images.downloader, "python", "-c", _SHOW, cwd=tmp_path))
    try:
        said = stack.compose("run", "--rm", "--no-deps", "-T", "downloader", "python", "-c", _SHOW)
    finally:
        stack.down()
    expected = [
        _VALUES["OPENMSI_TOPIC_NAME"],
        _VALUES["OPENMSI_DOWNLOAD_REGEX"],
        {
            "bootstrap.servers": _VALUES["CONFLUENT_BOOTSTRAP_SERVERS"],
            "sasl.username": _VALUES["CONFLUENT_USERNAME"],
            "sasl.password": _VALUES["CONFLUENT_PASSWORD"],
            "sasl.mechanisms": "PLAIN",
            "security.protocol": "SASL_SSL",
            **{f"{name}.{name}".lower(): _VALUES[name] for name in "ABCDE"},
        },
    ]
    assert native == expected
    assert docker == expected
    assert _shown(said) == expected
