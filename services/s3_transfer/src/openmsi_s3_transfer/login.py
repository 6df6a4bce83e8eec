"""Where the store is and how to log in there: `[s3]` of the config file, and the variables of the old files."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from openmsi_core.config_file import ConfigFile, resolve
from openmsi_core.env_file import variable
from openmsi_core.errors import ConfigError

_KEYS = ("access_key_id", "secret_key_id", "endpoint_url", "region")
_PAIR = _KEYS[:2]


def login(config: ConfigFile, environ: Mapping[str, str]) -> dict[str, str]:
    """What `[s3]` says; for a key that is not there the variable of its name (``ACCESS_KEY_ID`` …) counts.

    What has no value is left out: then boto3 looks where it always does (``AWS_…`` variables, profiles, instance
    roles). Raises ConfigError for half a pair of keys and for an endpoint that is no URL.
    """
    section = config.sections.get("s3", {})
    found: dict[str, str] = {}
    for key in _KEYS:
        where = f"{key} in [s3] of {config.path}"
        value = resolve(section[key], environ, where) if key in section else variable(key.upper(), environ)
        if value:
            found[key] = value
    if len(given := [key for key in _PAIR if key in found]) == 1:
        (missing,) = set(_PAIR) - set(given)
        raise ConfigError(f"{given[0]} has a value but {missing} has none: fill in both in [s3], or none")
    if "endpoint_url" in found:
        _check_endpoint(found["endpoint_url"])
    return found


def _check_endpoint(endpoint: str) -> None:
    url = urlsplit(endpoint)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ConfigError(f"the endpoint_url of [s3] cannot be {endpoint!r}: write https://HOST or http://HOST:PORT")
    if url.username or url.password:
        raise ConfigError(
            "the endpoint_url of [s3] has a user name in it: the keys belong into access_key_id and secret_key_id"
        )
