"""Quotes: what was invoiced, what is paid and due, and sending the next installment."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from flask import render_template, request, url_for
from werkzeug.wrappers import Response

from ...errors import ActionRefused
from ...quotes.standing import STATES
from ...reports.dashboard_links import service_links
from ...reports.previews import foretold
from ...reports.search import QUOTE_STATES, Asked
from ...reports.shapes import find_quote, list_quotes, quote_report
from ..auth import the_host
from .endings import may_void
from .form import whole_number
from .guard import blueprint, go_to, session
from .runs import PAGE, day
from .words import gettext as _


@blueprint.get("/quotes")
def quotes() -> str:
    """The workspace's quotes, newest first, by words, state and day."""
    asked = {
        name: request.args.get(name, "").strip()
        for name in ("search", "status", "since", "until", "without_invoice", "after")
    }
    host = the_host()
    found = list_quotes(
        host.store,
        session().workspace,
        host.clock.now(),
        limit=PAGE,
        after=asked["after"] or None,
        asked=Asked(
            search=asked["search"],
            state=asked["status"] if asked["status"] in QUOTE_STATES else None,
            first=day(asked["since"]),
            last=day(asked["until"]),
            without_invoice=bool(asked["without_invoice"]),
            asking=asked["status"] == "asking",
        ),
    )
    filters: dict[str, Any] = {name: value for name, value in asked.items() if value and name != "after"}
    following = None
    if found["has_more"]:
        following = url_for("console.quotes", **filters, after=found["data"][-1]["quote_id"])
    return render_template(
        "console/quotes.html",
        quotes=found["data"],
        asked=asked,
        filtered=bool(filters),
        states=[STATES[name] for name in QUOTE_STATES],
        following=following,
        first_page=not asked["after"],
        without_invoice=asked["without_invoice"],
        lacking=host.uninvoiced.count(session().workspace),
        runnable=_is_runnable(),
    )


@blueprint.post("/run/<id:quote_id>")
def run_quote(quote_id: str) -> Response:
    """Run a quote that was not worked."""
    run_id, *more = the_host().runs.run_quote(session().workspace, quote_id)
    return go_to(url_for("console.quote", quote_id=quote_id) if more else url_for("console.run", run_id=run_id))


@blueprint.post("/dismiss/<id:quote_id>")
def dismiss_quote(quote_id: str) -> Response:
    """Note that a quote without an invoice needs none any more."""
    reason = request.form.get("reason", "").strip() or _("no reason given")
    the_host().runs.dismiss_quote(session().workspace, quote_id, reason)
    return go_to(url_for("console.quote", quote_id=quote_id))


@blueprint.get("/run-waiting")
def confirm_run_waiting() -> str:
    """Ask before quotes are run that may be old: how many, since when, by which integration."""
    host, workspace, plugin = the_host(), session().workspace, request.args.get("plugin") or None
    host.runs.takers(workspace, plugin)
    waiting = host.uninvoiced.waiting(workspace, plugin)
    oldest = waiting[0]["received_at"] if waiting else None
    return render_template("console/run_waiting.html", plugin=plugin, number=len(waiting), oldest=oldest)


@blueprint.post("/run-waiting")
def run_waiting() -> Response:
    """Run every signed quote that has no invoice."""
    the_host().uninvoiced.run_all(session().workspace, request.form.get("plugin") or None)
    return go_to(url_for("console.runs"))


def _is_runnable() -> bool:
    """Whether an integration is switched on that a quote could be run by."""
    return bool(the_host().settings.enabled_plugins(session().workspace))


@blueprint.get("/quotes/<id:quote_id>")
def quote(quote_id: str) -> str:
    """One quote: figures, installments as a picture, runs."""
    return render_template("console/quote.html", **_facts(quote_id))


@blueprint.get("/preview/<id:quote_id>")
def preview(quote_id: str) -> str:
    """What a run would make of the quote with the settings of now, for whom, and what it would stop at."""
    host = the_host()
    found = find_quote(host.store, session().workspace, quote_id)
    plans = foretold(found, plugins=host.plugins, settings=host.settings, contexts=host.runs.contexts)["previews"]
    return render_template("console/preview.html", quote=found, previews=plans)


@blueprint.get("/send/<id:quote_id>")
def confirm_send(quote_id: str) -> str:
    """Ask before a customer is mailed: which installment, how much, to whom."""
    facts = _facts(quote_id)
    part = facts["next"]
    if part is None:
        raise ActionRefused(
            _("There is no installment left to send."), hint=_("The quote's page shows how each of them stands.")
        )
    return render_template("console/send.html", **facts, part=part)


@blueprint.post("/send/<id:quote_id>")
def send(quote_id: str) -> Response:
    """Queue the mail with the link; what was confirmed is what is sent."""
    host, number = the_host(), whole_number(request.form.get("number", ""))
    if not number:
        raise ActionRefused(_("Say which installment is to be sent."), hint=_("Begin from the quote's page."))
    run_id = host.runs.request_installment(session().workspace, quote_id, number)
    return go_to(url_for("console.run", run_id=run_id))


def _facts(quote_id: str) -> dict[str, Any]:
    host, workspace = the_host(), session().workspace
    report = quote_report(host.store, workspace, quote_id, host.clock.now())
    found = find_quote(host.store, workspace, quote_id) if report["number"] else None
    ids = [report["invoice"] and report["invoice"]["id"], *(part["payment_id"] for part in report["installments"])]
    links: dict[str, str] = {}
    for plugin in {run["plugin"] for run in report["runs"]}:
        wanted = [one for one in ids if one]
        links |= service_links(host.plugins, host.settings, host.runs.contexts, workspace, plugin, wanted)
    is_stopped = bool(report["cancelled"] or report["undone"])
    payable = report["payment_status"] in {"unpaid", "partially_paid"} and not is_stopped
    unpaid = [part for part in report["installments"] if part["status"] != "paid"]
    return {
        "quote": found,
        # A quote that could not be fetched has no number yet.
        "name": found.number if found else quote_id,
        "at": report["standing"],
        "steps": [step["step"] for step in report["standing"]["steps"]],
        "report": report,
        "links": links,
        "contact": found.billing_contact if found else None,
        "bars": _bars(report["installments"]),
        "runnable": _is_runnable(),
        "next": unpaid[0] if payable and unpaid else None,
        "may_void": may_void(quote_id),
    }


def _bars(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Where each installment stands in a picture 1000 wide."""
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
