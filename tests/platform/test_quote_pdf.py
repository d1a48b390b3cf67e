"""The PDF of a quote, fetched for integrations: with a new link from the platform, and from public addresses only."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from builders import loaded, the_example
from qwoty_integrations_host.errors import NeedsAttention, RetryableError
from qwoty_integrations_host.platform import pdf
from qwoty_stand_in import QwotyStandIn, completed


def platform(bench: Any) -> Any:
    return bench.host.integrations.contexts.make("ws-1", "any", {}).platform


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """The addresses that the host fetches. Each returns a PDF."""
    addresses: list[tuple[str, bool]] = []

    def fetch(url: str, *, allow_private: bool) -> bytes:
        addresses.append((url, allow_private))
        return b"%PDF-"

    monkeypatch.setattr(pdf, "fetch", fetch)
    return addresses


def test_the_pdf_is_fetched_with_a_new_link_from_qwoty(
    bench: Any, qwoty: QwotyStandIn, fetched: list[tuple[str, bool]]
) -> None:
    quote = completed()
    qwoty.put({**quote, "pdf_link": "https://storage.example/quote.pdf?token=New"})

    found = platform(bench).quote_pdf(loaded({**the_example(), "id": quote["id"]}))

    assert found == b"%PDF-"
    assert fetched == [("https://storage.example/quote.pdf?token=New", False)]


@pytest.mark.parametrize("link", [None, "", 7])
def test_a_quote_without_a_pdf_returns_none(
    bench: Any, qwoty: QwotyStandIn, fetched: list[tuple[str, bool]], link: Any
) -> None:
    qwoty.put(completed(pdf_link=link))

    assert platform(bench).quote_pdf(loaded({**the_example(), "id": completed()["id"]})) is None
    assert fetched == []


def test_the_pdf_of_a_pushed_quote_is_fetched_with_the_link_in_the_quote(
    bench: Any, fetched: list[tuple[str, bool]]
) -> None:
    quote = loaded(the_example(pdf_link="https://storage.example/q.pdf"))

    assert platform(bench).quote_pdf(quote) == b"%PDF-"
    assert platform(bench).quote_pdf(loaded(the_example())) is None
    assert fetched == [("https://storage.example/q.pdf", False)]


@pytest.mark.parametrize(
    "url",
    [
        "http://storage.example/quote.pdf",
        "ftp://storage.example/quote.pdf",
        "file:///etc/passwd",
        "https://user:password@storage.example/quote.pdf",
        "https://",
        "https://[/quote.pdf",
        "https://storage.example:99999/quote.pdf",
        "quote.pdf",
        "https://a..storage.example/quote.pdf",
        f"https://{'a' * 64}.example/quote.pdf",
        "https://127.0.0.1/quote.pdf",
        "https://10.1.2.3/quote.pdf",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/quote.pdf",
        "https://localhost/quote.pdf",
    ],
)
def test_a_pdf_is_fetched_only_from_a_public_https_address(url: str) -> None:
    with pytest.raises(NeedsAttention) as refused:
        pdf.fetch(url, allow_private=False)

    assert refused.value.code == "quote_pdf_refused"
    assert "storage.example" not in str(refused.value) and "password" not in str(refused.value)


def test_a_pdf_is_not_fetched_from_a_private_address(monkeypatch: pytest.MonkeyPatch) -> None:
    places = [(2, 1, 6, "", ("93.184.216.34", 443)), (2, 1, 6, "", ("10.0.0.7", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: places)

    with pytest.raises(NeedsAttention, match="private address"):
        pdf.fetch("https://storage.example/quote.pdf", allow_private=False)


def test_an_unknown_host_name_is_a_temporary_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    with pytest.raises(RetryableError):
        pdf.fetch("https://storage.example/quote.pdf", allow_private=False)
