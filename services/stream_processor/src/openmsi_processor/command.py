"""The program `StreamProcessor`: a Python function for every file of a topic."""

import functools
import os
import sys
from pathlib import Path

from openmsi_core.env_file import load_environment
from openmsi_core.service import Service, run
from openmsi_processor import old_class
from openmsi_processor.crew import Crew
from openmsi_processor.packages import packages_for
from openmsi_processor.processing import process
from openmsi_processor.script_kind import script_in
from openmsi_processor.settings import ProcessorSettings
from openmsi_processor.starting import start_worker


def main() -> int:
    """Run the program; returns its exit code."""
    script = script_in(sys.argv[1:], os.environ, Path.cwd())
    if script is not None:
        return old_class.main(script)
    return run("StreamProcessor", ProcessorSettings, _process)


def _process(settings: ProcessorSettings, service: Service) -> None:
    environ = load_environment(os.environ, Path.cwd())
    packages = packages_for(settings.processor_file, settings.state_dir, environ, service)
    if packages is None:
        return
    cache = settings.state_dir / "cache"
    cache.mkdir(exist_ok=True)
    start = functools.partial(
        start_worker, str(settings.processor_file), cache, settings.memory_limit, environ, packages
    )
    process(settings, service, Crew(start, settings.workers, settings.processing_timeout, service.stop), environ)
