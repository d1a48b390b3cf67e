"""Finding or creating the Stripe Tax Rates that an invoice needs (Stripe page, section 8).

One walk over the active, exclusive rates verifies the saved ids and finds the others: no rate has to be
fetched by itself, so the number of calls does not grow with the number of taxes. Of several that fit, the saved one
comes first, then one of the same name, then the newest; where a name is in the key, no other name fits.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from concurrent.futures import Future, wait
from decimal import Decimal
from functools import partial
from typing import Any

from qwoty_integrations_host import Attempt, HookContext

from .gateway import Gateway
from .taxes import PlannedRate, RateKey


class TaxRates:
    """The rates of one invoice, which may be read while something else is."""

    def __init__(self, ctx: HookContext, stripe: Gateway, rates: Mapping[RateKey, PlannedRate]) -> None:
        self._ctx, self._stripe, self._rates = ctx, stripe, rates
        self._ahead: tuple[Future[dict[str, str]], Attempt] | None = None

    def read_ahead(self) -> None:
        """Begin to look for the rates in a thread of its own; ``resolve`` takes what it finds (ADR 0052)."""
        if self._rates and self._ahead is None:
            self._ahead = Future(), Attempt(number=1, key=1, first_started_at=self._ctx.clock.now())
            # A daemon: a process that stops does not wait for an answer that nobody will look at.
            threading.Thread(target=self._read, args=self._ahead, name="tax rates", daemon=True).start()

    def _read(self, found: Future[dict[str, str]], attempt: Attempt) -> None:
        try:
            found.set_result(_find(self._stripe, self._rates, attempt))
        except BaseException as error:  # noqa: BLE001 - whoever takes the result gets it
            found.set_exception(error)

    def resolve(self) -> dict[RateKey, str]:
        """Give the Tax Rate id of each planned rate; two quotes at once make one rate."""
        ctx, stripe, rates = self._ctx, self._stripe, self._rates
        if not rates:
            return {}
        with ctx.lock(f"tax_rates:{stripe.account}"):
            found = dict(ctx.step("tax_rates", self._look))
            for key, rate in rates.items():
                if str(key) not in found:
                    create = partial(_create, ctx, stripe, rate, frozenset(found.values()))
                    found[str(key)] = ctx.step(f"tax_rate.create:{key}", create)
        ids = {key: found[str(key)] for key in rates}
        ctx.step("tax_rates.save", lambda _: _save(ctx, rates, ids))
        return ids

    def _look(self, attempt: Attempt) -> dict[str, str]:
        ahead, self._ahead = self._ahead, None
        if ahead is None:
            return _find(self._stripe, self._rates, attempt)
        found, asked = ahead
        wait([found])
        attempt.request_ids.extend(asked.request_ids)
        return found.result()


def _find(
    stripe: Gateway, rates: Mapping[RateKey, PlannedRate], attempt: Attempt, taken: Collection[str] = ()
) -> dict[str, str]:
    """The rates that are there already, each for one key: two taxes on a line never share one."""
    usable = {"active": True, "inclusive": False}
    fitting: list[tuple[bool, bool, int, str, str]] = []
    certain: dict[str, str] = {}
    for position, there in enumerate(stripe.pages(attempt, lambda v1, p: v1.tax_rates.list(params=p), usable)):
        key = _key_of(there)
        for rate in (r for r in rates.values() if r.key[:2] == key and there["id"] not in taken):
            saved, named = there["id"] in rate.saved_ids, there["display_name"] == rate.display_name
            if saved or named or not rate.key.name:
                fitting.append((not saved, not named, position, str(rate.key), there["id"]))
            if saved and there["id"] not in certain.values():
                certain.setdefault(str(rate.key), there["id"])
        if len(certain) == len(rates):
            break
    found: dict[str, str] = {}
    for *_, name, rate_id in sorted(fitting):
        if name not in found and rate_id not in found.values():
            found[name] = rate_id
    return found


def _key_of(rate: Mapping[str, Any]) -> tuple[str | None, Decimal] | None:
    # Checked again although the list was filtered: an archived or inclusive rate must never be used.
    if not rate["active"] or rate["inclusive"]:
        return None
    return rate.get("country"), Decimal(str(rate["percentage"])).normalize()


def _create(ctx: HookContext, stripe: Gateway, rate: PlannedRate, taken: Collection[str], attempt: Attempt) -> str:
    place = f"tax_rate:{stripe.account}:{rate.key}"
    # Another quote may have made it after this run had looked (a retry carries over what was found then).
    if attempt.repeated or ctx.state.get(place):
        made_before = _find(stripe, {rate.key: rate}, attempt, taken).get(str(rate.key))
        if made_before:
            return made_before
    params = {
        "display_name": rate.display_name,
        "inclusive": False,
        "percentage": f"{rate.key.percentage:f}",
        "country": rate.key.country,
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


def _save(ctx: HookContext, rates: Mapping[RateKey, PlannedRate], ids: Mapping[RateKey, str]) -> None:
    for key, rate in rates.items():
        for entity_id, saved in rate.saved.items():
            if saved != ids[key]:
                ctx.platform.save_external_id("tax", entity_id, ids[key])
