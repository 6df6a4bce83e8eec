"""Runs in the venv of OpenMSIStream: prints every message of a topic of texts as a line of JSON, key and value.

``read_texts.py --topic_name TOPIC --config FILE``; it reads until it is killed.
"""

import argparse
import json
from pathlib import Path

from openmsistream.kafka_wrapper.consumer_group import ConsumerGroup


def main() -> None:
    """Read with their consumer, as whoever watches their heartbeats does."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path)
    parser.add_argument("--topic_name")
    options = parser.parse_args()
    consumer = ConsumerGroup(options.config, options.topic_name).get_new_subscribed_consumer()
    while True:
        message = consumer.get_next_message(500)
        if message is not None:
            print(json.dumps([message.key, message.value]), flush=True)


main()
