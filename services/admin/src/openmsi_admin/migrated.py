"""What a config file of an earlier system is in today's two files: settings in one, secrets and addresses in the other.

Pure. Both files together mean what the old one meant.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from openmsi_core.config_file import ConfigFile, program_section, variable_in
from openmsi_core.errors import ConfigError
from openmsi_core.group import FRESH
from openmsi_core.kafka_options import SERIALIZERS, check_key, is_secret
from openmsi_core.old_service import KEYS, SERVICE, today
from openmsi_core.programs import FIXED_KEYS, KAFKA_SECTIONS, OLD_PROGRAMS, OPTIONS, PROGRAMS, sections_of

_SECTIONS: Mapping[str, str] = {
    "DEFAULT": "For all sections below",
    "broker": "Which Kafka, and how to log in",
    "producer": "librdkafka's options of programs that write to a topic",
    "consumer": "librdkafka's options of programs that read a topic",
    "heartbeat": "librdkafka's options for heartbeats",
    "log": "librdkafka's options for log lines",
    "s3": "Where the bucket is, and how to log in there",
    "kafkacrypto": "Who this program is in encrypted topics: each program, and each replica, needs a node of its own",
}
_FIRST = ("bootstrap.servers", "security.protocol", "sasl.mechanism", "sasl.mechanisms", "sasl.username")
_NAMES: Mapping[str, str] = {
    "bootstrap.servers": "CONFLUENT_BOOTSTRAP_SERVERS",
    "sasl.username": "CONFLUENT_USERNAME",
    "sasl.password": "CONFLUENT_PASSWORD",
}
_SET_BY_US: frozenset[str] = frozenset(
    {
        *("acks", "request.required.acks", "enable.idempotence", "retries", "message.send.max.retries"),
        *("max.in.flight", "max.in.flight.requests.per.connection", "queue.buffering.max.kbytes"),
        *("enable.auto.commit", "auto.commit.enable", "enable.auto.offset.store", "partition.assignment.strategy"),
    }
)
_TITLE = "# Made by `openmsi migrate-config` from {}."
_COMPOSE = """
# For docker compose: where it finds this file. It cannot read one with ${ in a value or a quote at its beginning
MOUNTED_ENV_FILE=./openmsi.env
"""
_FRESH_GROUP = "each start reads the whole topic again; without this line the group is kept, and a restart goes on"
_NAMED_GROUP = "not while an old program uses this group: each of the two would get a part of the messages only"


@dataclass(frozen=True, slots=True)
class Migrated:
    """The texts of the new files."""

    config: str
    env: str
    has_secrets: bool
    """Whether ``env`` holds a password or the like."""


@dataclass(slots=True)
class _Variables:
    """The values that leave the config file, and names for them."""

    environ: Mapping[str, str]
    asked: list[str]
    """Variables that the old file takes from the environment."""
    values: dict[str, str] = field(default_factory=dict)
    secret: bool = False

    def name_for(self, section: str, key: str, value: str) -> str:
        """A variable that has ``value`` and no other meaning: neither in the old file nor in the environment."""
        plain = _NAMES.get(key, key.upper().replace(".", "_"))
        names = [f"{section.upper()}_{key.upper().replace('.', '_')}{number}" for number in ("", "_2", "_3", "_4")]
        for name in [*([] if section in ("heartbeat", "log") else [plain]), *names]:
            free = name not in self.asked and f"{name}_FILE" not in self.environ
            if free and self.values.get(name, value) == self.environ.get(name, value) == value:
                self.values[name] = value
                self.secret = self.secret or is_secret(key)
                return name
        raise ConfigError(f"no name is left for {key} in [{section}]: {names[0]} to {names[-1]} mean something else")


def migrated(config: ConfigFile, environ: Mapping[str, str]) -> Migrated:
    """The new files. Names of new variables are none that ``environ`` has with another value.

    Raises ConfigError for a key that nobody knows and for options that contradict each other.
    """
    _check(config)
    texts = [value for options in config.sections.values() for value in options.values()]
    asked = sorted({name for text in texts if not text.startswith("$$") and (name := variable_in(text))})
    variables = _Variables(environ, asked)
    names = sorted(config.sections, key=lambda name: [*_SECTIONS, name].index(name))
    parts = [_TITLE.format(config.path) + " Secrets and addresses are in openmsi.env beside it.\n"]
    for name in names:
        about = _SECTIONS.get(name, "Options of the program; its command line and variables OPENMSI_… win")
        lines = "\n".join(_section(config, name, variables))
        parts.append(f"# {about}\n[{OLD_PROGRAMS.get(name, name)}]\n{lines}\n")
    return Migrated("\n".join(parts), _env(config, variables), variables.secret)


def _check(config: ConfigFile) -> None:
    program_section(config, [], OPTIONS)
    for name, options in config.sections.items():
        if name in PROGRAMS:
            known = OPTIONS | (KEYS if name == SERVICE else frozenset())
            program_section(config, sections_of(OLD_PROGRAMS.get(name, name)), known)
        for key in options:
            if name in KAFKA_SECTIONS or (name == "DEFAULT" and "." in key):
                check_key(key, f"{key} in [{name}] of {config.path}")


def _section(config: ConfigFile, name: str, variables: _Variables) -> Iterator[str]:
    options = config.sections[name]
    if name in PROGRAMS:
        yield from _program(config, name, options)
        return
    first = {key: place for place, key in enumerate(_FIRST)}
    for key in sorted(options, key=lambda key: first.get(key, len(first))):
        shown = f"{key} = {' '.join(options[key].split())}"
        if key in SERIALIZERS and name not in ("heartbeat", "log"):
            yield f"# left out: {shown} (files always travel in chunks)"
        elif key in _SET_BY_US:
            yield f"# left out: {shown} (the programs set it themselves: safe delivery depends on it)"
        else:
            if key == "group.id":
                yield f"# {_FRESH_GROUP if options[key] in FRESH else _NAMED_GROUP}"
            yield f"{key} = {_moved(config, name, key, variables)}"


def _moved(config: ConfigFile, section: str, key: str, variables: _Variables) -> str:
    """The value as it stands in the new config file: itself, or the variable that has it now."""
    value = config.sections[section][key]
    address = key in _NAMES or (section == "s3" and key in FIXED_KEYS["s3"])
    if not value or not (address or is_secret(key)) or (variable_in(value) and not value.startswith("$$")):
        return value.replace("\n", "\n  ")
    if "\n" in value:
        raise ConfigError(
            f"{key} in [{section}] of {config.path} has several lines, which no env file can hold:"
            f" put them into a file FILE, write `{key} = $NAME` instead, and run this again with NAME_FILE=FILE"
        )
    return "$" + variables.name_for(section, key, value[1:] if value.startswith("$$") else value)


def _program(config: ConfigFile, name: str, options: Mapping[str, str]) -> Iterator[str]:
    found: dict[str, str] = {}
    for key, value in options.items():
        where = f"{key} in [{name}] of {config.path}"
        now = today(key, value, options) if name == SERVICE else (key, value)
        if now is None:
            yield f"# left out: {key} = {value} (its sections are above)"
            continue
        if name == SERVICE and key == "queue_max_size" and now[1] == value:
            raise ConfigError(f"{where} counts messages: write whole numbers for it and chunk_size to have it in MB")
        option, text = _existing(*now)
        if option in found:
            raise ConfigError(f"{where} and {option} are one option: keep one of the two")
        found[option] = text
        yield f"{option} = {text}".replace("\n", "\n  ")


def _existing(option: str, text: str) -> tuple[str, str]:
    """openmsipython's `new_files_only` under its present name."""
    opposite = {"true": "false", "false": "true"}.get(text.casefold())
    return ("upload_existing", opposite) if option == "new_files_only" and opposite else (option, text)


def _env(config: ConfigFile, variables: _Variables) -> str:
    lines = [_TITLE.format(config.path) + " NAME=value: everything behind the first = is the value."]
    lines += [f"{name}={value}" for name, value in variables.values.items()]
    if variables.asked:
        lines += ["", "# From the environment, as before; or fill in the value here and take the # away"]
        lines += [f"#{name}=" for name in variables.asked]
    return "\n".join(lines) + "\n" + _COMPOSE
