"""A store that hangs, or asks to be left alone, and uploads whose answers are lost: what the S3 transfer does then."""

import threading
import time
from pathlib import Path

import pytest

from openmsi_core.deliveries import CompleteFile
from openmsi_core.errors import Retryable
from openmsi_core.generation import Generation, Verdict, Version
from openmsi_core.paths import RelativePath
from openmsi_s3_transfer.crew import Crew, result_of
from openmsi_s3_transfer.prompt import Prompt
from openmsi_s3_transfer.quiet import Quiet
from openmsi_s3_transfer.refusals import Busy
from openmsi_s3_transfer.unfinished import UNKNOWN, Unfinished
from tests.support.transferring import clients_for

PATH = RelativePath.parse("f")
VERSION = Version(bytes(64), "", "", 0.0, (0, 0))
FILE = CompleteFile(Generation(PATH, bytes(64), 1, ""), VERSION, 1, b"x", None, 0)


class Hangs:
    """A destination that does not answer before ``go_on``."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.asked = 0

    def verdict(self, _path: RelativePath, _version: Version) -> Verdict:
        self.asked += 1
        self.go_on.wait()
        return Verdict.REPEAT

    def deliver(self, _file: CompleteFile) -> Verdict:
        self.go_on.wait()
        return Verdict.NEWER


def test_a_crew_hands_on_what_comes_out() -> None:
    def fail() -> None:
        raise TimeoutError("its own")

    crew, stop = Crew(1, "test"), threading.Event()
    assert result_of(crew.submit(divmod, 7, 2), stop) == (3, 1)
    with pytest.raises(TimeoutError, match="its own"):
        result_of(crew.submit(fail), stop)


def test_a_delivery_that_hangs_is_left_when_the_program_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openmsi_s3_transfer.crew._GRACE_SECONDS", 0.01)
    monkeypatch.setattr("openmsi_s3_transfer.crew._LOOK_SECONDS", 0.01)
    hangs, stop = Hangs(), threading.Event()
    prompt = Prompt(hangs, 1, stop)
    stop.set()
    with pytest.raises(Retryable, match="the program stops"):
        prompt.deliver(FILE)
    hangs.go_on.set()
    assert prompt.deliver(FILE) is Verdict.NEWER


def test_a_store_that_hangs_is_not_asked_again_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openmsi_s3_transfer.prompt._VERDICT_SECONDS", 0.01)
    now = 100.0
    hangs = Hangs()
    prompt = Prompt(hangs, 1, threading.Event(), lambda: now)
    for _ in range(3):
        with pytest.raises(Retryable):
            prompt.verdict(PATH, VERSION)
    assert hangs.asked == 1
    hangs.go_on.set()
    now += 31
    monkeypatch.setattr("openmsi_s3_transfer.prompt._VERDICT_SECONDS", 10)
    assert prompt.verdict(PATH, VERSION) is Verdict.REPEAT


def test_nothing_is_sent_in_a_silence_that_was_asked_for(tmp_path: Path) -> None:
    now, stop = 100.0, threading.Event()
    clients = clients_for("http://127.0.0.1:9", tmp_path)
    quiet = Quiet(clients, stop, lambda: now)
    busy = {"status_code": 503, "headers": {"retry-after": "20"}}
    clients.patient.meta.events.emit("response-received.s3.UploadPart", response_dict=busy)
    assert quiet.seconds == 20
    begin = time.monotonic()
    with pytest.raises(Busy) as caught:
        clients.quick.head_object(Bucket="bucket", Key="k")
    assert caught.value.seconds == 20
    threading.Timer(0.05, stop.set).start()
    with pytest.raises(Retryable, match="the program stops"):
        clients.patient.head_object(Bucket="bucket", Key="k")
    assert time.monotonic() - begin < 15
    now += 20
    assert quiet.seconds == 0


def test_an_upload_is_noted_before_it_is_begun_and_tried_again_when_it_could_not_be_aborted(tmp_path: Path) -> None:
    aborted: list[tuple[str, str]] = []

    def abort(key: str, upload_id: str) -> None:
        if key == "away":
            raise OSError("away")
        aborted.append((key, upload_id))

    own = Unfinished(tmp_path)
    for key, upload_id in (("a", UNKNOWN), ("b", UNKNOWN), ("c", "1"), ("away", "2"), ("living", "3")):
        own.begin(key)
        if upload_id:
            own.add(key, upload_id)
        if key != "living":
            own.leave(key, upload_id)
    own.abort_left(abort, "a")
    assert sorted(aborted) == [("a", UNKNOWN), ("c", "1")]
    own.close()
    assert Unfinished(tmp_path).abort_dead(lambda *each: aborted.append(each)) == 3
    assert sorted(aborted[2:]) == [("away", "2"), ("b", UNKNOWN), ("living", "3")]
    assert list(tmp_path.iterdir()) == []
