"""What the words of `openmsi` share: the config file and the env file, as the services read them."""

import argparse
import os
from pathlib import Path

from openmsi_core.command_line import Parser
from openmsi_core.env_file import load_environment
from openmsi_core.kafka_options import client_options
from openmsi_core.old_service import read_config
from openmsi_core.settings import DEFAULT_CONFIG


def parser(word: str, description: str) -> argparse.ArgumentParser:
    """The beginning of the command line of ``openmsi WORD``; a mistake on it raises UsageError."""
    return Parser(prog=f"openmsi {word}", description=description, allow_abbrev=False)


def add_config(arguments: argparse.ArgumentParser) -> None:
    """Add ``--config``."""
    arguments.add_argument(
        "--config", type=Path, default=Path(DEFAULT_CONFIG), help="the config file that says which broker to use"
    )


def kafka_options(config: Path, client: str) -> dict[str, str]:
    """All librdkafka options of a ``client`` (``consumer`` or ``producer``), as a service started here would have them.

    Raises ConfigError.
    """
    environ = load_environment(os.environ, Path.cwd())
    return client_options(read_config(Path.cwd() / config, environ), ["broker", client], environ)
