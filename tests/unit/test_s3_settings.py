"""Settings of `S3TransferStreamProcessor`: where the store is, and which mistakes are named at the start."""

from pathlib import Path

import pytest

from openmsi_core.errors import ConfigError, UsageError
from openmsi_core.settings import masked, secrets
from openmsi_s3_transfer.client import make_clients
from tests.support.transferring import settings_for

PAIR = {"ACCESS_KEY_ID": "key", "SECRET_KEY_ID": "s3cret!"}


def test_the_section_wins_over_the_variables_and_nothing_is_left_to_boto3(tmp_path: Path) -> None:
    section = "[s3]\nendpoint_url = https://s3.example.org\naccess_key_id = $LAB_KEY\nregion =\n"
    found = settings_for(tmp_path, config=section, LAB_KEY="lab", REGION="here", ENDPOINT_URL="http://other", **PAIR).s3
    assert found == {"endpoint_url": "https://s3.example.org", "access_key_id": "lab", "secret_key_id": "s3cret!"}
    assert settings_for(tmp_path).s3 == {}
    assert settings_for(tmp_path, REGION="there", ACCESS_KEY_ID="").s3 == {"region": "there"}


def test_secrets_are_kept(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, **PAIR)
    assert secrets(settings) == {"s3cret!"}
    assert masked(settings)["s3.secret_key_id"] == "***"
    assert masked(settings)["s3.access_key_id"] == "key"
    assert "s3cret!" not in f"{settings!r} {masked(settings)}"


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("[s3]\naccess_key_id = a\n", "access_key_id has a value but secret_key_id has none"),
        ("[s3]\nsecret_key_id = s3cret\n", "secret_key_id has a value but access_key_id has none"),
        ("[s3]\nregion = $UNSET\n", "the environment variable UNSET is not set"),
        ("[s3]\nendpoint_url = s3.example.org:9000\n", "write https://HOST or http://HOST:PORT"),
        ("[s3]\nendpoint_url = //s3\n", "write https://HOST or http://HOST:PORT"),
        ("[s3]\nendpoint_url = https://k:s3cret@host\n", "has a user name in it"),
        ("[S3TransferStreamProcessor]\nverify = etag\n", "verify in [S3TransferStreamProcessor]"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, config: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings_for(tmp_path, config=config)
    assert words in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("name", ["ab", "Upper", "under_score", "-x-", "a..b", "x" * 64, "s3://b"])
def test_names_that_no_bucket_has_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="a bucket's name has 3 to 63 small letters"):
        settings_for(tmp_path, "--topic_name", "T", "--", name)


def test_old_options_are_taken(tmp_path: Path) -> None:
    line = ("bucket", "--consumer_topic_name", "T", "--mode", "both", "--output_dir", "out", "--consumer_group_ID", "g")
    settings = settings_for(tmp_path, *line)
    assert (settings.topic_name, settings.consumer_group_id) == ("T", "g")
    assert settings.work_dir == tmp_path / "out"
    (said,) = settings.remarks()
    assert said.startswith("--mode has no effect")
    assert settings_for(tmp_path).work_dir == settings_for(tmp_path).state_dir / "work"


def test_a_missing_file_of_certificates_is_named(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, "bucket", "--topic_name", "T", "--ca_bundle", "ca.pem")
    with pytest.raises(ConfigError, match=r"ca\.pem, is not there"):
        make_clients(settings)


def test_each_store_gets_the_bucket_where_it_looks_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the path, or in the host name at Amazon's; wherever the endpoint comes from."""
    profile = tmp_path / "profile"
    profile.write_text("[default]\ns3 =\n  addressing_style = virtual\n")

    def address(bucket: str = "bucket", **environ: str) -> str:
        clients = make_clients(settings_for(tmp_path, **PAIR, **environ))
        assert clients.quick.meta.config.request_checksum_calculation == "when_required"
        url: str = clients.quick.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
        return url.partition("?")[0]

    assert address(REGION="eu-central-1") == "https://bucket.s3.amazonaws.com/k"
    assert address("a.dot", REGION="eu-central-1") == "https://s3.eu-central-1.amazonaws.com/a.dot/k"
    assert address(ENDPOINT_URL="http://s3.lab:7070") == "http://s3.lab:7070/bucket/k"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://s3.lab")
    assert address() == "https://s3.lab/bucket/k"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(profile))
    assert address() == "https://bucket.s3.lab/k"
