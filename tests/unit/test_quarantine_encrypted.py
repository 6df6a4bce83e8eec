"""An encrypted record in quarantine: two files with the names of OpenMSIStream, and all to send it again."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from openmsi_admin.quarantine_entries import UndecryptableFacts, entries, entry_at
from openmsi_admin.quarantine_retry import retry, retry_encrypted
from openmsi_admin.reproduce import main, options_of
from openmsi_admin.send_again import kept_in
from openmsi_core import encrypted
from openmsi_core.encryption.cipher import Missing
from openmsi_core.errors import ConfigError
from openmsi_core.putting_aside import PuttingAside
from openmsi_core.quarantine import Quarantine
from openmsi_core.records import Locked, Record

VALUE = b"\x01\x93\xc4\x20" + bytes(32)
RECORD = Record(3, 77, 1_700_000_000_123, b"\x01\x93key")
HEADERS = [("openmsi-upload", b"\xff\x00"), ("openmsi-upload", None), ("ü", b"")]
LOCKED = Locked(RECORD, VALUE, HEADERS, Missing(b"\x0f" * 32))


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A place that is not at UTC."""
    monkeypatch.setenv("TZ", "CET-1")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def quarantine(tmp_path: Path) -> Quarantine:
    return Quarantine(tmp_path, "files.raw")


def the_entry(quarantine: Quarantine) -> Path:
    (entry,) = quarantine.folder.iterdir()
    return entry


def test_the_pair_has_the_names_that_openmsistream_gives_it(quarantine: Quarantine) -> None:
    quarantine.undecryptable(LOCKED, "its key did not come within 600 s")
    stem = "encrypted_message_from_files.raw_produced_on_Nov_14_2023_at_23_13_20_123000"
    entry = the_entry(quarantine)
    files = {path.name: path.read_bytes() for path in entry.iterdir() if path.name != "reason.json"}
    assert files == {f"{stem}_key.bin": RECORD.key, f"{stem}_value.bin": VALUE}
    assert entry.name == "files.raw-3-77"
    assert encrypted.topic_in(f"{stem}_key.bin") == "files.raw"


@pytest.mark.parametrize(("stamped", "timestamp"), [("received", 5), ("consumed", 0), ("produced", 2**63 - 1)])
@pytest.mark.parametrize("topic", ["t", "x" * 249])
def test_whatever_the_time_and_the_topic_there_is_a_name_for_it(
    tmp_path: Path, stamped: str, timestamp: int, topic: str
) -> None:
    quarantine = Quarantine(tmp_path, topic)
    record = Record(0, 9, timestamp, None, stamped)
    for _ in range(2):  # a restart comes to it once more, perhaps at another time
        quarantine.undecryptable(Locked(record, VALUE, None, Missing(7)), "late")
    names = [path.name for path in the_entry(quarantine).iterdir()]
    assert len(names) == 3
    assert all(len(os.fsencode(name)) <= 255 for name in names)
    assert all(f"_{stamped}_on_" in name for name in names if name != "reason.json")


def test_all_that_is_needed_to_send_it_again_is_kept(quarantine: Quarantine, tmp_path: Path) -> None:
    quarantine.undecryptable(LOCKED, "late")
    (entry,) = entries(tmp_path)
    assert isinstance(entry.facts, UndecryptableFacts)
    kept = kept_in(entry, entry.facts)
    assert (kept.topic, kept.partition, kept.has_key, kept.headers) == ("files.raw", 3, True, HEADERS)
    assert (kept.key.read_bytes(), kept.value.read_bytes()) == (RECORD.key, VALUE)
    assert (entry.kind, entry.what, entry.size) == ("encrypted", "partition 3, offset 77", len(VALUE) + 5)


def test_records_of_one_millisecond_do_not_meet(quarantine: Quarantine, tmp_path: Path) -> None:
    for offset in range(3):
        quarantine.undecryptable(Locked(Record(0, offset, 5, b"k"), VALUE, [], Missing(0)), "late")
    assert len(entries(tmp_path)) == 3


def test_what_was_sent_by_a_call_that_was_killed_is_only_removed(quarantine: Quarantine, tmp_path: Path) -> None:
    quarantine.undecryptable(LOCKED, "late")
    next(the_entry(quarantine).glob("*_key.bin")).unlink()
    ((_, outcome),) = retry_encrypted(entries(tmp_path), {})
    assert outcome.done
    assert entries(tmp_path) == []


def test_a_pair_that_somebody_took_apart_stays(quarantine: Quarantine, tmp_path: Path) -> None:
    quarantine.undecryptable(LOCKED, "late")
    next(the_entry(quarantine).glob("*_value.bin")).unlink()
    ((_, outcome),) = retry_encrypted(entries(tmp_path), {})
    assert not outcome.done
    assert len(entries(tmp_path)) == 1


def test_of_a_transfer_to_a_bucket_they_go_to_the_topic_all_the_same(quarantine: Quarantine, tmp_path: Path) -> None:
    quarantine.undecryptable(LOCKED, "late")
    (tmp_path / ".openmsi" / "bucket").write_text("lab-data")
    assert entries(tmp_path)[0].elsewhere is None


def test_a_changed_record_is_not_worth_sending(quarantine: Quarantine) -> None:
    quarantine.record(RECORD, VALUE, "its own key does not decrypt it: it was changed on its way")
    outcome = retry(entry_at(the_entry(quarantine)))
    assert not outcome.done
    assert "of no use: its own key does not decrypt it" in outcome.text


def test_kafkacryptos_own_file_names_the_broker_too(tmp_path: Path) -> None:
    file = tmp_path / "n.config"
    file.write_text(
        "[DEFAULT]\nnode_id : n\n[n-kafka]\nbootstrap_servers : a:1\nssl_cafile : ca.pem\nlinger.ms : 9\nodd : 1\n"
        "[n-kafka-producer]\nbootstrap_servers : b:2\n[n-chains]\nchain0 : base64#AA==\n"
    )
    assert options_of(file) == {"bootstrap.servers": "b:2", "ssl.ca.location": "ca.pem", "linger.ms": "9"}
    file.write_text("[DEFAULT]\nnode_id : n\n")
    with pytest.raises(ConfigError, match="names no broker"):
        options_of(file)


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_folder_without_records(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "c").write_text("[broker]\nbootstrap.servers = a:1\n")
    code = main([str(tmp_path / "c"), str(tmp_path / name)])
    out, err = capsys.readouterr()
    assert code == (65 if name == "missing" else 0)
    assert len((out + err).splitlines()) == 1


@pytest.mark.parametrize("name", ["x_key.bin", "encrypted_message_from_", "encrypted_message_from_t_key.bin"])
def test_other_files_have_no_topic(name: str) -> None:
    assert encrypted.topic_in(name) is None


def test_a_topic_may_have_such_a_word_in_its_name() -> None:
    name = "encrypted_message_from_a_produced_on_b_received_on_Nov_14_2023_at_23_13_20_123000_key.bin"
    assert encrypted.topic_in(name) == "a_produced_on_b"


def test_who_wants_to_know_is_told_once_it_is_there(tmp_path: Path) -> None:
    reason = tmp_path / ".openmsi" / "quarantine" / "t-3-77" / "reason.json"
    told: list[tuple[bool, threading.Thread]] = []
    aside = PuttingAside(
        Quarantine(
            tmp_path, "t", tell_undecryptable=lambda _: told.append((reason.exists(), threading.current_thread()))
        )
    )
    assert aside.put([(LOCKED, 1.0)]) == [True]
    aside.close()
    assert told == [(True, threading.main_thread())]
