"""The end of a quote on each of the three sides: command line, HTTP API and console do the same and show the same."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests
from click.testing import CliRunner, Result

from builders import LINK, a_quote
from qwoty_integrations_host.cli import main
from qwoty_integrations_host.cli.session import Session, known_errors
from qwoty_integrations_host.observability.actor import acting_as
from qwoty_integrations_host.store.api_keys import create_api_key
from qwoty_integrations_host.web.sessions import login_link

SIDES = ["line", "api", "console"]


class Sides:
    """The three sides of ws-1: a command line, a client of the API, and a browser with the console."""

    def __init__(self, bench: Any) -> None:
        self.bench = bench
        with bench.host.store.write() as db:
            key = create_api_key(db, "ws-1", bench.clock.now())
        self.http = requests.Session()
        self.http.headers["Authorization"] = f"Bearer {key}"
        self.browser = requests.Session()
        self.browser.headers["Sec-Fetch-Site"] = "same-origin"
        self.browser.post(login_link(bench.host, "ws-1", "admin"), timeout=10)

    def line(self, *words: str, typed: str = "") -> Result:
        return CliRunner().invoke(main, list(words), input=typed)

    def api(self, method: str, path: str, body: Any = None) -> requests.Response:
        answer = self.http.request(method, f"{self.bench.url}/v1/workspaces/ws-1{path}", json=body, timeout=10)
        self.bench.work()
        return answer

    def page(self, path: str) -> str:
        """The text and the links of a page of the console."""
        answer = self.browser.get(f"{self.bench.url}/console{path}", timeout=10)
        assert answer.status_code == 200, answer.text
        links = re.findall(r'href="([^"]+)"', answer.text)
        return " ".join([re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text)), *links])

    def press(self, path: str, **form: str) -> str:
        """Press the button of a page; give the address that it leads to."""
        answer = self.browser.post(f"{self.bench.url}/console{path}", data=form, timeout=10, allow_redirects=False)
        assert answer.status_code == 303, answer.text
        self.bench.work()
        return answer.headers["Location"]

    def cancel(self, side: str) -> None:
        if side == "line":
            found = self.line("quote", "cancel", "ws-1", "q-7", "--reason", "Too dear", "--wait")
            assert found.exit_code == 1 and "invoice_stays_open" in found.stdout, found.output
        elif side == "api":
            answer = self.api("POST", "/quotes/q-7/cancel", {"reason": "Too dear"})
            assert (answer.status_code, answer.json()["duplicate"]) == (202, False), answer.text
            assert self.api("POST", "/quotes/q-7/cancel").status_code == 200
        else:
            assert "Nothing more is made of it or sent." in self.page("/cancel/q-7")
            assert self.press("/cancel/q-7", reason="Too dear").endswith("/console/quotes/q-7")

    def void(self, side: str) -> None:
        if side == "line":
            assert "Nothing was changed." in self.line("invoice", "void", "ws-1", "q-7", typed="n\n").stderr
            assert self.line("invoice", "void", "ws-1", "q-7", "--yes", "--wait").exit_code == 0
        elif side == "api":
            answer = self.api("POST", "/quotes/q-7/invoice/void")
            assert (answer.status_code, answer.json()["kind"]) == (202, "void"), answer.text
        else:
            assert "This cannot be taken back" in self.page("/void/q-7")
            assert "/console/runs/" in self.press("/void/q-7")


@pytest.fixture
def sides(bench: Any, monkeypatch: pytest.MonkeyPatch) -> Sides:
    @contextmanager
    def host(*_: Any, **__: Any) -> Iterator[Any]:
        with known_errors(), acting_as("command line, somebody"):
            yield bench.host

    monkeypatch.setattr(Session, "host", host)
    bench.enable(**LINK)
    return Sides(bench)


@pytest.mark.parametrize("side", SIDES)
def test_every_side_can_cancel_a_quote_and_void_its_invoice_and_all_sides_show_it(
    bench: Any, sides: Sides, side: str
) -> None:
    bench.accept(a_quote(installments=2))
    who = {"line": "command line, somebody", "api": "API key", "console": "console, session"}[side]

    sides.cancel(side)

    shown = sides.line("quote", "show", "ws-1", "q-7").stdout
    assert re.search(rf"Cancelled on \d{{4}}-\d\d-\d\d \d\d:\d\d UTC by {who}.*: Too dear", shown), shown
    report = sides.api("GET", "/quotes/q-7").json()
    assert report["cancelled"]["reason"] == "Too dear" and report["cancelled"]["by"].startswith(who)
    assert sides.api("GET", "/quotes").json()["data"][0]["cancelled"] == report["cancelled"]
    page = sides.page("/quotes/q-7")
    assert f"Cancelled by {who}" in page and "Too dear" in page and "/console/void/q-7" in page
    assert "Cancelled" in sides.page("/quotes") and "Send next installment" not in page
    asking = next(run for run in report["runs"] if run["kind"] == "cancel")
    assert (asking["status"], asking["error"]["code"]) == ("needs_attention", "invoice_stays_open")
    told = sides.page(f"/runs/{asking['id']}")
    assert "stays open: the customer can still pay it" in told and "/console/void/q-7" in told

    sides.void(side)

    assert "0.00 to be paid" in sides.line("quote", "show", "ws-1", "q-7").stdout
    report = sides.api("GET", "/quotes/q-7").json()
    assert report["payment_status"] == "void"
    assert {run["status"] for run in report["runs"] if run["kind"] == "cancel"} == {"dismissed"}
    assert "/console/void/q-7" not in sides.page("/quotes/q-7")


@pytest.mark.parametrize("side", SIDES)
def test_no_side_sends_anything_of_an_undone_quote_and_each_says_why(bench: Any, sides: Sides, side: str) -> None:
    run = bench.accept(a_quote(installments=2))
    if side == "line":
        assert sides.line("run", "undo", run["id"], "--wait").exit_code == 0
    elif side == "api":
        assert sides.api("POST", f"/runs/{run['id']}/undo").status_code == 202
    else:
        sides.press(f"/runs/{run['id']}/undo")
    why = "What was made of this quote is undone: nothing more is made of it or sent."

    by_line = sides.line("installment", "send", "ws-1", "q-7", "--wait")
    by_api = sides.api("POST", "/quotes/q-7/installments/send", {})
    page = sides.page("/quotes/q-7")

    assert by_line.exit_code == 2 and why in by_line.stderr
    assert "Accepted again, it begins anew." in by_line.stderr
    assert (by_api.status_code, by_api.json()["code"], by_api.json()["title"]) == (409, "quote_undone", why)
    assert "undone by" in page and "Nothing more is made of it or sent." in page and "Send next" not in page
    assert "undone on" in sides.line("quote", "show", "ws-1", "q-7").stdout
    assert sides.api("GET", "/quotes/q-7").json()["undone"][0]["how"] == "undo"
    assert sides.api("POST", f"/runs/{run['id']}/retry").json()["code"] == "quote_undone"
    assert len(bench.mails()) == 1


def test_a_quote_that_was_never_accepted_here_is_not_found_on_any_side(sides: Sides) -> None:
    lost = {**a_quote(), "status": "lost"}

    by_line = sides.line("quote", "cancel", "ws-1", "q-7")
    by_api = sides.api("POST", "/quotes/q-7/cancel")
    by_document = sides.api("POST", "/quotes/accepted", lost)
    by_event = sides.api("POST", "/events", {"event_type": "quote.lost", "id": "q-7"})

    assert by_line.exit_code == 5 and "There is no quote 'q-7'" in by_line.stderr
    assert (by_api.status_code, by_document.status_code) == (404, 404)
    assert (by_event.status_code, by_event.json()["note"]) == (200, "It was never accepted here.")
    assert sides.browser.get(f"{sides.bench.url}/console/cancel/q-7", timeout=10).status_code == 404


def test_a_document_or_an_event_cancels_a_quote(bench: Any, sides: Sides) -> None:
    bench.accept(a_quote())
    bench.accept(a_quote(id="q-8"))

    by_document = sides.api("POST", "/quotes/accepted", {**a_quote(), "status": "Canceled"})
    by_event = sides.api("POST", "/events", {"event_type": "quote.expired", "id": "q-8"})

    assert (by_document.status_code, by_document.json()["cancelled"]) == (202, True)
    assert (by_event.status_code, by_event.json()["status"]) == (202, "cancelled")
    said = [json.loads(json.dumps(bench.quote(one)["cancelled"])) for one in ("q-7", "q-8")]
    assert [one["how"] for one in said] == ["Canceled", "quote.expired"]
    assert said[1]["by"] == "platform"
