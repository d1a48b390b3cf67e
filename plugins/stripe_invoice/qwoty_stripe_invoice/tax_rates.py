"""Find or create the Stripe Tax Rates that an invoice needs (docs/notes/stripe.md#tax-rates; ADR 0059).

One pass over the list of active, exclusive rates verifies the saved ids and finds the others, so the number of requests
does not grow with the number of taxes. Of several rates that fit, the saved one comes first, then one of the same name,
then the newest.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from concurrent.futures import Future, wait
from functools import partial
from typing import Any

from qwoty_integrations_host import Attempt, HookContext

from . import external_ids
from .rate_matching import Fit, fits
from .taxes import PlannedRate, RateKey
from .work import Work

#: Tax Rate ids by key, and notes.
_RatesFound = tuple[dict[str, str], list[str]]
#: The key of the notes in a step's result, beside the keys of the rates.
_NOTES = "notes"


class TaxRates:
    """The rates of one invoice; they may be read in a thread while something else is done."""

    def __init__(self, work: Work, rates: Mapping[RateKey, PlannedRate]) -> None:
        self._work, self._rates = work, rates
        self._ahead: tuple[Future[_RatesFound], Attempt] | None = None

    def read_ahead(self) -> None:
        """Start to look for the rates in a thread; ``resolve`` uses the result (ADR 0051)."""
        if self._rates and self._ahead is None:
            self._ahead = Future(), Attempt(number=1, key=1, first_started_at=self._work.ctx.clock.now())
            # A daemon: a process that stops does not wait for an answer that nobody needs.
            threading.Thread(target=self._read, args=self._ahead, name="tax rates", daemon=True).start()

    def _read(self, found: Future[_RatesFound], attempt: Attempt) -> None:
        try:
            found.set_result(_find(self._work, self._rates, attempt))
        except BaseException as error:  # noqa: BLE001 - raised again where the result is used
            found.set_exception(error)

    def resolve(self, quote_id: str) -> tuple[dict[RateKey, str], list[str]]:
        """Return each planned rate's Tax Rate id, and notes. A lock keeps quotes from creating one rate twice."""
        work, rates = self._work, self._rates
        if not rates:
            return {}, []
        with work.ctx.lock(f"tax_rates:{work.stripe.account}"):
            found = dict(work.ctx.step("tax_rates", self._look))
            notes = found.pop(_NOTES, [])
            for key, rate in rates.items():
                if str(key) not in found:
                    create = partial(_create, work, rate, frozenset(found.values()))
                    found[str(key)] = work.ctx.step(f"tax_rate.create:{key}", create)
        ids = {key: found[str(key)] for key in rates}
        left = work.ctx.step("tax_rates.save", lambda _: _save(work.ctx, rates, ids, quote_id))
        return ids, [*notes, *(left or [])]

    def _look(self, attempt: Attempt) -> dict[str, Any]:
        ahead, self._ahead = self._ahead, None
        if ahead is None:
            found, notes = _find(self._work, self._rates, attempt)
        else:
            future, its_attempt = ahead
            wait([future])
            attempt.request_ids.extend(its_attempt.request_ids)
            found, notes = future.result()
        return {**found, _NOTES: notes} if notes else dict(found)


def _find(
    work: Work,
    rates: Mapping[RateKey, PlannedRate],
    attempt: Attempt,
    taken: Collection[str] = (),
) -> _RatesFound:
    """Return the existing Tax Rates by key, and notes. Two keys never get the same Tax Rate."""
    usable = {"active": True, "inclusive": False}
    fitting: list[Fit] = []
    certain: dict[str, str] = {}
    for position, there in enumerate(work.stripe.pages(attempt, lambda v1, p: v1.tax_rates.list(params=p), usable)):
        if there["id"] in taken:
            continue
        for fit in fits(work.ctx.workspace, rates.values(), there, position):
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


def _create(work: Work, rate: PlannedRate, taken: Collection[str], attempt: Attempt) -> str:
    # Country and percentage only: the other parts of the key merely tell the taxes of one quote apart.
    plain = str(RateKey(*rate.key[:2]))
    place = f"tax_rate:{work.stripe.account}:{plain}"
    # Since this run looked for the rate, another quote may have created it, or requested it without getting the answer.
    # A retry does not look again by itself, because it keeps the result of the earlier step.
    last = work.ctx.state.get(place)
    if attempt.repeated or last is not None:
        made_before, _ = _find(work, {rate.key: rate}, attempt, taken)
        if made_before:
            return made_before[str(rate.key)]
    if last is None:
        work.ctx.state.set(place, "")
    metadata = {"qwoty_workspace": work.ctx.workspace, "qwoty_tax": next(iter(rate.saved), str(rate.key))}
    made = work.stripe.write(
        attempt,
        "txr",
        plain,
        {**rate.at_stripe, "metadata": metadata},
        lambda v1, p, o: v1.tax_rates.create(params=p, options=o),
        replaces=",".join(dict.fromkeys((*rate.saved_ids, last or ""))),
    )
    work.ctx.state.set(place, made["id"])
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
