"""`StreamProcessor` by ``docker run``, as in a laboratory's folder."""

from pathlib import Path

from tests.support.broker import Broker
from tests.support.containers import Container, lab_folder
from tests.support.processing import HEAD, Read, read_results
from tests.support.running import QUICK_SESSION, wait_for
from tests.support.sending import Sender

REQUIREMENTS = "--no-index\n--find-links ./wheels\n"
"""The beginning of a requirements.txt whose packages are in the folder ``wheels`` beside it."""


class Lab:
    """A laboratory's folder, and containers in it that process ``topic``."""

    def __init__(self, folder: Path, image: str, kafka: Broker) -> None:
        self.folder = lab_folder(folder, kafka.bootstrap)
        config = self.folder / "config.config"  # one that is killed is to be missed at once
        config.write_text(config.read_text().replace("\n[consumer]\n", QUICK_SESSION))
        self.code = self.folder / "my_folder"
        self.code.mkdir()
        with (self.folder / "openmsi.env").open("a") as file:
            file.write("SECRET_KEY_ID=hidden\nPROCESSOR_UNIT=mm\n")
        self.image = image
        self.topic, self.results = kafka.create_topic(), kafka.create_topic()
        self.sender = Sender(kafka.bootstrap, self.topic)
        self.bootstrap = kafka.bootstrap
        self.containers: list[Container] = []

    def start(self, *options: str) -> Container:
        """The code of `write`, in a mounted folder."""
        mounts = ("-v", "./my_folder:/home/openmsi/custom_folder", "-v", "./config.config:/home/openmsi/config.config")
        topics = ("--topic_name", self.topic, "--producer_topic_name", self.results)
        command = ("StreamProcessor", "custom_folder/code.py", "--config", "config.config", *topics)
        return self.run(*mounts, *options, self.image, *command, "--output_dir", "data")

    def run(self, *arguments: str) -> Container:
        """``docker run`` with what is always the same; the host's network because the test's broker is there."""
        always = ("-v", "./downloads:/home/openmsi/data", "--env-file", "openmsi.env", "--network", "host")
        self.containers.append(Container(self.folder, *always, *arguments))
        return self.containers[-1]

    def write(self, code: str, requirements: str = "") -> None:
        (self.code / "code.py").write_text(HEAD + code)
        if requirements:
            (self.code / "requirements.txt").write_text(REQUIREMENTS + requirements)

    def read(self) -> dict[str, list[Read]]:
        return read_results(self.bootstrap, self.results)

    def gives(self, paths: set[str], container: Container) -> dict[str, list[Read]]:
        """The results, once there is one for each of ``paths``."""
        try:
            wait_for(lambda: self.read().keys() >= paths, "the results", 60)
        except AssertionError:
            print(container.output)
            raise
        return self.read()
