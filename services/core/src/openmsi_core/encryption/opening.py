"""From the settings of a program to a `Cipher`, and back: checks, exchange topics, and a watch over the library."""

import contextlib
import logging
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from openmsi_core.encryption.cipher import PLAIN, Cipher
from openmsi_core.encryption.exchange import wait_for_exchange_topics
from openmsi_core.encryption.node import REVOKED, Node, held
from openmsi_core.encryption.rights import needed
from openmsi_core.encryption.watch import FEW_DAYS, day, renew, watched
from openmsi_core.errors import ConfigError, Fatal
from openmsi_core.kafka import Troubles, connection_options
from openmsi_core.status import Status

if TYPE_CHECKING:
    from openmsi_core.encryption.certificates import Standing
    from openmsi_core.encryption.crypto import KafkaCryptoCipher

_log = logging.getLogger(__name__)

_DAY = 86_400.0
_LEAST_DAYS = 1.0
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
MISSING = (
    "encryption needs more than this installation has: use an image that is built with WITH_KAFKACRYPTO=1, or"
    " pip install 'openmsi-core[encryption]' and libsodium"
)


@dataclass(frozen=True, slots=True)
class Encryption:
    """What a program is to do with a node."""

    node: Node
    options: Mapping[str, str]
    """librdkafka's, of the cluster over which keys are exchanged."""
    reads: Sequence[str]
    writes: Sequence[str]
    plain_too: bool
    """Take records that are not encrypted."""
    state_dir: Path | None = None
    """Keeps how far the node's seed has counted."""


@contextlib.contextmanager
def opened(
    wanted: Encryption | None, program: str, stop: threading.Event, beat: Callable[[Status], None], seconds: float
) -> Iterator[Cipher | None]:
    """The cipher for ``wanted``, at work while inside; None when ``stop`` was set before the broker answered.

    Without ``wanted`` records stay plain. Blocks until the broker answers: ``seconds`` at most, then it raises
    BrokerUnreachable. Raises ConfigError when the node must not be used as it is.
    """
    if wanted is None:
        yield PLAIN
        return
    node = wanted.node
    check_files(node)
    with held(node, f"{program} (node {node.name})"):
        close_to_others(node)
        try:
            from openmsi_core.encryption import certificates, crypto  # noqa: PLC0415  # optional
        except (ImportError, OSError, ValueError) as error:  # the last is what a missing libsodium raises
            raise ConfigError(f"{MISSING} ({error})") from None
        check_standing(certificates.standing_of(node), wanted)
        troubles = Troubles(_log.warning)
        topics, rights = {*wanted.reads, *wanted.writes}, needed(wanted.reads, wanted.writes)
        if not wait_for_exchange_topics(wanted.options, topics, rights, troubles, stop, beat, seconds):
            yield None
            return
        cipher = _open(crypto.KafkaCryptoCipher, wanted)
        try:
            with watched(cipher, node.name):
                cipher.make_ready(wanted.reads, wanted.writes)
                cipher.prime(wanted.writes)
                _log.info("records are encrypted (node %s, certificate until %s)", node.name, day(cipher.expires))
                if wanted.plain_too:
                    _log.warning("RECORDS THAT ARE NOT ENCRYPTED ARE TAKEN, TOO: for the time of a migration only")
                yield cipher
        finally:
            cipher.close()


def _open(make: "type[KafkaCryptoCipher]", wanted: Encryption) -> "KafkaCryptoCipher":
    node = wanted.node
    try:
        return make(node, connection_options(wanted.options), wanted.plain_too, wanted.state_dir)
    except Fatal:
        raise
    except BlockingIOError:
        raise ConfigError(
            f"the node {node.name} ({node.folder}) is in use by a program that is not ours, such as OpenMSIStream: stop"
            " that one first, or give each process a node of its own"
        ) from None
    except OSError as error:
        raise ConfigError(
            f"the node {node.name} cannot be used ({error}): see that {node.folder} and"
            f" {wanted.state_dir or 'the state folder'} can be written"
        ) from None
    except Exception as error:  # what the library raises for what is damaged is no closed set
        raise ConfigError(
            f"the files of node {node.name} in {node.folder} are damaged ({type(error).__name__}): delete that node,"
            " and provision a new one"
        ) from None


def close_to_others(node: Node) -> None:
    """Take from all but the owner the right to read the secrets of ``node``, where the file system has rights."""
    for path in (node.crypto, node.seed):
        if os.name == "posix" and path.stat().st_mode & _OTHERS:
            with contextlib.suppress(OSError):
                path.chmod(0o600)
            done = "could be read" if not path.stat().st_mode & _OTHERS else "can be read"
            _log.warning(
                "%s %s by other users of this machine: if that was not meant, provision a new node", path, done
            )


def check_files(node: Node) -> None:
    """Raise ConfigError unless all files of ``node`` are there: the library would make new ones without a word."""
    for path in node.files:
        if not path.is_file():
            raise ConfigError(
                f"the node's file {path} is missing: delete what is left of that node, and provision a new one"
            )


def check_standing(standing: "Standing", wanted: Encryption) -> None:
    """Raise ConfigError when the node trusts strangers, or may not do what it is to do."""
    name = wanted.node.name
    if standing.trusts_everybody:
        raise ConfigError(f"the node {name} trusts KafkaCrypto's public test root: provision it anew")
    if standing.refused:
        todo = "provision another node" if standing.refused == REVOKED else renew(name)
        raise ConfigError(f"the certificate of node {name} is not valid ({standing.refused}): {todo}")
    days = (standing.expires - time.time()) / _DAY
    if standing.expires and days < _LEAST_DAYS:
        raise ConfigError(f"the certificate of node {name} ends in less than a day: {renew(name)}")
    for topic in wanted.reads:
        if not standing.may("read", topic):
            raise ConfigError(f"the node {name} may not read topic {topic}: provision one that may")
    for topic in wanted.writes:
        if not standing.may("write", topic):
            raise ConfigError(f"the node {name} may not write to topic {topic}: provision one that may")
    if standing.expires and days < FEW_DAYS:
        _log.warning("the certificate of node %s ends in %.0f days: %s", name, days, renew(name))
