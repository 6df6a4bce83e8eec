"""Keys of the bundled store, for itself and for the transfer: those of openmsi.env, else a pair that is made once."""

import os
import secrets
from pathlib import Path

from openmsi_core.env_file import load_environment, variable

_FOLDER = Path("/keys")


def _write(name: str, value: str) -> None:
    new = _FOLDER / f"{name}.new"
    new.unlink(missing_ok=True)
    new.touch(0o600)
    new.write_text(value)
    new.replace(_FOLDER / name)


def main() -> None:
    owner = [int(number) for number in os.environ["OWNER"].split(":")]
    environ = load_environment(os.environ, Path.cwd())
    access, secret = variable("ACCESS_KEY_ID", environ), variable("SECRET_KEY_ID", environ)
    names = ("access", "secret")
    if access and secret:
        print("the store's keys are those of openmsi.env")
        values: tuple[str, ...] = (access, secret)
    elif not all((_FOLDER / name).exists() for name in names):
        print("made a pair of keys for the store")
        values = (secrets.token_hex(10), secrets.token_hex(20))
    else:
        values = ()
    for name, value in zip(names, values, strict=False):
        _write(name, value)
    for path in (Path("/objects"), *(_FOLDER / name for name in names)):
        os.chown(path, *owner)


main()
