"""Checkout Sessions in payment mode, and the payer's acts."""

from __future__ import annotations

from typing import Any

from stripe_simulator import payments
from stripe_simulator.errors import StripeError, bad_request
from stripe_simulator.events import emit
from stripe_simulator.ids import new_session_id
from stripe_simulator.invoices import shown as shown_invoice
from stripe_simulator.items import unit_amount
from stripe_simulator.lists import matching, page
from stripe_simulator.metadata import check_length, merged
from stripe_simulator.money import check_charge, checked_currency, rounded
from stripe_simulator.state import AccountState, Call, Json, World
from stripe_simulator.tax_rates import amount_with, taxes_of, usable

LIMITS = {"client_reference_id": 200, "success_url": 5000, "cancel_url": 5000}
DAY = 86_400
SHORTEST = 1_800


def create(call: Call) -> Json:
    params = call.params
    _check(params)
    customer = None
    if "customer" in params:
        customer = call.in_body("customers", "customer", params["customer"], param="customer")
    currency, subtotal, tax = _amounts(call)
    check_charge(subtotal + tax, currency, unlisted_minimum=call.config.unlisted_minimum_charge)
    session = _blank(call, currency, subtotal, tax)
    _apply(session, params, customer)
    session["expires_at"] = _expiry(call)
    session["url"] = f"{call.world.base_url}/pay/{session['id']}"
    call.state.sessions[session["id"]] = session
    call.state.session_plans[session["id"]] = {
        "payment_intent_data": params.get("payment_intent_data", {}),
        "description": _names(params["line_items"]),
    }
    return session


def _check(params: Json) -> None:
    check_length(params, LIMITS)
    if params.get("mode", "payment") != "payment":
        raise bad_request("The simulator models mode=payment only.", param="mode")
    if "mode" not in params:
        raise bad_request("Missing required param: mode.", code="parameter_missing", param="mode")
    if not params.get("line_items"):
        raise bad_request("Missing required param: line_items.", code="parameter_missing", param="line_items")
    if len(params["line_items"]) > 100:
        raise bad_request("At most 100 line items.", param="line_items")
    if "customer" in params and "customer_email" in params:
        raise bad_request("You may only specify one of these parameters: customer, customer_email.", param="customer")
    check_length(params.get("payment_intent_data", {}), {"description": 1000})


def _amounts(call: Call) -> tuple[str, int, int]:
    currencies, subtotal, tax = set(), 0, 0
    for number, line in enumerate(call.params["line_items"]):
        path = f"line_items[{number}]"
        currency, amount = _line_amount(line, path)
        rates = usable(call, line.get("tax_rates") or [], param=f"{path}[tax_rates]")
        tax += amount_with(taxes_of(call.state, amount, rates, call.config.rounding), "exclusive")
        subtotal += amount
        currencies.add(currency)
    if len(currencies) > 1:
        raise bad_request("All line items must have the same currency.", param="line_items")
    return currencies.pop(), subtotal, tax


def _line_amount(line: Json, path: str) -> tuple[str, int]:
    if "price" in line:
        raise bad_request(f"No such price: '{line['price']}'", code="resource_missing", param=f"{path}[price]")
    if "price_data" not in line:
        raise bad_request(f"Missing required param: {path}[price].", code="parameter_missing", param=f"{path}[price]")
    if "quantity" not in line:
        raise bad_request(
            f"Missing required param: {path}[quantity].", code="parameter_missing", param=f"{path}[quantity]"
        )
    data = line["price_data"]
    if "product" in data:
        message = f"No such product: '{data['product']}'"
        raise bad_request(message, code="resource_missing", param=f"{path}[price_data][product]")
    currency = checked_currency(data["currency"], param=f"{path}[price_data][currency]")
    return currency, rounded(unit_amount(data, f"{path}[price_data]") * line["quantity"])


def _names(lines: list[Json]) -> str:
    return ", ".join(line["price_data"].get("product_data", {}).get("name", "") for line in lines)


def _expiry(call: Call) -> int:
    given = call.params.get("expires_at")
    now = call.now()
    if given is None:
        return now + DAY
    if not now + SHORTEST <= given <= now + DAY:
        raise bad_request("expires_at must be between 30 minutes and 24 hours from now.", param="expires_at")
    return int(given)


def _blank(call: Call, currency: str, subtotal: int, tax: int) -> Json:
    nothing = dict.fromkeys(
        """after_expiration allow_promotion_codes allowed_payment_method_types billing_address_collection cancel_url
        client_reference_id client_secret collected_information consent consent_collection currency_conversion customer
        customer_account customer_details customer_email integration_identifier invoice locale origin_context
        payment_intent payment_link payment_method_configuration_details permissions recovered_from
        saved_payment_method_options setup_intent shipping_address_collection shipping_cost submit_type subscription
        success_url url wallet_options""".split()
    )
    return nothing | {
        "id": new_session_id(livemode=call.state.livemode),
        "object": "checkout.session",
        "adaptive_pricing": {"enabled": False},
        "amount_subtotal": subtotal,
        "amount_total": subtotal + tax,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "created": call.now(),
        "currency": currency,
        "custom_fields": [],
        "custom_text": {
            "after_submit": None,
            "shipping_address": None,
            "submit": None,
            "terms_of_service_acceptance": None,
        },
        "customer_creation": None if "customer" in call.params else "if_required",
        "discounts": [],
        "expires_at": 0,
        "invoice_creation": {
            "enabled": False,
            "invoice_data": {
                "account_tax_ids": None,
                "custom_fields": None,
                "description": None,
                "footer": None,
                "issuer": None,
                "metadata": {},
                "rendering_options": None,
            },
        },
        "livemode": call.state.livemode,
        "managed_payments": {"enabled": False},
        "metadata": {},
        "mode": "payment",
        "payment_method_collection": "if_required",
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "shipping_options": [],
        "status": "open",
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": tax},
        "ui_mode": "hosted_page",
    }


def _apply(session: Json, params: Json, customer: Json | None) -> None:
    for name in ("cancel_url", "client_reference_id", "customer_email", "locale", "submit_type", "success_url"):
        session[name] = params.get(name, session[name])
    session["metadata"] = merged({}, params.get("metadata"))
    if "adaptive_pricing" in params:
        session["adaptive_pricing"] = {"enabled": params["adaptive_pricing"].get("enabled", False)}
    if customer is not None:
        session["customer"] = customer["id"]
        session["customer_details"] = _details(customer)


def _details(customer: Json) -> Json:
    return {
        "address": customer["address"],
        "business_name": None,
        "email": customer["email"],
        "individual_name": None,
        "name": customer["name"],
        "phone": customer["phone"],
        "tax_exempt": customer["tax_exempt"],
        "tax_ids": [],
    }


def retrieve(call: Call) -> Json:
    return call.in_path("sessions", "checkout.session")


def list_sessions(call: Call) -> Json:
    found = matching(
        call.state.sessions.values(),
        call.params,
        "customer",
        "payment_intent",
        "status",
        "payment_link",
        "subscription",
    )
    return page(found, call.params, call.path)


def expire(call: Call) -> Json:
    session = call.in_path("sessions", "checkout.session")
    if session["status"] != "open":
        raise bad_request(
            'Only Checkout Sessions with a status in ["open"] can be expired. '
            f"This Checkout Session has a status of {session['status']}."
        )
    _expire(call, session)
    return session


def _expire(call: Call, session: Json) -> None:
    session |= {"status": "expired", "url": None}
    emit(call, "checkout.session.expired", session)


def expire_overdue(world: World) -> None:
    """Expire the sessions whose time is over."""
    with world.lock:
        for state in world.states():
            call = Call(world, state)
            for session in state.sessions.values():
                if session["status"] == "open" and session["expires_at"] <= call.now():
                    _expire(call, session)


def pay(call: Call) -> Json:
    """Pay by card: the payment succeeds at once."""
    session = _open_session(call)
    intent = _complete(call, session, intent_status="succeeded", payment_status="paid")
    emit(call, "payment_intent.succeeded", intent)
    emit(call, "checkout.session.completed", session)
    return session


def pay_later(call: Call) -> Json:
    """Pay by a method that settles later, such as a bank debit."""
    session = _open_session(call)
    intent = _complete(call, session, intent_status="processing", payment_status="unpaid")
    emit(call, "payment_intent.processing", intent)
    emit(call, "checkout.session.completed", session)
    return session


def settle(call: Call) -> Json:
    session, intent = _pending(call)
    session["payment_status"] = "paid"
    payments.succeed(call, intent, shown_invoice)
    emit(call, "checkout.session.async_payment_succeeded", session)
    return session


def fail(call: Call) -> Json:
    session, intent = _pending(call)
    payments.fail(call, intent)
    emit(call, "checkout.session.async_payment_failed", session)
    return session


def _complete(call: Call, session: Json, *, intent_status: str, payment_status: str) -> Json:
    intent = payments.new_intent(
        call,
        amount=session["amount_total"],
        currency=session["currency"],
        customer=session["customer"],
        status=intent_status,
    )
    payments.describe(intent, call.state.session_plans[session["id"]]["payment_intent_data"])
    session |= {"status": "complete", "payment_status": payment_status, "payment_intent": intent["id"], "url": None}
    return intent


def _open_session(call: Call) -> Json:
    session = call.in_path("sessions", "checkout.session")
    if session["status"] != "open":
        raise _not_payable(session)
    return session


def _pending(call: Call) -> tuple[Json, Json]:
    session = call.in_path("sessions", "checkout.session")
    intent = call.state.payment_intents.get(session["payment_intent"] or "")
    if intent is None or intent["status"] != "processing":
        raise _not_payable(session)
    return session, intent


def _not_payable(session: Json) -> StripeError:
    return bad_request(f"This Checkout Session is {session['status']} and {session['payment_status']}.")


def find(world: World, session_id: str) -> AccountState | None:
    """Return the account state with this session: the pay page knows only the id."""
    return _find(world, "sessions", session_id)


def find_invoice(world: World, invoice_id: str) -> AccountState | None:
    return _find(world, "invoices", invoice_id)


def _find(world: World, collection: str, object_id: str) -> AccountState | None:
    owners: list[Any] = [state for state in world.states() if object_id in getattr(state, collection)]
    return owners[0] if owners else None
