"""Finding or creating the Stripe Tax Rates that an invoice needs (Stripe page, section 8; ADR 0059).

One walk over the active, exclusive rates verifies the saved ids and finds the others: no rate has to be
fetched by itself, so the number of calls does not grow with the number of taxes. Of several that fit, the saved one
comes first, then one of the same name, then the newest.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import Future, wait
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

from qwoty_integrations_host import Attempt, HookContext

from . import external_ids
from .gateway import Gateway
from .taxes import PlannedRate, RateKey, folded

#: Tax Rate ids by key, and notes.
_Found = tuple[dict[str, str], list[str]]
#: Where a step's result has its notes, beside the keys.
_NOTES = "notes"


class TaxRates:
    """The rates of one invoice, which may be read while something else is."""

    def __init__(self, ctx: HookContext, stripe: Gateway, rates: Mapping[RateKey, PlannedRate]) -> None:
        self._ctx, self._stripe, self._rates = ctx, stripe, rates
        self._ahead: tuple[Future[_Found], Attempt] | None = None

    def read_ahead(self) -> None:
        """Begin to look for the rates in a thread of its own; ``resolve`` takes what it finds (ADR 0052)."""
        if self._rates and self._ahead is None:
            self._ahead = Future(), Attempt(number=1, key=1, first_started_at=self._ctx.clock.now())
            # A daemon: a process that stops does not wait for an answer that nobody will look at.
            threading.Thread(target=self._read, args=self._ahead, name="tax rates", daemon=True).start()

    def _read(self, found: Future[_Found], attempt: Attempt) -> None:
        try:
            found.set_result(_find(self._ctx, self._stripe, self._rates, attempt))
        except BaseException as error:  # noqa: BLE001 - whoever takes the result gets it
            found.set_exception(error)

    def resolve(self, quote_id: str) -> tuple[dict[RateKey, str], list[str]]:
        """Give the Tax Rate id of each planned rate, and notes; two quotes at once make one rate."""
        ctx, stripe, rates = self._ctx, self._stripe, self._rates
        if not rates:
            return {}, []
        with ctx.lock(f"tax_rates:{stripe.account}"):
            found = dict(ctx.step("tax_rates", self._look))
            notes = found.pop(_NOTES, [])
            for key, rate in rates.items():
                if str(key) not in found:
                    create = partial(_create, ctx, stripe, rate, frozenset(found.values()))
                    found[str(key)] = ctx.step(f"tax_rate.create:{key}", create)
        ids = {key: found[str(key)] for key in rates}
        left = ctx.step("tax_rates.save", lambda _: _save(ctx, rates, ids, quote_id))
        return ids, [*notes, *(left or [])]

    def _look(self, attempt: Attempt) -> dict[str, Any]:
        ahead, self._ahead = self._ahead, None
        if ahead is None:
            found, notes = _find(self._ctx, self._stripe, self._rates, attempt)
        else:
            answer, asked = ahead
            wait([answer])
            attempt.request_ids.extend(asked.request_ids)
            found, notes = answer.result()
        return {**found, _NOTES: notes} if notes else dict(found)


def _find(
    ctx: HookContext,
    stripe: Gateway,
    rates: Mapping[RateKey, PlannedRate],
    attempt: Attempt,
    taken: Collection[str] = (),
) -> _Found:
    """The rates that are there already, each for one key, and notes: two taxes of a quote never share one."""
    usable = {"active": True, "inclusive": False}
    fitting: list[_Fit] = []
    certain: dict[str, str] = {}
    for position, there in enumerate(stripe.pages(attempt, lambda v1, p: v1.tax_rates.list(params=p), usable)):
        if there["id"] in taken:
            continue
        for fit in _fits(ctx, rates, there, position):
            fitting.append(fit)
            if not fit.is_unsaved and there["id"] not in certain.values():
                certain.setdefault(fit.key, there["id"])
        if len(certain) == len(rates):
            break
    found: dict[str, str] = {}
    notes = []
    for fit in sorted(fitting):
        if fit.key not in found and fit.rate_id not in found.values():
            found[fit.key] = fit.rate_id
            notes += [fit.note] if fit.note else []
    return found, notes


class _Fit(NamedTuple):
    """A Tax Rate that a tax may use; the least is the best."""

    is_unsaved: bool
    is_otherwise_named: bool
    position: int
    key: str
    rate_id: str
    note: str


def _fits(
    ctx: HookContext, rates: Mapping[RateKey, PlannedRate], there: Mapping[str, Any], position: int
) -> Iterator[_Fit]:
    # Checked again although the list was filtered: an archived or inclusive rate must never be used.
    if not there["active"] or there["inclusive"]:
        return
    place = there.get("country"), Decimal(str(there["percentage"])).normalize()
    for rate in rates.values():
        if rate.key[:2] == place and _is_of_one_kind(ctx, rate, there):
            named = _is_called_alike(ctx, rate, there)
            if named or _may_be_called_otherwise(ctx, rate, there):
                note = "" if named else _otherwise_named(rate, there)
                yield _Fit(there["id"] not in rate.saved_ids, not named, position, str(rate.key), there["id"], note)


def _is_of_one_kind(ctx: HookContext, rate: PlannedRate, there: Mapping[str, Any]) -> bool:
    """Whether state, jurisdiction and type are the tax's; where Stripe's rate tells no type, that is no difference."""
    if rate.tax_type and there.get("tax_type") not in (None, rate.tax_type):
        return False
    places = [(folded(there.get(name)), folded(getattr(rate, name))) for name in ("state", "jurisdiction")]
    # Ours may be of before we told Stripe where a tax is due.
    return all(at_stripe == ours or (not at_stripe and _is_known(ctx, rate, there)) for at_stripe, ours in places)


def _is_called_alike(ctx: HookContext, rate: PlannedRate, there: Mapping[str, Any]) -> bool:
    if folded(there["display_name"]) != folded(rate.display_name):
        return False
    # Another tax may begin with the same fifty characters.
    return not rate.is_cut or folded(there.get("description")) == folded(rate.full_name) or _is_known(ctx, rate, there)


def _may_be_called_otherwise(ctx: HookContext, rate: PlannedRate, there: Mapping[str, Any]) -> bool:
    """Whether a rate of another name will do: never for 0 %, whose name is the reason, nor if it is another tax's."""
    if not rate.key.percentage or rate.key.name:
        return False
    if (there.get("metadata") or {}).get("qwoty_tax"):
        return _is_made_for(ctx, rate, there)
    return rate.key.country is not None or there["id"] in rate.saved_ids


def _is_known(ctx: HookContext, rate: PlannedRate, there: Mapping[str, Any]) -> bool:
    return there["id"] in rate.saved_ids or _is_made_for(ctx, rate, there)


def _is_made_for(ctx: HookContext, rate: PlannedRate, there: Mapping[str, Any]) -> bool:
    metadata: Mapping[str, str] = there.get("metadata") or {}
    # Two workspaces may share a Stripe account, and their taxes an id.
    return metadata.get("qwoty_workspace") == ctx.workspace and metadata.get("qwoty_tax") in rate.saved


def _otherwise_named(rate: PlannedRate, there: Mapping[str, Any]) -> str:
    used = f"The Tax Rate {there['id']} was used for {rate.title!r}, as country and percentage are the same"
    return f"{used}; the invoice calls it {there['display_name']!r}."


def _create(ctx: HookContext, stripe: Gateway, rate: PlannedRate, taken: Collection[str], attempt: Attempt) -> str:
    # Without what tells taxes of one quote apart: whatever was made for country and percentage is a reason to look.
    place = f"tax_rate:{stripe.account}:{RateKey(*rate.key[:2])}"
    # Another quote may have made it after this run had looked (a retry carries over what was found then).
    if attempt.repeated or ctx.state.get(place):
        made_before, _ = _find(ctx, stripe, {rate.key: rate}, attempt, taken)
        if made_before:
            return made_before[str(rate.key)]
    params = {
        "display_name": rate.display_name,
        "inclusive": False,
        "percentage": f"{rate.key.percentage:f}",
        "country": rate.key.country,
        "state": rate.state,
        "jurisdiction": rate.jurisdiction,
        "description": rate.full_name if rate.is_cut else None,
        "tax_type": rate.tax_type,
        "metadata": {"qwoty_workspace": ctx.workspace, "qwoty_tax": next(iter(rate.saved), str(rate.key))},
    }
    made = stripe.write(
        attempt,
        "txr",
        str(rate.key),
        {name: value for name, value in params.items() if value is not None},
        lambda v1, p, o: v1.tax_rates.create(params=p, options=o),
        replaces=",".join(dict.fromkeys((*rate.saved_ids, ctx.state.get(place) or ""))),
    )
    ctx.state.set(place, made["id"])
    return str(made["id"])


def _save(
    ctx: HookContext, rates: Mapping[RateKey, PlannedRate], ids: Mapping[RateKey, str], quote_id: str
) -> list[str]:
    saving = (
        external_ids.save(ctx, "tax", entity_id, there=there, found=ids[key], quote_id=quote_id)
        for key, rate in rates.items()
        for entity_id, there in rate.saved.items()
    )
    return [note for notes in saving for note in notes]
