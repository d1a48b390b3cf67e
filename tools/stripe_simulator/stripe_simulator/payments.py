"""PaymentIntents, and how they pay invoices."""

from __future__ import annotations

from collections.abc import Callable

from stripe_simulator import customers
from stripe_simulator.errors import bad_request
from stripe_simulator.events import emit
from stripe_simulator.ids import new_id
from stripe_simulator.lists import matching, page
from stripe_simulator.metadata import merged
from stripe_simulator.state import Call, Json

Shown = Callable[[Call, Json], Json]
PAYABLE = ("open", "uncollectible")


def new_intent(call: Call, *, amount: int, currency: str, customer: str | None, status: str) -> Json:
    """Create a PaymentIntent for a payer or a finalized invoice; no route creates one."""
    intent_id = new_id("pi")
    succeeded = status == "succeeded"
    intent: Json = {
        "id": intent_id,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_received": amount if succeeded else 0,
        "application": None,
        "application_fee_amount": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic",
        "client_secret": f"{intent_id}_secret_simulated",
        "confirmation_method": "automatic",
        "created": call.now(),
        "currency": currency,
        "customer": customer,
        "description": None,
        "last_payment_error": None,
        "latest_charge": new_id("ch") if succeeded else None,
        "livemode": call.state.livemode,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": new_id("pm") if succeeded else None,
        "processing": None,
        "receipt_email": None,
        "setup_future_usage": None,
        "shipping": None,
        "statement_descriptor": None,
        "status": status,
        "transfer_data": None,
        "transfer_group": None,
    }
    call.state.payment_intents[intent_id] = intent
    return intent


def describe(intent: Json, data: Json) -> None:
    """Set the description and metadata of ``payment_intent_data``."""
    intent["description"] = data.get("description")
    intent["metadata"] = merged({}, data.get("metadata"))


def succeed(call: Call, intent: Json, shown: Shown) -> None:
    """Settle a delayed payment, and credit the invoices to which it was attached."""
    intent |= {"status": "succeeded", "amount_received": intent["amount"], "latest_charge": new_id("ch")}
    emit(call, "payment_intent.succeeded", intent)
    for payment in list(call.state.invoice_payments.values()):
        if payment["payment"]["payment_intent"] == intent["id"] and payment["status"] == "open":
            _credit(call, call.state.invoices[payment["invoice"]], payment, intent["amount"], shown)


def fail(call: Call, intent: Json) -> None:
    intent |= {"status": "requires_payment_method"}
    emit(call, "payment_intent.payment_failed", intent)


def retrieve_intent(call: Call) -> Json:
    return call.in_path("payment_intents", "payment_intent")


def _new_payment(call: Call, invoice: Json, intent: Json, *, requested: int, default: bool) -> Json:
    payment: Json = {
        "id": new_id("inpay"),
        "object": "invoice_payment",
        "amount_paid": None,
        "amount_requested": requested,
        "created": call.now(),
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": default,
        "livemode": call.state.livemode,
        "payment": {"payment_intent": intent["id"], "type": "payment_intent"},
        "status": "open",
        "status_transitions": {"canceled_at": None, "paid_at": None},
    }
    call.state.invoice_payments[payment["id"]] = payment
    return payment


def payments_of(call: Call, invoice: Json) -> list[Json]:
    return [payment for payment in call.state.invoice_payments.values() if payment["invoice"] == invoice["id"]]


def default_of(call: Call, invoice: Json) -> Json | None:
    return next((payment for payment in payments_of(call, invoice) if payment["is_default"]), None)


def open_default(call: Call, invoice: Json) -> None:
    """Create the default payment of a finalized invoice, which its hosted page collects."""
    if invoice["amount_remaining"] > 0:
        amount = invoice["amount_remaining"]
        intent = new_intent(
            call,
            amount=amount,
            currency=invoice["currency"],
            customer=invoice["customer"],
            status="requires_payment_method",
        )
        _new_payment(call, invoice, intent, requested=amount, default=True)


def cancel_default(call: Call, invoice: Json) -> None:
    payment = default_of(call, invoice)
    if payment is None or payment["status"] != "open":
        return
    payment["status"] = "canceled"
    payment["status_transitions"]["canceled_at"] = call.now()
    call.state.payment_intents[payment["payment"]["payment_intent"]] |= {
        "status": "canceled",
        "canceled_at": call.now(),
    }


def has_own_payments(call: Call, invoice: Json) -> bool:
    """Whether a payment other than the untouched default one prevents voiding."""
    return any(
        payment["status"] == "paid" or (payment["status"] == "open" and not payment["is_default"])
        for payment in payments_of(call, invoice)
    )


def attach(call: Call, shown: Shown) -> Json:
    invoice = call.in_path("invoices", "invoice")
    intent = _attachable(call, invoice)
    payment = _new_payment(call, invoice, intent, requested=intent["amount"], default=False)
    if intent["status"] == "succeeded":
        _credit(call, invoice, payment, intent["amount_received"], shown)
    return shown(call, invoice)


def _attachable(call: Call, invoice: Json) -> Json:
    param = "payment_intent"
    if "payment_intent" not in call.params:
        raise bad_request("Missing required param: payment_intent.", code="parameter_missing", param=param)
    intent = call.in_body("payment_intents", "payment_intent", call.params[param], param=param)
    # Checked first: the code tells a caller that the payment is attached already.
    if any(payment["payment"]["payment_intent"] == intent["id"] for payment in payments_of(call, invoice)):
        raise bad_request(
            "This PaymentIntent is already attached to the invoice.", code="resource_already_exists", param=param
        )
    if not _takes_payments(call, invoice):
        raise bad_request(f"Payments can't be attached to an invoice that is {invoice['status']}.", param=param)
    _check_fit(call, invoice, intent)
    if any(payment["payment"]["payment_intent"] == intent["id"] for payment in call.state.invoice_payments.values()):
        raise bad_request("This PaymentIntent already pays another invoice.", param=param)
    return intent


def _takes_payments(call: Call, invoice: Json) -> bool:
    if invoice["status"] == "uncollectible":
        return call.config.uncollectible_takes_payments
    return invoice["status"] in PAYABLE


def _check_fit(call: Call, invoice: Json, intent: Json) -> None:
    for name in ("currency", "customer"):
        if intent[name] != invoice[name]:
            raise bad_request(f"The PaymentIntent's {name} does not match the invoice's.", param="payment_intent")
    if intent["status"] == "canceled":
        raise bad_request("A canceled PaymentIntent can't be attached.", param="payment_intent")
    if call.config.refuse_overpayment and intent["amount"] > invoice["amount_remaining"]:
        raise bad_request("The PaymentIntent's amount exceeds the amount remaining.", param="payment_intent")


def _credit(call: Call, invoice: Json, payment: Json, amount: int, shown: Shown) -> None:
    payment["amount_paid"] = amount
    payment["status"] = "paid"
    payment["status_transitions"]["paid_at"] = call.now()
    counted = min(amount, invoice["amount_remaining"])
    invoice["amount_paid"] += counted
    invoice["amount_remaining"] -= counted
    emit(call, "invoice_payment.paid", payment)
    _credit_excess(call, invoice, amount - counted, shown)
    _follow(call, invoice)
    if invoice["amount_remaining"] == 0 and invoice["status"] in PAYABLE:
        settle_invoice(call, invoice, shown)
    else:
        emit(call, "invoice.updated", shown(call, invoice))


def _credit_excess(call: Call, invoice: Json, excess: int, shown: Shown) -> None:
    if excess <= 0:
        return
    invoice["amount_overpaid"] += excess
    customer = call.state.customers[invoice["customer"]]
    if not customer.get("deleted"):
        customer["balance"] -= excess
        customers.changed(call, customer)
    emit(call, "invoice.overpaid", shown(call, invoice))


def _follow(call: Call, invoice: Json) -> None:
    """Set the amount of the default payment to what remains."""
    payment = default_of(call, invoice)
    if payment is None or payment["status"] != "open":
        return
    if invoice["amount_remaining"] == 0:
        cancel_default(call, invoice)
        return
    payment["amount_requested"] = invoice["amount_remaining"]
    call.state.payment_intents[payment["payment"]["payment_intent"]]["amount"] = invoice["amount_remaining"]


def settle_invoice(call: Call, invoice: Json, shown: Shown) -> None:
    """Mark the invoice paid, since nothing remains."""
    invoice["status"] = "paid"
    invoice["status_transitions"]["paid_at"] = call.now()
    invoice["attempted"] = True
    for event_type in ("invoice.updated", "invoice.paid", "invoice.payment_succeeded"):
        emit(call, event_type, shown(call, invoice))


def pay_rest(call: Call, invoice: Json, shown: Shown) -> None:
    """Pay what remains on the hosted page, by the invoice's default payment."""
    payment = default_of(call, invoice)
    if invoice["status"] not in PAYABLE or payment is None or payment["status"] != "open":
        raise bad_request(f"An invoice that is {invoice['status']} can't be paid.")
    intent = call.state.payment_intents[payment["payment"]["payment_intent"]]
    intent |= {"status": "succeeded", "amount_received": intent["amount"], "latest_charge": new_id("ch")}
    emit(call, "payment_intent.succeeded", intent)
    _credit(call, invoice, payment, intent["amount"], shown)


def mark_paid(call: Call, invoice: Json, shown: Shown) -> None:
    """Mark what remains as paid outside Stripe, as a person does in the Dashboard."""
    if invoice["status"] not in PAYABLE:
        raise bad_request(f"An invoice that is {invoice['status']} can't be marked as paid.")
    if call.config.amount_paid_holds_outside:
        invoice["amount_paid"] += invoice["amount_remaining"]
        invoice["amount_remaining"] = 0
    cancel_default(call, invoice)
    settle_invoice(call, invoice, shown)


def retrieve(call: Call) -> Json:
    return call.in_path("invoice_payments", "invoice_payment")


def list_payments(call: Call) -> Json:
    wanted = call.params.get("payment", {})
    found = [
        payment
        for payment in matching(call.state.invoice_payments.values(), call.params, "invoice", "status")
        if all(payment["payment"].get(name) == value for name, value in wanted.items())
    ]
    return page(found, call.params, call.path)
