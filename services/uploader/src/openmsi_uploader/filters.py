"""Which files are wanted, and why the others are not. Pure.

Left out by default is only what is hidden (a name that begins with ``.``) and the well-known debris of editors,
office programs, browsers, sync tools and network storage, listed below. Everything else is sent. ``*.tmp`` is
not among it: instruments write such files too.
"""

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass

from openmsi_core.errors import BadFile
from openmsi_core.paths import RelativePath

HIDDEN = "hidden"
DEBRIS = "debris of an editor, sync tool or network storage"
NOT_UTF8 = "the name is not valid UTF-8"
UNUSABLE = "the path cannot be sent (too long or reserved)"
NO_REGEX_MATCH = "does not match --upload_regex"
NOT_INCLUDED = "matches no --include pattern"
EXCLUDED = "matches an --exclude pattern"
LINK = "symbolic link"
SPECIAL = "not a regular file"

_DEBRIS_FILES = (
    "~$*",  # Microsoft Office: who has the document open
    "~wr[dl]*.tmp",  # Word's working copies
    "*~",  # backup copies of Emacs, gedit and others
    "#*#",  # Emacs: auto-save
    "thumbs.db",  # Windows Explorer: thumbnails
    "ehthumbs*.db",
    "desktop.ini",  # Windows Explorer: folder settings
    "*.crdownload",  # Chrome, Edge: download going on
    "*.part",  # Firefox, KDE and others: download or copy going on
    "*.partial",  # curl, Internet Explorer
    "*.filepart",  # WinSCP: transfer going on
    "*.!sync",  # Resilio Sync: transfer going on
)
_DEBRIS_FOLDERS = (
    "@eadir",  # Synology: thumbnails and attributes
    "#recycle",  # Synology: bin
    "#snapshot",  # Synology: snapshots
    "@recycle",  # QNAP: bin
    "@recently-snapshot",  # QNAP: snapshots
    "~snapshot",  # NetApp: snapshots
    "$recycle.bin",  # Windows: bin
    "system volume information",  # Windows
    "lost+found",  # Linux: fsck
    "network trash folder",  # macOS over a network
    "temporary items",
)


def _any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns) or r"(?!)")


_DEBRIS_FILE = _any_of(_DEBRIS_FILES)
_DEBRIS_FOLDER = _any_of(_DEBRIS_FOLDERS)


@dataclass(frozen=True, slots=True)
class Selection:
    """The rules of one upload folder; paths are relative to it, with ``/`` between components.

    A glob with ``/`` is held against the whole path, one without against the name; ``*`` also matches ``/``. Case
    counts. ``wanted`` must match at the beginning of the path (``re.match``).
    """

    wanted: re.Pattern[str] | None
    include: tuple[re.Pattern[str], re.Pattern[str]] | None
    exclude: tuple[re.Pattern[str], re.Pattern[str]]

    def why_not(self, path: str) -> str | None:
        """The reason for leaving out a file whose folders are known to be wanted; None = send it."""
        name = path.rpartition("/")[2]
        if name.startswith("."):
            return HIDDEN
        if _DEBRIS_FILE.match(name.casefold()):
            return DEBRIS
        if (unusable := _unusable(path)) is not None:
            return unusable
        if self.wanted is not None and not self.wanted.match(path):
            return NO_REGEX_MATCH
        if self.include is not None and not matches(self.include, path, name):
            return NOT_INCLUDED
        return EXCLUDED if matches(self.exclude, path, name) else None

    def why_not_with_folders(self, path: str) -> str | None:
        """As `why_not`, for a path of which nothing is known yet."""
        return why_not_folder(path.rpartition("/")[0]) or self.why_not(path)


def select(upload_regex: re.Pattern[str] | None, include: Iterable[str], exclude: Iterable[str]) -> Selection:
    """The rules made of a regular expression and two lists of globs; no regular expression or ``include`` means all."""
    included = tuple(include)
    return Selection(upload_regex, globs(included) if included else None, globs(exclude))


def why_not_folder(path: str) -> str | None:
    """The reason for not looking into a folder, which may lie in one that is not looked into; None = look."""
    for name in path.split("/"):
        if name.startswith("."):
            return HIDDEN
        if _DEBRIS_FOLDER.match(name.casefold()):
            return DEBRIS
    return None if _is_unicode(path) else NOT_UTF8


def globs(patterns: Iterable[str]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Globs made into patterns for whole paths, and for names; see `Selection`."""
    listed = tuple(patterns)
    return _any_of(p for p in listed if "/" in p), _any_of(p for p in listed if "/" not in p)


def matches(patterns: tuple[re.Pattern[str], re.Pattern[str]], path: str, name: str) -> bool:
    """Whether a path, the last component of which is ``name``, matches one of `globs`."""
    for_paths, for_names = patterns
    return bool(for_paths.match(path) or for_names.match(name))


def _unusable(path: str) -> str | None:
    try:
        RelativePath.parse(path)
    except BadFile:
        return UNUSABLE if _is_unicode(path) else NOT_UTF8
    return None


def _is_unicode(name: str) -> bool:
    """False for names whose bytes are not UTF-8: Python shows those bytes as lone surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
