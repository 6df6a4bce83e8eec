"""Programs that use one encrypted topic."""

from collections.abc import Mapping
from pathlib import Path

from openmsi_core.encryption.node import Node
from tests.support.broker import Broker
from tests.support.encrypting import Nodes, section
from tests.support.running import Program
from tests.support.telling import Uploads


class Lab:
    """Uploaders to ``topic``, each with a folder, a state folder and a node of its own, and a node ``down`` to read."""

    def __init__(self, kafka: Broker, topic: str, folder: Path) -> None:
        self.nodes = Nodes(folder / "nodes")
        self.down = self.nodes.make("down", "consumer", topic)
        self._folder, self._bootstrap, self._topic = folder, kafka.bootstrap, topic
        self._uploads: dict[str, Uploads] = {}

    def start(self, name: str, node: Node | None = None) -> Program:
        """An uploader of the folder ``name``; a later one of the same name has the same state folder and node."""
        own = Node(self.nodes.folder / name, name)
        if node is None and not own.config.exists():
            self.nodes.make(name, "producer", self._topic)
        program = self._of(name).start("--upload_existing", config=section(node or own))
        program.says("records are encrypted")
        return program

    def drop(self, name: str, files: Mapping[str, bytes]) -> None:
        """Put ``files`` into the folder of an uploader."""
        for path, content in files.items():
            (self._of(name).folder / "data" / path).write_bytes(content)

    def kill(self) -> None:
        """End them all."""
        for uploads in self._uploads.values():
            uploads.kill()

    def _of(self, name: str) -> Uploads:
        if name not in self._uploads:
            self._uploads[name] = Uploads(self._bootstrap, self._topic, self._folder / name)
        return self._uploads[name]
