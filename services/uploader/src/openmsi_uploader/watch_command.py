"""`DataFileUploadDirectory`: watch a folder and send every file that settles, until stopped."""

import functools
import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator

from openmsi_core.durable import this_user
from openmsi_core.errors import ConfigError
from openmsi_core.service import Service, run
from openmsi_core.state import lock_state_dir
from openmsi_core.status import Status
from openmsi_uploader.director import Director
from openmsi_uploader.filters import select
from openmsi_uploader.known import Known
from openmsi_uploader.ledger import Ledger, open_ledger
from openmsi_uploader.ranges import Selector
from openmsi_uploader.settings import WatchSettings
from openmsi_uploader.upload_id import UploadIds
from openmsi_uploader.walk import Found, Tally, walk

_log = logging.getLogger(__name__)

_RESERVE_MS = 1000
_TELL_EACH = 1000


def main(selector: Selector | None = None) -> int:
    """The program; returns its exit code. ``selector`` names the bytes of each file that are sent (default: all)."""
    return run(WatchSettings.program, WatchSettings, functools.partial(watch, selector=selector))


def watch(settings: WatchSettings, service: Service, selector: Selector | None = None) -> None:
    """Watch ``settings.upload_dir`` until ``service.stop`` is set. Raises Fatal."""
    folder, topic = settings.upload_dir, settings.topic_name
    _check_folder(settings)
    with lock_state_dir(settings.state_dir, f"{settings.program} of {folder} to topic {topic}"):
        ledger = open_ledger(settings.state_dir, topic, folder)
        try:
            first_look(settings, ledger, service.began_ns, service.beat)
            selection = select(settings.upload_regex, settings.include, settings.exclude)
            ids = UploadIds(settings.state_dir, _RESERVE_MS, owner=ledger.name)
            if ids.shared:  # somebody may have sent a path of ours with a later id, so its upload must begin anew
                ledger.give_up_all()
            Director(settings, selection, service, ledger, ids, selector).run()
        except sqlite3.Error as error:
            raise ConfigError(
                f"the ledger in {settings.state_dir} cannot be used ({error}): check that disk"
            ) from error
        finally:
            ledger.close()


def _check_folder(settings: WatchSettings) -> None:
    folder = settings.upload_dir
    try:
        with os.scandir(folder) as entries:
            next(entries, None)
    except FileNotFoundError:
        raise ConfigError(f"the upload folder {folder} does not exist: make it, mount it, or name another") from None
    except NotADirectoryError:
        raise ConfigError(f"the upload folder {folder} is not a folder: to send one file use UploadDataFile") from None
    except PermissionError:
        raise ConfigError(
            f"{this_user()} may not read the upload folder {folder}: give it the rights to list and enter it (r and x)"
        ) from None
    except OSError as error:
        raise ConfigError(f"the upload folder {folder} cannot be read ({error.strerror})") from None


def first_look(
    settings: WatchSettings, ledger: Ledger, began_ns: int, beat: Callable[[Status], None] = lambda _: None
) -> None:
    """Settle what becomes of files that were there before the first start; durable on return.

    What has changed since this program began counts as new, so nothing that arrives while we look is missed. ``beat``
    is told now and then how many were seen: a million of them take half a minute.
    """
    if not ledger.is_new:
        if settings.upload_existing and (count := ledger.want_all()):
            _log.info("--upload_existing: %d files that were there before the first start are sent now", count)
        return
    if settings.upload_existing:
        ledger.begin([])
        return
    everything = walk(settings.upload_dir, "", Known(), select(None, (), ()), Tally())
    count = ledger.begin((path, stat) for path, stat in _telling(everything, beat) if stat.ctime_ns < began_ns)
    _log.info("first start for this folder and topic: %d files that are there already are not sent", count)
    if count:
        _log.info("to send them too, start again with --upload_existing")


def _telling(found: Iterable[Found], beat: Callable[[Status], None]) -> Iterator[Found]:
    for count, each in enumerate(found):
        if count % _TELL_EACH == 0:
            beat(Status(waiting_for=f"the first look at the folder ({count} files so far)"))
        yield each
