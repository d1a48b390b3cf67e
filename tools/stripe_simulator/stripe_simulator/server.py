"""The HTTP server: threads, keep-alive, and a stop that closes every connection."""

from __future__ import annotations

import contextlib
import io
import socket
import ssl
import threading
from typing import Any

from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.test import run_wsgi_app


class _Handler(WSGIRequestHandler):
    """Keeps connections open between requests, and logs nothing, since paths may have ids and tokens."""

    protocol_version = "HTTP/1.1"
    #: Send head and body together. As two packets, the second one would wait for the client's acknowledgement.
    wbufsize = -1
    _has_answered = False

    def run_wsgi(self) -> None:
        """Answer one request. Werkzeug's own method closes the connection, and waits for more of the body before."""
        environ = {**self.make_environ(), "simulator.answered_before": self._has_answered}
        self._has_answered = True
        # Read all of the body: what the application leaves unread would look like the next request.
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(int(self.headers.get("Content-Length") or 0)))
        parts, status, headers = run_wsgi_app(self.server.app, environ, buffered=True)
        body = b"".join(parts)
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        headers.setdefault("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if environ["REQUEST_METHOD"] != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def setup(self) -> None:
        super().setup()
        _open_connections(self.server).add(self.connection)

    def finish(self) -> None:
        _open_connections(self.server).discard(self.connection)
        # After a deliberate cut the connection is closed.
        with contextlib.suppress(OSError):
            super().finish()

    def log(self, *_: Any) -> None:
        return


def _open_connections(server: Any) -> set[socket.socket]:
    found: set[socket.socket] = server.open_connections
    return found


class HttpServer:
    """Serves one application on a loopback port, in its own thread."""

    def __init__(self, app: Flask, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._server: BaseWSGIServer = make_server(
            host, port, app, threaded=True, request_handler=_Handler, ssl_context=tls
        )
        self._server.open_connections = set()  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._serve, name="stripe-simulator", daemon=True)
        shown_host = f"[{host}]" if ":" in host else host
        self.url = f"{'https' if tls else 'http'}://{shown_host}:{self._server.server_port}"

    def start(self) -> None:
        self._thread.start()

    def _serve(self) -> None:
        self._server.serve_forever(poll_interval=0.05)

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        for connection in list(_open_connections(self._server)):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
