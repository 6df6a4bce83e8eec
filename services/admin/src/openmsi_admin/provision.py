"""`openmsi provision`: nodes for encrypted topics, made, renewed, revoked and listed."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from openmsi_admin.common import parser
from openmsi_admin.provision_asked import Wanted, days_of, node_name, owner_of, topics_of
from openmsi_core.errors import ConfigError, UsageError

ROOT, OUT = Path("openmsi_root"), Path("nodes")
ROLES = {
    "producer": "sends: uploaders",
    "consumer": "receives: downloaders, transfers",
    "prodcon": "does both: processors with results, receivers with heartbeats or logs",
}
_ROLES = "; ".join(f"{role} {what}" for role, what in ROLES.items())


def provision(argv: Sequence[str]) -> int:
    """Make nodes for encrypted topics, renew and revoke them, and list them.

    Returns 0 when all was done, 1 when something remains to be done, which it says. Raises Fatal.
    """
    given = arguments("openmsi provision").parse_args(argv)
    logging.getLogger().addHandler(logging.NullHandler())  # else the library makes one that prints
    check_library()
    try:
        return _run(given)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ConfigError(
            f"{error.filename or given.out} cannot be used ({error.strerror or error}): see that this user may write"
            " there and that the disk has room"
        ) from None


def arguments(program: str) -> argparse.ArgumentParser:
    """The command line of ``program``."""
    made = parser("provision", "Make a node (an identity for one program) that may use encrypted topics; or:")
    made.prog = program
    does = made.add_mutually_exclusive_group()
    does.add_argument("--renew", action="store_true", help="sign the certificate of the node anew, keys stay")
    does.add_argument("--revoke", metavar="NODE", help="let all nodes in --out refuse this one (name or fingerprint)")
    does.add_argument("--list", action="store_true", help="show the nodes in --out")
    made.add_argument("--node", metavar="NAME", help="its name; each program and each replica needs a node of its own")
    made.add_argument("--role", choices=list(ROLES), help=_ROLES)
    made.add_argument("--topics", metavar="A,B", help="topics it may use, or ^expressions for their names")
    made.add_argument(
        "--root", type=Path, default=ROOT, metavar="FOLDER", help=f"where the root key is kept (default: {ROOT})"
    )
    made.add_argument(
        "--out", type=Path, default=OUT, metavar="FOLDER", help=f"where nodes are, a folder each (default: {OUT})"
    )
    made.add_argument("--days", type=float, metavar="DAYS", help="how long the certificate is good (default: 365)")
    made.add_argument(
        "--keep_keys_days",
        type=float,
        metavar="DAYS",
        help="how long a producer hands out its keys: longer than the topic keeps its records (default: 30)",
    )
    made.add_argument(
        "--owner",
        metavar="UID[:GID]",
        help="to whom the files shall belong when root makes them (default: to whom --out belongs)",
    )
    made.add_argument(
        "--publish",
        type=Path,
        metavar="CONFIG",
        help="with --renew, also while the node is in use: send the new certificate to it by the broker in this file",
    )
    made.add_argument("--json", action="store_true", help="with --list: print JSON")
    return made


def check_library() -> None:
    """Raise ConfigError unless what encryption needs is installed here."""
    # Imported here: not every installation has the library.
    from openmsi_core.encryption.opening import MISSING  # noqa: PLC0415

    try:
        from openmsi_core.encryption import certificates  # noqa: F401, PLC0415
    except (ImportError, OSError, ValueError) as error:  # the last is what a missing libsodium raises
        raise ConfigError(f"{MISSING} ({error})") from None


def _run(given: argparse.Namespace) -> int:
    # Imported here: what they import needs the library.
    from openmsi_admin.provision_list import list_nodes  # noqa: PLC0415
    from openmsi_admin.provision_make import make  # noqa: PLC0415
    from openmsi_admin.provision_renew import renew  # noqa: PLC0415
    from openmsi_admin.provision_revoke import revoke  # noqa: PLC0415

    if given.publish and not given.renew:
        raise UsageError("--publish goes with --renew")
    if given.list:
        list_nodes(given.out, as_json=given.json)
        return 0
    if given.revoke:
        return revoke(given.revoke, given.out)
    wanted = _wanted(given)
    if given.renew:
        return renew(wanted, given.publish)
    make(wanted)
    return 0


def _wanted(given: argparse.Namespace) -> Wanted:
    needed = ["node"] if given.renew else ["node", "role", "topics"]
    if missing := [f"--{name}" for name in needed if getattr(given, name) is None]:
        raise UsageError(f"give {', '.join(missing)} as well; openmsi provision --help shows all options")
    name = node_name(given.node)
    root, folder = given.root.resolve(), (given.out / name).resolve()
    if root in (given.out.resolve(), folder) or folder in root.parents:
        raise UsageError("the root key must not be kept with the nodes: name another folder with --root")
    return Wanted(
        given.out,
        name,
        given.root,
        given.role,
        None if given.topics is None else topics_of(given.topics),
        days_of("--days", given.days),
        days_of("--keep_keys_days", given.keep_keys_days),
        owner_of(given.owner, given.out),
    )
