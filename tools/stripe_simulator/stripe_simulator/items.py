"""Invoice items, which are also the lines of invoices."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from stripe_simulator.errors import bad_request, missing_in_body, missing_in_path, server_error
from stripe_simulator.events import emit
from stripe_simulator.form import inside
from stripe_simulator.ids import new_id
from stripe_simulator.lists import created_within, newest_first, page
from stripe_simulator.metadata import check_length, merged
from stripe_simulator.money import checked_currency, rounded
from stripe_simulator.state import AccountState, Call, Item, Json, items_of
from stripe_simulator.tax_amounts import check_alone, given_amounts, keep_rates, refuse_partly
from stripe_simulator.tax_rates import usable
from stripe_simulator.totals import refresh, taxes_on

MOST_ITEMS = 250


def add_lines(call: Call) -> None:
    """Append lines to the draft in the path."""
    invoice = call.in_path("invoices", "invoice")
    given = call.params["lines"]
    check_room(call.state, invoice, len(given))
    added: list[Item] = []
    for number, line in enumerate(given):
        if number == call.stop_after_lines:
            raise server_error()
        path = f"lines[{number}]"
        item = _line_item(call, invoice, line, path)
        rates = inside(path, "invoice_item" if "invoice_item" in line else "tax_rates")
        before = [*items_of(call.state, invoice), *added]
        check_alone(invoice, item, before, amounts=inside(path, "tax_amounts"), rates=rates)
        if call.config.tax_amounts_on_every_line:
            refuse_partly(item, before, inside(path, "tax_amounts"))
        added.append(item)
        if not call.config.add_lines_atomic:
            attach(call, invoice, added.pop())
    for item in added:
        attach(call, invoice, item)


def attach(call: Call, invoice: Json, item: Item) -> None:
    item.invoice = invoice["id"]
    keep_rates(call, item)
    call.state.items[item.id] = item
    call.state.invoice_items[invoice["id"]].append(item.id)


def check_room(state: AccountState, invoice: Json, more: int) -> None:
    if len(state.invoice_items[invoice["id"]]) + more > MOST_ITEMS:
        raise bad_request(f"An invoice can have at most {MOST_ITEMS} invoice items.", param="lines")


def _line_item(call: Call, invoice: Json, params: Json, path: str) -> Item:
    if "invoice_item" in params:
        item = _pending_item(call, invoice, params, path)
    else:
        item = _new_item(call, params, invoice["customer"], invoice["currency"], path)
    # A copy: if a later line is refused, a pending item stays as it is.
    return replace(item, tax_amounts=given_amounts(call, params, item.amount, path))


def _pending_item(call: Call, invoice: Json, params: Json, path: str) -> Item:
    param = f"{path}[invoice_item]"
    item_id = params["invoice_item"]
    item = call.state.items.get(item_id)
    if item is None:
        raise missing_in_body("invoiceitem", item_id, param=param)
    if item.invoice is not None or item.customer != invoice["customer"] or item.currency != invoice["currency"]:
        raise bad_request("The invoice item cannot be added to this invoice.", param=param)
    return item


def _new_item(call: Call, params: Json, customer: str, currency: str, path: str = "") -> Item:
    check_length(params, {"description": 5000}, path)
    amount, pricing = _priced(params, currency, path)
    now = call.now()
    rates = params.get("tax_rates")
    quantity = params.get("quantity_decimal", Decimal(params.get("quantity", 1)))
    return Item(
        id=new_id("ii"),
        line_id=new_id("il"),
        customer=customer,
        invoice=None,
        amount=amount,
        currency=currency,
        created=now,
        description=_description(params),
        quantity=int(quantity),
        quantity_decimal=quantity,
        pricing=pricing,
        tax_rates=None if rates is None else usable(call, rates or [], param=inside(path, "tax_rates")),
        discountable=params.get("discountable", amount >= 0),
        metadata=merged({}, params.get("metadata")),
        period=params.get("period") or {"start": now, "end": now},
    )


def _description(params: Json) -> str | None:
    product = params.get("price_data", {}).get("product_data", {})
    return params.get("description") or product.get("name") or None


def _priced(params: Json, currency: str, path: str) -> tuple[int, Json | None]:
    ways = [name for name in ("amount", "price_data", "pricing", "unit_amount_decimal") if name in params]
    if len(ways) != 1:
        raise bad_request(
            "You must specify exactly one of amount, price_data or pricing.", param=inside(path, "amount")
        )
    _check_quantity(params, path)
    if ways == ["amount"]:
        return int(params["amount"]), None
    if ways == ["pricing"]:
        price = params["pricing"].get("price", "")
        raise bad_request(f"No such price: '{price}'", code="resource_missing", param=inside(path, "pricing[price]"))
    if ways == ["price_data"]:
        return _from_price_data(params, currency, path)
    return rounded(params["unit_amount_decimal"] * _quantity(params)), None


def _check_quantity(params: Json, path: str) -> None:
    for name in ("quantity", "quantity_decimal"):
        if name not in params:
            continue
        if "amount" in params:
            raise bad_request(
                f"You may only specify one of these parameters: amount, {name}.", param=inside(path, name)
            )
        if params[name] < 0:
            raise bad_request("The quantity must not be negative.", param=inside(path, name))
    if "quantity" in params and "quantity_decimal" in params:
        raise bad_request("Specify quantity or quantity_decimal, not both.", param=inside(path, "quantity"))


def _quantity(params: Json) -> Decimal:
    return Decimal(params["quantity_decimal"] if "quantity_decimal" in params else params.get("quantity", 1))


def _from_price_data(params: Json, currency: str, path: str) -> tuple[int, Json]:
    data = params["price_data"]
    here = inside(path, "price_data")
    if checked_currency(data["currency"], param=f"{here}[currency]") != currency:
        raise bad_request(
            f"The currency of the price does not match the invoice's: {currency}.", param=f"{here}[currency]"
        )
    unit = unit_amount(data, here)
    if "product" in data:
        product = data["product"]
        raise bad_request(f"No such product: '{product}'", code="resource_missing", param=f"{here}[product]")
    details = {"price": new_id("price"), "product": new_id("prod")}
    pricing = {"price_details": details, "type": "price_details", "unit_amount_decimal": format(unit, "f")}
    return rounded(unit * _quantity(params)), pricing


def unit_amount(data: Json, path: str) -> Decimal:
    """Return the unit price of a ``price_data``, which is an integer or a decimal."""
    if ("unit_amount" in data) == ("unit_amount_decimal" in data):
        raise bad_request("Specify exactly one of unit_amount and unit_amount_decimal.", param=f"{path}[unit_amount]")
    unit = Decimal(data["unit_amount"] if "unit_amount" in data else data["unit_amount_decimal"])
    if unit < 0:
        raise bad_request("A price cannot be negative.", param=f"{path}[unit_amount]")
    return unit


def lines_of(call: Call, invoice: Json) -> list[Json]:
    return [_line(call, item, invoice) for item in items_of(call.state, invoice)]


def _line(call: Call, item: Item, invoice: Json) -> Json:
    return {
        "id": item.line_id,
        "object": "line_item",
        "amount": item.amount,
        "currency": item.currency,
        "description": item.description,
        "discount_amounts": [],
        "discountable": item.discountable,
        "discounts": [],
        "invoice": invoice["id"],
        "livemode": call.state.livemode,
        "metadata": dict(item.metadata),
        "parent": {
            "invoice_item_details": {
                "invoice_item": item.id,
                "proration": False,
                "proration_details": None,
                "subscription": None,
            },
            "subscription_item_details": None,
            "type": "invoice_item_details",
        },
        "period": dict(item.period),
        "pretax_credit_amounts": [],
        "pricing": item.pricing,
        "quantity": item.quantity,
        "quantity_decimal": format(item.quantity_decimal, "f"),
        "subtotal": item.amount,
        "taxes": taxes_on(call, item, invoice),
    }


def create(call: Call) -> Json:
    params = call.params
    customer = call.in_body("customers", "customer", _customer_id(call), param="customer")
    invoice = _draft_named(call, customer["id"])
    currency = checked_currency(
        params.get("currency") or (invoice or customer)["currency"] or call.config.default_currency
    )
    if invoice is not None and invoice["currency"] != currency:
        raise bad_request(f"The invoice's currency is {invoice['currency']}.", param="currency")
    item = _new_item(call, params, customer["id"], currency)
    if invoice is None:
        call.state.items[item.id] = item
    else:
        check_room(call.state, invoice, 1)
        check_alone(invoice, item, items_of(call.state, invoice), amounts="tax_amounts", rates="tax_rates")
        attach(call, invoice, item)
        refresh(call, invoice)
    answer = shown_item(call, item)
    emit(call, "invoiceitem.created", answer)
    return answer


def _customer_id(call: Call) -> str:
    customer = call.params.get("customer")
    if not customer:
        raise bad_request("Missing required param: customer.", code="parameter_missing", param="customer")
    return str(customer)


def _draft_named(call: Call, customer: str) -> Json | None:
    if "invoice" not in call.params:
        return None
    invoice = call.in_body("invoices", "invoice", call.params["invoice"], param="invoice")
    if invoice["status"] != "draft":
        raise bad_request("The invoice is no longer editable.", code="invoice_not_editable", param="invoice")
    if invoice["customer"] != customer:
        raise bad_request("The invoice belongs to another customer.", param="invoice")
    return invoice


def retrieve(call: Call) -> Json:
    return shown_item(call, _item_in_path(call))


def _item_in_path(call: Call) -> Item:
    item = call.state.items.get(call.id)
    if item is None:
        raise missing_in_path("invoiceitem", call.id)
    return item


def update(call: Call) -> Json:
    item = _item_in_path(call)
    strange = next((name for name in call.params if name not in ("description", "metadata")), None)
    if strange is not None:
        raise bad_request(f"The simulator does not model changing an item's {strange}.", param=strange)
    item.description = call.params.get("description", item.description) or None
    item.metadata = merged(item.metadata, call.params.get("metadata"))
    return shown_item(call, item)


def delete(call: Call) -> Json:
    item = _item_in_path(call)
    invoice = call.state.invoices.get(item.invoice or "")
    if invoice is not None and invoice["status"] != "draft":
        raise bad_request("The item's invoice is no longer editable.", code="invoice_not_editable")
    emit(call, "invoiceitem.deleted", shown_item(call, item))
    del call.state.items[item.id]
    if invoice is not None:
        call.state.invoice_items[invoice["id"]].remove(item.id)
        refresh(call, invoice)
    return {"id": item.id, "object": "invoiceitem", "deleted": True}


def list_items(call: Call) -> Json:
    found = [shown_item(call, item) for item in call.state.items.values() if _wanted(item, call.params)]
    shown = [
        item for item in newest_first(found) if created_within({"created": item["date"]}, call.params.get("created"))
    ]
    return page(shown, call.params, call.path)


def _wanted(item: Item, params: Json) -> bool:
    return (
        params.get("customer", item.customer) == item.customer
        and params.get("invoice", item.invoice) == item.invoice
        and params.get("pending", item.invoice is None) == (item.invoice is None)
    )


def shown_item(call: Call, item: Item) -> Json:
    rates: list[Any] = [call.state.tax_rates[rate_id] for rate_id in item.tax_rates or []]
    return {
        "id": item.id,
        "object": "invoiceitem",
        "amount": item.amount,
        "currency": item.currency,
        "customer": item.customer,
        "customer_account": None,
        "date": item.created,
        "description": item.description,
        "discountable": item.discountable,
        "discounts": [],
        "invoice": item.invoice,
        "livemode": call.state.livemode,
        "metadata": dict(item.metadata),
        "net_amount": item.amount,
        "parent": None,
        "period": dict(item.period),
        "pricing": item.pricing,
        "proration": False,
        "quantity": item.quantity,
        "quantity_decimal": format(item.quantity_decimal, "f"),
        "tax_rates": rates,
        "test_clock": None,
    }
