"""The invoice's PDF is fetched only from allowed addresses, without credentials and without endless redirects."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from qwoty_integrations_host import IntegrationError, NeedsAttention, RetryableError
from qwoty_stripe_invoice.pdf import fetch_pdf

PDF = b"%PDF-1.4 an invoice"
Answer = tuple[int, dict[str, str], bytes]


class FileHost:
    """A web server whose pages the test writes. It keeps the headers of the requests."""

    def __init__(self) -> None:
        self.pages: dict[str, Answer] = {}
        self.seen: list[dict[str, str]] = []
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                host.seen.append(dict(self.headers))
                status, headers, body = host.pages.get(self.path, (404, {}, b""))
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def redirect(self, path: str, to: str, status: int = 302) -> None:
        self.pages[path] = (status, {"Location": to}, b"")

    def file(self, path: str, body: bytes = PDF, status: int = 200, **headers: str) -> str:
        self.pages[path] = (status, headers, body)
        return self.url + path


@pytest.fixture
def make_host() -> Iterator[Callable[[], FileHost]]:
    made: list[FileHost] = []

    def make() -> FileHost:
        made.append(FileHost())
        return made[-1]

    yield make
    for host in made:
        host.close()


@pytest.fixture
def base(make_host: Callable[[], FileHost], monkeypatch: pytest.MonkeyPatch) -> FileHost:
    host = make_host()
    monkeypatch.setenv("QWOTY_STRIPE_API_BASE", host.url)
    return host


def refusal(url: str) -> IntegrationError:
    with pytest.raises(IntegrationError) as refused:
        fetch_pdf(url)
    assert url not in f"{refused.value.title} {refused.value.hint}"
    return refused.value


def test_a_pdf_at_the_api_base_is_fetched_without_credentials(base: FileHost) -> None:
    assert fetch_pdf(base.file("/pdf")) == PDF

    assert not {"authorization", "cookie"} & {name.lower() for name in base.seen[0]}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(base: FileHost, status: int) -> None:
    base.redirect("/1", "/2", status)
    base.file("/2")

    assert fetch_pdf(f"{base.url}/1") == PDF


@pytest.mark.parametrize(("hops", "fine"), [(3, True), (4, False)])
def test_at_most_three_redirects_are_followed(base: FileHost, hops: int, fine: bool) -> None:
    for number in range(hops):
        base.redirect(f"/{number}", f"/{number + 1}")
    base.file(f"/{hops}")

    if fine:
        assert fetch_pdf(f"{base.url}/0") == PDF
    else:
        assert refusal(f"{base.url}/0").code == "pdf_refused"
        assert len(base.seen) == 4


def test_a_redirect_in_a_circle_ends(base: FileHost) -> None:
    base.redirect("/1", "/1")

    assert refusal(f"{base.url}/1").code == "pdf_refused"


@pytest.mark.parametrize(
    "url",
    [
        "https://stripe.com.example/pdf",
        "https://notstripe.com/pdf",
        "http://pay.stripe.com/pdf",
        "https://stripe.com@evil.example/pdf",
        "https://user:word@127.0.0.1/pdf",
        "file:///etc/passwd",
        "ftp://pay.stripe.com/pdf",
        "https:///pdf",
        "//pay.stripe.com/pdf",
        "https://pay.stripe.com:99999/pdf",
        "https://user:word@pay.stripe.com/pdf",
        "None",
        "",
        "http://[::1",
    ],
)
def test_another_first_address_is_refused(base: FileHost, url: str) -> None:
    with pytest.raises(NeedsAttention) as refused:
        fetch_pdf(url)

    assert refused.value.code == "pdf_refused"
    assert base.seen == []


def test_an_address_with_credentials_is_refused_even_at_the_api_base(base: FileHost) -> None:
    base.file("/pdf")

    assert refusal(base.url.replace("http://", "http://user:word@") + "/pdf").code == "pdf_refused"
    assert base.seen == []


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:9/x",
        "https://127.0.0.1/x",
        "https://localhost/x",
        "https://10.0.0.1/x",
        "https://192.168.1.1/x",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/x",
        "https://[::ffff:127.0.0.1]/x",
        "https://0.0.0.0/x",
        "https://100.64.0.1/x",
        "http://8.8.8.8/x",
        "https://user:word@8.8.8.8/x",
        "file:///etc/passwd",
        "https://8.8.8.8:99999/x",
        "http://[::1",
    ],
)
def test_a_redirect_to_a_private_or_plain_place_is_refused(base: FileHost, target: str) -> None:
    base.redirect("/1", target)

    assert refusal(f"{base.url}/1").code == "pdf_refused"


def test_another_local_server_is_refused(base: FileHost, make_host: Callable[[], FileHost]) -> None:
    other = make_host()
    base.redirect("/1", other.file("/pdf"))

    assert refusal(f"{base.url}/1").code == "pdf_refused"
    assert refusal(f"{other.url}/pdf").code == "pdf_refused"
    assert other.seen == []


@pytest.mark.parametrize(("size", "fine"), [(10 * 1024 * 1024, True), (10 * 1024 * 1024 + 1, False)])
def test_a_pdf_of_more_than_ten_megabytes_is_refused(base: FileHost, size: int, fine: bool) -> None:
    url = base.file("/pdf", PDF.ljust(size, b" "))

    if fine:
        assert len(fetch_pdf(url)) == size
    else:
        assert refusal(url).code == "pdf_refused"


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"<html>not yet</html>", 200), (b"", 200), (b"", 204), (PDF, 404), (PDF, 500), (PDF, 503), (b"%PDF", 200)],
)
def test_an_answer_that_is_not_the_pdf_yet_is_requested_again(base: FileHost, body: bytes, status: int) -> None:
    found = refusal(base.file("/pdf", body, status))

    assert isinstance(found, RetryableError)
    assert found.code == "pdf_unreachable"


def test_a_pdf_that_breaks_off_is_requested_again(base: FileHost) -> None:
    url = base.file("/pdf", PDF, **{"Content-Length": "100", "Connection": "close"})

    assert isinstance(refusal(url), RetryableError)


def test_an_unreachable_server_is_requested_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWOTY_STRIPE_API_BASE", "http://127.0.0.1:9")

    assert isinstance(refusal("http://127.0.0.1:9/pdf"), RetryableError)


def test_proxies_and_passwords_of_the_machine_are_not_used(
    base: FileHost, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password something\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    assert fetch_pdf(base.file("/pdf")) == PDF
    assert "authorization" not in {name.lower() for name in base.seen[0]}


def test_a_pdf_that_comes_late_is_sent_in_one_mail(bench: Any) -> None:
    bench.enable(invoice_status="open", send_payment_link=True)
    bench.stripe.faults.add("500_before", method="GET", path="^/pdf/", times=2)
    from builders import the_example

    run = bench.accept(the_example())

    assert run["status"] == "succeeded", run
    assert len(bench.mails()) == 1
    assert len(bench.stripe.objects("sessions")) == 1
