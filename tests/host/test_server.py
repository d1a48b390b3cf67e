"""The server lets go of who keeps it waiting, and of nobody else. Its clock is set by the test."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, request

from qwoty_integrations_host.web import server as door


class Standing:
    """A monotonic clock that goes when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Standing:
    found = Standing()
    monkeypatch.setattr(door, "time", found)
    return found


@pytest.fixture
def begun() -> threading.Event:
    return threading.Event()


@pytest.fixture
def released() -> threading.Event:
    return threading.Event()


@pytest.fixture
def server(time: Standing, begun: threading.Event, released: threading.Event) -> Iterator[Any]:
    """A server whose loop the test turns by hand."""
    app = Flask("door", static_folder=None)

    @app.route("/", methods=["GET", "POST"])
    def answer() -> str:
        begun.set()
        if request.args.get("slowly"):
            released.wait(30)
        return "well"

    found = door.create_server(app, "127.0.0.1", 0)
    yield found
    released.set()
    found.task_dispatcher.shutdown()
    for each in list(found._map.values()):
        each.close()


def turn(server: Any, times: int = 20) -> None:
    """Let the server look at its connections, without waiting for any."""
    for _ in range(times):
        server.next_channel_cleanup = 0
        server.asyncore.loop(timeout=0.01, map=server._map, use_poll=True, count=1)


def connect(server: Any, words: bytes = b"") -> socket.socket:
    line = socket.create_connection(("127.0.0.1", server.effective_port), 10)
    line.sendall(words)
    turn(server)
    return line


def is_closed(server: Any, line: socket.socket) -> bool:
    turn(server)
    line.setblocking(False)
    try:
        return line.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


HALF = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 900\r\n\r\n{"


@pytest.mark.parametrize("words", [b"", b"POST / HT", HALF], ids=["nothing", "half a header", "half a body"])
def test_who_does_not_end_what_they_say_within_a_minute_is_let_go(server: Any, time: Standing, words: bytes) -> None:
    with connect(server, words) as line:
        time.now += 59
        assert not is_closed(server, line)
        time.now += 2
        assert is_closed(server, line)


def test_a_byte_now_and_then_keeps_nobody_here(server: Any, time: Standing) -> None:
    with connect(server, b"POST / HTTP/1.1\r\n") as line:
        for letter in b"X-A: b":
            time.now += 10
            if is_closed(server, line):
                return
            line.setblocking(True)
            line.sendall(bytes([letter]))
        time.now += 10
        assert is_closed(server, line)


def test_a_request_that_is_worked_keeps_its_connection_however_long_it_takes(
    server: Any, time: Standing, begun: threading.Event, released: threading.Event
) -> None:
    with connect(server, b"GET /?slowly=1 HTTP/1.1\r\nHost: h\r\n\r\n") as line:
        while not begun.is_set():
            turn(server, 1)
        time.now += 3600
        assert not is_closed(server, line)
        released.set()
        line.setblocking(True)
        line.settimeout(0.05)
        answer = b""
        while not answer:
            turn(server, 1)
            try:
                answer = line.recv(100)
            except TimeoutError:
                continue
        assert b" 200 " in answer


def test_who_comes_when_all_places_are_taken_gets_that_of_who_was_waited_for_the_longest(
    server: Any, time: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "_CONNECTIONS", 3)
    monkeypatch.setattr(door, "_ROOM", 1)
    lines = []
    for _ in range(2):
        lines.append(connect(server, HALF))
        time.now += 1
    assert not any(is_closed(server, line) for line in lines)

    lines.append(connect(server, HALF))

    assert [is_closed(server, line) for line in lines] == [True, False, False]
    for line in lines:
        line.close()
