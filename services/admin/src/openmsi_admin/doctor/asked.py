"""What is to be looked at, as the command line, the environment and the config file say."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from openmsi_admin.doctor.finding import Finding, bad, ok
from openmsi_core.chunk import DEFAULT_CHUNK_SIZE
from openmsi_core.config_file import ConfigFile, resolve
from openmsi_core.encryption.node import Node, node_of
from openmsi_core.env_file import DEFAULT_NAME, load_environment, variable
from openmsi_core.errors import ConfigError
from openmsi_core.group import FRESH
from openmsi_core.kafka_options import client_options
from openmsi_core.old_service import read_config
from openmsi_core.paths import RESERVED
from openmsi_core.programs import KAFKA_SECTIONS, sections_of
from openmsi_core.sources import PREFIX
from openmsi_core.state import default_state_dir

UPLOADER = "DataFileUploadDirectory"
DOWNLOADER = "DataFileDownloadDirectory"
_PLACES = {UPLOADER: "upload_dir", DOWNLOADER: "output_dir"}
_CLIENTS = {UPLOADER: "producer", DOWNLOADER: "consumer"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be looked at; None: nobody has said."""

    program: str | None
    topic: str | None
    group: str | None
    folders: tuple[Path, ...]
    state_dir: Path | None
    chunk_size: int
    options: Mapping[str, str]
    """librdkafka's, of the program's client; empty when the settings cannot be used."""
    environ: Mapping[str, str]
    node: Node | None = None
    """Who it is in encrypted topics; None: nothing is encrypted."""

    def role(self, folder: Path) -> str:
        """Which program ``folder`` belongs to: an output folder has `RESERVED` in it. May hang on a dead mount."""
        has_ours = os.path.isdir(folder / RESERVED)  # noqa: PTH112  # Path.is_dir() raises for folders that are locked
        return self.program or (DOWNLOADER if has_ours else UPLOADER)

    def state_of(self, folder: Path) -> Path | None:
        """The state folder of the program that ``folder`` belongs to, None when that depends on an unknown topic."""
        if self.state_dir or not self.topic:
            return self.state_dir
        return default_state_dir(self.role(folder), folder, self.topic, self.environ)


@dataclass(frozen=True, slots=True)
class Arguments:
    """The command line."""

    config: Path
    program: str | None
    topic: str | None
    group: str | None
    folders: tuple[Path, ...]
    cwd: Path
    environ: Mapping[str, str]


def read_settings(given: Arguments) -> tuple[Asked, list[Finding]]:
    """What is to be looked at, and what there is to say of the settings. Does not raise for mistakes in them."""
    findings: list[Finding] = []
    try:
        environ = load_environment(given.environ, given.cwd)
        findings.append(ok("settings", f"env file: {_env_file(given)}"))
    except (ConfigError, OSError) as error:
        findings.append(bad("settings", str(error)))
        environ = dict(given.environ)
    try:
        config = read_config(given.cwd / given.config, environ)
        findings.append(ok("settings", f"config file: {config.path}"))
    except ConfigError as error:
        return _asked(given, ConfigFile(given.config, {}), environ, {}), [*findings, bad("settings", str(error))]
    mistakes = list(_mistakes(config, environ))
    options: dict[str, str] = {}
    if not mistakes:
        try:
            options = client_options(config, ["broker", _CLIENTS[given.program or DOWNLOADER]], environ)
        except ConfigError as error:
            mistakes.append(bad("settings", str(error)))
    try:
        return _asked(given, config, environ, options), findings + mistakes
    except ConfigError as error:
        return _asked(given, ConfigFile(given.config, {}), {}, options), [
            *findings,
            *mistakes,
            bad("settings", str(error)),
        ]


def _env_file(given: Arguments) -> str:
    named = given.environ.get("OPENMSI_ENV_FILE", "")
    path = given.cwd / (named or DEFAULT_NAME)
    return str(path) if named or path.is_file() else f"none ({path} does not exist)"


def _mistakes(config: ConfigFile, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Every variable that is missing, not the first one alone."""
    for section in sorted({"DEFAULT", *KAFKA_SECTIONS} & config.sections.keys()):
        for key, value in config.sections[section].items():
            try:
                resolve(value, environ, f"{key} in [{section}] of {config.path}")
            except ConfigError as error:
                yield bad("settings", str(error))


def _asked(given: Arguments, config: ConfigFile, environ: Mapping[str, str], options: Mapping[str, str]) -> Asked:
    programs = [given.program] if given.program else [UPLOADER, DOWNLOADER]

    def setting(name: str) -> str | None:
        sections = [section for program in programs for section in sections_of(program)]
        return _setting(name, sections, config, environ)

    place = setting(_PLACES[given.program]) if given.program else None
    folders = given.folders or ((Path(place),) if place else ())
    state = setting("state_dir")
    group = given.group or setting("consumer_group_id") or options.get("group.id")
    size = setting("chunk_size") or ""
    return Asked(
        program=given.program,
        topic=given.topic or setting("topic_name"),
        group=None if group in FRESH else group,
        folders=tuple((given.cwd / folder.expanduser()).absolute() for folder in folders),
        state_dir=given.cwd / state if state else None,
        chunk_size=int(size) if size.isdecimal() else DEFAULT_CHUNK_SIZE,
        options=options,
        environ=environ,
        node=node_of(config, environ, given.cwd),
    )


def _setting(name: str, sections: Sequence[str], config: ConfigFile, environ: Mapping[str, str]) -> str | None:
    if value := variable(PREFIX + name.upper(), environ):
        return value
    for section in (*sections, "DEFAULT"):
        if raw := config.sections.get(section, {}).get(name):
            return resolve(raw, environ, f"{name} in [{section}] of {config.path}")
    return None
