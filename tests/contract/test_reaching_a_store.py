"""The way to a store with a certificate of the laboratory's own: the right settings work, each wrong one is named."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from openmsi_core.errors import Retryable
from openmsi_s3_transfer.client import make_clients
from openmsi_s3_transfer.probe import find_abilities
from tests.support.store import Store
from tests.support.stores import with_certificate
from tests.support.tls import Authority
from tests.support.transferring import settings_for


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Path]]:
    """A store that speaks https, and its authority's certificate."""
    folder = tmp_path_factory.mktemp("secure")
    authority = Authority(folder / "ca")
    store = Store(folder, with_certificate(authority))
    try:
        store.start()
        yield store, authority.pem
    finally:
        store.kill()


def tried(store: Store, folder: Path, *options: str, **environ: str) -> object:
    """What is found at a new bucket of ``store`` by a transfer with these options."""
    settings = settings_for(folder, "bucket", "--topic_name", "T", *options, **store.login | environ)
    return find_abilities(make_clients(settings), store.bucket().name, "T/probe")


def test_an_authority_of_ones_own_is_trusted_when_it_is_named(secure: tuple[Store, Path], tmp_path: Path) -> None:
    store, authority = secure
    assert tried(store, tmp_path, "--ca_bundle", str(authority))


def test_else_the_option_is_named(secure: tuple[Store, Path], tmp_path: Path) -> None:
    store, _ = secure
    with pytest.raises(Retryable, match=r"is not trusted: name its authority's file with --ca_bundle"):
        tried(store, tmp_path)


def test_http_to_a_store_that_speaks_https_is_named(secure: tuple[Store, Path], tmp_path: Path) -> None:
    store, _ = secure
    plain = store.endpoint.replace("https://", "http://")
    with pytest.raises(Retryable, match=f"{plain} .*; if it speaks https, write https:// in endpoint_url"):
        tried(store, tmp_path, ENDPOINT_URL=plain)


def test_https_to_a_store_that_speaks_http_is_named(store: Store, tmp_path: Path) -> None:
    secret = store.endpoint.replace("http://", "https://")
    with pytest.raises(Retryable, match="does not speak https: write http:// in endpoint_url"):
        tried(store, tmp_path, ENDPOINT_URL=secret)
