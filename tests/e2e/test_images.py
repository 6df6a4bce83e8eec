"""What is in the images, and what is not."""

import json

import pytest

from openmsi_core import __version__
from tests.support.broker import ROOT, unique
from tests.support.containers import PREFIX, Container, Images, run

_BUDGET = 45_000_000
_PIP = 15_000_000
_EVERYWHERE = {"openmsi", "ProvisionNode", "ReproduceUndecryptableMessages"}
_PROGRAMS = {
    "uploader": {
        *("DataFileUploadDirectory", "UploadDataFile"),
        *("upload_data_files_added_to_directory", "upload_data_file"),
    },
    "downloader": {"DataFileDownloadDirectory", "reconstruct_data_files"},
    "s3_transfer": {"S3TransferStreamProcessor"},
    "stream_processor": {"StreamProcessor"},
}
_OWN_PACKAGES = {
    "uploader": {"openmsi_uploader", "watchdog"},
    "downloader": {"openmsi_downloader"},
    "s3_transfer": {"openmsi_s3_transfer", "boto3"},
    "stream_processor": {"openmsi_processor"},
}
_ABSENT = ("pip", "pip3", "gcc", "cc", "make", "git", "curl")
_FOR_USERS = {"stream_processor": "/opt/pip/bin/pip\n/opt/pip/bin/pip3\n"}
_PACKAGES = (*set().union(*_OWN_PACKAGES.values()), "pip", "ensurepip", "pygments", "pytest")
# Where boto3 sends a login: with the keys of a role, of single sign-on, or of `aws login`.
_LOGINS = ("s3", "sts", "sso", "sso-oidc", "signin")


def _in(image: str, *command: str) -> str:
    return run("docker", "run", "--rm", "--network=none", image, *command)


def _size(image: str) -> int:
    return int(run("docker", "image", "inspect", "--format={{.Size}}", image))


@pytest.mark.parametrize("service", _PROGRAMS)
def test_an_image_holds_what_it_runs_and_nothing_else(images: Images, service: str) -> None:
    image = getattr(images, service)
    programs = set(_in(image, "ls", "/opt/openmsi/bin").split())
    assert {name for name in programs if not name.startswith("python")} == _PROGRAMS[service] | _EVERYWHERE
    look = f"for name in {' '.join(_ABSENT)}; do command -v $name; done || true"
    assert _in(image, "sh", "-c", look) == _FOR_USERS.get(service, "")
    code = f"import importlib.util as u; print(*[p for p in {_PACKAGES!r} if u.find_spec(p)])"
    assert set(_in(image, "python", "-c", code).split()) == _OWN_PACKAGES[service]


@pytest.mark.parametrize("service", _PROGRAMS)
def test_an_image_adds_little_to_its_base(images: Images, service: str) -> None:
    added = _size(getattr(images, service)) - _size(images.python)
    assert added < _BUDGET + _PIP * (service in _FOR_USERS), f"{service} adds {added / 1e6:.1f} MB"


@pytest.mark.parametrize("service", _PROGRAMS)
def test_an_image_says_what_it_is(images: Images, service: str) -> None:
    (described,) = json.loads(run("docker", "image", "inspect", getattr(images, service)))
    config = described["Config"]
    assert config["Labels"]["org.opencontainers.image.version"] == __version__
    assert config["Labels"]["org.opencontainers.image.title"] == f"openmsi/{service}"
    assert config["User"] == "1000:1000"
    assert config["WorkingDir"] == "/home/openmsi"
    assert not config["Entrypoint"]
    assert config["Healthcheck"]["Test"] == ["CMD", "python", "-m", "openmsi_core.health"]
    assert not [line for line in config["Env"] for word in ("SECRET", "ACCESS", "PASSWORD", "TOKEN") if word in line]


def test_every_way_to_log_in_to_a_store_is_in_the_image(images: Images) -> None:
    code = f"import boto3; print(*[boto3.client(s, 'eu-central-1').meta.endpoint_url for s in {_LOGINS!r}])"
    addresses = _in(images.s3_transfer, "python", "-c", code).split()
    assert len(addresses) == len(_LOGINS)
    assert all("eu-central-1" in each and "amazonaws.com" in each for each in addresses)


def test_the_template_for_own_images_builds_and_runs(images: Images) -> None:
    tag = unique(PREFIX)
    base = f"OPENMSI_IMAGE={images.downloader}"
    run("docker", "build", "--quiet", "--tag", tag, "--build-arg", base, ROOT / "images/custom")
    container = Container(ROOT, tag)
    try:
        assert container.exits() == 1
        assert "OPENMSI_TOPIC_NAME: is not set in openmsi.env" in container.output
    finally:
        container.remove()
        run("docker", "image", "rm", tag)
