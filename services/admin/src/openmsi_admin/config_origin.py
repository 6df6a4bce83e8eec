"""What a program would run with, and where each setting comes from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from openmsi_core.command_line import NOT_OPTIONS
from openmsi_core.config_file import ConfigFile, variable_in
from openmsi_core.env_file import DEFAULT_NAME
from openmsi_core.settings import ProgramSettings, find, load, masked, secrets
from openmsi_core.sources import PREFIX, Found, Given


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting, as text; a secret reads ``***``."""

    name: str
    value: str | None
    """None = it has no value."""
    where: str
    """Where it was given, or ``default``."""


def settings_of(
    model: type[ProgramSettings], argv: Sequence[str], environ: Mapping[str, str], cwd: Path
) -> tuple[list[Setting], ProgramSettings]:
    """Every setting of a program that is started with ``argv`` in ``cwd``, in the order of its ``--help``.

    Kafka's options come last, named ``producer.…`` and so on. Raises as `settings.load` does.
    """
    found = find(model, argv, environ, cwd)
    settings = load(model, argv, environ, cwd)
    values = masked(settings)
    options = [name for name in model.model_fields if name not in NOT_OPTIONS]
    named = [Setting(name, values.get(name), _where(name, found, environ)) for name in options]
    kafka = [
        Setting(name, value, _kafka_origin(name, found.config, found.environ, environ))
        for name, value in values.items()
        if name not in model.model_fields
    ]
    return [*named, *kafka], settings


def load_incomplete(
    model: type[ProgramSettings], argv: Sequence[str], environ: Mapping[str, str], cwd: Path
) -> tuple[ProgramSettings, Found, tuple[str, ...]]:
    """As `settings.load`, but the folder and the topic may be missing.

    Also returns what was found, and the names of those two that were not. Raises Fatal.
    """
    found = find(model, argv, environ, cwd)
    missing = tuple(needed for needed in (model.place, "topic_name") if needed not in found.given)
    # Names that stand for what is missing, so that the rest can be checked.
    stand_ins = {model.place: [model.place.replace("_", "-")], "topic_name": ["--topic_name", "TOPIC_NAME"]}
    words = [word for each in missing for word in stand_ins[each]]
    return load(model, [*argv, *words], environ, cwd), found, missing


def given_settings(model: type[ProgramSettings], environ: Mapping[str, str], cwd: Path) -> dict[str, str]:
    """What differs from the defaults because somebody gave it, without secrets. Raises Fatal."""
    settings, found, _ = load_incomplete(model, [], environ, cwd)
    hidden = secrets(settings)
    return {
        name: "***" if any(secret in value for secret in hidden) else value
        for name, value in masked(settings).items()
        if name in found.given or name not in model.model_fields
    }


def _where(name: str, found: Found, process: Mapping[str, str]) -> str:
    given = found.given.get(name)
    return "default" if given is None else _origin(name, given, found, process)


def _origin(name: str, given: Given, found: Found, process: Mapping[str, str]) -> str:
    if given.on_command_line:
        return "command line"
    if given.where.startswith(PREFIX):
        return _variable(given.where, found.environ, process)
    return given.where.removesuffix(f" of {found.config.path}").removeprefix(f"{name} in ")


def _variable(name: str, environ: Mapping[str, str], process: Mapping[str, str]) -> str:
    """The variable or its ``_FILE``, and whether it stands in the environment or in the env file."""
    used = name if environ.get(name) or not environ.get(f"{name}_FILE") else f"{name}_FILE"
    if used in process:
        return f"{used} (environment)"
    return f"{used} ({Path(process.get('OPENMSI_ENV_FILE') or DEFAULT_NAME).name})"


def _kafka_origin(name: str, config: ConfigFile, environ: Mapping[str, str], process: Mapping[str, str]) -> str:
    client, _, key = name.partition(".")
    for section in reversed(list(_sections(client))):
        raw = config.sections.get(section, {}).get(key)
        if raw is None:
            continue
        variable = None if raw.startswith("$$") else variable_in(raw)
        return f"[{section}]" if variable is None else f"[{section}] {_variable(variable, environ, process)}"
    return _variable(key.upper(), environ, process) if client == "s3" else "goes with a user name"


def _sections(client: str) -> Iterator[str]:
    yield from ("DEFAULT", "broker")
    if client in ("heartbeat", "log"):
        yield "producer"
    yield client
