"""`openmsi key-server`: hands out the keys of a node whose uploader is off, so that what it sent stays readable."""

import logging
import time
from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field

from openmsi_core.encryption.exchange import wait_for_exchange_topics
from openmsi_core.encryption.node import Node
from openmsi_core.encryption.rights import needed_to_hand_out
from openmsi_core.errors import ConfigError
from openmsi_core.kafka import Troubles
from openmsi_core.service import Service, run
from openmsi_core.settings import ProgramSettings
from openmsi_core.status import Status

_log = logging.getLogger(__name__)

_TURN_SECONDS = 1.0
_WAITS = "readers that ask for keys"
_NO_REPORTS = "no effect: this program encrypts nothing, so that no key is ever used twice"
Nothing = Annotated[None, BeforeValidator(lambda _: None)]


class KeyServerSettings(ProgramSettings):
    """Hand out the keys a node has used, while its uploader is off: without them nobody reads what it sent.

    Point [kafkacrypto] of the config file to the node's folder itself, which may move here. Do not work with a copy:
    of two folders of a node, one alone may ever go on sending.
    """

    program: ClassVar = "key-server"
    place: ClassVar = ""
    clients: ClassVar = ("producer",)

    heartbeat_topic_name: Nothing = Field(None, description=_NO_REPORTS)
    log_topic_name: Nothing = Field(None, description=_NO_REPORTS)
    topic_name: str = Field("", description="a topic that readers wait for: say so if there are no keys for it")

    @property
    def writes(self) -> tuple[str, ...]:
        """As `ProgramSettings` says."""
        return ()


def key_server(argv: Sequence[str]) -> int:
    """Hand out the keys of a node whose uploader is off, so that what it sent stays readable."""
    return run(KeyServerSettings.program, KeyServerSettings, serve, argv)


def serve(settings: KeyServerSettings, service: Service) -> None:
    """Answer requests for keys until the program is told to stop. Raises ConfigError when it has none."""
    if settings.node is None:
        raise ConfigError(
            f"{settings.config} names no node: put config_file, the node whose keys are to be handed out, into"
            " [kafkacrypto]"
        )
    from openmsi_core.encryption.crypto import KafkaCryptoCipher  # noqa: PLC0415  # optional

    assert isinstance(service.cipher, KafkaCryptoCipher)  # because there is a node
    held = service.cipher.held()
    _tell(settings, settings.node, held)
    wait_for_exchange_topics(
        settings.producer,
        list(held),
        needed_to_hand_out(held),
        Troubles(_log.warning),
        service.stop,
        service.beat,
        settings.patience,
    )
    while not service.stop.is_set():
        service.beat(Status(waiting_for=_WAITS))
        service.stop.wait(_TURN_SECONDS)
    service.beat(Status())


def _tell(settings: KeyServerSettings, node: Node, held: dict[str, list[float]]) -> None:
    from openmsi_core.encryption.certificates import standing_of  # noqa: PLC0415  # optional

    if not held:
        raise ConfigError(
            f"the node {node.name} has no keys to hand out: it only reads, or has sent nothing for longer than it keeps"
            f" keys, or {node.folder} is not the folder that its uploader used last"
        )
    standing = standing_of(node)
    for root, ends in sorted(held.items()):
        last = time.strftime("%Y-%m-%d", time.localtime(ends[-1]))
        _log.info("handing out %d keys for topic %s, the newest until %s", len(ends), root, last)
        if not standing.may("write", root):
            _log.warning("nobody accepts the keys for topic %s: the certificate does not name it any more", root)
    wanted = settings.topic_name.partition(".")[0]
    if wanted and wanted not in held:
        _log.warning("the node %s has no keys for topic %s: another node wrote it", node.name, settings.topic_name)
