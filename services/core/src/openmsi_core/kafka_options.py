"""Options for librdkafka from the sections `[broker]`, `[producer]` and `[consumer]` of the config file."""

import re
from collections.abc import Iterable, Mapping, Sequence

from openmsi_core.config_file import ConfigFile, resolve
from openmsi_core.errors import ConfigError
from openmsi_core.programs import did_you_mean

_KEY = re.compile(r"[a-z0-9]+(\.[a-z0-9]+)*")
_SECRET = re.compile(r"password|secret|token|key\.pem|credential|jaas|oauthbearer\.config", re.IGNORECASE)
SERIALIZERS: Mapping[str, str] = {
    "key.serializer": "StringSerializer",
    "value.serializer": "DataFileChunkSerializer",
    "key.deserializer": "StringDeserializer",
    "value.deserializer": "DataFileChunkDeserializer",
}
"""Keys of OpenMSIStream that are not librdkafka's, and what they were where files travel."""
_KINDS = ("String", "DataFileChunk", "Double", "Integer")  # OpenMSIStream's
_TEXT_SECTIONS = frozenset({"heartbeat", "log"})  # what they send is text
_COMMON_KEYS = frozenset(
    {
        "bootstrap.servers",
        "security.protocol",
        "sasl.mechanisms",
        "sasl.username",
        "sasl.password",
        "client.id",
        "group.id",
        "auto.offset.reset",
        "compression.type",
        "linger.ms",
        "batch.size",
        "message.max.bytes",
        "fetch.min.bytes",
        "retries",
        "acks",
        "ssl.ca.location",
    }
) | frozenset(SERIALIZERS)


def is_secret(key: str) -> bool:
    """Whether the value of this librdkafka key must never be shown."""
    return _SECRET.search(key) is not None


def client_options(config: ConfigFile, sections: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """All options of one client: `section_options`, complete.

    With a user name and no protocol, encryption and PLAIN are taken for granted. Raises ConfigError as
    `section_options` does, when no broker is named, and when one of user name and password is missing.
    """
    options = section_options(config, sections, environ)
    if not options.get("bootstrap.servers", "").strip():
        raise ConfigError(_no_broker(config, sections))
    _complete_login(options, config)
    return options


def section_options(config: ConfigFile, sections: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """`[DEFAULT]`'s dotted keys, then the keys of each of ``sections`` over what came before.

    Old serializer keys are checked and left out, so are options whose variable is empty. Raises ConfigError for a key
    that cannot be one of Kafka's; what librdkafka itself knows or does not know is left to librdkafka.
    """
    options: dict[str, str] = {}
    for section in ("DEFAULT", *sections):
        for key, value in config.sections.get(section, {}).items():
            if section == "DEFAULT" and "." not in key:
                continue
            where = f"{key} in [{section}] of {config.path}"
            check_key(key, where)
            if (resolved := resolve(value, environ, where)) is None:
                continue
            if key in SERIALIZERS:
                _check_serializer(key, resolved, where, section)
            else:
                options[key] = resolved
    return options


def check_key(key: str, where: str) -> None:
    """Raises ConfigError unless ``key`` has the form of Kafka's."""
    if not _KEY.fullmatch(key):
        raise ConfigError(f"{where}: Kafka has no such option{did_you_mean(key, _COMMON_KEYS)}")


def unused_serializers(config: ConfigFile, sections: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """A line for each serializer in ``sections`` that is not the one for files. Raises ConfigError."""
    found: list[str] = []
    for section in sections:
        for key, value in config.sections.get(section, {}).items():
            where = f"{key} in [{section}] of {config.path}"
            name = resolve(value, environ, where) if key in SERIALIZERS else None
            if name and name != SERIALIZERS[key]:
                found.append(f"{where} has no effect: files always travel in chunks")
    return found


def _complete_login(options: dict[str, str], config: ConfigFile) -> None:
    user, password = options.get("sasl.username"), options.get("sasl.password")
    if user:
        options.setdefault("security.protocol", "SASL_SSL")
        if "sasl.mechanism" not in options:
            options.setdefault("sasl.mechanisms", "PLAIN")
    mechanism = options.get("sasl.mechanisms") or options.get("sasl.mechanism") or "PLAIN"
    if bool(user) != bool(password) and mechanism.startswith(("PLAIN", "SCRAM")):
        given, missing = ("sasl.username", "sasl.password") if user else ("sasl.password", "sasl.username")
        raise ConfigError(f"{given} has a value but {missing} is empty: fill in both or none ({config.path})")


def _check_serializer(key: str, name: str, where: str, section: str) -> None:
    role = key.partition(".")[2].capitalize()
    text = section in _TEXT_SECTIONS
    if name not in ([f"String{role}"] if text else [f"{kind}{role}" for kind in _KINDS]):
        expected = f"String{role}" if text else SERIALIZERS[key]
        raise ConfigError(f"{where} is {name!r}: this program works with {expected} only; leave the line out")


def _no_broker(config: ConfigFile, sections: Iterable[str]) -> str:
    for section in sections:
        for key, value in config.sections.get(section, {}).items():
            if key == "bootstrap.servers" and value.startswith("$"):
                name = value.strip("${}")
                return f"no broker is named: give {name} a value in openmsi.env, such as broker.example.org:9092"
            if hint := did_you_mean(key, ["bootstrap.servers"]):
                return f"no broker is named: [{section}] of {config.path} has {key!r}{hint}"
    return f"no broker is named: put `bootstrap.servers = HOST:PORT` into [broker] of {config.path}"
