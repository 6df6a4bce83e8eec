"""One openmsi.env gives the same values through docker run, compose and a native run."""

import json
import sys
from pathlib import Path

import pytest

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
    "ENDPOINT_URL": "https://s3.example.org:9000",
    "REGION": "eu-01",
    "ACCESS_KEY_ID": "00456",
    "SECRET_KEY_ID": "/a+b=#$c$$ 'd\" %",
    "OPENMSI_BUCKET_NAME": "00789",
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
_SHOW_DOWNLOAD = """\
import json, os, pathlib
from openmsi_core.settings import load
from openmsi_downloader.settings import DownloadSettings as Model
found = load(Model, ["data"], os.environ, pathlib.Path.cwd())
print(json.dumps([found.topic_name, found.download_regex.pattern, dict(found.consumer)], sort_keys=True))
"""


_SHOW_TRANSFER = """\
import json, os, pathlib
from openmsi_core.settings import load
from openmsi_s3_transfer.settings import TransferSettings as Model
found = load(Model, [], os.environ, pathlib.Path.cwd())
print(json.dumps([found.topic_name, found.bucket_name, dict(found.s3)], sort_keys=True))
"""
_DOWNLOAD = [
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
_TRANSFER = [
    _VALUES["OPENMSI_TOPIC_NAME"],
    _VALUES["OPENMSI_BUCKET_NAME"],
    {name.lower(): _VALUES[name] for name in ("ENDPOINT_URL", "REGION", "ACCESS_KEY_ID", "SECRET_KEY_ID")},
]


def _shown(said: str) -> object:
    (line,) = (line for line in said.splitlines() if line.startswith("["))
    return json.loads(line)


@pytest.mark.parametrize(
    ("service", "show", "expected"),
    [("downloader", _SHOW_DOWNLOAD, _DOWNLOAD), ("s3_transfer", _SHOW_TRANSFER, _TRANSFER)],
    ids=["downloader", "s3_transfer"],
)
def test_three_ways_to_run_one_set_of_values(
    images: Images, tmp_path: Path, service: str, show: str, expected: object
) -> None:
    stack = Stack(tmp_path, images)
    (tmp_path / "config.config").write_text(_CONFIG)
    (tmp_path / "openmsi.env").write_text("".join(f"{name}={value}\n" for name, value in _VALUES.items()))
    native = _shown(run(sys.executable, "-c", show, cwd=tmp_path))
    mount = ("-v", "./config.config:/home/openmsi/config.config", "--env-file", "openmsi.env")
    image = getattr(images, service)
    docker = _shown(run("docker", "run", "--rm", *mount, image, "python", "-c", show, cwd=tmp_path))
    try:
        said = stack.compose("--profile=s3", "run", "--rm", "--no-deps", "-T", service, "python", "-c", show)
    finally:
        stack.down()
    assert native == expected
    assert docker == expected
    assert _shown(said) == expected
