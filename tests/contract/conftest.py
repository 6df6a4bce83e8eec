"""The stores that contract tests run on: servers of several makes."""

from collections.abc import Callable, Iterator, Mapping

import pytest
from botocore.config import Config

import openmsi_s3_transfer.client
from openmsi_s3_transfer.bucket import NO_OPTIONS, Abilities, Bucket
from openmsi_s3_transfer.client import Clients
from openmsi_s3_transfer.probe import find_abilities
from tests.support.odd_store import OddStore
from tests.support.store import Store
from tests.support.stores import KINDS
from tests.support.transferring import clients_for

Stores = Callable[[str], Store]


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    """Gives a server by the name of its kind; all tests share it, so use a bucket of your own."""
    running: dict[str, Store] = {}

    def store_of(kind: str) -> Store:
        if kind not in running:
            store = Store(tmp_path_factory.mktemp(kind), KINDS[kind])
            store.start()
            running[kind] = store
        return running[kind]

    yield store_of
    for store in running.values():
        store.kill()


class Finder:
    """Makes buckets and finds out about them as a transfer does; the slow part, its clients, once for each store."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory
        self._clients: dict[str, Clients] = {}

    def clients(self, store: Store) -> Clients:
        """Those of ``store``."""
        if store.endpoint not in self._clients:
            folder = self._factory.mktemp("clients")
            self._clients[store.endpoint] = clients_for(store.endpoint, folder, **store.login)
        return self._clients[store.endpoint]

    def __call__(self, store: Store, options: Mapping[str, str] = NO_OPTIONS) -> Bucket:
        clients, name = self.clients(store), store.bucket().name
        return Bucket(clients, name, find_abilities(clients, name, "probe", options), options)


@pytest.fixture(scope="session")
def found(tmp_path_factory: pytest.TempPathFactory) -> Finder:
    """Gives a new bucket of a store."""
    return Finder(tmp_path_factory)


@pytest.fixture(scope="session")
def odd_server() -> Iterator[OddStore]:
    """In this process; use `odd`."""
    store = OddStore()
    yield store
    store.close()


@pytest.fixture(scope="session")
def clients(odd_server: OddStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    """Clients that wait for a second only where they would wait for minutes."""
    config = openmsi_s3_transfer.client._config

    def hasty(attempts: int, read_seconds: int, connections: int) -> Config:
        return config(attempts, 1 if read_seconds > 60 else read_seconds, connections)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openmsi_s3_transfer.client, "_config", hasty)
        made = clients_for(odd_server.endpoint, tmp_path_factory.mktemp("clients"))
    yield made
    for client in (made.quick, made.patient, made.steady):
        client.close()


@pytest.fixture
def odd(odd_server: OddStore) -> OddStore:
    """The store, empty."""
    odd_server.forget()
    return odd_server


@pytest.fixture
def bucket(clients: Clients) -> Bucket:
    """A bucket of it."""
    return Bucket(clients, "bucket", Abilities(conditions=True, checksum="sha256"))
