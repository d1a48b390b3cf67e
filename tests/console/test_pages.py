"""The content and the actions of the console's pages, without a browser."""

from __future__ import annotations

import hashlib
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

from werkzeug.test import Client

from builders import a_quote
from console.catalog import CONSOLE
from console.conftest import PUBLIC, Person, words
from host_server import BROKEN, REAL
from qwoty_integrations_host import CredentialsError, InvoiceRecord, Outcome, QuoteRecord
from qwoty_integrations_host.store import runs as rows
from qwoty_integrations_host.web.app import create_app


def test_every_page_works_in_an_empty_workspace(admin: Any) -> None:
    for path in ("", "runs", "quotes", "webhooks", "audit", "access", "integrations/recorder"):
        assert "<h1>" in admin.page(f"/console/{path}")


def test_the_root_address_redirects_to_the_console(admin: Any) -> None:
    assert admin.client.get("/").location == "/console/"


def test_every_page_works_after_a_run(admin: Any) -> None:
    admin.desk.enable()
    run = admin.desk.accept(id="q-7", number="N-7")

    for path in ("", "runs", "quotes", "webhooks", "audit", "access", f"runs/{run['id']}", "quotes/q-7"):
        assert "<h1>" in admin.page(f"/console/{path}")


def test_a_plugin_that_failed_to_load_is_shown_with_its_reason(desks: Any) -> None:
    desk = desks(public_url=PUBLIC, plugins_blocked=BROKEN - {"import_error"} | REAL)
    person = Person(desk, Client(create_app(desk.host)))
    person.log_in()

    said = words(person.page("/console/"))

    assert "import_error ✕ Failed to load" in said
    assert "No module named" in said
    assert "Blocked" in said


def test_a_failed_run_shows_what_to_do_and_can_be_retried(admin: Any) -> None:
    def refuse(ctx: Any, quote: Any) -> Any:
        raise CredentialsError("The key was refused.", hint="Enter another one.")

    admin.desk.recorder.answers["on_quote_accepted"] = refuse
    admin.desk.enable()
    run = admin.desk.accept()
    page = words(admin.page(f"/console/runs/{run['id']}"))

    admin.desk.recorder.answers.clear()
    answer = admin.post(f"/console/runs/{run['id']}/retry")
    admin.desk.work()

    assert "The key was refused. Enter another one. key_refused" in page
    assert answer.location == f"/console/runs/{run['id']}"
    assert "Succeeded" in words(admin.page(f"/console/runs/{run['id']}"))


def test_a_run_is_dismissed_with_a_reason(admin: Any) -> None:
    admin.desk.recorder.answers["on_quote_accepted"] = lambda ctx, quote: Outcome.needs_attention("odd", "It is odd.")
    admin.desk.enable()
    run = admin.desk.accept()

    admin.post(f"/console/runs/{run['id']}/dismiss", {"reason": "Settled by phone."})

    page = words(admin.page(f"/console/runs/{run['id']}"))
    assert "Dismissed" in page and "Settled by phone." in page


def test_only_the_page_of_a_running_run_refreshes_itself(admin: Any) -> None:
    admin.desk.enable()
    (run_id,) = admin.desk.host.runs.acceptance.accept("ws-1", a_quote()).run_ids
    at_work = admin.page(f"/console/runs/{run_id}")

    admin.desk.work()
    ended = admin.page(f"/console/runs/{run_id}")

    assert 'hx-trigger="every 1s"' in at_work and 'http-equiv="refresh"' in at_work
    assert "hx-trigger" not in ended and "http-equiv" not in ended


def test_runs_are_found_by_state_quote_and_day(admin: Any) -> None:
    admin.desk.enable()
    admin.desk.accept(id="q-1", number="N-1")
    admin.desk.clock.sleep(24 * 3600)
    admin.desk.accept(id="q-2", number="N-2")
    admin.log_in()

    def found(query: str) -> set[str]:
        page = admin.page(f"/console/runs?{query}")
        return {number for number in ("N-1", "N-2") if f"<strong>{number}</strong>" in page}

    assert found("") == {"N-1", "N-2"}
    assert found("quote=N-1") == found("quote=q-1") == {"N-1"}
    assert found("until=2026-03-10") == {"N-1"}
    assert found("since=2026-03-11") == {"N-2"}
    assert found("since=no-day") == {"N-1", "N-2"}
    assert found("status=failed") == set()


def test_long_lists_have_pages(admin: Any) -> None:
    admin.desk.enable()
    for number in range(26):
        admin.desk.accept(id=f"q-{number}", number=f"N-{number}.")
        admin.desk.clock.sleep(1)

    for name in ("runs", "quotes"):
        first = admin.page(f"/console/{name}")
        older = re.search(r'href="(/console/[^"]+after=[^"]+)">Older', first)
        assert older and "N-25." in first and "N-0." not in first
        last = admin.page(older[1].replace("&amp;", "&"))
        assert "N-0." in last and "N-25." not in last and ">Older<" not in last


def test_a_delivery_is_replayed(admin: Any) -> None:
    admin.desk.enable()
    admin.desk.accept(id="q-7")
    body = b'{"id": "evt_1", "type": "paid", "quote_id": "q-7"}'
    admin.client.post("/webhooks/recorder/ws-1/right", data=body, headers={"X-Signature": "signed"})
    admin.desk.work()

    answer = admin.post("/console/webhooks/recorder/evt_1/replay")
    admin.desk.work()

    assert "evt_1" in admin.page("/console/webhooks")
    assert "Webhook" in words(admin.page(answer.location))
    assert [hook for hook, _ in admin.desk.recorder.calls].count("on_webhook") == 2


def test_refused_deliveries_show_their_reason_and_deliveries_are_filtered_by_result(admin: Any) -> None:
    admin.desk.enable()
    body = b'{"id": "evt_1", "type": "paid", "quote_id": "q-7"}'
    for path, signature in (("right", "signed"), ("right", "signed"), ("right", "forged"), ("guessed", "signed")):
        admin.client.post(f"/webhooks/recorder/ws-1/{path}", data=body, headers={"X-Signature": signature})

    def found(result: str) -> set[str]:
        page = words(admin.page(f"/console/webhooks?result={result}"))
        return {text for text in ("evt_1", "1 duplicate", "Wrong signature", "Unknown address") if text in page}

    assert found("") == found("nonsense") == {"evt_1", "1 duplicate", "Wrong signature", "Unknown address"}
    assert found("verified") == found("duplicate") == {"evt_1", "1 duplicate"}
    assert found("refused") == {"Wrong signature", "Unknown address"}
    assert "guessed" not in admin.page("/console/webhooks")


def test_the_page_of_a_run_translates_recorded_sentences_into_french(admin: Any) -> None:
    def refuse(ctx: Any, quote: Any) -> Any:
        raise CredentialsError("There is no invoice yet.", hint="The list of runs shows those that are kept.")

    admin.desk.recorder.answers["on_quote_accepted"] = refuse
    admin.desk.enable()
    run = admin.desk.accept()
    french = {"Accept-Language": "fr"}

    page = admin.page(f"/console/runs/{run['id']}", **french)
    assert (
        "Il n’y a pas encore de facture." in page
        and "La liste des exécutions montre celles qui sont conservées." in page
    )
    assert "Il n’y a pas encore de facture." in admin.page("/console/runs", **french)
    assert "Il n’y a pas d’exécution &#39;none&#39;." in admin.get("/console/runs/none", **french).text
    assert "There is no invoice yet." in admin.page(f"/console/runs/{run['id']}")


def test_the_figures_of_an_invoice_that_differ_from_the_quote_are_marked(admin: Any) -> None:
    def invoice(ctx: Any, quote: Any) -> Any:
        made = InvoiceRecord(id="X-1", status="draft", account="a")
        amounts = {"net": Decimal("100.00"), "total": Decimal("119.00")}
        ctx.records.update(quote.id, lambda _: QuoteRecord(currency="EUR", invoice=made, **amounts))
        return Outcome.needs_attention("totals_differ", "It is not as signed.")

    admin.desk.recorder.answers["on_quote_accepted"] = invoice
    admin.desk.enable()
    run = admin.desk.accept()

    page = words(admin.page(f"/console/runs/{run['id']}"))
    assert "Net €100.00 – €100.00 Tax €20.00 – ≠ not as signed: €19.00" in page
    assert "Total €120.00 – ≠ not as signed: €119.00" in page


def test_an_api_key_is_shown_once(admin: Any) -> None:
    made = admin.post("/console/access/keys", {"name": "the shop", "scope": ["read", "write"]})
    key = re.search(r"qwh_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", made.text)
    again = admin.page("/console/access")

    assert key and key[0] not in again
    assert "the shop" in again and "read, write" in again
    assert admin.client.get("/v1/workspaces/ws-1", headers={"Authorization": f"Bearer {key[0]}"}).status_code == 200


def test_a_run_that_fetches_a_quote_has_a_page_before_the_quote_is_stored(admin: Any) -> None:
    host = admin.desk.host
    row = {"id": "r-1", "workspace": "ws-1", "plugin": "qwoty", "kind": "platform_event", "quote_id": "q-9"}
    rest = {"subject": "m-1", "facts": {}, "status": "waiting", "attempt": 1, "resumable": False}
    with host.store.write() as db:
        rows.add(db, {**row, **rest, "created_at": host.clock.now(), "error": {"code": "x", "title": "T.", "hint": ""}})

    assert "Fetch the quote" in admin.page("/console/runs/r-1")
    assert "q-9" in admin.page("/console/runs")


def test_errors_are_html_pages(admin: Any) -> None:
    for path in ("/console/nothing", "/console/runs/none", "/console/integrations/none", "/console/quotes/none"):
        answer = admin.get(path)
        assert (answer.status_code, answer.mimetype) == (404, "text/html")
        assert "<h1>" in answer.text


def test_vendored_files_match_their_notice() -> None:
    for folder, name in ((CONSOLE / "static", "htmx.min.js"), (Path(__file__).parent, "axe.min.js")):
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        notice = (folder / "NOTICE").read_text("utf-8")
        assert f"{name}\n" in notice and f"sha256    {digest}\n" in notice


def test_no_page_has_inline_scripts_or_styles() -> None:
    for template in (CONSOLE / "templates").rglob("*.html"):
        text = template.read_text("utf-8")
        assert not re.search(r"<style|<script(?! src=)|\sstyle=|\son\w+=|javascript:", text), template.name


def test_characters_that_no_database_stores_are_refused_before_the_query(admin: Any) -> None:
    asked = [admin.get("/console/runs?quote=%00"), admin.get("/console/quotes?after=%00")]
    asked.append(admin.post("/console/login", {"workspace": "a\0", "password": "x"}))

    assert [answer.status_code for answer in asked] == [400, 400, 400]
