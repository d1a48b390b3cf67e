"""The search for quotes: it sees their present state, writes nothing, and uses an index on both databases."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.event import listen, remove

from builders import a_quote
from qwoty_integrations_host import InstallmentRecord, InvoiceRecord, Outcome, QuoteRecord
from qwoty_integrations_host.errors import ActionRefused, CredentialsError
from qwoty_integrations_host.plugins.deadlines import Deadlines
from qwoty_integrations_host.reports.quotes import list_quotes
from qwoty_integrations_host.reports.runs import list_runs
from qwoty_integrations_host.reports.search import QuoteFilter, quote_id_of
from qwoty_integrations_host.store import search as finding
from qwoty_integrations_host.workspaces.workspace import set_timezone


@pytest.fixture(params=["sqlite", "postgresql"])
def anywhere(request: pytest.FixtureRequest, desks: Callable[..., Any]) -> Any:
    """A desk with the recorder enabled, on each kind of database."""
    shared = request.getfixturevalue("postgresql") if request.param == "postgresql" else None
    found = desks(shared_database=shared)
    found.enable()
    return found


def found(desk: Any, *, limit: int = 50, after: str | None = None, **asked: Any) -> list[str]:
    answer = list_quotes(
        desk.host.store, "ws-1", desk.clock.now(), limit=limit, after=after, quote_filter=QuoteFilter(**asked)
    )
    return [quote["quote_id"] for quote in answer["data"]]


def invoices(desk: Any, *parts: InstallmentRecord, status: str = "open", **more: Any) -> None:
    """Let the recorder record an invoice for each quote."""
    invoice = InvoiceRecord(id="in_1Abc", status=status, account="a", number="F77-1", customer_id="cus_9Xy", **more)
    record = QuoteRecord(currency="EUR", invoice=invoice, total=Decimal("1234.50"), installments=parts)

    def work(ctx: Any, quote: Any) -> Outcome:
        ctx.records.update(quote.id, lambda _: record)
        return Outcome.done()

    desk.recorder.answers["on_quote_accepted"] = work


def test_a_quote_is_found_by_its_own_data_and_by_its_records(anywhere: Any) -> None:
    invoices(anywhere)
    anywhere.accept(id="q-7", number="N-2026-7")
    anywhere.recorder.answers.clear()
    anywhere.accept(id="q-8", number="N-2026-8")

    for search in ("n-2026-7", "F77", "IN_1a", "cus_9xy", "1 234,50", "2026-7 f77-1"):
        assert found(anywhere, search=search) == ["q-7"], search
    assert found(anywhere, search="n-2026") == ["q-8", "q-7"], "the newest first"
    assert found(anywhere, search="f77 2026-8") == found(anywhere, search="…") == []
    assert found(anywhere, search=" ") == found(anywhere) == ["q-8", "q-7"]


def test_a_corrected_quote_is_found_by_its_new_data(anywhere: Any) -> None:
    anywhere.recorder.answers["on_quote_accepted"] = lambda ctx, quote: Outcome.needs_attention("odd", "It is odd.")
    anywhere.accept(id="q-7", number="N-before")
    anywhere.accept(id="q-7", number="N-after")

    assert found(anywhere, search="n-before") == []
    assert found(anywhere, search="n-after", state="needs_attention") == ["q-7"]


def test_a_changed_record_is_found_by_its_new_data(anywhere: Any) -> None:
    invoices(anywhere)
    anywhere.accept(id="q-7")
    ctx = anywhere.host.integrations.contexts.make("ws-1", "recorder", {})
    paid = InvoiceRecord(id="in_2", status="paid", account="a", number="F78-1")
    ctx.records.update("q-7", lambda _: QuoteRecord(currency="EUR", invoice=paid, amount_paid=Decimal(1)))

    assert found(anywhere, search="f77") == []
    assert found(anywhere, search="f78", state="paid") == found(anywhere, state="paid") == ["q-7"]


def test_a_search_by_state_uses_the_state_of_this_moment(anywhere: Any) -> None:
    now = anywhere.clock.now()
    link = InstallmentRecord(
        number=1, amount=Decimal(1), status="sent", mailed_at=now, expires_at=now + timedelta(hours=5)
    )
    invoices(anywhere, link)
    anywhere.accept(id="link")
    invoices(anywhere, due_date=date(2026, 3, 10))
    anywhere.accept(id="due")
    set_timezone(anywhere.host.store, anywhere.clock, "ws-1", "America/New_York")

    def states() -> dict[str, list[str]]:
        names = ("link_sent", "link_expired", "open", "overdue")
        return {name: ids for name in names if (ids := found(anywhere, state=name))}

    assert states() == {"link_sent": ["link"], "open": ["due"]}
    anywhere.clock.advance(5 * 3600)
    assert states() == {"link_expired": ["link"], "open": ["due"]}
    anywhere.clock.advance(10 * 3600 + 1)
    assert states() == {"link_expired": ["link"], "open": ["due"]}, "in New York it is still the 10th"
    anywhere.clock.advance(4 * 3600)
    assert states() == {"link_expired": ["link"], "overdue": ["due"]}


def test_a_search_by_day_uses_the_workspaces_time_zone(anywhere: Any) -> None:
    anywhere.accept(id="q-7")  # at 9:00 on March 10, UTC
    anywhere.clock.advance(14 * 3600)
    anywhere.accept(id="q-8")

    assert found(anywhere, first=date(2026, 3, 10), last=date(2026, 3, 10)) == ["q-8", "q-7"]
    set_timezone(anywhere.host.store, anywhere.clock, "ws-1", "Europe/Paris")
    assert found(anywhere, last=date(2026, 3, 10)) == ["q-7"]
    assert found(anywhere, first=date(2026, 3, 11)) == ["q-8"]
    assert found(anywhere, first=date.min, last=date.max) == ["q-8", "q-7"]


@pytest.mark.parametrize("few", [finding.FEW, 2], ids=["by the index of words", "by age"])
def test_every_search_is_paginated(anywhere: Any, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "FEW", few)
    for number in range(7):
        anywhere.accept(id=f"q-{number}", number=f"N-{number % 2}")

    pages, after = [], None
    while page := found(anywhere, search="n-0 eur", state="done", limit=2, after=after):
        pages.append(page)
        after = page[-1]

    assert pages == [["q-6", "q-4"], ["q-2", "q-0"]]


def test_a_search_finds_only_quotes_of_its_workspace(anywhere: Any) -> None:
    anywhere.enable("ws-2")
    anywhere.accept("ws-2", id="q-7")

    assert found(anywhere, search="eur") == found(anywhere, state="done") == []


def test_a_search_by_state_finds_the_quotes_that_show_that_state(anywhere: Any) -> None:
    def refuse(ctx: Any, quote: Any) -> Any:
        raise CredentialsError("The key was refused.")

    desk = anywhere
    desk.accept(id="done")
    desk.recorder.answers["on_quote_accepted"] = refuse
    run = desk.accept(id="dismissed")
    desk.host.runs.control.dismiss(run["id"], "Dealt with.")
    desk.accept(id="refused")
    desk.recorder.answers["on_quote_accepted"] = lambda ctx, quote: Outcome.skipped("Nothing to bill.")
    desk.accept(id="skipped")
    desk.host.settings.disable("ws-1", "recorder")
    desk.host.runs.acceptance.accept("ws-1", a_quote(id="alone"))
    desk.enable()
    desk.host.runs.acceptance.accept("ws-1", a_quote(id="queued"))

    shown = list_quotes(desk.host.store, "ws-1", desk.clock.now())["data"]

    assert len({quote["standing"]["state"] for quote in shown}) == len(shown) == 6
    for quote in shown:
        assert found(desk, state=quote["standing"]["state"]) == [quote["quote_id"]]


def test_quotes_of_earlier_releases_are_found(anywhere: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "_FILLED_AT_ONCE", 2)
    invoices(anywhere)
    for number in range(5):
        anywhere.accept(id=f"q-{number}")
    with anywhere.host.store.write() as db:
        before = [_all(db, table) for table in ("standings", "quote_words")]
        db.execute(text("DELETE FROM standings"))
        assert _all(db, "quote_words") == []
        finding.fill(db)

        assert [_all(db, table) for table in ("standings", "quote_words")] == before
    assert found(anywhere, search="f77", state="open") == [f"q-{number}" for number in (4, 3, 2, 1, 0)]


def test_a_quote_stored_by_a_worker_of_an_earlier_release_is_found_after_its_next_change(anywhere: Any) -> None:
    anywhere.recorder.answers["on_quote_accepted"] = lambda ctx, quote: Outcome.needs_attention("odd", "It is odd.")
    run = anywhere.accept(id="q-7", number="N-7")
    with anywhere.host.store.write() as db:
        db.execute(text("DELETE FROM standings"))
    assert found(anywhere, search="n-7") == []

    anywhere.host.runs.control.dismiss(run["id"], "It is dealt with.")

    assert found(anywhere, search="n-7", state="dismissed") == ["q-7"]


def test_a_deleted_quote_is_not_found(anywhere: Any) -> None:
    anywhere.accept(id="q-7")
    with anywhere.host.store.write() as db:
        db.execute(text("DELETE FROM quotes WHERE id = 'q-7'"))
        assert _all(db, "standings") == _all(db, "quote_words") == []


def test_a_quote_is_named_by_its_number_unless_another_one_has_that_id(anywhere: Any) -> None:
    store = anywhere.host.store
    for quote_id, number in (("q-1", "N-1"), ("q-2", "N-2"), ("q-3", "N-2"), ("N-3", "N-4"), ("q-5", "N-3")):
        anywhere.accept(id=quote_id, number=number)

    assert [quote_id_of(store, "ws-1", name) for name in ("N-1", "q-1", "N-3", "N-9")] == ["q-1", "q-1", "N-3", "N-9"]
    with pytest.raises(ActionRefused, match="2 quotes have the number 'N-2'") as refused:
        quote_id_of(store, "ws-1", "N-2")
    assert all(f"{quote_id} (" in refused.value.hint for quote_id in ("q-2", "q-3"))
    assert quote_id_of(store, "ws-2", "N-2") == "N-2", "no quote of that workspace has the number"
    runs = list_runs(store, quote_id="N-2")["data"]
    assert {run["quote_id"] for run in runs} == {"q-2", "q-3"}


#: For each database: the statement that shows a query's plan, and how the plan marks a full table scan.
PLANS = {"sqlite": ("EXPLAIN QUERY PLAN", "SCAN"), "postgresql": ("EXPLAIN", "Seq Scan on")}
ASKED: dict[str, dict[str, Any]] = {
    "a word": {"search": "n-1"},
    "an amount": {"search": "1,234.50"},
    "words": {"search": "n-1 eur"},
    "a state": {"state": "overdue"},
    "a word and a state": {"search": "n-1", "state": "overdue"},
    "days": {"first": date(2026, 3, 1), "last": date(2026, 3, 31)},
}


@pytest.mark.parametrize("few", [finding.FEW, 0], ids=["few", "many"])
@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_no_search_scans_a_whole_table(
    anywhere: Any, asked: dict[str, Any], few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "FEW", few)
    anywhere.accept(id="q-1", number="N-1")
    engine = anywhere.host.store.engine
    kind, statements = engine.dialect.name, []

    def note(_line: Any, _cursor: Any, statement: str, given: Any, *_: Any) -> None:
        statements.append((statement, given))

    listen(engine, "before_cursor_execute", note)
    found(anywhere, **asked)
    remove(engine, "before_cursor_execute", note)

    explain, whole = PLANS[kind]
    with engine.connect() as db:
        if kind == "postgresql":
            db.exec_driver_sql(
                "SET enable_seqscan = off"
            )  # databases scan a table of one row, because that is faster than the index
        plans = [
            "\n".join(str(row) for row in db.exec_driver_sql(f"{explain} {statement}", given))
            for statement, given in statements
            if "quote_words" in statement or "standings" in statement
        ]
    assert plans
    for plan in plans:
        assert "standings" in plan or "quotes_by_word" in plan
        assert not any(f"{whole} {table}" in plan for table in ("quotes", "standings", "quote_words")), plan
        # If many quotes have a word, the index returns the newest first, without sorting.
        assert few or "TEMP B-TREE FOR ORDER" not in plan, plan


def _all(db: Any, table: str) -> list[Any]:
    return sorted(map(tuple, db.execute(text(f"SELECT * FROM {table}"))), key=repr)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_record_whose_transaction_fails_is_read_again(desk: Any, moment: str) -> None:
    read: list[Any] = []

    def work(ctx: Any, quote: Any) -> Outcome:
        def fails(_: Any) -> None:
            kept = ctx.records.update(quote.id, lambda _: QuoteRecord(currency="EUR"))
            with suppress(ZeroDivisionError), desk.host.store.write():
                if moment == "after":
                    ctx.records.update(quote.id, lambda _: QuoteRecord(currency="USD"))
                ctx.records.get(quote.id)
                raise ZeroDivisionError
            read.append((ctx.records.get(quote.id), kept))

        ctx.step("step", fails)
        return Outcome.done()

    desk.recorder.answers["on_quote_accepted"] = work
    desk.enable()
    desk.accept(id="q-7")

    ((again, kept),) = read
    assert again == kept


def test_a_run_reads_the_record_that_it_has_changed_as_it_is_stored(desk: Any) -> None:
    read: list[Any] = []
    paid = InvoiceRecord(id="in_1", status="paid", account="a")
    record = QuoteRecord(currency="EUR", invoice=paid, amount_paid=Decimal(7), amount_remaining=Decimal(5))

    def work(ctx: Any, quote: Any) -> Outcome:
        ctx.step("step", lambda _: ctx.records.update(quote.id, lambda _: record) and None)
        read.append(ctx.records.get(quote.id))
        return Outcome.done()

    desk.recorder.answers["on_quote_accepted"] = work
    desk.enable()
    desk.accept(id="q-7")

    assert read == [desk.context("recorder").records.get("q-7")]
    assert read[0].amount_paid_outside == Decimal(5)


def test_a_quote_is_in_its_state_although_a_hook_that_hung_goes_on_after_its_run_was_dismissed(desk: Any) -> None:
    may_go_on, desk.host.plugins.calls.deadlines = threading.Event(), Deadlines(run=0.2)
    record = QuoteRecord(currency="EUR", invoice=InvoiceRecord(id="in_1", status="open", account="a"))

    def work(ctx: Any, quote: Any) -> Outcome:
        ctx.step("step", lambda _: may_go_on.wait(60) and ctx.records.update(quote.id, lambda _: record) and None)
        return Outcome.done()

    desk.recorder.answers["on_quote_accepted"] = work
    desk.enable()
    run = desk.accept(id="q-7")
    desk.host.runs.control.dismiss(run["id"], "It hangs.")
    assert (run["error"]["code"], found(desk, state="dismissed")) == ("plugin_hangs", ["q-7"])
    may_go_on.set()
    while desk.host.plugins.calls.abandoned():
        time.sleep(0.01)

    assert desk.context("recorder").records.get("q-7") == record
    assert (found(desk, state="dismissed"), found(desk, state="open")) == ([], ["q-7"])


def test_a_record_that_a_plugins_own_thread_changes_is_read_again(desk: Any) -> None:
    read: list[Any] = []

    def work(ctx: Any, quote: Any) -> Outcome:
        ctx.records.update(quote.id, lambda _: QuoteRecord(currency="EUR"))
        with ThreadPoolExecutor(1) as pool:
            pool.submit(ctx.records.update, quote.id, lambda _: QuoteRecord(currency="USD")).result()
        read.append(ctx.records.get(quote.id).currency)
        return Outcome.done()

    desk.recorder.answers["on_quote_accepted"] = work
    desk.enable()
    desk.accept(id="q-7")

    assert read == ["USD"]
