"""Reports of quotes, the same for CLI, API and console.

Amounts are decimal strings in major units; times are ISO 8601 in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from ..contract.quote import Quote
from ..contract.record import InstallmentRecord, QuoteRecord
from ..quotes.standing import STEPS, Facts, Standing, standing_of
from ..quotes.stops import Stops
from ..store import external_ids, mails, quotes
from ..store import runs as runs_table
from ..store.database import Store
from ..store.standings import facts_of
from ..store.workspaces import require_workspace
from .runs import amount, run_reports
from .search import QuoteFilter, to_search


def mails_of_quote(store: Store, workspace: str, plugin: str, quote_id: str) -> list[dict[str, Any]]:
    """Report the mails about a quote, oldest first: ``{"name", "state", "changed_at"}``."""
    with store.read() as db:
        rows = mails.of_quote(db, workspace, plugin, quote_id)
    return [
        {
            "name": row["name"].partition("/")[2],
            "state": row["state"],
            "changed_at": row["changed_at"].isoformat(),
        }
        for row in rows
    ]


def find_quote(store: Store, workspace: str, quote_id: str) -> Quote:
    """Return a stored quote. Raises: NotFound."""
    with store.read() as db:
        quote = quotes.find(db, workspace, quote_id)
    if quote is None:
        raise quotes.unknown(workspace, quote_id)
    return quote


def list_quotes(
    store: Store,
    workspace: str,
    now: datetime,
    *,
    limit: int = 50,
    after: str | None = None,
    quote_filter: QuoteFilter | None = None,
) -> dict[str, Any]:
    """Report the newest quotes of a workspace as ``{"data", "has_more"}``, after ``after``; all, or the filtered ones.

    Raises: NotFound, InvalidInput for an unknown ``after``.
    """
    with store.read() as db:
        require_workspace(db, workspace)
        search = to_search(db, workspace, quote_filter, now) if quote_filter else None
        headings = quotes.newest(db, workspace, limit=limit + 1, after=after, wanted=search)
        facts = facts_of(db, workspace, [quote.id for quote in headings[:limit]])
    data = [_quote_summary(quote, facts[quote.id], now) for quote in headings[:limit]]
    return {"data": data, "has_more": len(headings) > limit}


def _quote_summary(quote: quotes.Heading, facts: Facts, now: datetime) -> dict[str, Any]:
    record = _invoiced(facts.records)
    return {
        "quote_id": quote.id,
        "number": quote.number,
        "customer_name": quote.customer_name,
        "received_at": quote.received_at.isoformat(),
        "standing": standing_report(standing_of(facts, now)),
        "without_invoice": facts.without_invoice,
        **_totals(quote.signed_total, record),
        **_stopped(facts.stops),
        **_figures(record),
        "currency": quote.currency,
    }


def standing_report(standing: Standing) -> dict[str, Any]:
    """Report a quote's standing in English: a label, a sentence, who acts next, and a person's next steps.

    ``{"state", "label", "tone", "acts", "sentence", "hint", "plugin", "run_id", "installment",
    "steps": [{"step", "label"}]}``
    """
    state = standing.state
    return {
        "state": state.name,
        **{name: getattr(state, name) for name in ("label", "tone", "acts")},
        **{name: getattr(standing, name) for name in ("sentence", "hint")},
        "plugin": standing.plugin or None,
        **{name: getattr(standing, name) for name in ("run_id", "installment")},
        "steps": [{"step": step, "label": STEPS[step]} for step in standing.steps],
    }


def quote_report(store: Store, workspace: str, quote_id: str, now: datetime) -> dict[str, Any]:
    """Report everything about one quote, as ``quote show`` prints it; without details while it is not fetched.

    Raises: NotFound.
    """
    with store.read() as db:
        require_workspace(db, workspace)
        quote = quotes.find(db, workspace, quote_id)
        runs = run_reports(db, runs_table.of_quote(db, workspace, quote_id))
        if quote is None and not runs:
            raise quotes.unknown(workspace, quote_id)
        facts = facts_of(db, workspace, [quote_id])[quote_id]
        saved = external_ids.of_entities(db, workspace, quote.entity_ids) if quote else {}
    record = _invoiced(facts.records)
    return {
        "quote_id": quote_id,
        "number": quote.number if quote else None,
        "standing": standing_report(standing_of(facts, now)),
        "without_invoice": facts.without_invoice,
        **_totals(quote.totals.total_amount if quote and quote.totals else None, record),
        **_stopped(facts.stops),
        **_figures(record),
        "installments": installment_reports(record, now, is_stopped=bool(facts.stops.cancelled or facts.stops.undone)),
        "saved_ids": {"contacts": saved.get("contact", {}), "taxes": saved.get("tax", {})},
        "runs": runs,
    }


def _totals(signed: Decimal | None, record: QuoteRecord | None) -> dict[str, Any]:
    """Return the signed total, and whether the invoice's total differs from it."""
    invoiced = record.total if record else None
    return {"signed_total": amount(signed), "total_differs": _differs(signed, invoiced)}


def _differs(signed: Decimal | None, invoiced: Decimal | None) -> bool:
    """Return whether an invoice's total differs from the signed one by a unit of its last digit or more."""
    if signed is None or invoiced is None:
        return False
    exponent = invoiced.as_tuple().exponent
    return abs(signed - invoiced) >= Decimal(1).scaleb(exponent if isinstance(exponent, int) else 0)


def _stopped(stops: Stops) -> dict[str, Any]:
    undone = [{"plugin": plugin, **facts} for plugin, facts in sorted(stops.undone.items())]
    return {"cancelled": stops.cancelled, "undone": undone}


def installment_reports(record: QuoteRecord | None, now: datetime, *, is_stopped: bool = False) -> list[dict[str, Any]]:
    """Report a quote's installments, as ``installment list`` prints them; a stopped quote's future ones are closed."""
    if record is None:
        return []
    closed = {"scheduled", "expired"} if is_stopped or record.payment_status == "void" else set()
    parts = [part.seen_at(now) for part in record.installments]
    return [_installment(replace(part, status="closed") if part.status in closed else part) for part in parts]


def _installment(part: InstallmentRecord) -> dict[str, Any]:
    return {
        "number": part.number,
        "amount": format(part.amount, "f"),
        "due_date": part.due_date.isoformat() if part.due_date else None,
        # A link without a mail is not "sent".
        "status": "linked" if part.is_unmailed else part.status,
        "url": part.url if part.status == "sent" else None,
        "linked_at": part.linked_at.isoformat() if part.linked_at else None,
        "mailed_at": part.mailed_at.isoformat() if part.mailed_at else None,
        "payment_id": part.payment_id,
        "amount_refunded": None if part.amount_refunded is None else format(part.amount_refunded, "f"),
    }


def _invoiced(records: Mapping[str, QuoteRecord]) -> QuoteRecord | None:
    return next((record for record in records.values() if record.invoice), None)


def _figures(record: QuoteRecord | None) -> dict[str, Any]:
    names = ("total", "amount_paid", "amount_paid_outside", "amount_remaining", "amount_overpaid")
    if record is None or record.invoice is None:
        return {"invoice": None, "payment_status": None, "currency": None, **dict.fromkeys(names)}
    invoice = {"id": record.invoice.id, "number": record.invoice.number, "status": record.invoice.status}
    amounts = {name: amount(getattr(record, name)) for name in names}
    if record.payment_status == "void" and record.amount_remaining is not None:
        amounts["amount_remaining"] = format(record.amount_remaining * 0, "f")  # the record keeps the former due amount
    # Zero and unknown are both reported as null.
    amounts["amount_paid_outside"] = amount(record.amount_paid_outside or None)
    return {
        "invoice": {**invoice, "service": record.service or None},
        "payment_status": record.payment_status,
        "currency": record.currency,
        **amounts,
    }


def _only(ids: Mapping[str, str], entities: set[str | None] | set[str]) -> dict[str, str]:
    return {entity: value for entity, value in ids.items() if entity in entities}
