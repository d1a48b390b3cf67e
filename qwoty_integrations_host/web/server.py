"""The server at the door: waitress, so that whoever holds a connection holds no thread and no place (ADR 0074).

Waitress takes a request in whole, in one loop for all connections, before a thread begins to work on it. What it lacks
is a limit on how long that may take: a connection that sends a byte now and then stays for good, and so many of them
that the server accepts nobody any more.
"""

from __future__ import annotations

import time
from typing import Any

from flask import Flask
from waitress.adjustments import Adjustments  # type: ignore[import-untyped]
from waitress.channel import HTTPChannel  # type: ignore[import-untyped]
from waitress.server import TcpWSGIServer  # type: ignore[import-untyped]

from .app import MAX_BODY_BYTES

#: Waitress keeps a body, and be it on disk, before anybody is asked for a key; only up to here do we say why not.
_MOST_KEPT_BYTES = 4 * MAX_BODY_BYTES
_MOST_HEADER_BYTES = 65_536
#: Requests that are worked at once; none of them waits for a service.
_THREADS = 8
#: Connections, well below the thousand files that a process may usually open; when all are taken, a tenth makes room.
_CONNECTIONS, _ROOM = 500, 50
#: How long a connection may rest, and how long a whole request may take to arrive.
_REST_SECONDS = 60
_LOOKS_EVERY_SECONDS = 5


class _Channel(HTTPChannel):  # type: ignore[misc] # waitress has no types
    """A connection that knows since when it is waited for: not since its last byte."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.waits_since = time.monotonic()

    def service(self) -> None:
        """Answer a request."""
        super().service()
        self.waits_since = time.monotonic()

    @property
    def is_waited_for(self) -> bool:
        return not self.requests and not self.total_outbufs_len


class Server(TcpWSGIServer):  # type: ignore[misc]
    """Lets go of who keeps it waiting: after a minute, and at once when there is no other place for who comes."""

    channel_class = _Channel

    def maintenance(self, now: float) -> None:
        """Close what has rested for too long; waitress calls it from time to time."""
        super().maintenance(now)
        for channel in self._waited_for():
            channel.will_close |= time.monotonic() - channel.waits_since > _REST_SECONDS

    def readable(self) -> bool:
        """Whether somebody may come in: always, though others may have to go."""
        if len(self.active_channels) >= _CONNECTIONS:
            for channel in sorted(self._waited_for(), key=lambda each: each.waits_since)[:_ROOM]:
                channel.will_close = True
        return bool(super().readable())

    def _waited_for(self) -> list[_Channel]:
        return [each for each in self.active_channels.values() if each.is_waited_for]


def create_server(app: Flask, address: str, port: int) -> Server:
    """Give the server, which listens already; ``run()`` answers. Raises: OSError, ValueError when it cannot listen."""
    adjustments = Adjustments(
        host=address,
        port=port,
        threads=_THREADS,
        ident="qwoty",
        max_request_body_size=_MOST_KEPT_BYTES,
        max_request_header_size=_MOST_HEADER_BYTES,
        channel_timeout=_REST_SECONDS,
        cleanup_interval=_LOOKS_EVERY_SECONDS,
        # Whom to believe is our own decision.
        clear_untrusted_proxy_headers=False,
        # Above our own, which makes room instead of accepting nobody.
        connection_limit=2 * _CONNECTIONS,
        asyncore_use_poll=True,
    )
    return Server(app, adj=adjustments, sockinfo=adjustments.listen[0])
