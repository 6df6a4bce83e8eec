"""What user code sees of the environment: nothing that could hold a credential."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

OWN_PREFIX = "PROCESSOR_"
"""Variables with this prefix are meant for user code."""

_HARMLESS = frozenset(
    {
        "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TERM", "DISPLAY", "TMPDIR",
        "TEMP", "TMP", "CONDA_PREFIX", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "MPLBACKEND", "MPLCONFIGDIR",
        "VIRTUAL_ENV", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "APPDATA",
        "LOCALAPPDATA", "PROGRAMDATA", "USERPROFILE", "NUMBER_OF_PROCESSORS", "CUDA_VISIBLE_DEVICES",
        "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
    }
)  # fmt: skip
_HARMLESS_PREFIXES = ("LC_", "PYTHON", "XDG_", "OMP_", "OPENBLAS_", "MKL_", "NUMBA_", "NUMEXPR_", OWN_PREFIX)


def environment_of(environ: Mapping[str, str], cache: Path, packages: str = "") -> dict[str, str]:
    """The part of ``environ`` that user code may see.

    ``cache`` is a folder in which libraries may keep what they need again. ``packages`` are folders with packages of
    the user, as in PYTHONPATH.
    """
    kept = {
        name: value
        for name, value in environ.items()
        if name.upper() in _HARMLESS or name.upper().startswith(_HARMLESS_PREFIXES)
    }
    kept.setdefault("MPLBACKEND", "Agg")  # there is no screen
    kept.setdefault("MPLCONFIGDIR", str(cache / "matplotlib"))
    kept.setdefault("XDG_CACHE_HOME", str(cache))
    kept.setdefault("NUMBA_CACHE_DIR", str(cache / "numba"))
    if not os.access(kept.get("HOME", ""), os.W_OK):  # a container that is read-only, or a user without a home
        kept["HOME"] = str(cache)
    if packages:
        kept["PYTHONPATH"] = packages + (f":{kept['PYTHONPATH']}" if kept.get("PYTHONPATH") else "")
    return kept | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"}


def temporary_folder() -> str:
    """A new folder for the temporary files of one worker, which goes with it; empty where none can be made."""
    try:
        return tempfile.mkdtemp(prefix="openmsi-")
    except OSError:
        return ""


def environment_in(folder: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a worker with this temporary folder."""
    own = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), folder) if folder else {}
    return {**environment, **own}
