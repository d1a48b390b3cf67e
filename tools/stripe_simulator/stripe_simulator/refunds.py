"""Refunds that a person makes in the Dashboard: the charge shows the refunded amount, the invoice does not."""

from __future__ import annotations

from stripe_simulator.errors import bad_request, missing_in_path
from stripe_simulator.events import emit
from stripe_simulator.ids import new_id
from stripe_simulator.state import AccountState, Call, Json, World


def refund(call: Call, amount: int | None) -> Json:
    """Refund a part of a payment, or what is left of it, and return its charge."""
    intent = call.in_path("payment_intents", "payment_intent")
    if intent["status"] != "succeeded":
        raise bad_request(f"A payment that is {intent['status']} can't be refunded.", param="payment_intent")
    charge = call.state.charges.setdefault(intent["latest_charge"], _charge(call, intent))
    left = charge["amount"] - charge["amount_refunded"]
    if left == 0:
        raise bad_request(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    back = left if amount is None else amount
    if not 0 < back <= left:
        raise bad_request(f"Refund amount ({back}) must be between 1 and what is left ({left}).", param="amount")
    before = {"amount_refunded": charge["amount_refunded"], "refunded": charge["refunded"]}
    charge["amount_refunded"] += back
    charge["refunded"] = back == left
    emit(call, "charge.refunded", charge, before=before)
    return charge


def _charge(call: Call, intent: Json) -> Json:
    """Return the charge of a payment, created when it is first needed."""
    nothing = dict.fromkeys(
        """application application_fee application_fee_amount failure_balance_transaction failure_code failure_message
        on_behalf_of outcome receipt_email receipt_number receipt_url review shipping source source_transfer
        statement_descriptor statement_descriptor_suffix transfer_data transfer_group""".split()
    )
    return nothing | {
        "id": intent["latest_charge"],
        "object": "charge",
        "amount": intent["amount_received"],
        "amount_captured": intent["amount_received"],
        "amount_refunded": 0,
        "balance_transaction": new_id("txn"),
        "billing_details": dict.fromkeys(("address", "email", "name", "phone", "tax_id")),
        "calculated_statement_descriptor": None,
        "captured": True,
        "created": intent["created"],
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "fraud_details": {},
        "livemode": intent["livemode"],
        "metadata": dict(intent["metadata"]) if call.config.charges_copy_metadata else {},
        "paid": True,
        "payment_intent": intent["id"],
        "payment_method": intent["payment_method"],
        "payment_method_details": None,
        "radar_options": {},
        "refunded": False,
        "status": "succeeded",
    }


def owner(world: World, payment_intent: str) -> AccountState:
    """Return the account state with this payment. Raises: StripeError (404)."""
    for state in world.states():
        if payment_intent in state.payment_intents:
            return state
    raise missing_in_path("payment_intent", payment_intent)
