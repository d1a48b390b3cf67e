"""The HTTP server: waitress with timeouts and limits against slow clients (ADR 0074).

Waitress reads a whole request in one event loop before a thread works on it. It has no limit on the time that a client
takes to send the request or to read the response: a client that sends a byte now and then keeps its connection for
good, and one that reads nothing keeps its thread. Nor does it limit the memory of all pending requests together.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from flask import Flask
from waitress.adjustments import Adjustments  # type: ignore[import-untyped]
from waitress.channel import HTTPChannel  # type: ignore[import-untyped]
from waitress.server import TcpWSGIServer  # type: ignore[import-untyped]

from .app import MAX_BODY_BYTES

#: Waitress reads a body before the request is authenticated. The limit is a little above the application's, so that the
#: application itself can explain the rejection. The second limit is for all bodies in memory together.
_MOST_BODY_BYTES = MAX_BODY_BYTES + MAX_BODY_BYTES // 8
_MOST_BYTES_IN_MEMORY = 64_000_000
_MOST_HEADER_BYTES = 65_536
#: The number of threads that handle requests. No request waits for a service.
_THREADS = 8
#: The most requests that one connection may pipeline. Browsers and proxies send one.
_MOST_REQUESTS = 4
#: At 500 connections the 50 slowest are closed, except those younger than two seconds. The maximum is well below the
#: usual limit of 1,024 open files.
_CONNECTIONS, _CLOSED_AT_ONCE, _MOST_CONNECTIONS = 500, 50, 700
_NEW_SECONDS = 2
#: How long a connection may be idle, a request may take to arrive, and the client may read nothing.
_TIMEOUT_SECONDS = 60
_CHECK_EVERY_SECONDS = 5


class _Channel(HTTPChannel):  # type: ignore[misc] # waitress has no types
    """A connection that stores since when the server waits for its client to send a request or to read a response."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.connected_at = self.waits_since = time.monotonic()
        self.is_idle = True

    @property
    def waits_for_client(self) -> bool:
        return not self.requests or bool(self.total_outbufs_len)

    @property
    def body_bytes(self) -> int:
        return sum(each.body_bytes_received for each in (*self.requests, self.request) if each)

    def received(self, data: bytes) -> bool:
        """Read data of the client's request."""
        if self.is_idle:
            self.is_idle, self.waits_since = False, time.monotonic()
        self.server.memory.most_bytes += len(data)
        has_data = bool(super().received(data))
        if len(self.requests) > _MOST_REQUESTS:
            self.handle_close()
        return has_data

    def write_soon(self, data: Any) -> int:
        """Queue data of a response; the client may send its next request once it has read it."""
        self.is_idle = True
        if not self.total_outbufs_len:
            self.waits_since = time.monotonic()
        return int(super().write_soon(data))

    def send(self, data: bytes, do_close: bool = True) -> int:
        """Send what the client reads; return the number of bytes."""
        sent = int(super().send(data, do_close))
        if sent:
            self.waits_since = time.monotonic()
        return sent


@dataclass(slots=True)
class _Memory:
    """An upper bound of the bodies in memory. They are counted only when this much may be too much."""

    most_bytes: int = 0


class Server(TcpWSGIServer):  # type: ignore[misc]
    """Closes connections of slow clients: after a minute, or earlier if new connections need room.

    It closes them directly, because waitress' own ``will_close`` waits until the client reads something.
    """

    channel_class = _Channel

    def __init__(self, *args: Any, memory: _Memory | None = None, **options: Any) -> None:
        self.memory = memory or _Memory()
        super().__init__(*args, **options)

    def maintenance(self, now: float) -> None:
        """Close connections that time out; waitress calls this periodically."""
        for channel in self._slowest_first():
            if time.monotonic() - channel.waits_since > _TIMEOUT_SECONDS:
                channel.handle_close()

    def readable(self) -> bool:
        """Make room for a new connection, and return whether one may be accepted."""
        if len(self.active_channels) >= _CONNECTIONS:
            old = [each for each in self._slowest_first() if time.monotonic() - each.connected_at >= _NEW_SECONDS]
            for channel in old[:_CLOSED_AT_ONCE]:
                channel.handle_close()
        if self.memory.most_bytes > _MOST_BYTES_IN_MEMORY:
            self._free_memory()
        return bool(super().readable())

    def _free_memory(self) -> None:
        in_memory = sum(each.body_bytes for each in self.active_channels.values())
        for channel in self._slowest_first() if in_memory > _MOST_BYTES_IN_MEMORY else ():
            if in_memory > _MOST_BYTES_IN_MEMORY and channel.body_bytes:
                in_memory -= channel.body_bytes
                channel.handle_close()
        self.memory.most_bytes = in_memory

    def _slowest_first(self) -> list[_Channel]:
        """Return the connections that wait for their client, the longest first."""
        waiting = [each for each in self.active_channels.values() if each.waits_for_client]
        return sorted(waiting, key=lambda each: each.waits_since)


def create_server(app: Flask, address: str, port: int) -> Server:
    """Return a server that listens; ``run()`` serves. Raises: OSError, ValueError when it cannot listen."""
    adjustments = Adjustments(
        host=address,
        port=port,
        threads=_THREADS,
        ident="qwoty",
        max_request_body_size=_MOST_BODY_BYTES,
        # This is above the largest body, so that waitress writes no body to a file.
        inbuf_overflow=2 * _MOST_BODY_BYTES,
        max_request_header_size=_MOST_HEADER_BYTES,
        cleanup_interval=_CHECK_EVERY_SECONDS,
        # proxies.py decides which headers to trust.
        clear_untrusted_proxy_headers=False,
        connection_limit=_MOST_CONNECTIONS,
        asyncore_use_poll=True,
    )
    # A name such as localhost or * may mean several addresses. Each gets a server, all with one port and in one loop.
    loop: dict[int, Any] = {}
    first = Server(app, loop, adj=adjustments, sockinfo=adjustments.listen[0])
    for family, kind, protocol, (where, _, *more) in adjustments.listen[1:]:
        sockinfo = family, kind, protocol, (where, int(first.effective_port), *more)
        other = Server(
            app, loop, dispatcher=first.task_dispatcher, adj=adjustments, sockinfo=sockinfo, memory=first.memory
        )
        other.active_channels = first.active_channels
    return first
