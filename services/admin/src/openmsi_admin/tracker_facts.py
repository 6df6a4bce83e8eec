"""What can be found out of a deployment: the machine, versions, settings without secrets, containers."""

import json
import os
import platform
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import confluent_kafka

from openmsi_admin.config_origin import given_settings
from openmsi_admin.installed import programs
from openmsi_core import __version__
from openmsi_core.errors import Fatal

_DOCKER_SECONDS = 20
_COMPOSE_FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
_TOPIC = "OPENMSI_TOPIC_NAME="


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found out, and a line for each thing that was not."""

    found: Mapping[str, Any]
    missing: tuple[str, ...]


def find_out(folder: Path, environ: Mapping[str, str]) -> Facts:
    """Look around as programs started in ``folder`` would, and ask Docker about the compose project there.

    Blocks for as long as Docker needs, a minute at most. Raises nothing: what cannot be found out is named.
    """
    settings, no_settings = _settings(folder, environ)
    containers, no_containers = _containers(folder)
    found = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "by": f"openmsi {__version__}",
        "machine": _machine(),
        "versions": _versions(),
        "settings": settings,
        "containers": containers,
    }
    return Facts({name: value for name, value in found.items() if value}, (*no_settings, *no_containers))


def _machine() -> dict[str, str]:
    try:
        system = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):  # not Linux
        system = platform.platform(terse=True)
    facts = {
        "host_name": socket.gethostname(),
        "operating_system": system,
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "time_zone": _time_zone(),
    }
    if Path("/.dockerenv").exists():
        facts["inside"] = "a container: name and system are its own"
    return facts


def _time_zone() -> str:
    offset = f"UTC{time.strftime('%z')}"
    try:
        name = os.environ.get("TZ") or str(Path("/etc/localtime").readlink()).partition("zoneinfo/")[2]
    except OSError:
        name = time.tzname[0]
    return f"{name} ({offset})" if name else offset


def _versions() -> dict[str, str]:
    ours = {each.name: each.version for each in distributions() if each.name.startswith("openmsi")}
    others = {"python": platform.python_version(), "librdkafka": confluent_kafka.libversion()[0]}
    return dict(sorted(ours.items())) | others


def _settings(folder: Path, environ: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    found, missing = {}, dict[str, None]()
    for name, model in programs().items():
        try:
            found[name] = given_settings(model, environ, folder)
        except Fatal as error:
            missing[f"settings: {error}"] = None  # the same for all programs, as a rule
    return found, list(missing)


def _containers(folder: Path) -> tuple[dict[str, Any], list[str]]:
    if not any((folder / name).exists() for name in _COMPOSE_FILES):
        return {}, [f"containers and image digests: there is no compose.yaml in {folder}"]
    try:
        ids = _docker("compose", "--project-directory", str(folder), "ps", "--all", "--quiet").split()
        if not ids:
            return {}, [f"containers and image digests: nothing of {folder} has been started"]
        described = json.loads(_docker("inspect", *ids))
        images = json.loads(_docker("image", "inspect", *dict.fromkeys(each["Image"] for each in described)))
        digests = {image["Id"]: image.get("RepoDigests") or [] for image in images}
        return dict(_container(each, digests) for each in described), []
    except FileNotFoundError:
        return {}, ["containers and image digests: there is no docker command here (in a container there is none)"]
    except subprocess.TimeoutExpired:
        return {}, [f"containers and image digests: docker has not answered for {_DOCKER_SECONDS} s"]
    except subprocess.CalledProcessError as error:
        said = str(error.stderr).strip().splitlines() or [f"exit code {error.returncode}"]
        return {}, [f"containers and image digests: docker says: {said[-1]}"]
    except (ValueError, LookupError, TypeError, OSError) as error:
        return {}, [f"containers and image digests: docker's answer is not understood ({error})"]


def _container(facts: Mapping[str, Any], digests: Mapping[str, Sequence[str]]) -> tuple[str, dict[str, Any]]:
    """Name and facts of one container. Of its variables only the topic is taken: others may be secrets."""
    config = facts["Config"]
    topics = [each.removeprefix(_TOPIC) for each in config.get("Env") or () if each.startswith(_TOPIC)]
    known = {
        "image": config["Image"],
        "image_id": facts["Image"],
        "image_digests": digests.get(facts["Image"], []),
        "command": " ".join(config.get("Cmd") or ()),
        "topic": topics[0] if topics else "",
        "folders": {mount["Destination"]: mount.get("Name") or mount["Source"] for mount in facts.get("Mounts") or ()},
        "state": facts["State"]["Status"],
    }
    return facts["Name"].removeprefix("/"), {name: value for name, value in known.items() if value}


def _docker(*arguments: str) -> str:
    command = ["docker", *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=_DOCKER_SECONDS, check=True, stdin=subprocess.DEVNULL
    )
    return done.stdout
