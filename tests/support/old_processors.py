"""Processors written for OpenMSIStream, with their import lines changed, as processes of ours."""

import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.processing import Processors
from tests.support.running import QUICK_SESSION, Program

SCRIPTS = Path(__file__).parents[1] / "interop" / "scripts" / "processors"


class OldProcessors(Processors):
    """Started by ``how``: "python" or "StreamProcessor"."""

    how = "python"

    def changed(self, name: str) -> Path:
        """A copy of one of `SCRIPTS`, its import lines changed and nothing else."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = (SCRIPTS / name).read_text().splitlines(keepends=True)
        file = self.folder / name
        file.write_text("".join(_changed(line) for line in lines))
        return file

    def script(self, file: Path, *args: str, env: Mapping[str, str] | None = None, name: str = "processor") -> Program:
        """Start the script with these arguments only."""
        command = ("StreamProcessor",) if self.how == "StreamProcessor" else (Path(sys.executable).name,)
        return self.run(name, *command, str(file), *args, env=env, config=QUICK_SESSION)

    def old(self, file: Path, *args: str, name: str = "processor") -> Program:
        """The same with the topic and the output folder, as their users write it."""
        more = ("--config", "config.config", "--topic_name", self.topic, "--output_dir", str(self.output))
        return self.script(file, *more, *args, name=name)


def _changed(line: str) -> str:
    return (
        line.replace("openmsistream", "openmsi_processor") if line.lstrip().startswith(("from ", "import ")) else line
    )
