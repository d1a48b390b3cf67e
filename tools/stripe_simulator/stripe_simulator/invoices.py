"""Invoices: from draft to open, paid, void or uncollectible."""

from __future__ import annotations

from stripe_simulator import customers, drafts, items
from stripe_simulator.errors import StripeError, bad_request
from stripe_simulator.events import emit
from stripe_simulator.ids import random_text
from stripe_simulator.lists import checked_limit, matching, page
from stripe_simulator.metadata import merged
from stripe_simulator.money import MINIMUM_CHARGE, check_payable
from stripe_simulator.payments import cancel_default, has_own_payments, open_default, settle_invoice
from stripe_simulator.state import Call, Json
from stripe_simulator.totals import refresh, set_due

SHOWN_LINES = 10
EDITABLE_WHEN_FINAL = {"metadata", "auto_advance", "expand"}
NOT_EDITABLE = "invoice_not_editable"


def shown(call: Call, invoice: Json) -> Json:
    """Return the invoice for an answer, with its first ten lines."""
    lines = items.lines_of(call, invoice)
    return invoice | {
        "lines": {
            "object": "list",
            "data": lines[:SHOWN_LINES],
            "has_more": len(lines) > SHOWN_LINES,
            "total_count": len(lines),
            "url": f"/v1/invoices/{invoice['id']}/lines",
        }
    }


def _announce(call: Call, event_type: str, invoice: Json) -> None:
    emit(call, event_type, shown(call, invoice))


def create(call: Call) -> Json:
    params = call.params
    customer = call.in_body("customers", "customer", drafts.customer_id(params), param="customer")
    invoice = drafts.blank_invoice(call, customer)
    drafts.copy_customer(invoice, customer)
    invoice["currency"] = drafts.currency_of(call, customer)
    drafts.apply(call, invoice)
    if call.config.refuse_missing_email_at_create and invoice["collection_method"] == "send_invoice":
        drafts.require_email(customer)
    call.state.invoices[invoice["id"]] = invoice
    call.state.invoice_items[invoice["id"]] = []
    if params.get("pending_invoice_items_behavior") == "include":
        _collect_pending(call, invoice)
    customer["currency"] = customer["currency"] or invoice["currency"]
    refresh(call, invoice)
    _announce(call, "invoice.created", invoice)
    return shown(call, invoice)


def _collect_pending(call: Call, invoice: Json) -> None:
    pending = [
        item
        for item in call.state.items.values()
        if item.invoice is None and item.customer == invoice["customer"] and item.currency == invoice["currency"]
    ]
    for item in reversed(pending):
        items.attach(call, invoice, item)


def retrieve(call: Call) -> Json:
    return shown(call, call.in_path("invoices", "invoice"))


def list_invoices(call: Call) -> Json:
    found = matching(
        call.state.invoices.values(), call.params, "customer", "status", "collection_method", "due_date", "subscription"
    )
    answer = page(found, call.params, call.path)
    return answer | {"data": [shown(call, invoice) for invoice in answer["data"]]}


def update(call: Call) -> Json:
    invoice = call.in_path("invoices", "invoice")
    if invoice["status"] == "draft":
        drafts.apply(call, invoice)
        refresh(call, invoice)
    else:
        _update_final(call, invoice)
    _announce(call, "invoice.updated", invoice)
    return shown(call, invoice)


def _update_final(call: Call, invoice: Json) -> None:
    for name in call.params:
        if name not in EDITABLE_WHEN_FINAL:
            raise bad_request(
                f"Finalized invoices can't be updated in this way: {name}.", param=name, code=NOT_EDITABLE
            )
    invoice["metadata"] = merged(invoice["metadata"], call.params.get("metadata"))
    invoice["auto_advance"] = call.params.get("auto_advance", invoice["auto_advance"])


def delete(call: Call) -> Json:
    invoice = _draft(call, "You can only delete draft invoices.")
    _announce(call, "invoice.deleted", invoice)
    for item_id in call.state.invoice_items.pop(invoice["id"]):
        del call.state.items[item_id]
    del call.state.invoices[invoice["id"]]
    return {"id": invoice["id"], "object": "invoice", "deleted": True}


def list_lines(call: Call) -> Json:
    checked_limit(call.params)
    return page(items.lines_of(call, call.in_path("invoices", "invoice")), call.params, call.path)


def add_lines(call: Call) -> Json:
    invoice = _draft(call, "This invoice is no longer editable.")
    invoice_metadata = merged(invoice["metadata"], call.params.get("invoice_metadata"))
    try:
        items.add_lines(call)
    finally:
        refresh(call, invoice)
    invoice["metadata"] = invoice_metadata
    _announce(call, "invoice.updated", invoice)
    return shown(call, invoice)


def _draft(call: Call, refusal: str) -> Json:
    invoice = call.in_path("invoices", "invoice")
    if invoice["status"] != "draft":
        raise bad_request(refusal, code=NOT_EDITABLE)
    return invoice


def finalize(call: Call) -> Json:
    invoice = _draft(call, "This invoice is already finalized, you can't re-finalize a non-draft invoice.")
    _finalize(call, invoice)
    return shown(call, invoice)


def _finalize(call: Call, invoice: Json) -> None:
    if not call.state.invoice_items[invoice["id"]]:
        raise bad_request(
            "You must have at least one invoice item to finalize an invoice.", code="invoice_no_customer_line_items"
        )
    customer = call.in_body("customers", "customer", invoice["customer"], param="customer")
    drafts.copy_customer(invoice, customer)
    refresh(call, invoice)
    if invoice["total"] > 0:
        check_payable(invoice["total"], invoice["currency"], "invoice")
    if "auto_advance" in call.params:
        invoice["auto_advance"] = call.params["auto_advance"]
    _number(call, invoice, customer)
    _use_balance(call, invoice, customer)
    invoice["status"] = "open"
    open_default(call, invoice)
    _announce(call, "invoice.finalized", invoice)
    if invoice["amount_remaining"] == 0:
        settle_invoice(call, invoice, shown)


def _number(call: Call, invoice: Json, customer: Json) -> None:
    now = call.now()
    if invoice["number"] is None:
        invoice["number"] = f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04d}"
        customer["next_invoice_sequence"] += 1
    token = random_text(40)
    call.world.links[token] = (call.state, invoice["id"])
    invoice["hosted_invoice_url"] = f"{call.world.base_url}/invoice/{token}?s=ap"
    invoice["invoice_pdf"] = f"{call.world.base_url}/pdf/{token}?s=ap"
    invoice["effective_at"] = invoice["effective_at"] or now
    invoice["status_transitions"]["finalized_at"] = now
    days = call.state.days_until_due.get(invoice["id"])
    if days is not None:
        invoice["due_date"] = now + days * drafts.DAY


def _use_balance(call: Call, invoice: Json, customer: Json) -> None:
    """Change the amount due by the customer's balance: a negative one is a credit, a positive one a debt."""
    before = customer["balance"]
    wanted = invoice["total"] + before
    due, after = (wanted, 0) if wanted > 0 else (0, wanted)
    minimum = MINIMUM_CHARGE.get(invoice["currency"], 0)
    if 0 < due < minimum and call.config.minimum_charge_goes_to_balance:
        due, after = 0, due
    invoice["starting_balance"], invoice["ending_balance"] = before, after
    set_due(invoice, due)
    if after != before:
        customer["balance"] = after
        customers.changed(call, customer)


def send(call: Call) -> Json:
    invoice = call.in_path("invoices", "invoice")
    if invoice["status"] in ("void", "uncollectible"):
        raise bad_request(f"You can't send an invoice that is {invoice['status']}.")
    if invoice["collection_method"] != "send_invoice":
        raise bad_request("You can only manually send an invoice if its collection method is 'send_invoice'.")
    customer = call.in_body("customers", "customer", invoice["customer"], param="customer")
    drafts.require_email(customer)
    if invoice["status"] == "draft":
        _finalize(call, invoice)
    # As in Stripe's test mode, no mail is sent; tests read this list.
    call.state.sent.append(
        {"invoice": invoice["id"], "to": customer["email"], "number": invoice["number"], "created": call.now()}
    )
    _announce(call, "invoice.sent", invoice)
    return shown(call, invoice)


def void(call: Call) -> Json:
    invoice = call.in_path("invoices", "invoice")
    if invoice["status"] not in ("open", "uncollectible"):
        raise _wrong_state(invoice, "void")
    if has_own_payments(call, invoice):
        raise bad_request("You can't void an invoice that has open or paid payments.")
    _move(call, invoice, "void", "voided_at")
    cancel_default(call, invoice)
    _announce(call, "invoice.voided", invoice)
    return shown(call, invoice)


def mark_uncollectible(call: Call) -> Json:
    invoice = call.in_path("invoices", "invoice")
    if invoice["status"] != "open":
        raise _wrong_state(invoice, "mark as uncollectible")
    _move(call, invoice, "uncollectible", "marked_uncollectible_at")
    _announce(call, "invoice.marked_uncollectible", invoice)
    return shown(call, invoice)


def _move(call: Call, invoice: Json, status: str, transition: str) -> None:
    invoice["status"] = status
    invoice["status_transitions"][transition] = call.now()


def _wrong_state(invoice: Json, act: str) -> StripeError:
    return bad_request(f"You can't {act} an invoice that is {invoice['status']}.", code=NOT_EDITABLE)
