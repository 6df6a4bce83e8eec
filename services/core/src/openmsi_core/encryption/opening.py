"""From the settings of a program to a `Cipher`, and back: checks, exchange topics, and a watch over the library."""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openmsi_core.encryption.cipher import PLAIN, Cipher
from openmsi_core.encryption.exchange import wait_for_exchange_topics
from openmsi_core.encryption.node import Node, held
from openmsi_core.errors import ConfigError, InternalError
from openmsi_core.kafka import Troubles, connection_options
from openmsi_core.status import Status

if TYPE_CHECKING:
    from openmsi_core.encryption.certificates import Standing
    from openmsi_core.encryption.crypto import KafkaCryptoCipher

_log = logging.getLogger(__name__)

_DAY = 86_400.0
_LEAST_DAYS, _FEW_DAYS = 1.0, 14.0
_WATCH_SECONDS = 1.0
_MISSING = (
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
        try:
            from openmsi_core.encryption import certificates, crypto  # noqa: PLC0415  # optional
        except (ImportError, OSError, ValueError) as error:  # the last is what a missing libsodium raises
            raise ConfigError(f"{_MISSING} ({error})") from None
        check_standing(certificates.standing_of(node), wanted)
        troubles = Troubles(_log.warning)
        if not wait_for_exchange_topics(wanted.options, {*wanted.reads, *wanted.writes}, troubles, stop, beat, seconds):
            yield None
            return
        try:
            cipher = crypto.KafkaCryptoCipher(node, connection_options(wanted.options), wanted.plain_too)
        except OSError as error:
            raise ConfigError(
                f"the node {node.name} cannot be used ({error}): see that {node.folder} can be written"
            ) from None
        ended = threading.Event()
        watch = threading.Thread(target=_watch, args=(cipher, ended), name="key watch", daemon=True)
        watch.start()
        try:
            cipher.prime(wanted.writes)
            _log.info("records are encrypted (node %s, certificate until %s)", node.name, _date(cipher.expires))
            if wanted.plain_too:
                _log.warning("RECORDS THAT ARE NOT ENCRYPTED ARE TAKEN, TOO: for the time of a migration only")
            yield cipher
        finally:
            ended.set()
            cipher.close()


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
    renew = f"renew it with openmsi provision --node {name} --renew"
    if standing.refused:
        raise ConfigError(f"the certificate of node {name} is not valid ({standing.refused}): {renew}")
    days = (standing.expires - time.time()) / _DAY
    if standing.expires and days < _LEAST_DAYS:
        raise ConfigError(f"the certificate of node {name} ends in less than a day: {renew}")
    for topic in wanted.reads:
        if not standing.may("read", topic):
            raise ConfigError(f"the node {name} may not read topic {topic}: provision one that may")
    for topic in wanted.writes:
        if not standing.may("write", topic):
            raise ConfigError(f"the node {name} may not write to topic {topic}: provision one that may")
    if standing.expires and days < _FEW_DAYS:
        _log.warning("the certificate of node %s ends in %.0f days: %s", name, days, renew)


def _watch(cipher: "KafkaCryptoCipher", ended: threading.Event) -> None:
    while not ended.wait(_WATCH_SECONDS):
        trouble = cipher.trouble()
        if trouble and not ended.is_set():
            _log.critical("%s; ending at once, so that a restart mends it", trouble)
            logging.shutdown()
            os._exit(InternalError.exit_code)  # a lock of the library's is held for ever: nothing else would end
        if cipher.expires and time.time() > cipher.expires:
            raise ConfigError("the node's certificate has ended, nobody accepts its keys any more: renew it")


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(seconds)) if seconds else "for ever"
