"""Quotes: list, page and preview; running, dismissing, and sending the next installment."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from flask import render_template, request, url_for
from werkzeug.wrappers import Response

from ...errors import ActionRefused
from ...quotes.standing import STATES
from ...reports.dashboard_links import dashboard_links
from ...reports.previews import preview_report
from ...reports.quotes import find_quote, list_quotes, quote_report
from ...reports.search import QUOTE_STATES, QuoteFilter
from ..auth import the_host
from .access_control import blueprint, redirect_to, session
from .cancellation import may_void
from .form import whole_number
from .i18n import gettext as _
from .runs import PAGE, day


@blueprint.get("/quotes")
def quotes() -> str:
    """List the workspace's quotes, newest first, filtered by words, state and day."""
    query = {
        name: request.args.get(name, "").strip()
        for name in ("search", "status", "since", "until", "without_invoice", "after")
    }
    host = the_host()
    page = list_quotes(
        host.store,
        session().workspace,
        host.clock.now(),
        limit=PAGE,
        after=query["after"] or None,
        quote_filter=QuoteFilter(
            search=query["search"],
            state=query["status"] if query["status"] in QUOTE_STATES else None,
            first=day(query["since"]),
            last=day(query["until"]),
            without_invoice=bool(query["without_invoice"]),
            asking=query["status"] == "asking",
        ),
    )
    active: dict[str, Any] = {name: value for name, value in query.items() if value and name != "after"}
    following = None
    if page["has_more"]:
        following = url_for("console.quotes", **active, after=page["data"][-1]["quote_id"])
    return render_template(
        "console/quotes.html",
        quotes=page["data"],
        query=query,
        filtered=bool(active),
        states=[STATES[name] for name in QUOTE_STATES],
        following=following,
        first_page=not query["after"],
        without_invoice=query["without_invoice"],
        lacking=host.runs.without_invoice.count(session().workspace),
        runnable=_is_runnable(),
    )


@blueprint.post("/run/<id:quote_id>")
def run_quote(quote_id: str) -> Response:
    """Run a quote that no integration has run."""
    run_id, *more = the_host().runs.acceptance.run(session().workspace, quote_id)
    return redirect_to(url_for("console.quote", quote_id=quote_id) if more else url_for("console.run", run_id=run_id))


@blueprint.post("/dismiss/<id:quote_id>")
def dismiss_quote(quote_id: str) -> Response:
    """Dismiss a quote that needs no invoice."""
    reason = request.form.get("reason", "").strip() or _("no reason given")
    the_host().runs.without_invoice.dismiss(session().workspace, quote_id, reason)
    return redirect_to(url_for("console.quote", quote_id=quote_id))


@blueprint.get("/run-waiting")
def confirm_run_waiting() -> str:
    """Ask for confirmation before running the waiting quotes: show how many, since when, for which integration."""
    host, workspace, plugin = the_host(), session().workspace, request.args.get("plugin") or None
    host.runs.acceptance.takers(workspace, plugin)
    waiting = host.runs.without_invoice.waiting(workspace, plugin)
    oldest = waiting[0]["received_at"] if waiting else None
    return render_template("console/run_waiting.html", plugin=plugin, number=len(waiting), oldest=oldest)


@blueprint.post("/run-waiting")
def run_waiting() -> Response:
    """Run every signed quote that has no invoice."""
    the_host().runs.acceptance.run_all(session().workspace, request.form.get("plugin") or None)
    return redirect_to(url_for("console.runs"))


def _is_runnable() -> bool:
    """Return whether any integration is enabled."""
    return bool(the_host().settings.enabled_plugins(session().workspace))


@blueprint.get("/quotes/<id:quote_id>")
def quote(quote_id: str) -> str:
    """Show a quote: figures, installments as a chart, runs."""
    return render_template("console/quote.html", **_facts(quote_id))


@blueprint.get("/preview/<id:quote_id>")
def preview(quote_id: str) -> str:
    """Show what a run would do with the quote under the present settings, and where it would stop."""
    host = the_host()
    quote = find_quote(host.store, session().workspace, quote_id)
    report = preview_report(quote, host.integrations)
    return render_template("console/preview.html", quote=quote, previews=report["previews"])


@blueprint.get("/send/<id:quote_id>")
def confirm_send(quote_id: str) -> str:
    """Ask for confirmation before mailing the customer: show the installment, amount and recipient."""
    facts = _facts(quote_id)
    part = facts["next"]
    if part is None:
        raise ActionRefused(
            _("There is no installment left to send."), hint=_("The quote's page shows how each of them stands.")
        )
    return render_template("console/send.html", **facts, part=part)


@blueprint.post("/send/<id:quote_id>")
def send(quote_id: str) -> Response:
    """Request the run that mails the confirmed installment's link."""
    host, number = the_host(), whole_number(request.form.get("number", ""))
    if not number:
        raise ActionRefused(_("Say which installment is to be sent."), hint=_("Begin from the quote's page."))
    run_id = host.runs.installments.request(session().workspace, quote_id, number)
    return redirect_to(url_for("console.run", run_id=run_id))


def _facts(quote_id: str) -> dict[str, Any]:
    host, workspace = the_host(), session().workspace
    report = quote_report(host.store, workspace, quote_id, host.clock.now())
    quote = find_quote(host.store, workspace, quote_id) if report["number"] else None
    ids = [report["invoice"] and report["invoice"]["id"], *(part["payment_id"] for part in report["installments"])]
    links: dict[str, str] = {}
    for plugin in {run["plugin"] for run in report["runs"]}:
        known_ids = [one for one in ids if one]
        links |= dashboard_links(host.integrations.of(workspace, plugin), known_ids)
    is_stopped = bool(report["cancelled"] or report["undone"])
    payable = report["payment_status"] in {"unpaid", "partially_paid"} and not is_stopped
    unpaid = [part for part in report["installments"] if part["status"] != "paid"]
    return {
        "quote": quote,
        # A quote that could not be fetched has no number yet.
        "name": quote.number if quote else quote_id,
        "at": report["standing"],
        "steps": [step["step"] for step in report["standing"]["steps"]],
        "report": report,
        "links": links,
        "contact": quote.billing_contact if quote else None,
        "bars": _bars(report["installments"]),
        "runnable": _is_runnable(),
        "next": unpaid[0] if payable and unpaid else None,
        "may_void": may_void(quote_id),
    }


def _bars(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the installments with their places in a bar chart 1000 units wide."""
    whole = sum((Decimal(part["amount"]) for part in parts), Decimal(0))
    bars, left = [], Decimal(0)
    for part in parts:
        width = Decimal(part["amount"]) * 1000 / whole if whole else Decimal(0)
        bars.append(
            {
                **part,
                "x": round(left, 2),
                "width": round(max(width - (6 if part is not parts[-1] else 0), Decimal(2)), 2),
            }
        )
        left += width
    return bars
