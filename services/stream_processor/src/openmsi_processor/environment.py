"""What user code sees of the environment: nothing that could hold a credential."""

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
    if packages:
        kept["PYTHONPATH"] = packages + (f":{kept['PYTHONPATH']}" if kept.get("PYTHONPATH") else "")
    return kept | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"}
