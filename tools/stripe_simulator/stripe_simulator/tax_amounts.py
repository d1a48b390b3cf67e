"""Taxes that the caller computed: an amount for each tax of a line, with the data of its rate.

They behave as the docstrings of ``stripe.params.InvoiceAddLinesParams`` say.
"""

from __future__ import annotations

from decimal import Decimal

from stripe_simulator import tax_rates
from stripe_simulator.config import Config
from stripe_simulator.errors import bad_request, unknown_parameter
from stripe_simulator.form import inside
from stripe_simulator.state import AccountState, Call, Item, Json

MOST_PER_LINE = 20
# Longer than the name of a Tax Rate may be.
LIMITS = {"display_name": 200}


def refuse(params: Json) -> None:
    """Refuse ``tax_amounts`` as an unknown parameter."""
    for number, line in enumerate(params.get("lines", [])):
        if "tax_amounts" in line:
            raise unknown_parameter(f"lines[{number}][tax_amounts]")


def given_amounts(call: Call, line: Json, amount: int, path: str) -> list[Json]:
    """Return the checked tax amounts of a line of ``amount``; the switches may replace or drop them."""
    taxes: list[Json] = line.get("tax_amounts") or []
    here = inside(path, "tax_amounts")
    if len(taxes) > MOST_PER_LINE:
        raise bad_request(f"You may only pass up to {MOST_PER_LINE} tax amounts.", param=here)
    for number, tax in enumerate(taxes):
        _check(call.config, tax, f"{here}[{number}]")
    if call.config.tax_amounts_dropped:
        return []
    return _computed(taxes, amount, call.config) if call.config.tax_amounts_ignored else taxes


def _check(config: Config, tax: Json, path: str) -> None:
    data = tax["tax_rate_data"]
    tax_rates.check(data, path=inside(path, "tax_rate_data"), limits=LIMITS)
    for name in ("amount", "taxable_amount"):
        if tax[name] < 0 and not config.tax_amounts_may_be_negative:
            raise bad_request(f"Invalid {name}: must not be negative.", param=inside(path, name))
    # A tax of a fixed amount has the percentage 0. Rounding changes a tax by less than one minor unit.
    exact = Decimal(tax["taxable_amount"]) * data["percentage"] / 100
    differs = data["percentage"] != 0 and abs(tax["amount"] - exact) >= 1
    if differs and not config.tax_amounts_may_differ_from_percentage:
        raise bad_request("The amount does not match the percentage.", param=inside(path, "amount"))


def _computed(taxes: list[Json], amount: int, config: Config) -> list[Json]:
    computed = tax_rates.computed(amount, [tax["tax_rate_data"] for tax in taxes], config.rounding)
    return [
        tax | {"amount": due, "taxable_amount": taxable} for tax, (due, taxable) in zip(taxes, computed, strict=True)
    ]


def check_alone(invoice: Json, item: Item, before: list[Item], *, amounts: str, rates: str) -> None:
    """Refuse to mix tax amounts and tax rates on one invoice.

    ``before`` are the items that the invoice has already or gets first; ``amounts`` and ``rates`` are the parameters
    named in the error. Lines with neither pass.
    """
    has_rates = invoice["default_tax_rates"] or any(other.tax_rates for other in [*before, item])
    if item.tax_amounts and has_rates:
        raise bad_request("You cannot set tax amounts if the invoice or a line item has tax rates.", param=amounts)
    if item.tax_rates and any(other.tax_amounts for other in before):
        raise bad_request("You cannot set tax rates if a line item has tax amounts.", param=rates)


def refuse_partly(item: Item, before: list[Item], path: str) -> None:
    """Refuse a line without tax amounts if others have them, and the reverse."""
    if any(bool(other.tax_amounts) != bool(item.tax_amounts) for other in before):
        raise bad_request("Tax amounts are for every line of an invoice or for none.", param=path)


def keep_rates(call: Call, item: Item) -> None:
    """Create an archived rate for each tax amount of the item, or reuse the one with equal data."""
    for tax in item.tax_amounts:
        data = tax["tax_rate_data"]
        if _key(data) not in call.state.rates_of_amounts:
            call.state.rates_of_amounts[_key(data)] = tax_rates.made(call, data, active=False)["id"]


def taxes_of(state: AccountState, item: Item) -> list[Json]:
    """Return the taxes of a line as they were given."""
    return [
        tax_rates.tax_at(
            state.tax_rates[state.rates_of_amounts[_key(tax["tax_rate_data"])]],
            tax["amount"],
            tax["taxable_amount"],
            tax.get("taxability_reason", "not_available"),
        )
        for tax in item.tax_amounts
    ]


def _key(data: Json) -> frozenset[tuple[str, object]]:
    return frozenset((name, value) for name, value in data.items() if value != "")
