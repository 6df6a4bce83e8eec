"""The program `StreamProcessor`: a Python function for every file of a topic."""

import contextlib
import functools
import hashlib
import logging
import os
import re
import sys
from pathlib import Path

from openmsi_core.carry import Transacted, begin_anew_when_undone, carry, group_of, prepare
from openmsi_core.group import FRESH
from openmsi_core.placing import Folder
from openmsi_core.service import Service, run
from openmsi_core.staging import Staging
from openmsi_processor.crew import Crew
from openmsi_processor.destination import ProcessingDestination
from openmsi_processor.environment import environment_of
from openmsi_processor.output import Output
from openmsi_processor.processed import Processed
from openmsi_processor.result_topic import Provenance
from openmsi_processor.results import results_of
from openmsi_processor.settings import ProcessorSettings
from openmsi_processor.worker_process import WorkerProcess

_log = logging.getLogger(__name__)

_WAITING = 64  # files whose results wait for their commit


def main() -> int:
    """Run the program; returns its exit code."""
    return run("StreamProcessor", ProcessorSettings, _process)


def _process(settings: ProcessorSettings, service: Service) -> None:
    crew = Crew(functools.partial(_worker, settings), settings.workers, settings.processing_timeout, service.stop)
    staging = None
    try:
        ready = crew.begin()
        made_by = Provenance(
            ready["name"],
            ready["version"] or _hash_of(settings.processor_file),
            os.environ.get("OPENMSI_IMAGE_DIGEST", ""),
        )
        _log.info("%s calls %s, version %s", settings.processor_file, made_by.name, made_by.version)
        staging = prepare(settings.output)
        folder = Folder(settings.output)
        folder.check(staging.own)
        output = Output(folder, staging.own, settings.mode)
        wanted = re.compile(ready["files"])
        work = functools.partial(_carry, settings, service, crew, staging, output, made_by, wanted)
        begin_anew_when_undone(work, service.stop)
    finally:
        crew.close()
        if staging is not None:
            staging.close()


def _carry(
    settings: ProcessorSettings,
    service: Service,
    crew: Crew,
    staging: Staging,
    output: Output,
    made_by: Provenance,
    pattern: re.Pattern[str],
) -> None:
    """Process until the program stops. Raises Fatal, and Undone: then call it again."""
    group = group_of(settings, f"{made_by.name} in {settings.output}")
    folder = settings.state_dir
    database = ":memory:" if settings.consumer_group_id in FRESH else str(folder / "processed.sqlite")
    log = f"{settings.topic_name}/{group}"
    with contextlib.ExitStack() as stack:
        transaction = results = None
        kept: list[Processed] = []
        if settings.producer_topic_name is not None:
            opened = stack.enter_context(results_of(settings, group, service, kept))
            if opened is None:
                return
            transaction, results = opened
        is_done = transaction.watermark.is_done if transaction else None
        processed = Processed(database, log, is_done)
        stack.callback(processed.close)
        kept.append(processed)
        destination = ProcessingDestination(
            crew, output, processed, settings.topic_name, made_by, transaction, results, service.counts
        )
        carry(
            settings,
            service,
            destination,
            staging,
            settings.output,
            f"{made_by.name} in {settings.output}",
            group,
            lambda path: pattern.match(path.text) is not None,
            Transacted(transaction, settings.workers + _WAITING) if transaction else None,
        )


def _worker(settings: ProcessorSettings, name: str) -> WorkerProcess:
    cache = settings.state_dir / "cache"
    cache.mkdir(exist_ok=True)
    limit = [] if settings.memory_limit is None else [f"memory={settings.memory_limit * 1_000_000}"]
    command = [sys.executable, "-m", "openmsi_processor.worker", str(settings.processor_file), *limit]
    return WorkerProcess(command, environment_of(os.environ, cache), name)


def _hash_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]
