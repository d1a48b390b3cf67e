"""Tax rates, and the taxes of a line."""

from __future__ import annotations

from decimal import Decimal

from stripe_simulator.config import Rounding
from stripe_simulator.errors import bad_request
from stripe_simulator.events import emit
from stripe_simulator.form import inside
from stripe_simulator.ids import new_id
from stripe_simulator.lists import matching, page
from stripe_simulator.metadata import check_length, merged
from stripe_simulator.money import exclusive_tax, inclusive_tax
from stripe_simulator.state import AccountState, Call, Json

LIMITS = {"display_name": 50, "jurisdiction": 50}
TEXTS = ("country", "description", "jurisdiction", "state", "tax_type")


def create(call: Call) -> Json:
    check(call.params)
    rate = made(call, call.params, active=call.params.get("active", True))
    emit(call, "tax_rate.created", rate)
    return rate


def made(call: Call, params: Json, *, active: bool) -> Json:
    """Create a rate from checked parameters."""
    # A JSON number, as at Stripe; calculations convert it by its text.
    percentage = float(params["percentage"])
    rate: Json = {
        "id": new_id("txr"),
        "object": "tax_rate",
        "active": active,
        "created": call.now(),
        "display_name": params["display_name"],
        "effective_percentage": percentage,
        "flat_amount": None,
        "inclusive": params["inclusive"],
        "jurisdiction_level": params.get("jurisdiction_level"),
        "livemode": call.state.livemode,
        "metadata": merged({}, params.get("metadata")),
        "percentage": percentage,
        "rate_type": "percentage",
    } | {name: params.get(name) or None for name in TEXTS}
    call.state.tax_rates[rate["id"]] = rate
    return rate


def retrieve(call: Call) -> Json:
    return call.in_path("tax_rates", "tax rate")


def update(call: Call) -> Json:
    rate = call.in_path("tax_rates", "tax rate")
    check(call.params)
    new_metadata = merged(rate["metadata"], call.params.get("metadata"))
    for name in ("active", "display_name", *TEXTS):
        if name in call.params:
            rate[name] = None if call.params[name] == "" else call.params[name]
    rate["metadata"] = new_metadata
    emit(call, "tax_rate.updated", rate)
    return rate


def list_rates(call: Call) -> Json:
    return page(matching(call.state.tax_rates.values(), call.params, "active", "inclusive"), call.params, call.path)


def check(params: Json, *, path: str = "", limits: dict[str, int] = LIMITS) -> None:
    """Refuse parameters that no rate can have; ``path`` is the parent parameter, "" at the top."""
    check_length(params, limits, path)
    country = params.get("country")
    if country and not (len(country) == 2 and country.isalpha()):
        raise bad_request("Invalid country code.", param=inside(path, "country"))
    if "percentage" in params:
        _check_percentage(params["percentage"], inside(path, "percentage"))


def _check_percentage(percentage: Decimal, param: str) -> None:
    exponent = percentage.normalize().as_tuple().exponent
    if isinstance(exponent, int) and exponent < -4:
        raise bad_request("Percentage can have at most 4 decimal places.", param=param)
    if not 0 <= percentage <= 100:
        raise bad_request("Percentage must be between 0 and 100.", param=param)


def percentage_of(rate: Json) -> Decimal:
    return Decimal(str(rate["percentage"]))


def usable(call: Call, ids: list[str], *, param: str) -> list[str]:
    """Refuse rates that a line cannot use: unknown, archived, too many, or of mixed behavior."""
    if len(ids) > 5:
        raise bad_request("You may only pass up to 5 tax rates.", param=param)
    if len(set(ids)) < len(ids):
        raise bad_request("Duplicate tax rates are not allowed.", param=param)
    rates = [call.in_body("tax_rates", "tax rate", rate_id, param=f"{param}[{n}]") for n, rate_id in enumerate(ids)]
    for number, rate in enumerate(rates):
        if not rate["active"] or rate["id"] in call.state.rates_of_amounts.values():
            raise bad_request(f"The tax rate {rate['id']} is archived and cannot be used.", param=f"{param}[{number}]")
    if len({rate["inclusive"] for rate in rates}) > 1:
        raise bad_request("Inclusive and exclusive tax rates cannot be mixed.", param=param)
    return ids


def taxes_of(state: AccountState, amount: int, rate_ids: list[str], rounding: Rounding) -> list[Json]:
    """Return one entry for each rate, on the whole amount."""
    rates = [state.tax_rates[rate_id] for rate_id in rate_ids]
    return [tax_at(rate, *tax) for rate, tax in zip(rates, computed(amount, rates, rounding), strict=True)]


def computed(amount: int, rates: list[Json], rounding: Rounding) -> list[tuple[int, int]]:
    """Return tax and taxable amount for each rate; each rate of a line applies to the whole amount."""
    all_inclusive = sum((percentage_of(rate) for rate in rates if rate["inclusive"]), Decimal(0))
    included = [
        inclusive_tax(amount, percentage_of(rate), all_inclusive, rounding) if rate["inclusive"] else None
        for rate in rates
    ]
    taxable = amount - sum(tax for tax in included if tax is not None)
    return [
        (exclusive_tax(taxable, percentage_of(rate), rounding) if tax is None else tax, taxable)
        for rate, tax in zip(rates, included, strict=True)
    ]


def tax_at(rate: Json, amount: int, taxable: int, reason: str = "not_available") -> Json:
    """Return an entry of ``taxes`` as lines and invoices show it."""
    return {
        "amount": amount,
        "tax_behavior": "inclusive" if rate["inclusive"] else "exclusive",
        "tax_rate_details": {"tax_rate": rate["id"]},
        "taxability_reason": reason,
        "taxable_amount": taxable,
        "type": "tax_rate_details",
    }


def summed(taxes: list[Json]) -> list[Json]:
    """Return the invoice's tax for each rate, in the order in which the rates first appear."""
    totals: dict[str, Json] = {}
    for tax in taxes:
        rate_id = tax["tax_rate_details"]["tax_rate"]
        if rate_id not in totals:
            totals[rate_id] = {**tax, "tax_rate_details": {"tax_rate": rate_id}, "amount": 0, "taxable_amount": 0}
        totals[rate_id]["amount"] += tax["amount"]
        totals[rate_id]["taxable_amount"] += tax["taxable_amount"]
    return list(totals.values())


def amount_with(taxes: list[Json], behavior: str) -> int:
    return sum(tax["amount"] for tax in taxes if tax["tax_behavior"] == behavior)
