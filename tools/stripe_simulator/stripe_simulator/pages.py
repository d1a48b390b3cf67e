"""The payer's pages: the pay page, the hosted invoice page, and the PDF."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, abort, redirect, render_template_string, request
from werkzeug.wrappers import Response as AnyResponse

from stripe_simulator import checkout, payments
from stripe_simulator.errors import StripeError
from stripe_simulator.invoices import shown as shown_invoice
from stripe_simulator.money import shown
from stripe_simulator.pdf import invoice_pdf
from stripe_simulator.state import Call, Json, World

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Stripe simulator — not Stripe</title>
<style>
 :root { color-scheme: light dark; --ink: #16202c; --soft: #5b6b7d; --paper: #fff; --ground: #eef1f6; --act: #3f51d9; }
 @media (prefers-color-scheme: dark) { :root { --ink: #e9eef5; --soft: #9fb0c3; --paper: #1b2430; --ground: #10161e; } }
 * { box-sizing: border-box; } body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem;
 background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
 main { width: 100%; max-width: 26rem; background: var(--paper); border-radius: 14px; padding: 2rem;
 box-shadow: 0 8px 40px #0002; }
 .note { font-size: .8rem; letter-spacing: .04em; color: var(--soft); margin: 0 0 1.5rem; }
 .note b { background: #ffdf6b; color: #4a3800; border-radius: 6px; padding: .15rem .5rem; }
 h1 { font-size: 2.2rem; margin: 0; font-variant-numeric: tabular-nums; }
 p { color: var(--soft); margin: .3rem 0 1.5rem; }
 button { width: 100%; font: inherit; font-weight: 600; padding: .8rem; border: 0; border-radius: 9px; cursor: pointer;
 margin-bottom: .7rem; background: var(--act); color: #fff; } button.quiet { background: transparent; color: var(--ink);
 border: 1px solid #8886; } button:focus-visible, a:focus-visible { outline: 3px solid #8fa0ff; outline-offset: 2px; }
 a { color: var(--soft); } footer { text-align: center; margin-top: .5rem; }
</style></head><body><main>
<p class="note"><b>Stripe simulator</b> — not Stripe. No money moves.</p>
<h1>{{ amount }}</h1><p>{{ description }}</p>
{% for name, label, quiet in buttons %}
<form method="post"><input type="hidden" name="act" value="{{ name }}">
<button{% if quiet %} class="quiet"{% endif %}>{{ label }}</button></form>
{% endfor %}
{% for address, label in links %}<footer><a href="{{ address }}">{{ label }}</a></footer>{% endfor %}
</main></body></html>"""

Buttons = list[tuple[str, str, bool]]
Links = list[tuple[str, str]]


def _page(amount: str, description: str, buttons: Buttons, links: Links, status: int = 200) -> Response:
    text = render_template_string(PAGE, amount=amount, description=description, buttons=buttons, links=links)
    return Response(text, status=status, mimetype="text/html")


def blueprint(world: World) -> Blueprint:
    """The pages over one simulated world."""
    pages = Blueprint("pages", __name__)

    @pages.route("/pay/<session_id>", methods=["GET", "POST"])
    def pay(session_id: str) -> AnyResponse:
        state = checkout.find(world, session_id)
        if state is None:
            abort(404)
        checkout.expire_overdue(world)
        call = Call(world, state, id=session_id)
        return _pay(call, request.form.get("act", "pay")) if request.method == "POST" else _pay_page(call)

    @pages.route("/invoice/<token>", methods=["GET", "POST"])
    def hosted_invoice(token: str) -> AnyResponse:
        call = _linked(world, token)
        invoice = call.state.invoices[call.id]
        if request.method == "POST":
            with world.lock:
                payments.pay_rest(call, invoice, shown_invoice)
            return redirect(request.full_path, code=303)
        return _invoice_page(invoice)

    @pages.get("/pdf/<token>")
    def pdf(token: str) -> AnyResponse:
        if "Authorization" in request.headers:
            # A client that sends a key to this address would send it to a file host, too.
            return Response("This address takes no key.", status=400, mimetype="text/plain")
        _linked(world, token)
        return redirect(f"{world.base_url}/files/{token}.pdf", code=302)

    @pages.get("/files/<token>.pdf")
    def file(token: str) -> AnyResponse:
        call = _linked(world, token)
        return Response(invoice_pdf(call.state.invoices[call.id]), mimetype="application/pdf")

    @pages.get("/done")
    def done() -> AnyResponse:
        return _page("Thank you", "You may close this page.", [], [])

    @pages.errorhandler(StripeError)
    def refused(error: StripeError) -> AnyResponse:
        return _page("Not possible", error.message, [], [], status=error.status)

    return pages


def _linked(world: World, token: str) -> Call:
    found = world.links.get(token)
    if found is None:
        abort(404)
    state, invoice_id = found
    return Call(world, state, id=invoice_id)


def _pay(call: Call, act: str) -> AnyResponse:
    with call.world.lock:
        session = checkout.pay_later(call) if act == "pay_later" else checkout.pay(call)
    target = session["success_url"] or f"{call.world.base_url}/done"
    return redirect(target.replace("{CHECKOUT_SESSION_ID}", session["id"]), code=303)


def _pay_page(call: Call) -> Response:
    session = call.state.sessions[call.id]
    amount = shown(session["amount_total"], session["currency"])
    description: Any = call.state.session_plans[call.id]["description"]
    links: Links = [(session["cancel_url"], "Cancel")] if session["cancel_url"] else []
    if session["status"] != "open":
        return _page(amount, f"{description} — this page is {session['status']}.", [], links)
    buttons = [("pay", f"Pay {amount}", False), ("pay_later", "Pay by bank debit (settles later)", True)]
    return _page(amount, description, buttons, links)


def _invoice_page(invoice: Json) -> Response:
    amount = shown(invoice["amount_remaining"], invoice["currency"])
    description = f"Invoice {invoice['number']} · {invoice['status']}"
    payable = invoice["status"] in payments.PAYABLE and invoice["amount_remaining"] > 0
    buttons = [("pay", f"Pay {amount}", False)] if payable else []
    return _page(amount, description, buttons, [(invoice["invoice_pdf"], "Download PDF")])
