"""Decide whether one of Stripe's Tax Rates is the same tax as a planned rate (ADR 0059). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from .taxes import PlannedRate, comparable, without_rate

TaxRate = Mapping[str, Any]


class Fit(NamedTuple):
    """A Tax Rate that a planned rate may use; in sorted order, the best comes first."""

    is_unsaved: bool
    is_otherwise_named: bool
    position: int
    key: str
    rate_id: str
    note: str


def fits(workspace: str, rates: Iterable[PlannedRate], there: TaxRate, position: int) -> Iterator[Fit]:
    """Yield a fit for each planned rate that may use this Tax Rate; ``position`` is its place in Stripe's list."""
    # Checked again although the list was filtered: an archived or inclusive rate must never be used.
    if not there["active"] or there["inclusive"]:
        return
    place = there.get("country"), Decimal(str(there["percentage"])).normalize()
    for rate in rates:
        if rate.key[:2] == place and _is_of_one_kind(workspace, rate, there):
            named = _is_called_alike(workspace, rate, there)
            if named or _may_be_called_otherwise(workspace, rate, there):
                note = "" if named else _otherwise_named(rate, there)
                yield Fit(there["id"] not in rate.saved_ids, not named, position, str(rate.key), there["id"], note)


def _is_of_one_kind(workspace: str, rate: PlannedRate, there: TaxRate) -> bool:
    """Whether state, jurisdiction and type are the same; a Tax Rate without a type fits any type."""
    if rate.tax_type and there.get("tax_type") not in (None, rate.tax_type):
        return False
    places = [(comparable(there.get(name)), comparable(getattr(rate, name))) for name in ("state", "jurisdiction")]
    # Tax Rates that an earlier release created have no state and jurisdiction.
    return all(at_stripe == ours or (not at_stripe and _is_known(workspace, rate, there)) for at_stripe, ours in places)


def _is_called_alike(workspace: str, rate: PlannedRate, there: TaxRate) -> bool:
    if comparable(without_rate(there["display_name"])) != comparable(rate.display_name):
        return False
    # A cut name is not enough: another tax may begin with the same fifty characters.
    return (
        not rate.is_cut
        or comparable(there.get("description")) == comparable(rate.full_name)
        or _is_known(workspace, rate, there)
    )


def _may_be_called_otherwise(workspace: str, rate: PlannedRate, there: TaxRate) -> bool:
    """Whether a Tax Rate fits although it has another name.

    It does not fit for 0 %, because there the name says why no tax is charged. Nor does it fit if the planned rate is
    told apart from others by its name, or if the Tax Rate was made for another tax.
    """
    if not rate.key.percentage or rate.key.name:
        return False
    if (there.get("metadata") or {}).get("qwoty_tax"):
        return _is_made_for(workspace, rate, there)
    return rate.key.country is not None or there["id"] in rate.saved_ids


def _is_known(workspace: str, rate: PlannedRate, there: TaxRate) -> bool:
    return there["id"] in rate.saved_ids or _is_made_for(workspace, rate, there)


def _is_made_for(workspace: str, rate: PlannedRate, there: TaxRate) -> bool:
    metadata: Mapping[str, str] = there.get("metadata") or {}
    # Two workspaces may share a Stripe account, and their taxes may have the same id.
    return metadata.get("qwoty_workspace") == workspace and metadata.get("qwoty_tax") in rate.saved


def _otherwise_named(rate: PlannedRate, there: TaxRate) -> str:
    used = f"The Tax Rate {there['id']} was used for {rate.title!r}, as country and percentage are the same"
    return f"{used}; the invoice calls it {there['display_name']!r}."
