"""A real broker as a careful laboratory runs it: TLS, a login for everybody, and nobody may do what was not granted.

The port without TLS stays open for the test itself: who comes that way is the administrator.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from tests.support.broker import Broker, free_ports
from tests.support.tls import Authority

USERS = tuple(f"user{number}" for number in range(12))


class Right(NamedTuple):
    """What a user may do, in the words of kafka-acls.sh; a name with ``*`` at its end is a prefix."""

    kind: str
    name: str
    operation: str


BEING = [Right("topic", name, "Read") for name in ("chains", "allowlist", "denylist")]
"""What every node needs."""


def sending(*topics: str) -> list[Right]:
    """What it needs to write to ``topics``, which have no dot in their names."""
    uses = (("{}", "Write"), ("{}.keys", "Write"), ("{}.reqs", "Read"))
    return [Right("topic", name.format(topic), operation) for topic in topics for name, operation in uses]


def receiving(topic: str, group: str) -> list[Right]:
    """What it needs to read ``topic`` as a member of ``group``."""
    uses = (("{}", "Read"), ("{}.keys", "Read"), ("{}.reqs", "Write"), ("{}.subs", "Write"))
    return [Right("group", group, "Read"), *(Right("topic", name.format(topic), how) for name, how in uses)]


def in_transactions(group: str) -> list[Right]:
    """What a processor of ``group`` needs beside, to write results."""
    return [Right("transactional-id", f"{group}-*", "Write")]


class GuardedBroker(Broker):
    """`Broker` with one more listener, ``secure``: SASL_SSL, for `USERS`, who may do only what is granted them."""

    def __init__(self, folder: Path, jars: Path) -> None:
        super().__init__(folder, jars)
        authority = Authority(folder / "authority")
        certificate, key = authority.certificate("IP:127.0.0.1", 30)
        store = folder / "broker.pem"
        store.write_text(key.read_text() + certificate.read_text())
        (port,) = free_ports(1)
        self.secure = f"127.0.0.1:{port}"
        self.authority = authority.pem
        login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
        users = " ".join(f'user_{name}="{name}-password"' for name in USERS)
        text = self._properties.read_text()
        text = text.replace("listeners=PLAINTEXT:", f"listeners=SASL_SSL://{self.secure},PLAINTEXT:")
        text = text.replace("protocol.map=PLAINTEXT:", "protocol.map=SASL_SSL:SASL_SSL,PLAINTEXT:")
        self._properties.write_text(
            f"""{text}
listener.name.sasl_ssl.plain.sasl.jaas.config={login} {users};
ssl.keystore.type=PEM
ssl.keystore.location={store}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"""
        )

    @property
    def trust(self) -> str:
        """What a config file needs beside name and password."""
        return f"\n[DEFAULT]\nssl.ca.location = {self.authority}\n"

    def environment(self, user: str) -> dict[str, str]:
        """As ``CONFLUENT_…``: who logs in."""
        return {"CONFLUENT_USERNAME": user, "CONFLUENT_PASSWORD": f"{user}-password"}

    def grant(self, user: str, rights: Iterable[Right]) -> None:
        """Allow ``user`` this; on return it holds."""
        bindings = [_binding(user, right) for right in rights]
        admin = self.admin()
        for made in admin.create_acls(bindings).values():
            made.result(10)

    def revoke(self, user: str) -> None:
        """Take all rights from ``user``."""
        any_ = AclBindingFilter(
            ResourceType.ANY,
            None,  # type: ignore[arg-type]  # stands for any name
            ResourcePatternType.ANY,
            f"User:{user}",
            None,  # type: ignore[arg-type]  # stands for any host
            AclOperation.ANY,
            AclPermissionType.ANY,
        )
        admin = self.admin()
        for done in admin.delete_acls([any_]).values():
            done.result(10)


def _binding(user: str, right: Right) -> AclBinding:
    kinds = {
        "topic": ResourceType.TOPIC,
        "group": ResourceType.GROUP,
        "transactional-id": ResourceType.TRANSACTIONAL_ID,
    }
    prefix = ResourcePatternType.PREFIXED if right.name.endswith("*") else ResourcePatternType.LITERAL
    operation, allow = AclOperation[right.operation.upper()], AclPermissionType.ALLOW
    return AclBinding(kinds[right.kind], right.name.removesuffix("*"), prefix, f"User:{user}", "*", operation, allow)
