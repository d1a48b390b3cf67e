"""Runs: what integrations did with quotes, why not, and what a person can do about it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from flask import render_template, request, url_for
from werkzeug.wrappers import Response

from ...contract.quote import Quote
from ...contract.timezones import begins
from ...errors import IntegrationError
from ...quotes.run import FINISHED, MAKING, TAKING_BACK, RunKind, RunStatus, lacks_something
from ...reports import previews
from ...reports.dashboard_links import service_links
from ...reports.shapes import find_run, list_runs, mails_of_quote, quote_report
from ...store import quotes
from ..auth import the_host
from .endings import may_void
from .guard import blueprint, go_to, session
from .words import gettext as _
from .words import session_timezone

PAGE = 25
#: Beside the states of runs, as a choice of what is listed.
WITHOUT_INVOICE, OPEN = "without_invoice", "open_runs"
_MAY_BE_RETRIED = {"failed", "needs_attention", "skipped", "dismissed", "waiting"}
_MAY_BE_DISMISSED = {"failed", "needs_attention", "waiting"}


@blueprint.get("/runs")
def runs() -> str:
    """The workspace's runs, newest first, by state, quote and day."""
    asked = {
        name: request.args.get(name, "").strip() for name in ("status", "quote", "plugin", "since", "until", "after")
    }
    first, last = day(asked["since"]), day(asked["until"])
    host, workspace = the_host(), session().workspace
    found = list_runs(
        host.store,
        workspace=workspace,
        limit=PAGE,
        after=asked["after"] or None,
        status=asked["status"] if asked["status"] in set(RunStatus) else None,
        without_invoice=asked["status"] == WITHOUT_INVOICE,
        to_look_at=asked["status"] == OPEN,
        plugin=asked["plugin"] or None,
        quote_id=asked["quote"] or None,
        since=begins(first, session_timezone()) if first else None,
        until=begins(last, session_timezone()) + timedelta(days=1) if last else None,
    )
    filters: dict[str, Any] = {name: value for name, value in asked.items() if value and name != "after"}
    following = None
    if found["has_more"]:
        following = url_for("console.runs", **filters, after=found["data"][-1]["id"])
    with host.store.read() as db:
        numbers = quotes.numbers(db, workspace, {run["quote_id"] for run in found["data"]})
    return render_template(
        "console/runs.html",
        runs=found["data"],
        numbers=numbers,
        asked=asked,
        filtered=bool(filters),
        to_look_at=OPEN,
        statuses=(*RunStatus, WITHOUT_INVOICE),
        following=following,
        first_page=not asked["after"],
    )


@blueprint.get("/runs/<run_id>")
def run(run_id: str) -> str:
    """A run's timeline, outcome and error; while it works, the page looks again by itself."""
    return render_template("console/run.html", **_facts(run_id), done=_DONE.get(request.args.get("done", "")))


@blueprint.get("/runs/<run_id>/progress")
def run_progress(run_id: str) -> str:
    """The part of the page that changes while the run works."""
    return render_template("console/run_progress.html", **_facts(run_id))


@blueprint.post("/runs/<run_id>/retry")
def retry(run_id: str) -> Response:
    """Try it again: it resumes at the step that failed."""
    _ours(run_id)
    the_host().runs.retry(run_id)
    return go_to(url_for("console.run", run_id=run_id))


@blueprint.post("/runs/<run_id>/dismiss")
def dismiss(run_id: str) -> Response:
    """Note that a person has dealt with it."""
    _ours(run_id)
    the_host().runs.dismiss(run_id, request.form.get("reason", "").strip() or _("no reason given"))
    return go_to(url_for("console.run", run_id=run_id, done="dismissed"))


@blueprint.get("/runs/<run_id>/undo")
def confirm_undo(run_id: str) -> str:
    """Ask before anything is taken back."""
    return render_template("console/undo.html", **_facts(run_id))


@blueprint.post("/runs/<run_id>/undo")
def undo(run_id: str) -> Response:
    """Take back what was made of the quote and is not final."""
    _ours(run_id)
    return go_to(url_for("console.run", run_id=the_host().runs.request_undo(run_id)))


_DONE = {"dismissed": "dismissed"}


def _ours(run_id: str) -> dict[str, Any]:
    """The run, if it is this workspace's. Raises: NotFound."""
    return find_run(the_host().store, run_id, workspace=session().workspace)


def _facts(run_id: str) -> dict[str, Any]:
    host, workspace = the_host(), session().workspace
    found = _ours(run_id)
    of_quote = found["kind"] != RunKind.UPKEEP
    with host.store.read() as db:
        # A run that fetches a quote comes before it.
        quote = quotes.find(db, workspace, found["quote_id"]) if found["quote_id"] else None
    report = quote_report(host.store, workspace, found["quote_id"], host.clock.now()) if quote else None
    can = host.plugins
    plugin, status = found["plugin"], found["status"]
    is_paid = report is not None and report["payment_status"] == "paid"
    undoable = quote is not None and not is_paid and can.is_loaded(plugin) and can.implements(plugin, "undo_quote")
    outcome, kind = found["outcome"], found["kind"]
    is_stopped = report is not None and _is_stopped(report, plugin)
    plan = _plan(plugin, quote) if found["kind"] == "quote_accepted" and quote else None
    ids = [outcome["invoice_id"], outcome["customer_id"]]
    made = _ids_made(outcome.get("ids"))
    ids += [*made, *(request_id for step in found["steps"] for request_id in step["request_ids"])]
    ids += [part["payment_id"] for part in report["installments"]] if report else []
    return {
        "run": found,
        "made": made,
        "quote": quote,
        "report": report,
        "plan": plan,
        "figures": _figures(quote, plan, outcome),
        "mails": mails_of_quote(host.store, workspace, plugin, found["quote_id"]) if of_quote else [],
        "links": service_links(
            host.plugins, host.settings, host.runs.contexts, workspace, plugin, [i for i in ids if i]
        ),
        "works": status not in {*FINISHED, "waiting"},
        "may": {
            "retry": status in _MAY_BE_RETRIED and not (is_stopped and kind in MAKING),
            "dismiss": status in _MAY_BE_DISMISSED or lacks_something(kind, status, found["error"]),
            "undo": undoable and status in {*FINISHED, "waiting"} and not is_stopped,
            "void": bool(report and kind in TAKING_BACK and status in FINISHED and may_void(found["quote_id"])),
            "send": bool(
                report
                and report["payment_status"] in {"unpaid", "partially_paid"}
                and report["installments"]
                and not is_stopped
            ),
        },
    }


def _is_stopped(report: Mapping[str, Any], plugin: str) -> bool:
    """Whether nothing more is made of the quote by this integration."""
    return report["cancelled"] is not None or plugin in {one["plugin"] for one in report["undone"]}


def _ids_made(said: Any) -> list[str]:
    """What an integration calls the things that it made, as the outcome's ``ids`` say."""
    return [one for one in said if isinstance(one, str)] if isinstance(said, list) else []


def _plan(plugin: str, quote: Any) -> dict[str, Any] | None:
    """What the integration would make of the quote with the present settings; None when it cannot say."""
    host = the_host()
    if not host.plugins.is_loaded(plugin) or not host.plugins.implements(plugin, "preview_quote"):
        return None
    try:
        plan = previews.ask(plugin, quote, host.plugins, host.settings, host.runs.contexts)
    except IntegrationError:
        return None
    return plan if plan["status"] == "planned" else None


def _figures(quote: Quote | None, plan: Mapping[str, Any] | None, outcome: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Net, tax and total: as signed, as planned, and as invoiced; ``differs``: not the signed figure."""
    signed, planned = quote.totals if quote else None, plan or {}
    rows = (
        ("net", _("Net"), signed.net_amount if signed else None, planned.get("subtotal")),
        ("tax", _("Tax"), signed.tax_amount if signed else None, planned.get("tax")),
        ("total", _("Total"), signed.total_amount if signed else None, planned.get("total")),
    )
    currencies = (quote.currency if quote else None, planned.get("currency"), outcome["currency"])
    # A total that is rounded to a coin has a line for it, which stands in the net of the invoice.
    apart = signed.total_amount - signed.net_amount - signed.tax_amount if signed else Decimal(0)
    found = []
    for name, title, is_signed, is_planned in rows:
        amounts = (is_signed, is_planned, outcome.get(name))
        cells = [
            {
                "amount": amount,
                "currency": currency,
                "differs": _differ(amount, is_signed, apart if name == "net" else 0),
            }
            for amount, currency in zip(amounts, currencies, strict=True)
        ]
        found.append({"name": name, "title": title, "cells": cells})
    return found


def _differ(amount: str | Decimal | None, signed: Decimal | None, apart: Decimal | int) -> bool:
    """Whether a figure is not the signed one, which may be finer than the currency has."""
    if amount is None or signed is None:
        return False
    figure = Decimal(amount)
    exponent = figure.as_tuple().exponent
    unit = Decimal(1).scaleb(exponent if isinstance(exponent, int) else 0)
    return all(abs(figure - wanted) >= unit for wanted in (signed, signed + apart))


def day(text: str) -> date | None:
    """A day of a form; None for what is no day."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
