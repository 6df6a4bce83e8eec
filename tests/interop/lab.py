"""Programs of both sides around one topic."""

import contextlib
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.interop.openmsistream import Theirs, delivered
from tests.interop.trees import SMALL_CHUNK, Tree, large_files, write
from tests.support.broker import Broker
from tests.support.downloading import Downloads
from tests.support.running import QUICK_SESSION, Program, wait_for

ARRIVAL_SECONDS = 60.0


class Lab:
    """A new topic with as many partitions, and everything that runs around it; the fixture `lab` ends it all."""

    def __init__(self, broker: Broker, folder: Path, partitions: int) -> None:
        self.broker = broker
        self.folder = folder
        self.partitions = partitions
        self.topic = broker.create_topic(partitions=partitions)
        self.downloads = Downloads(broker.bootstrap, self.topic, folder / "ours")
        self._running: list[Program | Theirs] = []
        self._serial = itertools.count(1)

    def source(self, files: Mapping[str, bytes]) -> Path:
        """A new folder with these files."""
        return write(files, self.new_folder())

    def new_folder(self) -> Path:
        """The path of a folder that is still to be made."""
        return self.folder / f"f{next(self._serial)}"

    def theirs(self, *command: str, config: str = "") -> Theirs:
        """Start a program of theirs on the topic, with ``config`` behind its own."""
        made = Theirs(self.new_folder(), self.broker.bootstrap, *command, "--topic_name", self.topic, config=config)
        self._running.append(made)
        return made

    def ours(self, *command: str, env: Mapping[str, str] | None = None, config: str = "") -> Program:
        """Start a program of ours on the topic, with ``config`` behind its own."""
        call = (*command, "--topic_name", self.topic)
        made = Program(self.new_folder(), self.broker.bootstrap, *call, env=env, config=config)
        self._running.append(made)
        return made

    def end(self) -> None:
        """Kill what still runs."""
        self.downloads.kill()
        for program in self._running:
            program.kill()


@dataclass(frozen=True, slots=True)
class Group:
    """Two downloaders of one group on a topic of 12 partitions, into which theirs sends ``files``."""

    lab: Lab
    files: Tree
    members: list[Program]
    uploader: Theirs


def begin_group(lab: Lab) -> Group:
    """Start all of it; both members read when the first file comes."""
    options = ("--consumer_group_id", f"group-of-{lab.topic}")
    members = [lab.downloads.start(*options, name=name, config=QUICK_SESSION) for name in ("one", "two")]
    for member in members:
        member.says("reading partitions")
    files = large_files(seed=301)
    return Group(lab, files, members, their_upload(lab, files, SMALL_CHUNK))


def their_upload(lab: Lab, files: Mapping[str, bytes], chunk_size: int) -> Theirs:
    """Their `DataFileUploadDirectory` on a new folder with these files."""
    folder = str(lab.source(files))
    return lab.theirs("DataFileUploadDirectory", folder, "--upload_existing", "--chunk_size", str(chunk_size))


def our_upload(lab: Lab, files: Mapping[str, bytes], *options: str, config: str = "") -> Program:
    """Our `DataFileUploadDirectory` on a new folder with these files."""
    settle = ("--watchdog_lag_time", "0.3")
    return lab.ours(
        "DataFileUploadDirectory", str(lab.source(files)), "--upload_existing", *settle, *options, config=config
    )


def stop_theirs(*programs: Theirs) -> None:
    """Type ``q`` to all, then wait for the good end of each."""
    for program in programs:
        program.hears("q")
    for program in programs:
        program.exits()


def wait_for_files(folder: Path, expected: Tree, read: Callable[[Path], Tree] = delivered) -> None:
    """Wait until ``folder`` has these files, whole; gives up silently, for comparing says what is missing."""
    sizes = {folder / path: len(content) for path, content in expected.items()}

    def there() -> bool:
        found = (folder / path for path in expected)
        # Cheap, and false nearly all of the time; theirs write into the files under their names.
        if not all(place.is_file() and place.stat().st_size == sizes[place] for place in found):
            return False
        return read(folder) == expected

    with contextlib.suppress(AssertionError):
        wait_for(there, "files", ARRIVAL_SECONDS)
