"""Runs in the venv of OpenMSIStream: sends every other chunk of all files of a folder, and the rest when told to.

``send_in_two_parts.py FOLDER CHUNK_SIZE --config FILE --topic_name TOPIC``; it prints ``first part sent`` and goes on
after a line from standard input.
"""

import argparse
import queue
import sys
from pathlib import Path

from openmsistream import UploadDataFile
from openmsistream.kafka_wrapper import ConsumerAndProducerGroup

MANY = 1_000_000


def main() -> None:
    """Send all; returns when the broker has them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("chunk_size", type=int)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--topic_name")
    options = parser.parse_args()
    group = ConsumerAndProducerGroup(options.config)
    producer = group.get_new_producer()
    files = [UploadDataFile(path, rootdir=options.folder) for path in options.folder.rglob("*") if path.is_file()]
    for first in (1, 2):
        waiting: queue.Queue[object] = queue.Queue()
        for file in files:
            file.add_chunks_to_upload(chunks_to_add=range(first, MANY, 2), chunk_size=options.chunk_size)
            if file.chunks_to_upload:
                file.enqueue_chunks_for_upload(waiting)
        waiting.put(None)
        producer.produce_from_queue_looped(waiting, options.topic_name)
        producer.flush(timeout=-1)
        if first == 1:
            print("first part sent", flush=True)
            sys.stdin.readline()
    producer.close()
    group.close()


main()
