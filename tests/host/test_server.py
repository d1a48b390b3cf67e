"""The server disconnects clients that keep it waiting, and no others. The test sets its clock."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from flask import Flask, request

from qwoty_integrations_host.web import server as door

#: More than the kernel buffers for a client that reads nothing, and less than waitress buffers before a thread waits.
BIG = 15_000_000


class Standing:
    """A monotonic clock that the test moves."""

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
def left() -> threading.Event:
    """Set when no thread works on the long answer any more."""
    return threading.Event()


@pytest.fixture
def app(begun: threading.Event, released: threading.Event, left: threading.Event) -> Flask:
    app = Flask("door", static_folder=None)

    @app.route("/", methods=["GET", "POST"])
    def answer() -> str:
        begun.set()
        if request.args.get("slowly"):
            released.wait(30)
        return "well"

    @app.route("/big")
    def big() -> str:
        return "x" * BIG

    @app.route("/long")
    def long() -> Iterator[str]:
        try:
            for _ in range(10):
                yield "x" * BIG
        finally:
            left.set()

    return app


@pytest.fixture
def server(app: Flask, time: Standing, released: threading.Event) -> Iterator[Any]:
    """A server whose event loop the test runs step by step."""
    found = door.create_server(app, "127.0.0.1", 0)
    yield found
    released.set()
    found.task_dispatcher.shutdown()
    for each in list(found._map.values()):
        each.close()


def turn(server: Any, times: int = 20) -> None:
    """Let the server handle its connections once, without waiting."""
    for _ in range(times):
        server.next_channel_cleanup = 0
        server.asyncore.loop(timeout=0.01, map=server._map, use_poll=True, count=1)


def connect(server: Any, words: bytes = b"", address: str = "127.0.0.1") -> socket.socket:
    line = socket.create_connection((address, server.effective_port), 10)
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


def answered(server: Any, line: socket.socket, words: bytes = b"GET / HTTP/1.1\r\n\r\n") -> bytes:
    """Send a request, and return the answer when it is complete."""
    line.setblocking(True)
    line.settimeout(0.05)
    line.sendall(words)
    answer = b""
    while not answer.endswith(b"well") or is_at_work(server):
        turn(server, 1)
        with suppress(TimeoutError):
            answer += line.recv(1000)
    return answer


def is_at_work(server: Any) -> bool:
    return any(each.requests for each in server.active_channels.values())


def take_nothing(server: Any, path: bytes) -> socket.socket:
    """Request more than the kernel buffers, and read nothing of it."""
    line = connect(server, b"GET " + path + b" HTTP/1.1\r\n\r\n")
    while not any(each.total_outbufs_len for each in server.active_channels.values()):
        turn(server, 1)
    return line


HALF = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 900\r\n\r\n{"


@pytest.mark.parametrize("words", [b"", b"POST / HT", HALF], ids=["nothing", "half a header", "half a body"])
def test_a_client_that_does_not_finish_its_request_within_a_minute_is_disconnected(
    server: Any, time: Standing, words: bytes
) -> None:
    with connect(server, words) as line:
        time.now += 59
        assert not is_closed(server, line)
        time.now += 2
        assert is_closed(server, line)


def test_sending_single_bytes_does_not_extend_the_minute(server: Any, time: Standing) -> None:
    with connect(server, b"POST / HTTP/1.1\r\n") as line:
        for letter in b"X-A: b":
            time.now += 10
            if is_closed(server, line):
                return
            line.setblocking(True)
            line.sendall(bytes([letter]))
        time.now += 10
        assert is_closed(server, line)


def test_a_request_that_is_being_answered_keeps_its_connection(
    server: Any, time: Standing, begun: threading.Event, released: threading.Event
) -> None:
    with connect(server, b"GET /?slowly=1 HTTP/1.1\r\nHost: h\r\n\r\n") as line:
        while not begun.is_set():
            turn(server, 1)
        time.now += 3600
        assert not is_closed(server, line)
        released.set()
        assert b" 200 " in answered(server, line, b"")


def test_a_new_client_replaces_the_one_that_kept_the_server_waiting_longest(
    server: Any, time: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "_CONNECTIONS", 3)
    monkeypatch.setattr(door, "_CLOSED_AT_ONCE", 1)
    lines = []
    for _ in range(2):
        lines.append(connect(server, HALF))
        time.now += 1
    assert not any(is_closed(server, line) for line in lines)

    lines.append(connect(server, HALF))

    assert [is_closed(server, line) for line in lines] == [True, False, False]
    for line in lines:
        line.close()


@pytest.mark.parametrize(("asks", "gone"), [(4, False), (5, True), (300, True)])
def test_a_client_that_sends_too_many_requests_without_waiting_for_answers_is_disconnected(
    server: Any, asks: int, gone: bool
) -> None:
    with connect(server, b"GET /?slowly=1 HTTP/1.1\r\n\r\n" + b"GET / HTTP/1.1\r\n\r\n" * (asks - 1)) as line:
        assert is_closed(server, line) is gone


def test_a_client_that_reads_nothing_for_a_minute_holds_no_thread(
    server: Any, time: Standing, left: threading.Event
) -> None:
    with take_nothing(server, b"/long"):
        time.now += 59
        turn(server)
        assert server.active_channels and not left.is_set()
        time.now += 2
        turn(server)
        assert not server.active_channels
        assert left.wait(30)


def test_a_client_that_reads_nothing_makes_room_for_a_new_client(
    server: Any, time: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "_CONNECTIONS", 2)
    monkeypatch.setattr(door, "_CLOSED_AT_ONCE", 1)
    with take_nothing(server, b"/big"):
        while is_at_work(server):
            turn(server, 1)
        (idle,) = server.active_channels.values()
        time.now += 2
        with connect(server) as line:
            assert b" 200 " in answered(server, line)
            assert idle not in server.active_channels.values()


def test_a_client_that_just_connected_keeps_its_place(
    server: Any, time: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "_CONNECTIONS", 2)
    monkeypatch.setattr(door, "_CLOSED_AT_ONCE", 1)
    with connect(server) as first, connect(server) as second:
        assert not is_closed(server, first)
        time.now += 2
        assert is_closed(server, first) and not is_closed(server, second)


def test_each_request_on_a_connection_has_a_whole_minute(server: Any, time: Standing) -> None:
    with connect(server) as line:
        for _ in range(2):
            time.now += 50
            turn(server)
            line.setblocking(True)
            line.sendall(b"GET / HTTP/1.1\r\n")
            turn(server)
            time.now += 50
            turn(server)
            assert b" 200 " in answered(server, line, b"\r\n")


def test_empty_lines_do_not_extend_the_minute(server: Any, time: Standing) -> None:
    with connect(server, b"\r\n") as line:
        for _ in range(7):
            time.now += 10
            if is_closed(server, line):
                return
            line.setblocking(True)
            line.sendall(b"\r\n")
        raise AssertionError("it is still here")


def test_every_address_of_a_name_is_served_on_one_port(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in ("127.0.0.1", "127.0.0.2")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: both)
    server = door.create_server(app, "two.example", 0)
    monkeypatch.undo()
    try:
        for address in ("127.0.0.1", "127.0.0.2"):
            with connect(server, address=address) as line:
                assert b" 200 " in answered(server, line)
    finally:
        server.task_dispatcher.shutdown()
        for each in list(server._map.values()):
            each.close()


def say_a_body(server: Any, line: socket.socket, size: int) -> None:
    line.sendall(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (size + 1))
    for _ in range(size // 50_000):
        line.sendall(b" " * 50_000)
        turn(server)


def test_a_request_body_is_not_written_to_a_file_before_authentication(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    files: list[Any] = []
    monkeypatch.setattr(tempfile, "TemporaryFile", files.append)
    with connect(server) as line:
        say_a_body(server, line, 1_950_000)

        assert sum(each.body_bytes for each in server.active_channels.values()) == 1_950_000
        assert files == []


def test_a_client_that_does_not_finish_its_body_makes_room_for_the_bodies_of_others(
    server: Any, time: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "_MOST_BYTES_IN_MEMORY", 250_000)
    with connect(server) as silent, connect(server) as first, connect(server) as second:
        for line in (first, second):
            time.now += 1
            say_a_body(server, line, 150_000)

        assert [is_closed(server, line) for line in (silent, first, second)] == [False, True, False]
        second.setblocking(True)
        assert b" 200 " in answered(server, second, b"}")
