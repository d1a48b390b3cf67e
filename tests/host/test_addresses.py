"""Which addresses are public, and that the host connects only to addresses that it has found public."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from certificates import Authority
from qwoty_integrations_host.alerts.webhook import new_secret, post
from qwoty_integrations_host.clock import SystemClock
from qwoty_integrations_host.errors import NeedsAttention, RetryableError
from qwoty_integrations_host.network import addresses, downloads
from qwoty_integrations_host.network.addresses import (
    NotPublic,
    UnknownHost,
    is_literally_private,
    is_public,
    public_places,
)
from qwoty_integrations_host.network.downloads import NotFetched, download, public_session
from qwoty_integrations_host.platform import pdf
from qwoty_integrations_host.platform.qwoty_client import QwotyClient
from qwoty_stripe_invoice.pdf import fetch_pdf

PUBLIC = ["1.1.1.1", "93.184.216.34", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0",
          "198.17.255.255", "223.255.255.255", "2606:4700:4700::1111", "2a00:1450:4007::200e", "2001:200::1", "2003::1"]  # fmt: skip
NOT_PUBLIC = {
    "this network": ["0.0.0.0", "0.1.2.3", "::"],
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fdff::1"],
    "link-local": ["169.254.169.254", "fe80::1", "fe80::1%eth0", "febf::1"],
    "carrier-grade NAT": ["100.64.0.1", "100.127.255.255"],
    "IETF protocols": ["192.0.0.1", "192.0.0.9", "192.0.0.10", "192.0.0.171", "2001::1", "2001:1::1", "2001:20::1"],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"],
    "6to4": ["192.88.99.1", "2002:7f00:1::", "2002:a00:1::1", "2002:5db8:d822::1"],
    "benchmarks": ["198.18.0.1", "198.19.255.255", "2001:2::1"],
    "multicast": ["224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"],
    "reserved": ["240.0.0.1", "255.255.255.255", "4000::1", "5f00::1"],
    "IPv4-mapped": ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:1.1.1.1"],
    "IPv4-compatible": ["::127.0.0.1", "::1.1.1.1"],
    "NAT64": ["64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b::101:101", "64:ff9b:1::1"],
    "Teredo": ["2001:0:4136:e378:8000:63bf:3fff:fdd2"],
    "site-local": ["fec0::1", "feff::1"],
    "discard": ["100::1"],
}


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_on_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(("kind", "address"), [(kind, one) for kind, some in NOT_PUBLIC.items() for one in some])
def test_all_other_addresses_are_private(kind: str, address: str) -> None:
    assert not is_public(address), kind


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost.", "a.localhost", "10.0.0.1", "::ffff:1.1.1.1"])
def test_local_hosts_are_private_without_a_lookup(host: str) -> None:
    assert is_literally_private(host)


def answered(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Let each lookup of a name return the next of these lists of addresses; the last list stays."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def lookup(host: str, port: Any, *rest: Any, **named: Any) -> Any:
        try:
            socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
        except OSError:
            asked.append(host)
            places = answers[min(len(asked), len(answers)) - 1]
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (place, port)) for place in places]
        return real(host, port, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return asked


@pytest.mark.parametrize("places", [["10.0.0.7"], ["93.184.216.34", "10.0.0.7"], ["::ffff:93.184.216.34"], ["fec0::1"]])
def test_a_name_is_not_visited_when_one_of_its_addresses_is_not_public(
    monkeypatch: pytest.MonkeyPatch, places: list[str]
) -> None:
    answered(monkeypatch, places)

    with pytest.raises(NotPublic):
        public_places("files.example", 443)


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example", "." * 300, "nobody.invalid"])
def test_an_invalid_host_name_is_unknown_and_causes_no_crash(host: str) -> None:
    with pytest.raises(UnknownHost):
        public_places(host, 443)


# -- every kind of outgoing request ------------------------------------------------------------------

URL = "https://inside.example/x.pdf"


def by_quote(url: str) -> Any:
    return pdf.fetch(url, allow_private=False)


def by_alert(url: str) -> Any:
    return post(url, new_secret(), "msg_1", {}, SystemClock().now(), allow_private=False)


def by_platform(url: str) -> Any:
    return QwotyClient(url, "token", lambda: None).quote("q-1")


def by_invoice(url: str) -> Any:
    return fetch_pdf(url.replace("inside.example", "pay.stripe.com"))


WAYS: dict[str, Callable[[str], Any]] = {
    "quote's PDF": by_quote, "alert": by_alert, "platform": by_platform, "invoice's PDF": by_invoice
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "place", ["10.0.0.7", "127.0.0.1", "169.254.169.254", "64:ff9b::7f00:1", "fec0::1", "224.0.0.1"]
)
def test_no_outgoing_request_reaches_a_private_network(monkeypatch: pytest.MonkeyPatch, way: str, place: str) -> None:
    answered(monkeypatch, [place])
    connected: list[Any] = []
    monkeypatch.setattr(socket.socket, "connect", lambda _, where: connected.append(where))

    with pytest.raises((NeedsAttention, RetryableError), match="private"):
        WAYS[way](URL)

    assert connected == []


@pytest.mark.parametrize("way", WAYS)
def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """DNS rebinding: the name resolves to a public address for the check, and to this machine afterwards."""
    asked = answered(monkeypatch, ["93.184.216.34"], ["127.0.0.1"])
    connected: list[str] = []

    def connect(_: Any, where: Any) -> None:
        connected.append(where[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", connect)

    with pytest.raises(RetryableError):
        WAYS[way](URL)

    assert connected == ["93.184.216.34"]
    assert len(asked) == 1


@pytest.mark.parametrize("way", [by_quote, by_alert, by_platform])
def test_a_host_name_with_a_label_that_is_too_long_causes_no_crash(way: Callable[[str], Any]) -> None:
    with pytest.raises((NeedsAttention, RetryableError)):
        way(f"https://{'a' * 64}.example/x")


@pytest.mark.parametrize("base", ["http://127.0.0.1:9", "http://localhost:9", "https://127.0.0.1:9"])
def test_a_platform_on_loopback_is_always_allowed(base: str) -> None:
    with pytest.raises(RetryableError):
        by_platform(base)


def test_the_operator_may_allow_a_platform_in_a_private_network(monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[str] = []

    def connect(_: Any, where: Any) -> None:
        connected.append(where[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", connect)

    with pytest.raises(RetryableError):
        QwotyClient("https://10.0.0.7", "token", lambda: None, allow_private=True).quote("q-1")

    assert connected == ["10.0.0.7"]


# -- over TLS ----------------------------------------------------------------------------------------


class Files:
    """A TLS server for one name; it records which name each client asks for."""

    def __init__(self, context: ssl.SSLContext, pages: dict[str, tuple[int, dict[str, str], bytes]]) -> None:
        self.asked_for: list[str | None] = []
        self.hosts: list[str] = []
        files = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                files.hosts.append(self.headers["Host"])
                status, headers, body = pages.get(self.path, (404, {}, b""))
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
                while self.path.endswith("/drips"):  # until nobody listens
                    self.wfile.write(b"%")

            def log_message(self, *_: Any) -> None:
                return

        context.sni_callback = lambda _socket, name, _context: self.asked_for.append(name)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign] # a client that hangs up
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


PAGES: dict[str, tuple[int, dict[str, str], bytes]] = {
    "/q.pdf": (200, {}, b"%PDF-1.4"),
    "/there": (302, {"Location": "/q.pdf"}, b""),
    "/inside": (302, {"Location": "https://inside.example/x"}, b""),
    "/plain": (302, {"Location": "http://files.example/q.pdf"}, b""),
    **dict.fromkeys(("/drips", "/quote/drips"), (200, {"Content-Length": str(2**40)}, b"%")),
    "/zipped": (200, {"Content-Encoding": "gzip"}, gzip.compress(b"%PDF-1.4" * 99_999)),
    "/short": (200, {"Content-Length": "99"}, b"%PDF-1.4"),
    "/round": (302, {"Location": "/round"}, b""),
}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    """The server of files.example, which plays a server on the internet."""
    authority = Authority(tmp_path)
    server = Files(authority.serves("files.example"), PAGES)
    # The only address in this test that counts as public.
    monkeypatch.setattr(addresses, "is_public", lambda place: place == "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    yield server
    server.close()


def test_the_connection_goes_to_the_checked_address_while_tls_and_the_request_name_the_host(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered(monkeypatch, ["127.0.0.1"])

    found = pdf.fetch(f"https://files.example:{files.port}/there", allow_private=False)

    assert found == b"%PDF-1.4"
    assert files.hosts == [f"files.example:{files.port}"] * 2
    assert files.asked_for == ["files.example"] * 2


def test_a_certificate_for_another_name_is_refused(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    answered(monkeypatch, ["127.0.0.1"])

    with pytest.raises(NotFetched, match="cannot be fetched"):
        download(f"https://other.example:{files.port}/q.pdf", most_bytes=99)

    assert files.hosts == []


@pytest.mark.parametrize(
    ("path", "why"), [("/inside", "private address"), ("/plain", "not an https address"), ("/round", "on and on")]
)
def test_a_redirect_is_checked_like_the_first_address(
    files: Files, monkeypatch: pytest.MonkeyPatch, path: str, why: str
) -> None:
    answered(monkeypatch, ["127.0.0.1"], ["10.0.0.7"] if path == "/inside" else ["127.0.0.1"])

    with pytest.raises(NotFetched, match=why) as refused:
        download(f"https://files.example:{files.port}{path}", most_bytes=99)

    assert refused.value.is_final
    assert "example" not in str(refused.value)


def test_a_body_that_takes_longer_than_a_minute_is_given_up_and_may_be_fetched_again(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered(monkeypatch, ["127.0.0.1"])
    ticks = iter(range(0, 10_000, 10))
    monkeypatch.setattr(downloads, "monotonic", lambda: float(next(ticks)))

    with pytest.raises(NotFetched, match="cannot be fetched") as refused:
        download(f"https://files.example:{files.port}/drips", most_bytes=2**40)

    assert not refused.value.is_final
    assert next(ticks) == 80, "the clock was read seven times"


def test_a_platform_answer_that_takes_longer_than_a_minute_is_requested_again(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered(monkeypatch, ["127.0.0.1"])
    ticks = iter(range(0, 10_000, 10))
    monkeypatch.setattr(downloads, "monotonic", lambda: float(next(ticks)))

    with pytest.raises(RetryableError, match="does not answer"):
        QwotyClient(f"https://files.example:{files.port}", "token", lambda: None).quote("drips")

    assert next(ticks) == 80, "the clock was read seven times"


def test_a_body_that_is_cut_off_is_not_used(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    answered(monkeypatch, ["127.0.0.1"])

    assert download(f"https://files.example:{files.port}/zipped", most_bytes=2**20) == b"%PDF-1.4" * 99_999
    with pytest.raises(NotFetched, match="cannot be fetched"):
        download(f"https://files.example:{files.port}/short", most_bytes=2**20)


def test_the_next_address_is_tried_when_one_does_not_answer(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "is_public", lambda place: place.startswith("127."))
    answered(monkeypatch, ["127.0.0.9", "127.0.0.1"])

    answer = public_session().get(f"https://files.example:{files.port}/q.pdf", timeout=5)

    assert answer.content == b"%PDF-1.4"


def test_only_the_fetching_module_resolves_host_names() -> None:
    """Every other module has to use the one that checks addresses."""
    root = Path(__file__).parents[2]
    asking = {"getaddrinfo", "gethostbyname", ".is_global", ".is_private"}
    own = {"qwoty_integrations_host/network/addresses.py", "qwoty_integrations_host/testing/network.py",
           "qwoty_integrations_host/testing/conformance/importing.py"}  # fmt: skip
    sources = [*(root / "qwoty_integrations_host").rglob("*.py"), *(root / "plugins").rglob("qwoty_*/**/*.py")]

    found = {str(path.relative_to(root)) for path in sources if any(w in path.read_text("utf-8") for w in asking)}

    assert found - own == set()
