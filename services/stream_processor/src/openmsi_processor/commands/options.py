"""Options that the words here share with the service: they mean the same, and are looked for in the same places."""

import argparse
from collections.abc import Sequence
from typing import ClassVar

from openmsi_processor.settings import ProcessorSettings


class OneShotSettings(ProcessorSettings):
    """As the service's, of a program that ends by itself."""

    long_running: ClassVar = False


def add_settings(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """Add the options ``names`` of the service to ``parser``."""
    for name in names:
        field = ProcessorSettings.model_fields[name]
        kind = next((each for each in ("TOPIC", "PATH") if each.lower() in name.replace("_dir", "_path")), "VALUE")
        parser.add_argument(f"--{name}", metavar=kind, help=f"as of StreamProcessor: {field.description}")


def settings_arguments(given: argparse.Namespace, names: Sequence[str]) -> list[str]:
    """Those of the options ``names`` that were given, as the service takes them."""
    return [f"--{name}={value}" for name in names if (value := getattr(given, name)) is not None]
