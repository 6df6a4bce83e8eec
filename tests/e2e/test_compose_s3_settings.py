"""What openmsi.env changes about ``docker compose --profile s3 up``."""

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.support.containers import BundledStore, Images, Stack
from tests.support.running import wait_for

S3 = "--profile=s3"


@pytest.mark.parametrize(
    ("settings", "starts"),
    [
        ({}, {"s3", "s3-keys", "s3_transfer"}),
        ({"ACCESS_KEY_ID": "lab", "SECRET_KEY_ID": "secret"}, {"s3", "s3-keys", "s3_transfer"}),
        ({"ENDPOINT_URL": "https://s3.example.org"}, {"s3_transfer"}),
        ({"REGION": "eu-central-1"}, {"s3_transfer"}),
        ({"ENDPOINT_URL": "https://s3.example.org", "REGION": "garage"}, {"s3_transfer"}),
    ],
    ids=["nothing", "keys", "address", "region", "address and region"],
)
def test_what_the_profile_starts(images: Images, tmp_path: Path, settings: dict[str, str], starts: set[str]) -> None:
    stack = Stack(tmp_path, images)
    if settings:
        stack.settings(**settings)
    plain = set(stack.compose("config", "--services").split())
    assert set(stack.compose(S3, "config", "--services").split()) - plain == starts
    assert plain == {"kafka", "topics", "folders", "uploader", "downloader"}
    services = json.loads(stack.compose(S3, "config", "--format=json"))["services"]
    assert all("build" in service for service in services.values() if service["image"].startswith("openmsi/"))


def test_the_keys_of_the_env_file_are_those_of_the_bundled_store(images: Images, tmp_path: Path) -> None:
    stack = Stack(tmp_path, images)
    stack.settings(ACCESS_KEY_ID="lab", SECRET_KEY_ID="a$b#c 'd")
    (stack.folder / "openmsi.env").chmod(0o600)
    try:
        stack.compose(S3, "up", "--detach", "s3")
        client = BundledStore(stack).client("lab", "a$b#c 'd")
        wait_for(lambda: _answers(client), "the store", 30)
    finally:
        stack.down()


def _answers(client: Any) -> bool:
    try:
        return "Buckets" in client.list_buckets()
    except (BotoCoreError, ClientError):
        return False
