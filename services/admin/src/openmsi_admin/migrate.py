"""`openmsi migrate-config`: a config file of an earlier system as today's config file and env file."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from openmsi_admin.common import parser
from openmsi_admin.migrated import Migrated, migrated
from openmsi_core.env_file import DEFAULT_NAME, load_environment
from openmsi_core.errors import ConfigError
from openmsi_core.old_service import read_config
from openmsi_core.settings import DEFAULT_CONFIG


def migrate_config(argv: Sequence[str]) -> int:
    """Turn a config file of OpenMSIStream or openmsipython into config.config and openmsi.env."""
    arguments = parser("migrate-config", str(migrate_config.__doc__))
    arguments.add_argument("old", type=Path, metavar="OLD", help="the old config file, also that of a Windows service")
    arguments.add_argument(
        "--out", type=Path, metavar="FOLDER", help="write the two files there instead of showing them"
    )
    given = arguments.parse_args(argv)
    environ = load_environment(os.environ, Path.cwd())
    config = read_config(Path.cwd() / given.old, environ)
    result = migrated(config, os.environ)
    if given.out is None:
        _show(result)
    else:
        _write(result, given.out)
    return 0


def _show(result: Migrated) -> None:
    if result.has_secrets:
        print("openmsi migrate-config: what follows holds passwords in plain text", file=sys.stderr)
    print(f"# ===== {DEFAULT_CONFIG} =====\n{result.config}\n# ===== {DEFAULT_NAME} =====\n{result.env}", end="")


def _write(result: Migrated, folder: Path) -> None:
    """Make both files, unless one is there already. Raises ConfigError."""
    texts = {folder / DEFAULT_CONFIG: (result.config, 0o644), folder / DEFAULT_NAME: (result.env, 0o600)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in texts:
            if os.path.lexists(path):
                raise ConfigError(f"{path} is there already and is left as it is: name another folder with --out")
        for path, (text, mode) in texts.items():
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise ConfigError(f"{error.filename or folder} cannot be written ({error.strerror})") from None
    print(f"written: {' and '.join(map(str, texts))}")
    if result.has_secrets:
        print(f"{folder / DEFAULT_NAME} holds passwords: only its owner may read it")
