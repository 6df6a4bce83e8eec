"""Renewing a node: the same keys, signed anew, also while a program uses it."""

import time
from collections.abc import Mapping
from pathlib import Path

from openmsi_admin.common import kafka_options
from openmsi_admin.printing import say
from openmsi_admin.provision_asked import Wanted, day_of
from openmsi_admin.provision_make import root_of, say_topics
from openmsi_core.encryption.certificates import Role, public_of, sign, standing_of
from openmsi_core.encryption.changing import put_certificate
from openmsi_core.encryption.exchange import make_exchange_topics
from openmsi_core.encryption.node import Node
from openmsi_core.errors import BrokerUnreachable, ConfigError, Retryable
from openmsi_core.kafka import Troubles, make_admin, make_producer

_DAYS = 365.0
_ANSWER_SECONDS = 15.0
_ADOPTED_SECONDS = 20.0
_CHAINS = "chains"


def renew(wanted: Wanted, publish: Path | None) -> int:
    """Sign the certificate of a node anew; with ``publish``, a config file, send it to the node by its broker.

    Blocks until the node that is in use has it, 20 s at most; 1 when it has not. Raises Fatal and OSError.
    """
    node = wanted.node
    if not node.config.is_file():
        raise ConfigError(f"there is no node {node.name} in {wanted.out}: name their folder with --out")
    root, before = root_of(wanted, may_make=False), standing_of(node)
    if not before.public or not before.trusts(public_of(root)):
        raise ConfigError(f"the node {node.name} has no certificate of this root key: provision a new one")
    if before.denies(before.public):
        raise ConfigError(f"the node {node.name} was revoked: provision a new one with another name")
    role: Role | None = wanted.role or before.role  # type: ignore[assignment]  # argparse lets no other through
    if role is None:
        raise ConfigError(f"the certificate of node {node.name} says none of our roles: give --role")
    chain = sign(root, before.public, role, wanted.topics or before.topics, wanted.days or _DAYS)
    in_use: ConfigError | None = None
    try:
        put_certificate(node, before, chain, wanted.keep_days)
    except ConfigError as error:
        if publish is None:
            raise ConfigError(f"{error}; or send it the certificate while it runs: --publish CONFIG") from None
        in_use = error
    if publish is not None:
        _send(kafka_options(publish, "producer"), before.public, chain)
        say(f"sent the certificate to topic {_CHAINS}")
    if in_use and not _adopted(node, chain):
        say(f"sent, but not adopted yet: see that the program of node {node.name} runs and reaches that broker")
        return 1
    after = standing_of(node)
    say(f"renewed the node {node.name} ({after.role}), {day_of(after.expires)}")
    say_topics(after.topics)
    if in_use and wanted.keep_days is not None:
        say("--keep_keys_days is not changed, because the node is in use: stop its program for that")
        return 1
    return 0


def _send(options: Mapping[str, str], public: str, chain: bytes) -> None:
    troubles = Troubles(lambda text: say(f"note: {text}"))
    failed: list[str] = []
    try:
        make_exchange_topics(make_admin(options, troubles), [], troubles)
    except Retryable as error:
        raise BrokerUnreachable(str(error)) from None
    producer = make_producer(options, max_message_bytes=1_000_000, queue_bytes=1_000_000, troubles=troubles)
    producer.produce(
        _CHAINS,
        chain,
        bytes.fromhex(public),
        partition=0,  # the only one that is read
        on_delivery=lambda error, _: failed.append(str(error)) if error else None,
    )
    if producer.flush(_ANSWER_SECONDS) or failed:
        raise BrokerUnreachable(f"the broker did not take the certificate ({', '.join(failed) or 'no answer'})")


def _adopted(node: Node, chain: bytes) -> bool:
    until = time.monotonic() + _ADOPTED_SECONDS
    while time.monotonic() < until:
        if standing_of(node).chain == chain:
            return True
        time.sleep(0.2)
    return False
