"""The server at the door: waitress, so that whoever holds a connection holds no thread and no place (ADR 0074).

Waitress takes a request in whole, in one loop for all connections, before a thread begins to work on it. What it lacks
is a limit on how long that may take, on how long an answer may wait to be taken, and on what all who do so may hold
together: a connection that sends a byte now and then stays for good, and one that reads nothing keeps its thread.
"""

from __future__ import annotations

import time
from typing import Any

from flask import Flask
from waitress.adjustments import Adjustments  # type: ignore[import-untyped]
from waitress.channel import HTTPChannel  # type: ignore[import-untyped]
from waitress.server import TcpWSGIServer  # type: ignore[import-untyped]

from .app import MAX_BODY_BYTES

#: Waitress takes a body in before anybody is asked for a key. A little more than the application takes, so that this
#: says itself why not; and so much of all bodies together, in memory.
_MOST_BODY_BYTES = MAX_BODY_BYTES + MAX_BODY_BYTES // 8
_MOST_KEPT_BYTES = 64_000_000
_MOST_HEADER_BYTES = 65_536
#: Requests that are worked at once; none of them waits for a service.
_THREADS = 8
#: Requests that one connection may send without waiting for an answer; browsers and proxies send one.
_MOST_REQUESTS = 4
#: When so many are connected, a tenth makes room, but nobody who has just come. Nobody is let in above the most, well
#: below the thousand files that a process may usually open.
_CONNECTIONS, _ROOM, _MOST_CONNECTIONS = 500, 50, 700
_NEW_SECONDS = 2
#: How long a connection may rest, how long a whole request may take to arrive, and how long the peer may take nothing.
_REST_SECONDS = 60
_LOOKS_EVERY_SECONDS = 5


class _Channel(HTTPChannel):  # type: ignore[misc] # waitress has no types
    """A connection that knows since when its peer is waited for: to say a whole request, or to take of an answer."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.came = self.waits_since = time.monotonic()
        self.rests = True

    @property
    def is_waited_for(self) -> bool:
        return not self.requests or bool(self.total_outbufs_len)

    @property
    def kept_bytes(self) -> int:
        return sum(each.body_bytes_received for each in (*self.requests, self.request) if each)

    def received(self, data: bytes) -> bool:
        """Take in what the peer says."""
        if self.rests:
            self.rests, self.waits_since = False, time.monotonic()
        taken = bool(super().received(data))
        if len(self.requests) > _MOST_REQUESTS:
            self.handle_close()
        return taken

    def write_soon(self, data: Any) -> int:
        """Answer; the peer has to take it from now on, and may ask anew when it did."""
        self.rests = True
        if not self.total_outbufs_len:
            self.waits_since = time.monotonic()
        return int(super().write_soon(data))

    def send(self, data: bytes, do_close: bool = True) -> int:
        """Send what the peer takes; gives how many bytes it took."""
        taken = int(super().send(data, do_close))
        if taken:
            self.waits_since = time.monotonic()
        return taken


class Server(TcpWSGIServer):  # type: ignore[misc]
    """Lets go of who keeps it waiting: after a minute, and at once when there is no other place for who comes.

    They are closed on the spot: waitress' own ``will_close`` waits until the peer takes something.
    """

    channel_class = _Channel

    def maintenance(self, now: float) -> None:
        """Close who has been waited for too long; waitress calls it from time to time."""
        for channel in self._waited_for():
            if time.monotonic() - channel.waits_since > _REST_SECONDS:
                channel.handle_close()

    def readable(self) -> bool:
        """Whether somebody may come in: always, though others may have to go."""
        if len(self.active_channels) >= _CONNECTIONS:
            known = [each for each in self._waited_for() if time.monotonic() - each.came >= _NEW_SECONDS]
            for channel in known[:_ROOM]:
                channel.handle_close()
        kept = sum(each.kept_bytes for each in self.active_channels.values())
        for channel in self._waited_for() if kept > _MOST_KEPT_BYTES else ():
            if kept > _MOST_KEPT_BYTES and channel.kept_bytes:
                kept -= channel.kept_bytes
                channel.handle_close()
        return bool(super().readable())

    def _waited_for(self) -> list[_Channel]:
        """Whose peers are waited for, the longest first."""
        found = [each for each in self.active_channels.values() if each.is_waited_for]
        return sorted(found, key=lambda each: each.waits_since)


def create_server(app: Flask, address: str, port: int) -> Server:
    """Give the server, which listens already; ``run()`` answers. Raises: OSError, ValueError when it cannot listen."""
    adjustments = Adjustments(
        host=address,
        port=port,
        threads=_THREADS,
        ident="qwoty",
        max_request_body_size=_MOST_BODY_BYTES,
        # Above it: no body goes to a file.
        inbuf_overflow=2 * _MOST_BODY_BYTES,
        max_request_header_size=_MOST_HEADER_BYTES,
        cleanup_interval=_LOOKS_EVERY_SECONDS,
        # Whom to believe is our own decision.
        clear_untrusted_proxy_headers=False,
        connection_limit=_MOST_CONNECTIONS,
        asyncore_use_poll=True,
    )
    # A name may have several addresses (localhost, *): one server each, on one port, in one loop.
    loop: dict[int, Any] = {}
    first = Server(app, loop, adj=adjustments, sockinfo=adjustments.listen[0])
    for family, kind, protocol, (where, _, *more) in adjustments.listen[1:]:
        sockinfo = family, kind, protocol, (where, int(first.effective_port), *more)
        other = Server(app, loop, dispatcher=first.task_dispatcher, adj=adjustments, sockinfo=sockinfo)
        other.active_channels = first.active_channels
    return first
