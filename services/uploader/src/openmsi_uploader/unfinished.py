"""What is noted of a large upload that has not come to its end, and when it may be continued. Pure.

Such a note only saves time: without it, the file is sent anew. One that is wrong costs the file, because receivers
would wait for ever for what they never got, or call the newest content old. So in every doubt it is not believed.
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass

from openmsi_uploader.source import FileStat
from openmsi_uploader.target import Target

WORTH_BYTES = 64 * 1024 * 1024
"""Only uploads of files larger than this are noted."""

# Receivers read an upload from its first record on, and retention deletes that first: what is continued must not be
# about to lose its beginning before the slowest of them has read the end.
_LONGEST_SECONDS = 6 * 3600.0
# A ledger restored from a backup, or a machine set back to a snapshot, brings back notes of uploads after which others
# of the same path may have been made. Nobody restores what is only minutes old.
_TRUSTED_SECONDS = 1800.0


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An upload of which chunks 1 … ``prefix`` are acknowledged by the broker. Times are seconds since 1970, UTC."""

    stat: FileStat
    sha512: bytes
    upload_id: str
    target: Target
    prefix: int
    first_offset: int
    """Of the record of chunk 1."""
    last_offset: int
    """Of the record of chunk ``prefix``."""
    began: float
    noted: float

    def may_go_on(self, stat: FileStat, target: Target, sent_id: str, now: float) -> bool:
        """Whether the file that looks like ``stat`` may go on with it at time ``now``.

        ``sent_id`` is the id of the last upload of this path that came to its end (``""`` = none). A clock that was set
        back makes a note look as if it came from the future: then not.
        """
        return (
            (stat, target) == (self.stat, self.target)
            and self.upload_id > sent_id
            and 0 <= now - self.began < _LONGEST_SECONDS
            and 0 <= now - self.noted < _TRUSTED_SECONDS
        )


def to_text(path: str, unfinished: Unfinished) -> tuple[str, bytes]:
    """As it is kept, with the digest that proves it."""
    text = json.dumps(dataclasses.asdict(unfinished) | {"sha512": unfinished.sha512.hex()})
    return text, _digest(path, text)


def from_text(path: str, text: object, digest: object) -> Unfinished | None:
    """What `to_text` made; None when anything in it was changed since."""
    if not isinstance(text, str) or digest != _digest(path, text):
        return None
    try:
        fields = json.loads(text)
        fields |= {
            "stat": FileStat(*fields["stat"]),
            "sha512": bytes.fromhex(fields["sha512"]),
            "target": Target(**fields["target"]),
        }
        return Unfinished(**fields)
    except (ValueError, TypeError, KeyError):  # a later version of this program noted more, or less
        return None


def _digest(path: str, text: str) -> bytes:
    return hashlib.sha256(f"{path}\n{text}".encode(errors="surrogateescape")).digest()
