"""A store that has no time is left alone for as long as it asks."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from openmsi_core.errors import Retryable
from openmsi_s3_transfer.bucket import Abilities, Bucket
from openmsi_s3_transfer.quiet import Quiet
from tests.support.putting import destination, staged
from tests.support.transferring import clients_for


class Full(BaseHTTPRequestHandler):
    """Has no time now."""

    asked = 0

    def do_PUT(self) -> None:
        """Say so."""
        type(self).asked += 1
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(503)
        self.send_header("Retry-After", "7")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def test_a_busy_store_is_left_alone_for_as_long_as_it_asks(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Full) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        clients = clients_for(f"http://127.0.0.1:{server.server_port}", tmp_path)
        bucket = Bucket(clients, "bucket", Abilities(conditions=True, checksum="sha256"))
        now = 0.0
        Quiet(clients, threading.Event(), lambda: now)
        with destination(bucket, tmp_path) as place:
            for moment, asked in ((0.0, 1), (6.9, 1), (7.0, 2)):  # told until when, too early, in time and told again
                now = moment
                with pytest.raises(Retryable, match="busy"):
                    place.deliver(staged(tmp_path, b"content"))
                assert Full.asked == asked
        clients.quick.close()
        server.shutdown()
