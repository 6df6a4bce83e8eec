"""The settings of openmsipython's Windows service: its own section, and the cluster in a file of its own."""

import os
from collections.abc import Mapping
from pathlib import Path

from openmsi_core import config_file
from openmsi_core.config_file import ConfigFile, config_path, resolve
from openmsi_core.errors import ConfigError
from openmsi_core.programs import KAFKA_SECTIONS, SERVICE

__all__ = ["KEYS", "SERVICE", "megabytes", "read_config", "today"]

KEYS: frozenset[str] = frozenset({"file_directory", "cluster_producer_config"})
"""Keys of that section that are no options today."""

_CHUNK_SIZE = "16384"  # bytes, where openmsipython was not told another
_NAME_A_FILE = f"`cluster_producer_config = FILE` to [{SERVICE}]"
_PACKAGE = Path("..", "..", "my_kafka", "config_files")  # where it kept the clusters, seen from its services' files


def today(key: str, value: str, section: Mapping[str, str]) -> tuple[str, str] | None:
    """The option that ``key`` of the service's ``section`` is today, and its value; None = nothing is left to do."""
    match key:
        case "file_directory":
            return "upload_dir", value
        case "cluster_producer_config":
            return None
        case "queue_max_size":
            return key, megabytes(value, section.get("chunk_size"))
        case _:
            return key, value


def megabytes(messages: str, chunk_size: str | None) -> str:
    """What ``queue_max_size``, which counted messages, is in megabytes; as it stands when it is no number."""
    try:
        return f"{int(messages) * int(chunk_size or _CHUNK_SIZE) / 1e6:g}"
    except ValueError:
        return messages


def read_config(path: Path, environ: Mapping[str, str]) -> ConfigFile:
    """The config file that ``path`` names (see `config_path`), and with it the file that a service's section names.

    Raises ConfigError as `config_file.read_config` does, when that file is missing, and when both say which cluster.
    """
    return _with_cluster(config_file.read_config(config_path(path)), environ)


def _with_cluster(config: ConfigFile, environ: Mapping[str, str]) -> ConfigFile:
    """``config`` and the sections of the file that ``cluster_producer_config`` names, if it names one.

    That is a path, or a name beside ``config``; a bare name may stand for ``name.config``.
    """
    where = f"cluster_producer_config in [{SERVICE}] of {config.path}"
    named = resolve(config.sections.get(SERVICE, {}).get("cluster_producer_config", ""), environ, where)
    if not named:
        if SERVICE in config.sections and not any("bootstrap.servers" in keys for keys in config.sections.values()):
            raise ConfigError(f"{config.path} names no cluster: add [cluster] and [producer], or {_NAME_A_FILE}")
        return config
    other = config_file.read_config(_find(config.path, named, where)).sections
    common = {key: value for key, value in other.get("DEFAULT", {}).items() if "." in key}
    borrowed = {name: common | dict(other[name]) for name in other if name in KAFKA_SECTIONS or name == "kafkacrypto"}
    if both := sorted(borrowed.keys() & config.sections.keys()):
        raise ConfigError(f"[{both[0]}] is in {config.path} and in {named}, which it names: keep one of the two")
    if "broker" not in borrowed:
        raise ConfigError(f"{where} names {named}, which has no [cluster]: name the file that says which broker to use")
    return ConfigFile(config.path, borrowed | dict(config.sections))


def _find(config: Path, named: str, where: str) -> Path:
    for folder in (config.parent, config.parent / _PACKAGE):
        path = config_path(folder / named)
        if os.path.exists(path) and path.resolve() != config.resolve():  # noqa: PTH110  # as in `config_path`
            return path
    raise ConfigError(
        f"{where} names {named}, which is not there: put that file beside it, or its [cluster] and [producer] into it"
    )
