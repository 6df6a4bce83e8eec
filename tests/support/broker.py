"""A real Kafka broker for tests: one node, started from the jars under ``.cache/kafka`` (``tools/kafka-jars``).

Through fixtures (``tests/conftest.py``)::

    def test_x(kafka: Broker, topic: str): ...     # one broker for the whole run: never stop it
    def test_y(own_kafka: Broker): ...             # one for this test alone: stop it as you like

What it offers::

    kafka.bootstrap               "127.0.0.1:PORT", no credentials
    kafka.sasl_bootstrap          "127.0.0.1:PORT", SASL_PLAINTEXT/PLAIN, for USER with PASSWORD
    kafka.create_topic()          a new topic with a unique name and 4 partitions; returns the name
    kafka.create_topic(partitions=1, config={"max.message.bytes": "1000"})
    kafka.admin()                 a confluent_kafka AdminClient
    kafka.stop(), kafka.start()   an orderly stop (connections refused), and back: same ports, same data
    kafka.kill()                  the same without order (SIGKILL)
    kafka.freeze(), kafka.thaw()  connections stay open and nothing answers
    kafka.log                     the broker's own log file
    kafka.doors                   ways in for what stands between clients and the broker, see `Door`

The configuration is the shipped ``compose/kafka/server.properties`` with other addresses, so tests run against
what users run. The broker dies with the test process, however that ends.
"""

import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from queue import SimpleQueue

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from tests.support.doors import Door, make_doors

ROOT = Path(__file__).parents[2]
USER = "lab"
PASSWORD = "right-password"

_SHIPPED = ROOT / "compose" / "kafka" / "server.properties"
_START_SECONDS = 60
_STOP_SECONDS = 30
_DOORS = 3


def jars_folder() -> Path:
    """Where ``tools/kafka-jars`` put the broker; that program says so itself and fetches what is missing."""
    done = subprocess.run([ROOT / "tools" / "kafka-jars"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"tools/kafka-jars failed:\n{done.stderr}")
    return Path(done.stdout.strip())


def unique(stem: str = "test") -> str:
    """A name (topic, group) that no other test uses."""
    return f"{stem}-{uuid.uuid4().hex[:12]}"


class Broker:
    """One broker with its data in ``folder``; made stopped. `start` may be called again after `stop` or `kill`."""

    def __init__(self, folder: Path, jars: Path) -> None:
        self._jars = jars
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.log = folder / "broker.log"
        plain, sasl, controller, *inside = free_ports(3 + _DOORS)
        self.doors = SimpleQueue[Door]()
        """Take one with ``get``, and ``put`` it back; no two tests have the same at once."""
        for door in (doors := make_doors(inside)):
            self.doors.put(door)
        self.bootstrap = f"127.0.0.1:{plain}"
        self.sasl_bootstrap = f"127.0.0.1:{sasl}"
        folder.mkdir(parents=True, exist_ok=True)
        self._properties = folder / "server.properties"
        # Of two lines with one key, Java takes the later one.
        self._properties.write_text(
            _SHIPPED.read_text() + _addresses(plain, sasl, controller, doors) + f"log.dirs={folder / 'data'}\n"
        )

    def start(self) -> None:
        """Return when the broker answers. Raises RuntimeError with the end of its log when it does not."""
        if not (self._folder / "data").exists():
            self._run_java("kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c")
        self._process = self._spawn("kafka.Kafka")
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"the broker did not start; the end of its log:\n{self._log_tail()}")

    def stop(self) -> None:
        """Stop in order and return when the process is gone; nothing to do is fine."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Stop its clock: sockets stay open, nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Undo `freeze`."""
        self._signal(signal.SIGCONT)

    def admin(self) -> AdminClient:
        """A new client with all rights."""
        return AdminClient({"bootstrap.servers": self.bootstrap})

    def create_topic(
        self, name: str | None = None, *, partitions: int = 4, config: Mapping[str, str] | None = None
    ) -> str:
        """Make a topic and return its name; it can be written to on return."""
        name = name or unique("topic")
        topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config=dict(config or {}))
        admin = self.admin()  # the result is lost when the client goes first
        admin.create_topics([topic])[name].result(timeout=30)
        return name

    def _answers(self) -> bool:
        host, port = self.bootstrap.split(":")
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
            self.admin().list_topics(timeout=5)
        except (OSError, KafkaException):
            time.sleep(0.1)
            return False
        return True

    def _command(self, *arguments: str) -> list[str]:
        # The kernel ends the broker when the thread that started it ends, even after SIGKILL.
        prefix = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        options = ["-Xmx512m", "-XX:+UseSerialGC", "-cp", f"{self._jars}/*"]
        return [*prefix, "java", *options, *arguments, str(self._properties)]

    def _run_java(self, *arguments: str) -> None:
        with self.log.open("ab") as log:
            subprocess.run(self._command(*arguments), stdout=log, stderr=log, check=True, timeout=_START_SECONDS)

    def _spawn(self, *arguments: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(self._command(*arguments), stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "the broker is not running"
        self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.send_signal(number)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _log_tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens at now."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _addresses(plain: int, sasl: int, controller: int, doors: Sequence[Door]) -> str:
    clients = f"PLAINTEXT://127.0.0.1:{plain},SASL_PLAINTEXT://127.0.0.1:{sasl}"
    inside = "".join(f",{door.name}://{door.inside}" for door in doors)
    outside = "".join(f",{door.name}://{door.outside}" for door in doors)
    kinds = "".join(f",{door.name}:PLAINTEXT" for door in doors)
    # A killed broker may come back once its old session has ended; the default is 9 s.
    login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    return f"""
listeners={clients}{inside},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={clients}{outside}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT{kinds}
controller.quorum.voters=1@127.0.0.1:{controller}
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
group.min.session.timeout.ms=1000
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config={login} user_{USER}="{PASSWORD}";
"""
