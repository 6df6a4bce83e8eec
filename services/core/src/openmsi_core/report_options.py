"""Which broker heartbeats and log lines go to: options from `[heartbeat]` and `[log]` of the config file."""

from collections.abc import Mapping

from openmsi_core.config_file import ConfigFile
from openmsi_core.kafka_options import client_options, section_options

SEPARATE = "prefer.separate.producer"
"""OpenMSIStream's key, with any value: `[producer]` does not count."""

_CONNECTION = ("security.", "sasl.", "ssl.", "enable.ssl.")


def report_options(config: ConfigFile, section: str, environ: Mapping[str, str]) -> dict[str, str]:
    """All librdkafka options of the producer for ``section``, and OpenMSIStream's own keys in it.

    A section that names a broker stands for itself, so that no password reaches a broker it is not meant for. Any other
    is laid over `[broker]` and the login in `[producer]`, which OpenMSIStream used. Raises ConfigError as
    `client_options` does.
    """
    own = config.sections.get(section, {})
    if "bootstrap.servers" in section_options(ConfigFile(config.path, {section: own}), [section], environ):
        return client_options(config, [section], environ)
    login = {}
    if SEPARATE not in own:
        producer = config.sections.get("producer", {})
        login = {key: value for key, value in producer.items() if key.startswith(_CONNECTION)}
    return client_options(
        ConfigFile(config.path, {**config.sections, "producer": login}), ["broker", "producer", section], environ
    )
