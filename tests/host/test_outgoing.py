"""What the error of a request says: it was never sent, or it may have left."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from qwoty_integrations_host import why_unsent

SECRET = "SecretOfOurs"


@pytest.fixture
def answering() -> Iterator[Callable[[bytes], str]]:
    """A function that answers one connection with these bytes, and returns the address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threads = []

        def serve(raw: bytes) -> str:
            def answer() -> None:
                line, _ = server.accept()
                with line:
                    line.recv(65536)
                    line.sendall(raw)

            threads.append(threading.Thread(target=answer))
            threads[-1].start()
            return f"http://127.0.0.1:{server.getsockname()[1]}/"

        yield serve
        for thread in threads:
            thread.join()


def error_of(url: str, **given: Any) -> Exception:
    with pytest.raises((requests.RequestException, ValueError)) as failed:
        requests.post(url, timeout=5, **given).json()
    return failed.value


@pytest.mark.parametrize(
    ("url", "given"),
    [
        ("http://127.0.0.1:1/", {"headers": {"Idempotency-Key": f"{SECRET} 日本"}}),
        ("http://127.0.0.1:1/", {"headers": {"Authorization": f"Bearer {SECRET}\n"}}),
        ("http://127.0.0.1:1/", {"headers": {"Authorization": f" {SECRET}"}}),
        ("http://127.0.0.1:1/", {"data": {"text": f"{SECRET}\ud800"}}),
        ("http://127.0.0.1:1/", {"json": {"amount": float("nan")}}),
        (f"{SECRET}.example/", {}),
        (f"ftp://{SECRET}.example/", {}),
        (f"http://{SECRET}..example/", {}),
        (f"http://{'a' * 64}.example/{SECRET}", {}),
        (f"http://127.0.0.1:99999/{SECRET}", {}),
        ("http://", {}),
    ],
    ids=lambda found: ascii(found)[:40],
)
def test_an_unsendable_request_is_recognized_and_its_cause_holds_no_secret(url: str, given: dict[str, Any]) -> None:
    unsent = why_unsent(error_of(url, **given))

    assert unsent is not None
    assert str(unsent)
    assert SECRET not in str(unsent)
    assert unsent.__traceback__ is not None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"nonsense\r\n\r\n",
    ],
)
def test_a_request_with_an_invalid_answer_does_not_count_as_unsendable(
    answering: Callable[[bytes], str], raw: bytes
) -> None:
    assert why_unsent(error_of(answering(raw), data={"a": "b"})) is None


def test_a_connection_failure_does_not_count_as_an_unsendable_request() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    assert why_unsent(error_of(f"http://127.0.0.1:{port}/")) is None
    assert why_unsent(error_of("http://nowhere.invalid/")) is None
    assert why_unsent(None) is None
