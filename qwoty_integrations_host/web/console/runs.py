"""Runs: list and page; retrying, dismissing and undoing them."""

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
from ...quotes.run import FINISHED, MAKING, MAY_BE_RETRIED, TAKING_BACK, RunKind, RunStatus, may_be_dismissed
from ...reports import previews
from ...reports.dashboard_links import dashboard_links
from ...reports.quotes import mails_of_quote, quote_report
from ...reports.runs import find_run, list_runs
from ...store import quotes
from ..auth import the_host
from .access_control import blueprint, redirect_to, session
from .cancellation import may_void
from .i18n import gettext as _
from .i18n import session_timezone

PAGE = 25
#: Further choices of the list's filter, beside the statuses of runs.
WITHOUT_INVOICE, OPEN = "without_invoice", "open_runs"


@blueprint.get("/runs")
def runs() -> str:
    """List the workspace's runs, newest first, filtered by status, quote and day."""
    query = {
        name: request.args.get(name, "").strip() for name in ("status", "quote", "plugin", "since", "until", "after")
    }
    first, last = day(query["since"]), day(query["until"])
    host, workspace = the_host(), session().workspace
    page = list_runs(
        host.store,
        workspace=workspace,
        limit=PAGE,
        after=query["after"] or None,
        status=query["status"] if query["status"] in set(RunStatus) else None,
        without_invoice=query["status"] == WITHOUT_INVOICE,
        to_look_at=query["status"] == OPEN,
        plugin=query["plugin"] or None,
        quote_id=query["quote"] or None,
        since=begins(first, session_timezone()) if first else None,
        until=begins(last, session_timezone()) + timedelta(days=1) if last else None,
    )
    active: dict[str, Any] = {name: value for name, value in query.items() if value and name != "after"}
    following = None
    if page["has_more"]:
        following = url_for("console.runs", **active, after=page["data"][-1]["id"])
    with host.store.read() as db:
        numbers = quotes.numbers(db, workspace, {run["quote_id"] for run in page["data"]})
    return render_template(
        "console/runs.html",
        runs=page["data"],
        numbers=numbers,
        query=query,
        filtered=bool(active),
        to_look_at=OPEN,
        statuses=(*RunStatus, WITHOUT_INVOICE),
        following=following,
        first_page=not query["after"],
    )


@blueprint.get("/runs/<run_id>")
def run(run_id: str) -> str:
    """Show a run's steps, outcome and error; the page polls while the run works."""
    return render_template("console/run.html", **_facts(run_id), done=_DONE.get(request.args.get("done", "")))


@blueprint.get("/runs/<run_id>/progress")
def run_progress(run_id: str) -> str:
    """Return the page's fragment that changes while the run works."""
    return render_template("console/run_progress.html", **_facts(run_id))


@blueprint.post("/runs/<run_id>/retry")
def retry(run_id: str) -> Response:
    """Retry a run: it resumes at the step that failed."""
    _run_of_workspace(run_id)
    the_host().runs.control.retry(run_id)
    return redirect_to(url_for("console.run", run_id=run_id))


@blueprint.post("/runs/<run_id>/dismiss")
def dismiss(run_id: str) -> Response:
    """Dismiss a run that a person has dealt with."""
    _run_of_workspace(run_id)
    the_host().runs.control.dismiss(run_id, request.form.get("reason", "").strip() or _("no reason given"))
    return redirect_to(url_for("console.run", run_id=run_id, done="dismissed"))


@blueprint.get("/runs/<run_id>/undo")
def confirm_undo(run_id: str) -> str:
    """Ask for confirmation before undoing a run."""
    return render_template("console/undo.html", **_facts(run_id))


@blueprint.post("/runs/<run_id>/undo")
def undo(run_id: str) -> Response:
    """Request the run that takes back what is not final."""
    _run_of_workspace(run_id)
    return redirect_to(url_for("console.run", run_id=the_host().runs.cancellation.undo(run_id)))


_DONE = {"dismissed": "dismissed"}


def _run_of_workspace(run_id: str) -> dict[str, Any]:
    """Return a run of this workspace. Raises: NotFound."""
    return find_run(the_host().store, run_id, workspace=session().workspace)


def _facts(run_id: str) -> dict[str, Any]:
    host, workspace = the_host(), session().workspace
    run = _run_of_workspace(run_id)
    of_quote = run["kind"] != RunKind.UPKEEP
    with host.store.read() as db:
        # While a run fetches a quote, there is no quote yet.
        quote = quotes.find(db, workspace, run["quote_id"]) if run["quote_id"] else None
    report = quote_report(host.store, workspace, run["quote_id"], host.clock.now()) if quote else None
    can = host.plugins
    plugin, status = run["plugin"], run["status"]
    is_paid = report is not None and report["payment_status"] == "paid"
    undoable = quote is not None and not is_paid and can.is_loaded(plugin) and can.implements(plugin, "undo_quote")
    outcome, kind = run["outcome"], run["kind"]
    is_stopped = report is not None and _is_stopped(report, plugin)
    plan = _plan(plugin, quote) if kind == RunKind.QUOTE_ACCEPTED and quote else None
    ids = [outcome["invoice_id"], outcome["customer_id"]]
    made = _created_ids(outcome.get("ids"))
    ids += [*made, *(request_id for step in run["steps"] for request_id in step["request_ids"])]
    ids += [part["payment_id"] for part in report["installments"]] if report else []
    return {
        "run": run,
        "made": made,
        "quote": quote,
        "report": report,
        "plan": plan,
        "figures": _figures(quote, plan, outcome),
        "mails": mails_of_quote(host.store, workspace, plugin, run["quote_id"]) if of_quote else [],
        "links": dashboard_links(host.integrations.of(workspace, plugin), [i for i in ids if i]),
        "works": status not in {*FINISHED, RunStatus.WAITING},
        "may": {
            "retry": status in MAY_BE_RETRIED and not (is_stopped and kind in MAKING),
            "dismiss": may_be_dismissed(kind, status, run["error"]),
            "undo": undoable and status in {*FINISHED, RunStatus.WAITING} and not is_stopped,
            "void": bool(report and kind in TAKING_BACK and status in FINISHED and may_void(run["quote_id"])),
            "send": bool(
                report
                and report["payment_status"] in {"unpaid", "partially_paid"}
                and report["installments"]
                and not is_stopped
            ),
        },
    }


def _is_stopped(report: Mapping[str, Any], plugin: str) -> bool:
    """Return whether the quote is cancelled, or undone by this integration."""
    return report["cancelled"] is not None or plugin in {one["plugin"] for one in report["undone"]}


def _created_ids(ids: Any) -> list[str]:
    """Return the outcome's ``ids``: what the integration created at its service."""
    return [one for one in ids if isinstance(one, str)] if isinstance(ids, list) else []


def _plan(plugin: str, quote: Any) -> dict[str, Any] | None:
    """Return the integration's plan for the quote under the present settings; None without one."""
    integration = the_host().integrations.of(quote.workspace_id, plugin)
    if not integration.supports("preview_quote"):
        return None
    try:
        plan = previews.plugin_preview(integration, quote)
    except IntegrationError:
        return None
    return plan if plan["status"] == "planned" else None


def _figures(quote: Quote | None, plan: Mapping[str, Any] | None, outcome: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return net, tax and total as signed, planned and invoiced. ``differs`` marks those unlike the signed figure."""
    signed, planned = quote.totals if quote else None, plan or {}
    rows = (
        ("net", _("Net"), signed.net_amount if signed else None, planned.get("subtotal")),
        ("tax", _("Tax"), signed.tax_amount if signed else None, planned.get("tax")),
        ("total", _("Total"), signed.total_amount if signed else None, planned.get("total")),
    )
    currencies = (quote.currency if quote else None, planned.get("currency"), outcome["currency"])
    # If the total is rounded to the smallest coin, the invoice has a line for the difference, and its net includes it.
    rounding = signed.total_amount - signed.net_amount - signed.tax_amount if signed else Decimal(0)
    figures = []
    for name, title, signed_amount, planned_amount in rows:
        amounts = (signed_amount, planned_amount, outcome.get(name))
        cells = [
            {
                "amount": amount,
                "currency": currency,
                "differs": _differ(amount, signed_amount, rounding if name == "net" else 0),
            }
            for amount, currency in zip(amounts, currencies, strict=True)
        ]
        figures.append({"name": name, "title": title, "cells": cells})
    return figures


def _differ(amount: str | Decimal | None, signed: Decimal | None, rounding: Decimal | int) -> bool:
    """Return whether a figure differs from the signed one by a unit of the currency or more."""
    if amount is None or signed is None:
        return False
    figure = Decimal(amount)
    exponent = figure.as_tuple().exponent
    unit = Decimal(1).scaleb(exponent if isinstance(exponent, int) else 0)
    return all(abs(figure - expected) >= unit for expected in (signed, signed + rounding))


def day(text: str) -> date | None:
    """Parse a form's date; None if invalid."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
