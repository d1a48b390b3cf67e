"""Kept connections: many threads, one TLS context, connections that died, and authorities of the operator's own."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from certificates import Authority
from qwoty_integrations_host import connection_died, kept_session
from qwoty_integrations_host.network import addresses, connections
from qwoty_integrations_host.network.connections import Adapter, Session, _read, tls_context
from qwoty_integrations_host.network.downloads import NotFetched, download, plain_session, public_session

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#: What a server can do with a request instead of answering it.
CLOSE, RESET, ANSWER_AND_CLOSE = "close", "reset", "answer and close"


class Server:
    """A server whose answers a test writes: ``answers`` says what happens to each request, in their order."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.tls, self.connections, self.requests = tls, 0, []
        self.answers: list[Any] = []
        self.has_closed = threading.Event()
        self.barrier: threading.Barrier | None = None
        self.open: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.url = f"{'https' if tls else 'http'}://localhost:{self._listening.getsockname()[1]}/"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            self.open.append(connection)
            while request := self._read(connection):
                self.requests.append(request)
                if self.barrier:
                    self.barrier.wait(30)
                answer = self.answers.pop(0) if self.answers else OK
                if answer == ANSWER_AND_CLOSE:
                    connection.sendall(OK)
                if answer in {CLOSE, RESET, ANSWER_AND_CLOSE}:
                    return self._end(connection, answer)
                connection.sendall(answer)
        except OSError:
            return None

    def _end(self, connection: socket.socket, how: str) -> None:
        if how == RESET:  # closing sends a reset instead of the end
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.close()
        else:
            connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self.has_closed.set()

    def _read(self, connection: socket.socket) -> str:
        text = b""
        while b"\r\n\r\n" not in text:
            piece = connection.recv(65536)
            if not piece:
                return ""
            text += piece
        head, _, body = text.partition(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        while len(body) < length:
            body += connection.recv(65536)
        return head.split(b"\r\n")[0].decode()

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """An authority that the operator trusts."""
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.path))
    return made


@pytest.fixture
def serving() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def make(tls: ssl.SSLContext | None = None) -> Server:
        servers.append(Server(tls))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


def repeating() -> Session:
    session = Session()
    session.sends_by(Adapter(repeats=True))
    return session


def test_one_connection_carries_many_requests(serving: Any, authority: Authority) -> None:
    server = serving(authority.serves("localhost"))
    with kept_session() as session:
        for _ in range(5):
            assert session.get(server.url, timeout=10).text == "ok"

    assert (server.connections, len(server.requests)) == (1, 5)


def test_many_threads_share_the_connections_of_one_session(serving: Any, authority: Authority) -> None:
    server = serving(authority.serves("localhost"))
    threads = 16
    server.barrier = threading.Barrier(threads)  # each round has all requests under way at once

    with kept_session() as session, ThreadPoolExecutor(threads) as pool:
        for _ in range(5):
            answers = list(
                pool.map(lambda number: session.post(server.url, data=f"{number}", timeout=30), range(threads))
            )
            assert [answer.text for answer in answers] == ["ok"] * threads

    assert (server.connections, len(server.requests)) == (threads, 5 * threads)


def test_the_certificates_of_the_authorities_are_read_once(
    serving: Any, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    _read.cache_clear()
    read: list[Any] = []
    real = ssl.SSLContext.load_verify_locations
    monkeypatch.setattr(
        ssl.SSLContext, "load_verify_locations", lambda self, *a, **k: read.append((a, k)) or real(self, *a, **k)
    )
    tls = authority.serves("localhost")
    for server in (serving(tls), serving(tls), serving(tls)):
        with kept_session() as session:
            session.get(server.url, timeout=10)

    assert len(read) == 2, "one file of requests', one of the operator's"


def test_an_authority_that_nobody_named_is_not_trusted(
    serving: Any, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    server = serving(authority.serves("localhost"))

    with kept_session() as session, pytest.raises(requests.exceptions.SSLError):
        session.get(server.url, timeout=10)

    assert server.requests == []


def test_a_certificate_of_another_name_is_not_trusted(serving: Any, authority: Authority) -> None:
    server = serving(authority.serves("other.example"))

    with kept_session() as session, pytest.raises(requests.exceptions.SSLError):
        session.get(server.url, timeout=10)

    assert server.requests == []


def test_the_operators_authority_comes_on_top_of_the_usual_ones(authority: Authority) -> None:
    usual = tls_context(requests.certs.where(), "")

    both = tls_context(requests.certs.where(), str(authority.path))

    assert len(both.get_ca_certs()) == len(usual.get_ca_certs()) + 1


def test_a_missing_file_of_authorities_is_an_error_of_the_connection(
    serving: Any, authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    server = serving(authority.serves("localhost"))

    with kept_session() as session, pytest.raises(requests.exceptions.SSLError, match=r"none\.pem"):
        session.get(server.url, timeout=10)


@pytest.mark.parametrize("how", [CLOSE, RESET])
@pytest.mark.parametrize("tls", [False, True])
def test_a_kept_connection_without_an_answer_has_an_error_of_its_own(
    serving: Any, authority: Authority, how: str, tls: bool
) -> None:
    server = serving(authority.serves("localhost") if tls else None)
    server.answers = [OK, how]

    with kept_session() as session:
        session.get(server.url, timeout=10)
        with pytest.raises(requests.ConnectionError) as caught:
            session.post(server.url, data="x", timeout=10)
        assert connection_died(caught.value)
        assert session.post(server.url, data="x", timeout=10).text == "ok"

    assert (server.connections, len(server.requests)) == (2, 3)


@pytest.mark.parametrize("how", [CLOSE, RESET])
def test_a_new_connection_without_an_answer_is_no_kept_one(serving: Any, how: str) -> None:
    server = serving()
    server.answers = [how]

    with repeating() as session, pytest.raises(requests.ConnectionError) as caught:
        session.get(server.url, timeout=10)

    assert not connection_died(caught.value)
    assert len(server.requests) == 1


@pytest.mark.parametrize("how", [CLOSE, RESET])
def test_a_session_that_repeats_sends_the_request_once_more_over_a_new_connection(serving: Any, how: str) -> None:
    server = serving()
    server.answers = [OK, how]

    with repeating() as session:
        session.get(server.url, timeout=10)
        assert session.get(server.url, timeout=10).text == "ok"

    assert (server.connections, len(server.requests)) == (2, 3)


def test_a_request_is_repeated_once_only(serving: Any) -> None:
    server = serving()
    server.answers = [OK, CLOSE, CLOSE]

    with repeating() as session:
        session.get(server.url, timeout=10)
        with pytest.raises(requests.ConnectionError):
            session.get(server.url, timeout=10)

    assert len(server.requests) == 3


def test_a_request_without_an_answer_in_time_is_not_repeated(serving: Any) -> None:
    server = serving()
    server.answers = [OK, b""]

    with repeating() as session:
        session.get(server.url, timeout=10)
        with pytest.raises(requests.ReadTimeout):
            session.get(server.url, timeout=0.2)

    assert len(server.requests) == 2


def test_an_answer_that_breaks_off_is_not_repeated(serving: Any) -> None:
    server = serving()
    server.answers = [OK, b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nok", CLOSE]

    with repeating() as session:
        session.get(server.url, timeout=10)
        with session.get(server.url, timeout=10, stream=True) as answer:
            server.open[0].shutdown(socket.SHUT_RDWR)
            with pytest.raises(requests.RequestException):
                _ = answer.content

    assert len(server.requests) == 2


def test_a_connection_that_the_server_closed_while_it_rested_is_not_used(serving: Any) -> None:
    server = serving()
    server.answers = [ANSWER_AND_CLOSE]

    with kept_session() as session:
        session.get(server.url, timeout=10)
        assert server.has_closed.wait(30)
        assert session.post(server.url, timeout=10).text == "ok"

    assert server.connections == 2


def test_a_connection_that_rested_for_long_is_not_used(serving: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serving()
    now = [0.0]
    monkeypatch.setattr(connections, "monotonic", lambda: now[0])

    with kept_session() as session:
        for moment in (0, 50, 100, 161):
            now[0] = moment
            session.get(server.url, timeout=10)

    assert server.connections == 2


def test_a_session_keeps_no_cookies_and_follows_no_redirects(serving: Any) -> None:
    server = serving()
    server.answers = [
        b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n",
    ]

    with kept_session() as session:
        assert session.get(server.url, timeout=10).status_code == 302
        assert list(session.cookies) == []

    assert server.requests == ["GET / HTTP/1.1"]


def test_a_kept_connection_still_leads_to_the_address_that_was_checked(
    serving: Any, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serving(authority.serves("localhost"))
    looked_up: list[str] = []

    def is_public(address: str) -> bool:
        looked_up.append(address)
        return len(looked_up) <= len(first)

    first = ["127.0.0.1"]
    monkeypatch.setattr(addresses, "is_public", is_public)
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda _, port, *__, **___: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))],
    )

    assert download(server.url, most_bytes=9) == b"ok"
    assert download(server.url, most_bytes=9) == b"ok"
    assert looked_up == first
    # A new connection asks again: by then the name leads elsewhere.
    server.answers = [CLOSE]
    with pytest.raises(NotFetched, match="private address"):
        download(server.url, most_bytes=9)

    assert (server.connections, len(server.requests)) == (1, 3)


@pytest.mark.parametrize("names_it", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_an_https_proxy_is_trusted_by_the_same_authorities_as_the_server(
    serving: Any, authority: Authority, monkeypatch: pytest.MonkeyPatch, names_it: str
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setenv(names_it, str(authority.path))
    server = serving(authority.serves("localhost"))
    server.answers = [b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"]
    monkeypatch.setenv("HTTPS_PROXY", server.url)

    with repeating() as session:
        session.trust_env = True
        with pytest.raises(requests.exceptions.ProxyError):
            session.get("https://elsewhere.example/", timeout=10)

    assert server.requests == ["CONNECT elsewhere.example:443 HTTP/1.0"]


def test_an_operators_own_file_does_not_replace_the_authorities_for_an_https_proxy(
    serving: Any, authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "mail").mkdir()
    monkeypatch.setenv("SSL_CERT_FILE", str(Authority(tmp_path / "mail").path))
    server = serving(authority.serves("localhost"))
    server.answers = [b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"]

    with kept_session() as session:
        session.proxies = {"https": server.url}
        with pytest.raises(requests.exceptions.ProxyError):
            session.get("https://elsewhere.example/", timeout=10, verify=str(authority.path))

    assert len(server.requests) == 1


def test_a_socks_proxy_keeps_the_connections_that_lead_through_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class SocksManager:
        """Stands for urllib3's own, which needs PySocks."""

        def __init__(self, *_: Any, **__: Any) -> None:
            self.pool_classes_by_scheme = {"https": "through the proxy"}

    monkeypatch.setattr(requests.adapters, "SOCKSProxyManager", SocksManager)

    manager = Adapter().proxy_manager_for("socks5h://localhost:1080")

    assert manager.pool_classes_by_scheme == {"https": "through the proxy"}


def test_sessions_with_and_without_proxies_are_kept_apart() -> None:
    assert public_session(proxies=True).trust_env
    assert not public_session().trust_env
    assert public_session() is public_session()
    assert len({id(public_session()), id(public_session(proxies=True)), id(plain_session())}) == 3
