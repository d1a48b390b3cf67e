"""The stand-in for the service: it stores notes, over real HTTP on this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

TOKEN = "tok_StandIn00000001"


@dataclass
class Service:
    """The service's notes, and how it misbehaves in a test."""

    address: str = ""
    notes: list[dict[str, str]] = field(default_factory=list)
    #: If set, every request gets this status.
    status: int | None = None
    refused_tokens: set[str] = field(default_factory=set)

    def about(self, quote_id: str) -> list[dict[str, str]]:
        """Return the notes about a quote."""
        return [note for note in self.notes if note["reference"].partition("/")[2] == quote_id]


@contextmanager
def running_service() -> Iterator[Service]:
    """Run the service on a free port of this machine."""
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            (reference,) = parse_qs(urlsplit(self.path).query)["reference"]
            self._respond({"data": [note for note in service.notes if note["reference"] == reference]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            note = {**body, "id": f"note_{len(service.notes) + 1}"}
            if self._status() == 200:
                service.notes.append(note)  # before the response, after which a test may look
            self._respond(note)

        def _status(self) -> int:
            token = self.headers["Authorization"].removeprefix("Bearer ")
            return service.status or (401 if token in service.refused_tokens else 200)

        def _respond(self, body: object) -> None:
            sent = json.dumps(body).encode()
            self.send_response(self._status())
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
