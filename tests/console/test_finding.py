"""Searching for quotes: the command line, the API and the console find the same quotes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from builders import a_quote
from console.conftest import words
from qwoty_integrations_host import InvoiceRecord, Outcome, QuoteRecord
from qwoty_integrations_host.cli import main


def line(desk: Any, *given: str) -> Result:
    """Run a command on the same data directory."""
    return CliRunner().invoke(main, ["--data-dir", str(desk.host.config.data_dir), *given])


def called(admin: Any, path: str) -> Any:
    key = admin.desk.api_key()
    return admin.client.get(f"/v1/workspaces/ws-1/{path}", headers={"Authorization": f"Bearer {key}"})


@pytest.fixture
def shop(admin: Any) -> Any:
    """Two quotes with the same number: the first has an invoice, the second needs a person."""

    def invoice(ctx: Any, quote: Any) -> Outcome:
        made = InvoiceRecord(id="in_1Abc", status="paid", account="a", number="F77-1")
        ctx.records.update(quote.id, lambda _: QuoteRecord(currency="EUR", invoice=made))
        return Outcome.done()

    answers = admin.desk.recorder.answers
    admin.desk.enable()
    answers["on_quote_accepted"] = invoice
    admin.desk.accept(id="q-1", number="N-7", customer={**a_quote()["customer"], "name": "Société d'Été"})
    answers["on_quote_accepted"] = lambda ctx, quote: Outcome.needs_attention("odd", "It is odd.", hint="Look.")
    admin.desk.accept(id="q-2", number="N-7", customer={**a_quote()["customer"], "name": "Hiver SA"})
    admin.desk.accept(id="q-3", number="N-8")
    return admin


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"search": "SOCIETE ete"}, ["q-1"]),
        ({"search": "f77"}, ["q-1"]),
        ({"search": "n-7", "status": "needs_attention"}, ["q-2"]),
        ({"status": "needs_attention"}, ["q-3", "q-2"]),
        ({"from": "2026-03-10", "until": "2026-03-10"}, ["q-3", "q-2", "q-1"]),
        ({"until": "2026-03-09"}, []),
        ({"search": "nobody"}, []),
    ],
)
def test_a_quote_is_found_by_words_state_and_day(shop: Any, asked: dict[str, str], found: list[str]) -> None:
    options = [word for name, value in asked.items() for word in (f"--{name}", value)]
    shown = line(shop.desk, "quote", "list", "ws-1", *options, "--json")
    answer = called(shop, "quotes?" + "&".join(f"{name}={value}" for name, value in asked.items()))
    form = {"since" if name == "from" else name: value for name, value in asked.items()}
    page = shop.page("/console/quotes?" + "&".join(f"{name}={value}" for name, value in form.items()))

    assert [quote["quote_id"] for quote in json.loads(shown.stdout)["data"]] == found
    assert [quote["quote_id"] for quote in answer.json["data"]] == found
    assert [one for one in ("q-3", "q-2", "q-1") if f'href="/console/quotes/{one}"' in page] == found
    assert ("No quote fits." in page) is not found
    assert all(f'value="{value}"' in page for value in asked.values()), "the form keeps what was asked"


def test_the_list_of_the_command_line_reads_as_a_table(shop: Any) -> None:
    said = line(shop.desk, "quote", "list", "ws-1", "--limit", "2")

    assert [row.split()[:2] for row in said.stdout.splitlines()[2:]] == [["q-3", "N-8"], ["q-2", "N-7"]]
    assert "Needs attention" in said.stdout and "--limit 4" in said.stderr


def test_an_unknown_state_or_day_is_refused(shop: Any) -> None:
    for option, value in (("--status", "gone"), ("--from", "soon")):
        assert line(shop.desk, "quote", "list", "ws-1", option, value).exit_code == 2
    for query in ("status=gone", "from=soon", "search="):
        assert called(shop, f"quotes?{query}").status_code == 422


def test_a_quote_is_named_by_its_number_everywhere(shop: Any) -> None:
    for words_of in (["quote", "show"], ["installment", "list"], ["preview"]):
        assert line(shop.desk, *words_of, "ws-1", "N-8", "--json").exit_code == 0, words_of
    for path in ("quotes/N-8", "quotes/N-8/installments", "quotes/N-8/preview", "runs?quote_id=N-8"):
        assert called(shop, path).status_code == 200, path

    assert called(shop, "quotes/N-8").json["quote_id"] == "q-3"
    assert called(shop, "quotes/N-8/preview").json["quote_id"] == "q-3"
    assert [run["quote_id"] for run in called(shop, "runs?quote_id=N-8").json["data"]] == ["q-3"]
    assert "N-8" in words(shop.page("/console/quotes/N-8"))
    listed = json.loads(line(shop.desk, "run", "list", "--quote", "N-8", "--json").stdout)
    assert [run["quote_id"] for run in listed["data"]] == ["q-3"]


def test_an_ambiguous_quote_number_is_answered_with_the_candidates(shop: Any) -> None:
    shown = line(shop.desk, "quote", "show", "ws-1", "N-7")
    answer = called(shop, "quotes/N-7")
    page = shop.get("/console/quotes/N-7")

    assert (shown.exit_code, answer.status_code, page.status_code) == (2, 409, 409)
    assert answer.json["code"] == "ambiguous_number"
    for said in (shown.stderr, answer.json["detail"], page.text):
        assert "q-1 (Société d" in said and "q-2 (Hiver SA, 2026-03-10)" in said and "qwoty-host" not in said
    for quote_id in ("q-1", "q-2"):
        assert called(shop, f"quotes/{quote_id}").status_code == 200, "the step that is named works"


def test_an_unknown_quote_is_answered_with_advice_to_search_for_it(shop: Any) -> None:
    shown, answer = line(shop.desk, "quote", "show", "ws-1", "N-9"), called(shop, "quotes/N-9/preview")
    page = shop.get("/console/quotes/N-9")

    assert (shown.exit_code, answer.status_code, page.status_code) == (5, 404, 404)
    for said in (shown.stderr, answer.json["detail"], page.text):
        assert "Look for it in the list of quotes" in said
