"""`StreamProcessor` in containers: code in a mounted folder, its packages, an image of one's own, and bad ends."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.broker import ROOT, Broker, unique
from tests.support.containers import PREFIX, Images, run
from tests.support.processing_in_containers import REQUIREMENTS, Lab
from tests.support.running import wait_for
from tests.support.wheels import make_wheel

_LOCKED = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges")
_STRANGER = ("--user", "12345:23456")
# The end of the service, if that imported it.
_NOT_FOR_THE_SERVICE = "from pathlib import Path\nassert b'.worker' in Path('/proc/self/cmdline').read_bytes()\n"
_SEES = """
import os, answers, msgpack

@processor(files=r".*\\.csv$")
def sees(file: DataFile):
    import pydantic_core  # the service's own: there where nobody brings another
    secrets = [name for name, value in os.environ.items() if "hidden" in value]
    return Result(
        value={"answer": answers.ANSWER, "secrets": secrets, "unit": os.environ.get("PROCESSOR_UNIT")},
        files=[ResultFile(f"{file.relative_path}.txt", file.bytes)],
    )
"""
_SLOW = """
import time

@processor
def slow(file: DataFile):
    time.sleep(0.05)
    return {"size": file.size}
"""
_LEAKS = """
@processor
def leaks(file: DataFile):
    kept = []
    while file.name.startswith("bad"):
        kept.append(bytearray(b"x" * 10_000_000))
    return {"size": file.size}
"""


@pytest.fixture
def lab(tmp_path: Path, images: Images, kafka: Broker) -> Iterator[Lab]:
    lab = Lab(tmp_path / "lab", images.stream_processor, kafka)
    yield lab
    for container in lab.containers:
        container.remove()


def test_code_and_its_packages_in_a_mounted_folder(lab: Lab) -> None:
    make_wheel(lab.code / "wheels", "answers", "ANSWER = 42")
    make_wheel(lab.code / "wheels", "msgpack", _NOT_FOR_THE_SERVICE, "99.0")
    lab.write(_SEES, "answers\nmsgpack\n")
    container = lab.start(*_LOCKED, *_STRANGER)
    lab.sender.file("run/a.csv", b"1,2\n")
    found = lab.gives({"run/a.csv"}, container)
    assert [each.json for each in found["run/a.csv"]] == [{"answer": 42, "secrets": [], "unit": "mm"}]
    assert (lab.folder / "downloads/run/a.csv.txt").read_bytes() == b"1,2\n"
    assert (lab.folder / "downloads/run/a.csv.txt").stat().st_uid == 12345
    run("docker", "exec", container.name, "python", "-m", "openmsi_core.health")
    shutil.rmtree(lab.code / "wheels")  # a restart installs nothing
    assert container.stop() == 0
    run("docker", "start", container.name)
    lab.sender.file("b.csv", b"")
    found = lab.gives({"b.csv"}, container)
    assert {path: len(results) for path, results in found.items()} == {"run/a.csv": 1, "b.csv": 1}
    assert container.output.count("installed what") == 1


def test_packages_that_cannot_be_installed_are_one_line(lab: Lab) -> None:
    lab.write(_SLOW, "nosuchpackage\n")
    container = lab.start(*_LOCKED, *_STRANGER)
    assert container.exits() == 78
    complaint = [line for line in container.output.splitlines() if "nosuchpackage" in line]
    assert len(complaint) == 1, container.output
    assert "custom_folder/requirements.txt, line 3: Could not find a version" in complaint[0]
    assert "Traceback" not in container.output


def test_one_result_each_whatever_is_killed(lab: Lab) -> None:
    lab.write(_SLOW)
    container = lab.start(*_LOCKED)
    paths = {f"{number:02}.dat" for number in range(60)}
    for path in sorted(paths):
        lab.sender.file(path, path.encode())
    for share in (10, 35):
        wait_for(lambda: len(lab.read()) > share, "some results", 60)  # noqa: B023  # called at once
        run("docker", "kill", container.name)
        run("docker", "start", container.name)
    found = lab.gives(paths, container)
    assert {path: len(results) for path, results in found.items()} == dict.fromkeys(paths, 1)
    assert container.stop() == 0


def test_code_that_leaks_costs_its_file_alone(lab: Lab) -> None:
    lab.write(_LEAKS)
    container = lab.start(*_LOCKED, "--memory=300m", "--memory-swap=300m")
    paths = {f"good {number}.dat" for number in range(8)}
    for path in sorted(paths):
        lab.sender.file(path, b"")
        if path == "good 3.dat":
            lab.sender.file("bad.dat", b"")
    lab.gives(paths, container)
    wait_for(lambda: list((lab.folder / "downloads/.openmsi/quarantine").glob("*/*")), "the bad file", 60)
    assert "bad.dat" not in lab.read()
    assert container.stop() == 0
    assert "ended by SIGKILL: probably it took more memory than there is" in container.output


def test_what_the_image_begins_for_a_user_is_an_image_of_their_own(lab: Lab) -> None:
    (lab.folder / "new").mkdir(mode=0o777)
    (lab.folder / "new").chmod(0o777)
    run("docker", "run", "--rm", "-v", f"{lab.folder}/new:/home/openmsi/new", "-w", "/home/openmsi/new", lab.image,
        "openmsi", "processor", "new", "probe")  # fmt: skip
    tag = unique(PREFIX)
    base = f"OPENMSI_IMAGE={lab.image}"
    run("docker", "build", "--quiet", "--tag", tag, "--build-arg", base, lab.folder / "new/probe")
    try:
        said = run("docker", "run", "--rm", "--network=none", "-v", f"{lab.folder}/new/probe:/home/openmsi/new:ro", tag,
                   "openmsi", "processor", "test", "probe.py", "new/example.csv")  # fmt: skip
        assert "called for 1 of 1 files, 0 failed" in said
    finally:
        run("docker", "image", "rm", tag)


def test_the_template_for_own_images(lab: Lab) -> None:
    context = lab.folder / "image"
    shutil.copytree(ROOT / "images/custom/processor", context)
    make_wheel(context / "wheels", "answers", "ANSWER = 42")
    (context / "requirements.txt").write_text(REQUIREMENTS + "answers\n")
    dockerfile = (context / "Dockerfile").read_text()
    (context / "Dockerfile").write_text(dockerfile.replace("RUN pip", "COPY wheels wheels/\nRUN pip"))  # our index
    code = (context / "my_analysis.py").read_text().replace('"lines"', '"answer": answers.ANSWER, "lines"')
    (context / "my_analysis.py").write_text(f"import answers\n{code}")
    tag = unique(PREFIX)
    run("docker", "build", "--quiet", "--tag", tag, "--build-arg", f"OPENMSI_IMAGE={lab.image}", context)
    topics = ("-e", f"OPENMSI_TOPIC_NAME={lab.topic}", "-e", f"OPENMSI_PRODUCER_TOPIC_NAME={lab.results}")
    digest = ("-e", "OPENMSI_IMAGE_DIGEST=sha256:0123")
    try:
        container = lab.run(*_LOCKED, *_STRANGER, *topics, *digest, tag)
        lab.sender.file("a.csv", b"1\n2\n")
        (result,) = lab.gives({"a.csv"}, container)["a.csv"]
        assert result.json == {"file": "a.csv", "answer": 42, "lines": 2}
        assert result.headers["openmsi-image"] == "sha256:0123"
        assert "installing" not in container.output
        owners = run("docker", "exec", container.name, "stat", "-c", "%u", "config.config", "my_analysis.py").split()
        assert owners == ["1000", "1000"]
        assert container.stop() == 0
    finally:
        for each in lab.containers:
            each.remove()
        run("docker", "image", "rm", tag)
