"""`ProvisionNode`: `openmsi provision` under the name that OpenMSIStream has for it; asks for what is missing."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

from openmsi_admin.provision import OUT, ROLES, ROOT, arguments, provision
from openmsi_core.errors import Fatal, UsageError

_NO_EFFECT = ("mode", "script_path")


def main(argv: Sequence[str] | None = None) -> int:
    """Make a node; at a terminal, ask for what the command line does not say. Returns the exit code."""
    try:
        return provision(_complete(sys.argv[1:] if argv is None else list(argv)))
    except Fatal as error:
        print(f"ProvisionNode: {error}", file=sys.stderr)
        return error.exit_code
    except SystemExit as ended:  # --help, after printing
        return int(ended.code or 0)
    except (KeyboardInterrupt, EOFError):
        print("\nProvisionNode: nothing was made", file=sys.stderr)
        return 130


def _complete(argv: list[str]) -> list[str]:
    """The command line of `openmsi provision`. Raises UsageError when it lacks something and nobody can be asked."""
    words = arguments("ProvisionNode")
    words.add_argument("--mode", help="of OpenMSIStream: no effect")
    words.add_argument("--script-path", "--script_path", help="of OpenMSIStream: no effect")
    given = words.parse_args(argv)
    if old := [f"--{name.replace('_', '-')}" for name in _NO_EFFECT if getattr(given, name) is not None]:
        print(f"ProvisionNode: {' and '.join(old)} has no effect: nodes are signed by the root key in --root")
    said: dict[str, Any] = {name: value for name, value in vars(given).items() if name not in _NO_EFFECT}
    if not (given.list or given.revoke):
        needed = ["node"] if given.renew else ["node", "role", "topics"]
        missing = [name for name in needed if said[name] is None]
        if missing and not sys.stdin.isatty():
            options = " ".join(f"--{name} …" for name in missing)
            raise UsageError(f"without a terminal nobody can be asked: give {options} (ProvisionNode --help)")
        if missing:
            said |= _ask(missing, said)
    return [word for name, value in said.items() for word in _words(name, value)]


def _ask(missing: Sequence[str], said: dict[str, Any]) -> dict[str, str]:
    print("A node is the identity of one program; each program and each replica needs one of its own.")
    questions: dict[str, Callable[[], str]] = {
        "node": lambda: _answer("its name (such as microscope-uploader)"),
        "role": _role,
        "topics": lambda: _answer("topics it may use (A,B)"),
    }
    answers = {name: questions[name]() for name in missing}
    if said["root"] == ROOT:
        answers["root"] = _answer("folder of the root key, which is made when it is not there", str(ROOT))
    if said["out"] == OUT:
        answers["out"] = _answer("folder of the nodes", str(OUT))
    return answers


def _role() -> str:
    roles = list(ROLES)
    for number, role in enumerate(roles, 1):
        print(f"  {number} {role}: {ROLES[role]}")
    while True:
        answer = _answer("its role (1, 2 or 3)")
        if answer in roles:
            return answer
        if answer in ("1", "2", "3"):
            return roles[int(answer) - 1]


def _answer(question: str, default: str = "") -> str:
    shown = f"{question} [{default}]: " if default else f"{question}: "
    while not (answer := input(shown).strip() or default):
        pass
    return answer


def _words(name: str, value: object) -> list[str]:
    if value is None or value is False:
        return []
    return [f"--{name}"] if value is True else [f"--{name}={value}"]
