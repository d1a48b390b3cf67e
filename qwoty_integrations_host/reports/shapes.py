"""The shapes in which runs and quotes are shown, the same for CLI, API and console.

Amounts are decimal strings in major units; times are ISO 8601 in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, RowMapping

from ..contract.quote import Quote
from ..contract.record import InstallmentRecord, QuoteRecord
from ..plugins.manager import Plugins
from ..quotes.standing import STEPS, Facts, Standing, standing_of
from ..quotes.stops import Stops
from ..store import audit, external_ids, mails, quotes, settings, webhooks
from ..store import runs as rows
from ..store.database import Store
from ..store.standings import facts_of
from ..store.workspaces import find_workspace, require_workspace
from .search import Asked, wanted


def outcome_of(record: QuoteRecord | None, now: datetime) -> dict[str, Any]:
    """The figures every run shows: the record at its end. Money is a decimal string in major units."""
    invoice = record.invoice if record else None
    link = record.open_link(now) if record else None
    return {
        "invoice_id": invoice.id if invoice else None,
        "invoice_status": invoice.status if invoice else None,
        "payment_status": record.payment_status if record else None,
        "currency": record.currency if record and invoice else None,
        **{name: _amount(getattr(record, name)) if record else None for name in ("net", "tax", "total")},
        "customer_id": invoice.customer_id if invoice else None,
        "payment_link": link
        and {
            "url": link.url,
            "amount": format(link.amount, "f"),
            "expires_at": link.expires_at.isoformat() if link.expires_at else None,
        },
    }


def _amount(amount: Decimal | None) -> str | None:
    return None if amount is None else format(amount, "f")


def run_report(db: Connection, row: RowMapping) -> dict[str, Any]:
    """A run with its timeline, as ``run show`` prints it."""
    (report,) = _run_reports(db, [row])
    return report


def _run_reports(db: Connection, found: Sequence[RowMapping]) -> list[dict[str, Any]]:
    steps = rows.steps_of(db, [row["id"] for row in found])
    return [_run_report(row, steps.get(row["id"], [])) for row in found]


def _run_report(row: RowMapping, timeline: Sequence[RowMapping]) -> dict[str, Any]:
    steps = [
        {
            **{name: step[name] for name in ("name", "status", "attempts", "ms", "request_ids")},
            "started_at": step["started_at"].isoformat(timespec="seconds"),
        }
        for step in timeline
    ]
    head = {name: row[name] for name in ("id", "kind", "workspace", "plugin", "quote_id", "status")}
    until = row["waits_until"] if row["status"] == "waiting" else None
    moments = {"created_at": row["created_at"], "finished_at": row["finished_at"], "waits_until": until}
    head |= {name: moment.isoformat(timespec="seconds") if moment else None for name, moment in moments.items()}
    empty = {**outcome_of(None, row["created_at"]), "notes": []}
    return {**head, "outcome": row["outcome"] or empty, "steps": steps, "error": row["error"]}


def find_run(store: Store, run_id: str, *, workspace: str | None = None) -> dict[str, Any]:
    """Report one run. Raises: NotFound, also for a run of another workspace than the one given."""
    with store.read() as db:
        return run_report(db, rows.require(db, run_id, workspace=workspace))


def list_runs(
    store: Store, *, workspace: str | None = None, limit: int = 50, after: str | None = None, **only: Any
) -> dict[str, Any]:
    """Report the newest runs as ``{"data", "has_more"}``, of one workspace or of all, after the run ``after``.

    ``only``: the filters of ``rows.newest``. Raises: InvalidInput for an unknown ``after``.
    """
    with store.read() as db:
        found = rows.newest(db, workspace=workspace, limit=limit + 1, after=after, **only)
        return {"data": _run_reports(db, found[:limit]), "has_more": len(found) > limit}


def list_deliveries(store: Store, workspace: str, *, limit: int = 50, **which: Any) -> dict[str, Any]:
    """Report the newest deliveries of services, as ``{"data", "has_more"}``; ``which``: see ``webhooks.newest``.

    One item per event (``result``: ``verified``), and one per day, plugin and reason of what was ``refused``::

        {"id", "result", "plugin", "type", "account", "received_at", "last_at", "times", "reason", "found", "kept",
         "run_id", "run_status"}

    Raises: NotFound, InvalidInput for an unknown ``after``.
    """
    with store.read() as db:
        require_workspace(db, workspace)
        found = webhooks.newest(db, workspace, limit=limit + 1, **which)
    data = [
        {
            **{name: row[name] for name in ("id", "plugin", "type", "account", "times", "reason")},
            "result": "refused" if row["reason"] else "verified",
            **{name: row[name].isoformat() for name in ("received_at", "last_at")},
            **{name: bool(row[name]) for name in ("found", "kept")},
            **{name: row[name] for name in ("run_id", "run_status")},
        }
        for row in found[:limit]
    ]
    return {"data": data, "has_more": len(found) > limit}


def list_audit(store: Store, workspace: str, *, limit: int = 50, after: str | None = None) -> dict[str, Any]:
    """Report who did what, newest first, as ``{"data": [{"id", "at", "actor", "action", "subject", "fields"}], …}``.

    Raises: NotFound, InvalidInput for an unknown ``after``.
    """
    with store.read() as db:
        require_workspace(db, workspace)
        found = audit.newest(db, workspace, limit=limit + 1, after=after)
    names = ("id", "actor", "action", "subject", "fields")
    data = [{"at": row["at"].isoformat(), **{name: row[name] for name in names}} for row in found[:limit]]
    return {"data": data, "has_more": len(found) > limit}


def mails_of_quote(store: Store, workspace: str, plugin: str, quote_id: str) -> list[dict[str, Any]]:
    """The mails that left for a quote, oldest first: ``{"name", "state", "changed_at"}``."""
    with store.read() as db:
        found = mails.of_quote(db, workspace, plugin, quote_id)
    return [
        {
            "name": row["name"].partition("/")[2],
            "state": row["state"],
            "changed_at": row["changed_at"].isoformat(),
        }
        for row in found
    ]


def find_quote(store: Store, workspace: str, quote_id: str) -> Quote:
    """Give a stored quote. Raises: NotFound."""
    with store.read() as db:
        found = quotes.find(db, workspace, quote_id)
    if found is None:
        raise quotes.unknown(workspace, quote_id)
    return found


def plugin_report(plugins: Plugins, plugin_id: str) -> dict[str, Any]:
    """An installed plugin: whether it loaded, if not why, and what it says of itself. Raises: NotFound."""
    status = plugins.status(plugin_id)
    manifest = plugins.manifest(plugin_id) if plugins.is_loaded(plugin_id) else None
    return {
        "id": status.id,
        "status": status.state,
        **{name: getattr(status, name) for name in ("reason", "distribution", "version")},
        "title": manifest and manifest.title,
        "description": manifest and manifest.description,
        "capabilities": sorted(manifest.capabilities) if manifest else [],
        "hooks": list(plugins.hooks(plugin_id)),
        "hook_api": manifest and manifest.hook_api,
        "settings_schema_id": manifest and manifest.settings_schema.get("$id"),
        "import_ms": status.import_ms,
        "hanging": [str(call) for call in plugins.calls.abandoned(plugin_id)],
    }


def workspace_report(store: Store, plugins: Plugins, workspace: str) -> dict[str, Any]:
    """A workspace and what is switched on there: ``{"id", "created_at", "timezone", "plugins"}``. Raises: NotFound."""
    with store.read() as db:
        row = find_workspace(db, workspace)
        enabled, configured = settings.enabled_plugins(db, workspace), settings.configured_plugins(db, workspace)
    known = [
        {
            "id": status.id,
            "status": status.state,
            "enabled": status.id in enabled,
            "configured": status.id in configured,
        }
        for status in plugins.statuses
    ]
    head = {"id": row["id"], "created_at": row["created_at"].isoformat(), "timezone": row["timezone"]}
    return {**head, "plugins": known}


def list_quotes(
    store: Store,
    workspace: str,
    now: datetime,
    *,
    limit: int = 50,
    after: str | None = None,
    asked: Asked | None = None,
) -> dict[str, Any]:
    """Report the newest quotes of a workspace as ``{"data", "has_more"}``, after ``after``; all, or those asked for.

    Raises: NotFound, InvalidInput for an unknown ``after``.
    """
    with store.read() as db:
        require_workspace(db, workspace)
        found = quotes.newest(
            db, workspace, limit=limit + 1, after=after, wanted=wanted(db, workspace, asked, now) if asked else None
        )
        known = facts_of(db, workspace, [quote.id for quote in found[:limit]])
    data = [_quote_summary(quote, known[quote.id], now) for quote in found[:limit]]
    return {"data": data, "has_more": len(found) > limit}


def _quote_summary(quote: quotes.Heading, known: Facts, now: datetime) -> dict[str, Any]:
    record = _invoiced(known.records)
    return {
        "quote_id": quote.id,
        "number": quote.number,
        "customer_name": quote.customer_name,
        "received_at": quote.received_at.isoformat(),
        "standing": standing_report(standing_of(known, now)),
        "without_invoice": known.without_invoice,
        **_totals(quote.signed_total, record),
        **_stopped(known.stops),
        **_figures(record),
        "currency": quote.currency,
    }


def standing_report(standing: Standing) -> dict[str, Any]:
    """Where a quote stands, in English: a word, a sentence, who acts next, and what a person can do.

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
    """Everything about one quote, as ``quote show`` prints it.

    Of a quote that the platform has told of, and that could not be fetched, it says that. Raises: NotFound.
    """
    with store.read() as db:
        require_workspace(db, workspace)
        quote = quotes.find(db, workspace, quote_id)
        runs = _run_reports(db, rows.of_quote(db, workspace, quote_id))
        if quote is None and not runs:
            raise quotes.unknown(workspace, quote_id)
        known = facts_of(db, workspace, [quote_id])[quote_id]
        contacts = external_ids.of_kind(db, workspace, "contact")
        taxes = external_ids.of_kind(db, workspace, "tax")
    of_quote = {contact.id for contact in quote.customer.contacts} if quote else set()
    lines = (line for section in quote.sections for line in section.line_items) if quote else ()
    tax_ids = {tax.entity_id for line in lines for tax in line.taxes}
    record = _invoiced(known.records)
    return {
        "quote_id": quote_id,
        "number": quote.number if quote else None,
        "standing": standing_report(standing_of(known, now)),
        "without_invoice": known.without_invoice,
        **_totals(quote.totals.total_amount if quote and quote.totals else None, record),
        **_stopped(known.stops),
        **_figures(record),
        "installments": installment_reports(record, now, is_stopped=bool(known.stops.cancelled or known.stops.undone)),
        "saved_ids": {"contacts": _only(contacts, of_quote), "taxes": _only(taxes, tax_ids)},
        "runs": runs,
    }


def _totals(signed: Decimal | None, record: QuoteRecord | None) -> dict[str, Any]:
    """What was signed, and whether the invoice says something else, which nobody may have to find out alone."""
    invoiced = record.total if record else None
    return {"signed_total": _amount(signed), "total_differs": _differs(signed, invoiced)}


def _differs(signed: Decimal | None, invoiced: Decimal | None) -> bool:
    """Whether an invoice's total is not the signed one, which may be finer than the currency has."""
    if signed is None or invoiced is None:
        return False
    exponent = invoiced.as_tuple().exponent
    return abs(signed - invoiced) >= Decimal(1).scaleb(exponent if isinstance(exponent, int) else 0)


def _stopped(stops: Stops) -> dict[str, Any]:
    undone = [{"plugin": plugin, **facts} for plugin, facts in sorted(stops.undone.items())]
    return {"cancelled": stops.cancelled, "undone": undone}


def installment_reports(record: QuoteRecord | None, now: datetime, *, is_stopped: bool = False) -> list[dict[str, Any]]:
    """The installments of a quote, as ``installment list`` prints them; of a void or stopped one none is to come."""
    if record is None:
        return []
    closed = {"scheduled", "expired"} if is_stopped or record.payment_status == "void" else set()
    seen = [part.seen_at(now) for part in record.installments]
    return [_installment(replace(part, status="closed") if part.status in closed else part) for part in seen]


def _installment(part: InstallmentRecord) -> dict[str, Any]:
    return {
        "number": part.number,
        "amount": format(part.amount, "f"),
        "due_date": part.due_date.isoformat() if part.due_date else None,
        # A link that was mailed to nobody is not called sent.
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
    amounts = {name: _amount(getattr(record, name)) for name in names}
    if record.payment_status == "void" and record.amount_remaining is not None:
        amounts["amount_remaining"] = format(record.amount_remaining * 0, "f")  # the record keeps what was due
    # Nothing, and not known to be anything, read the same.
    amounts["amount_paid_outside"] = _amount(record.amount_paid_outside or None)
    return {
        "invoice": {**invoice, "service": record.service or None},
        "payment_status": record.payment_status,
        "currency": record.currency,
        **amounts,
    }


def _only(found: Mapping[str, str], wanted: set[str | None] | set[str]) -> dict[str, str]:
    return {entity: value for entity, value in found.items() if entity in wanted}
