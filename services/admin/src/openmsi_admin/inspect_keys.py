"""The keys of an encrypted topic that is looked at, where there is a node that may have them."""

import contextlib
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException

from openmsi_core.encryption.cipher import Cipher, Field, Missing, Plain, is_encrypted
from openmsi_core.encryption.exchange import exchange_topics
from openmsi_core.encryption.node import Node, node_of
from openmsi_core.encryption.opening import Encryption, opened
from openmsi_core.env_file import load_environment
from openmsi_core.errors import ConfigError
from openmsi_core.kafka import make_admin
from openmsi_core.old_service import read_config

KEY_SECONDS = 10.0
"""For which a key is waited for."""

_ASK_SECONDS = 10.0
_NONE = Missing(b"")
_NO_NODE = (
    "a config file with a [kafkacrypto] section, and a node of this command's own that may read the topic, show more"
)
_NOBODY = (
    f"nobody gave their keys within {KEY_SECONDS:g} s: start whoever sent them, or openmsi key-server with that node"
)


class NoKeys(Plain):
    """Plain records are read, encrypted ones are known as such."""

    def decrypt(self, _topic: str, _field: Field, content: bytes) -> bytes | Missing:
        """As it is, or Missing."""
        return _NONE if is_encrypted(content) else content


NO_KEYS = NoKeys()


@dataclass(frozen=True, slots=True)
class Keys:
    """How encrypted records are read."""

    cipher: Cipher
    why: str
    """Why records stay encrypted, if any do."""


def node_in(config: Path) -> Node | None:
    """The node that the config file names. Raises ConfigError."""
    environ = load_environment(os.environ, Path.cwd())
    return node_of(read_config(Path.cwd() / config, environ), environ, Path.cwd())


@contextlib.contextmanager
def keys_for(node: Node | None, options: Mapping[str, str], topic: str) -> Iterator[Keys]:
    """Exchange keys while inside, with ``node``, if that can be used; changes nothing at the broker. Raises Fatal."""
    if node is None:
        yield Keys(NO_KEYS, _NO_NODE)
        return
    with contextlib.ExitStack() as stack:
        try:
            cipher = stack.enter_context(_exchanging(node, options, topic))
        except ConfigError as error:
            keys = Keys(NO_KEYS, str(error))
        else:
            keys = Keys(cipher, _NOBODY) if cipher else Keys(NO_KEYS, "there are no topics for the exchange of keys")
        yield keys


@contextlib.contextmanager
def _exchanging(node: Node, options: Mapping[str, str], topic: str) -> Iterator[Cipher | None]:
    if not _has_exchange(options, topic):  # they would be made
        yield None
        return
    wanted = Encryption(node, options, (topic,), (), plain_too=False)
    with _errors_only(), opened(wanted, "openmsi inspect", threading.Event(), lambda _: None, _ASK_SECONDS) as cipher:
        yield cipher


@contextlib.contextmanager
def _errors_only() -> Iterator[None]:
    """Of what is logged: a key that does not come is said in `Keys.why`."""
    handler = logging.StreamHandler()
    handler.setLevel(logging.ERROR)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


def _has_exchange(options: Mapping[str, str], topic: str) -> bool:
    try:
        return exchange_topics([topic]).keys() <= make_admin(options).list_topics(timeout=_ASK_SECONDS).topics.keys()
    except KafkaException:  # whoever reads the topic will say so
        return False
