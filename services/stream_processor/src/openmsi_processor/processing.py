"""User code for every file of a topic: the receiver that all ways to start one have in common."""

import contextlib
import functools
import logging
import re
from collections.abc import Mapping

from openmsi_core.carry import begin_anew_when_undone, carry, group_of, prepare
from openmsi_core.errors import Retryable
from openmsi_core.group import FRESH
from openmsi_core.placing import Folder
from openmsi_core.service import Service
from openmsi_core.staging import Staging
from openmsi_processor.crew import Crew
from openmsi_processor.destination import ProcessingDestination
from openmsi_processor.output import Output
from openmsi_processor.processed import Processed
from openmsi_processor.result_topic import Provenance
from openmsi_processor.results import results_of
from openmsi_processor.settings import ProcessorSettings
from openmsi_processor.starting import made_by

_log = logging.getLogger(__name__)


def process(settings: ProcessorSettings, service: Service, crew: Crew, environ: Mapping[str, str]) -> None:
    """Have ``crew`` work on the files of the topic until the program stops; ends the crew. Raises Fatal."""
    staging = None
    try:
        try:
            ready = crew.begin()
        except Retryable:  # told to stop before user code was loaded
            return
        by = made_by(ready, settings.processor_file, environ)
        _log.info("%s calls %s, version %s", settings.processor_file, by.name, by.version)
        staging = prepare(settings.output)
        folder = Folder(settings.output)
        folder.check(staging.own)
        output = Output(folder, staging.own, settings.mode)
        wanted = re.compile(ready["files"])
        # Both are kept when work begins anew: a fresh group would get every file again.
        group = group_of(settings, f"{by.name} in {settings.output}")
        with contextlib.closing(_processed(settings, group)) as processed:
            work = functools.partial(_carry, settings, service, crew, staging, output, by, wanted, group, processed)
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
    by: Provenance,
    pattern: re.Pattern[str],
    group: str,
    processed: Processed,
) -> None:
    """Process until the program stops. Raises Fatal, and Undone: then call it again."""
    staging.clear()
    processed.begin()
    with contextlib.ExitStack() as stack:
        opened = None
        if settings.producer_topic_name is not None:
            opened = stack.enter_context(results_of(settings, group, service, processed, crew.interrupt))
            if opened is None:
                return
        transaction, results = (opened.transaction, opened.topic) if opened else (None, None)
        destination = ProcessingDestination(
            crew, output, processed, settings.topic_name, by, transaction, results, service.counts
        )
        carry(
            settings,
            service,
            destination,
            staging,
            settings.output,
            f"{by.name} in {settings.output}",
            group,
            lambda path: pattern.match(path.text) is not None,
            opened.transacted if opened else None,
            crew.tell_of_wrong_file,
            crew.tell_of_undecryptable,
        )


def _processed(settings: ProcessorSettings, group: str) -> Processed:
    fresh = (settings.consumer_group_id or settings.consumer.get("group.id")) in FRESH
    file = ":memory:" if fresh else str(settings.state_dir / "processed.sqlite")
    return Processed(file, f"{settings.topic_name}/{group}")
