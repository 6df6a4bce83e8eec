"""S3 transfers: their parts in this process, and as processes."""

from collections.abc import Mapping
from pathlib import Path

from openmsi_core.settings import load
from openmsi_s3_transfer.bucket import Bucket
from openmsi_s3_transfer.client import Clients, make_clients
from openmsi_s3_transfer.probe import find_abilities
from openmsi_s3_transfer.settings import TransferSettings
from tests.support.running import Program, Programs
from tests.support.store import Inside, Store


def settings_for(folder: Path, *argv: str, config: str = "", **environ: str) -> TransferSettings:
    """The settings of a transfer that is started in ``folder`` with this config file beside a broker's."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.config").write_text(f"[broker]\nbootstrap.servers = b:9092\n{config}")
    line = argv or ("bucket", "--topic_name", "T")
    return load(TransferSettings, line, {"HOME": "/home/u"} | environ, folder)


def clients_for(endpoint: str, folder: Path, **environ: str) -> Clients:
    """Clients of the store at ``endpoint``."""
    given = {"ENDPOINT_URL": endpoint, "ACCESS_KEY_ID": "key", "SECRET_KEY_ID": "secret"} | environ
    return make_clients(settings_for(folder, **given))


def found_bucket(store: Store, folder: Path) -> Bucket:
    """A new bucket of ``store``, as a transfer finds it."""
    clients = clients_for(store.endpoint, folder, **store.login)
    name = store.bucket().name
    return Bucket(clients, name, find_abilities(clients, name, "probe"))


class Transfers(Programs):
    """Transfers of ``topic`` into one bucket, each in a folder of its own below ``folder``."""

    def __init__(self, bootstrap: str, topic: str, store: Store, folder: Path) -> None:
        super().__init__(bootstrap, folder)
        self.topic = topic
        self.store = store
        self.inside = store.bucket()

    def start(
        self,
        *options: str,
        name: str = "transfer",
        bucket: str = "",
        env: Mapping[str, str] | None = None,
        config: str = "",
        prefix: tuple[str, ...] = (),
    ) -> Program:
        """Start one more; with the ``name`` of an earlier one it gets the same state folder."""
        command = ("S3TransferStreamProcessor", bucket or self.inside.name, "--topic_name", self.topic, *options)
        everything = self.store.login | dict(env or {})
        return self.run(name, *command, env=everything, config=config, prefix=prefix)

    @property
    def tree(self) -> dict[str, bytes]:
        """Every object: key below the topic → content."""
        return below(self.inside, self.topic)


def below(inside: Inside, topic: str) -> dict[str, bytes]:
    """What is in a bucket for ``topic``: key below it → content."""
    return {key.removeprefix(f"{topic}/"): content for key, content in inside.tree.items()}
