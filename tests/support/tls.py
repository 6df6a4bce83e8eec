"""An authority with certificates of any kind, and a server that shows one: no broker, its handshake alone."""

import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Authority:
    """Makes certificates in ``folder``, by the program openssl."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        self.pem = folder / "ca.pem"
        self._openssl("req", "-x509", *_KEY, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=lab", "-days", "90")

    def certificate(self, names: str, days: int) -> tuple[Path, Path]:
        """Certificate and key for ``names`` (such as ``IP:127.0.0.1``), good for ``days`` from now on."""
        (self._folder / "names").write_text(f"subjectAltName={names}")
        self._openssl("req", *_KEY, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=broker")
        signer = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names")
        self._openssl("x509", "-req", "-in", "server.csr", *signer, "-days", str(days), "-out", "server.pem")
        return self._folder / "server.pem", self._folder / "server.key"

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self._folder, check=True, capture_output=True, timeout=30)


@contextlib.contextmanager
def serving(certificate: tuple[Path, Path] | None) -> Iterator[str]:
    """The address of a server that shakes hands and hangs up; without a ``certificate`` it never says a word."""
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener, context), daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # wakes accept()


def _serve(listener: socket.socket, context: ssl.SSLContext | None) -> None:
    silent: list[socket.socket] = []
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            break
        if context is None:
            silent.append(client)
            continue
        with client, contextlib.suppress(OSError), context.wrap_socket(client, server_side=True) as secure:
            secure.recv(1)
    for client in silent:
        client.close()
