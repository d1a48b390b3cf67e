"""Blocks or records the network traffic of a test, at the level of Python's sockets."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from unittest.mock import patch

#: The block in which the code runs. The host calls hooks in threads of their own, with the caller's context.
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
    """Refuse every connection and every DNS lookup, and add each attempt to the yielded list (``noted``, or a new one).

    No thread can open a connection. Hooks that are called in the block cannot send over an open one either; other
    threads can, since they may be the stand-in's. ``resolve`` replaces the DNS lookup.
    """
    attempts: list[str] = [] if noted is None else noted
    block = object()

    def refuse(*_: Any, **__: Any) -> Any:
        attempts.append("a socket")
        raise OSError("The network is blocked in this test.")

    def lookup(host: Any, *rest: Any, **options: Any) -> Any:
        return refuse() if resolve is None else resolve(host, *rest, **options)

    def refuse_within_block(send: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any) -> Any:
            return refuse() if _BLOCK.get() is block else send(*args)

        return wrapped

    with (
        _inside(block),
        patch.object(socket.socket, "connect", refuse),
        patch.object(socket.socket, "connect_ex", refuse),
        patch.object(socket.socket, "sendto", refuse),
        patch.object(socket.socket, "send", refuse_within_block(socket.socket.send)),
        patch.object(socket.socket, "sendall", refuse_within_block(socket.socket.sendall)),
        patch.object(socket, "getaddrinfo", lookup),
    ):
        yield attempts


@contextmanager
def recorded_traffic() -> Iterator[bytearray]:
    """Record what the hooks that are called in the block send over plain sockets, without TLS."""
    traffic = bytearray()
    block = object()

    def record(send: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(connection: Any, data: Any, *flags: Any) -> Any:
            if _BLOCK.get() is block:
                traffic.extend(bytes(data))
            return send(connection, data, *flags)

        return wrapped

    with (
        _inside(block),
        patch.object(socket.socket, "send", record(socket.socket.send)),
        patch.object(socket.socket, "sendall", record(socket.socket.sendall)),
    ):
        yield traffic
