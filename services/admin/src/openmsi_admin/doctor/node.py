"""The node that `[kafkacrypto]` names: its files, its certificate, and whether it is at work."""

import time
from collections.abc import Generator, Iterator

from openmsi_admin.doctor.asked import DOWNLOADER, UPLOADER
from openmsi_admin.doctor.finding import Finding, bad, duration, ok, unsure
from openmsi_admin.doctor.folders import user_of
from openmsi_core.encryption.certificates import Standing, standing_of
from openmsi_core.encryption.node import Node
from openmsi_core.errors import ConfigError

_ABOUT = "node"
_DAY = 86_400.0
_FEW_DAYS = 14.0


def check_node(node: Node, program: str | None, topic: str | None) -> Generator[Finding, None, Standing | None]:
    """Files, certificate and rights of ``node``; returns what they say, None when they cannot be used."""
    missing = [path.name for path in node.files if not path.is_file()]
    if missing:
        yield bad(
            _ABOUT,
            f"{', '.join(missing)} of node {node.name} is missing",
            "delete what is left of it, and provision a new one",
        )
        return None
    try:
        standing = standing_of(node)
    except ConfigError as error:
        yield bad(_ABOUT, str(error))
        return None
    yield from _certificate(node, standing)
    for each, use, verb in ((UPLOADER, "write", "write to"), (DOWNLOADER, "read", "read")):
        if topic and program in (None, each):
            yield _right(node, standing, use, verb, topic, certain=program is not None)
    user = user_of(node.lock)
    yield ok(_ABOUT, f"{node.name} is at work: {user}" if user else f"no program uses {node.name} now")
    return standing


def _certificate(node: Node, standing: Standing) -> Iterator[Finding]:
    renew = f"renew it with openmsi provision --node {node.name} --renew"
    if standing.trusts_everybody:
        yield bad(_ABOUT, f"{node.name} trusts KafkaCrypto's public test root, so everybody", "provision it anew")
    if standing.refused:
        yield bad(_ABOUT, f"the certificate of {node.name} is not valid: {standing.refused}", renew)
        return
    left = standing.expires - time.time()
    text = f"{node.name} ({standing.public[:8]}), its certificate has {duration(left)} left"
    if not standing.expires:
        yield ok(_ABOUT, f"{node.name} ({standing.public[:8]}), its certificate never ends")
    elif left < _DAY:
        yield bad(_ABOUT, f"{text}: programs do not start with it", renew)
    else:
        yield unsure(_ABOUT, text, renew) if left < _FEW_DAYS * _DAY else ok(_ABOUT, text)


def _right(node: Node, standing: Standing, use: str, verb: str, topic: str, *, certain: bool) -> Finding:
    if standing.may("read" if use == "read" else "write", topic):
        return ok(_ABOUT, f"{node.name} may {verb} {topic}")
    text = f"{node.name} may not {verb} {topic}"
    return bad(_ABOUT, text, "provision a node that may") if certain else unsure(_ABOUT, text)
