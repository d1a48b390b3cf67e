"""The network of a test: refused, or overheard. Both are about what Python's own sockets do."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from unittest.mock import patch

#: In which block the code runs. The host calls hooks in threads of their own, with the context of whoever waits.
_BLOCK: ContextVar[object] = ContextVar("block", default=None)


@contextmanager
def _inside(block: object) -> Iterator[None]:
    token = _BLOCK.set(block)
    try:
        yield
    finally:
        _BLOCK.reset(token)


@contextmanager
def no_network(resolve: Callable[..., Any] | None = None, *, noted: list[str] | None = None) -> Iterator[list[str]]:
    """Refuse every socket and every name, and note each try in the list that is given (``noted``, or a new one).

    No thread gets a new connection; the hooks that are called in the block send nothing over an old one either (other
    threads may be the stand-in's, which still answer). ``resolve`` may answer for names instead; what it raises or
    gives is what the caller gets.
    """
    asked: list[str] = [] if noted is None else noted
    block = object()

    def refuse(*_: Any, **__: Any) -> Any:
        asked.append("a socket")
        raise OSError("The network is blocked in this test.")

    def lookup(host: Any, *rest: Any, **options: Any) -> Any:
        return refuse() if resolve is None else resolve(host, *rest, **options)

    def unless_mine(send: Callable[..., Any]) -> Callable[..., Any]:
        def sending(*given: Any) -> Any:
            return refuse() if _BLOCK.get() is block else send(*given)

        return sending

    with (
        _inside(block),
        patch.object(socket.socket, "connect", refuse),
        patch.object(socket.socket, "connect_ex", refuse),
        patch.object(socket.socket, "sendto", refuse),
        patch.object(socket.socket, "send", unless_mine(socket.socket.send)),
        patch.object(socket.socket, "sendall", unless_mine(socket.socket.sendall)),
        patch.object(socket, "getaddrinfo", lookup),
    ):
        yield asked


@contextmanager
def overheard() -> Iterator[bytearray]:
    """Give what the hooks that are called in the block send over plain sockets (not inside TLS), as they send it."""
    heard = bytearray()
    block = object()

    def listening(send: Callable[..., Any]) -> Callable[..., Any]:
        def sending(connection: Any, data: Any, *flags: Any) -> Any:
            if _BLOCK.get() is block:
                heard.extend(bytes(data))
            return send(connection, data, *flags)

        return sending

    with (
        _inside(block),
        patch.object(socket.socket, "send", listening(socket.socket.send)),
        patch.object(socket.socket, "sendall", listening(socket.socket.sendall)),
    ):
        yield heard
