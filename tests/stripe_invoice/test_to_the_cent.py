"""Properties of every quote: its invoice comes to the signed total, or a person is asked.

There are tests of three depths: the plan against the simulator's sums, the plugin and the simulator in one process,
and the whole host over HTTP. The expected figures come from ``random_quotes``, which computes them independently.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import count
from math import floor
from typing import Any, get_args

from hypothesis import HealthCheck, Phase, assume, event, given, settings
from hypothesis import strategies as st

from builders import loaded
from in_process import Desk
from qwoty_integrations_host import Quote
from qwoty_stripe_invoice.comparison import compare
from qwoty_stripe_invoice.invoice_draft import line_params
from qwoty_stripe_invoice.plan import make_plan
from qwoty_stripe_invoice.plan_types import InvoicePlan
from qwoty_stripe_invoice.record import invoice_seen
from random_quotes import COINS, CUT_OFF, WAYS, RandomQuote, major, random_quotes, rounded
from stripe_simulator import customers, invoices, items, tax_rates
from stripe_simulator.clock import Clock
from stripe_simulator.config import Config, Rounding
from stripe_simulator.state import Call, World
from stripe_simulator.totals import refresh

ROUNDINGS = get_args(Rounding)
roundings = st.sampled_from(ROUNDINGS)
TODAY = date(2026, 3, 10)


def examples(number: int) -> Any:
    """Settings that give the same examples on every machine, so that no test fails by chance."""
    return settings(
        max_examples=number,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def planned(document: dict[str, Any]) -> tuple[Quote, InvoicePlan]:
    quote = loaded(document)
    plan = make_plan(quote)
    assert isinstance(plan, InvoicePlan)
    return quote, plan


def plan_of(document: dict[str, Any]) -> InvoicePlan:
    return planned(document)[1]


class Draft:
    """A draft that the simulator's functions make of what the plugin sends. It can be summed with any rounding."""

    def __init__(self, quote: Quote, plan: InvoicePlan) -> None:
        self.world = World(Clock(), Config())
        customer = self._do(customers.create, email="ana@buyer.example")
        rates = {
            key: self._do(tax_rates.create, display_name="VAT", percentage=key.percentage, inclusive=False)["id"]
            for key in plan.rates
        }
        self.percentages = {rate_id: key.percentage for key, rate_id in rates.items()}
        currency = quote.currency.lower()
        self.invoice = self._do(
            invoices.create,
            customer=customer["id"],
            currency=currency,
            collection_method="send_invoice",
            days_until_due=1,
        )
        self._do(invoices.add_lines, self.invoice["id"], lines=[line_params(line, plan, rates) for line in plan.lines])

    def summed(self, rounding: str) -> dict[str, Any]:
        """The invoice with all its lines, summed with this rounding."""
        self.world.config.update(rounding=rounding)
        state = self.world.state("acct_1", livemode=False)
        stored = state.invoices[self.invoice["id"]]
        call = Call(self.world, state)
        refresh(call, stored)
        return {**stored, "all_lines": items.lines_of(call, stored)}

    def _do(self, act: Any, object_id: str = "", **params: Any) -> dict[str, Any]:
        found: dict[str, Any] = act(
            Call(self.world, self.world.state("acct_1", livemode=False), params=params, id=object_id)
        )
        return found


def taxes_of(line: dict[str, Any]) -> list[int]:
    return [tax["amount"] for tax in line["taxes"]]


def explained(quote: RandomQuote) -> set[int]:
    """The taxes that the ways of rounding give, except rounding to whole coins."""
    coin = COINS.get(quote.currency, quote.step)
    whole = {tax for tax in range(quote.tax - 300, quote.tax + 300) if tax % coin == 0} if coin > quote.step else set()
    return {*quote.taxes.values(), *whole}


def is_half(exact: Fraction) -> bool:
    return (exact - floor(exact)) == Fraction(1, 2)


# -- the plan -----------------------------------------------------------------------------------------


@given(random_quotes())
@examples(700)
def test_the_plan_is_what_stripe_computes_line_by_line_before_any_rounding_line(quote: RandomQuote) -> None:
    canonical, plan = planned(quote.document)
    draft = Draft(canonical, plan)

    assert [(line.key, line.amount) for line in plan.lines] == [(item.key, item.amount) for item in quote.items]
    assert [tuple(rate.percentage for rate in line.rates) for line in plan.lines] == [
        tuple(rate.percentage for rate in item.rates) for item in quote.items
    ]
    exact = [[rate.on(item.amount) for rate in item.rates] for item in quote.items]
    for rounding in ROUNDINGS:
        at_stripe = draft.summed(rounding)
        lines = at_stripe["all_lines"]
        assert at_stripe["subtotal"] == plan.subtotal
        assert [line["amount"] for line in lines] == [line.amount for line in plan.lines]
        for line, taxes in zip(lines, exact, strict=True):
            ours = [rounded(tax) for tax in taxes]
            # The roundings differ only where a half is rounded, and the default is the documented one.
            apart = [p - s for p, s, t in zip(ours, taxes_of(line), taxes, strict=True) if not is_half(t)]
            assert not any(apart)
            assert rounding != ROUNDINGS[0] or taxes_of(line) == ours
        if rounding == ROUNDINGS[0] or not any(is_half(tax) for taxes in exact for tax in taxes):
            event(f"no half matters under {rounding}")
            assert (at_stripe["total"], sum(tax["amount"] for tax in at_stripe["total_taxes"])) == (
                plan.total,
                plan.tax,
            )


@given(random_quotes(ways=[*WAYS, *CUT_OFF]), roundings)
@examples(350)
def test_a_consistently_rounded_quote_is_never_reported_as_different(quote: RandomQuote, rounding: str) -> None:
    canonical, plan = planned(quote.document)
    at_stripe = Draft(canonical, plan).summed(rounding)

    verdict = compare(plan, subtotal=at_stripe["subtotal"], total=at_stripe["total"])

    event(verdict.kind)
    assert verdict.kind in {"equal", "rounding"}, verdict
    assert at_stripe["total"] + verdict.amount == quote.total


@given(random_quotes(ways=["per item"]))
@examples(150)
def test_a_quote_that_rounds_as_stripe_does_needs_no_rounding_line(quote: RandomQuote) -> None:
    assume(quote.step == 1)
    plan = plan_of(quote.document)

    verdict = compare(plan, subtotal=plan.subtotal, total=plan.total)

    assert (plan.total, verdict.kind, verdict.amount) == (quote.total, "equal", 0)


@given(random_quotes(), st.integers(1, 3), st.sampled_from([-1, 1]))
@examples(200)
def test_an_error_larger_than_rounding_is_always_reported(quote: RandomQuote, more: int, sign: int) -> None:
    bound = floor(quote.explained / quote.step) * quote.step
    plan = plan_of(quote.document)
    # The tax differs from Stripe's by more than the bound. The net is right.
    wrong = plan.total - plan.total % quote.step + sign * (bound + (more + 1) * quote.step)
    assume(wrong >= 0)
    off = wrong - quote.total
    assume(quote.tax + off not in explained(quote))

    plan = plan_of(quote.with_figures(tax=off, total=off))
    verdict = compare(plan, subtotal=plan.subtotal, total=plan.total)

    assert verdict.kind == "different"
    assert verdict.sentences


@given(random_quotes().filter(lambda quote: not quote.explained), st.sampled_from([-1, 1]))
@examples(60)
def test_a_tax_off_by_one_unit_is_reported_where_nothing_is_rounded(quote: RandomQuote, sign: int) -> None:
    off = sign * quote.step
    assume(quote.total + off >= 0 and quote.tax + off not in explained(quote))

    plan = plan_of(quote.with_figures(tax=off, total=off))

    assert compare(plan, subtotal=plan.subtotal, total=plan.total).kind == "different"
    assert plan.exact is None


@given(random_quotes(), st.sampled_from([-1, 1]), st.sampled_from(["net alone", "net and total", "net and tax"]))
@examples(200)
def test_a_net_off_by_one_unit_is_always_reported(quote: RandomQuote, sign: int, what: str) -> None:
    off = sign * quote.step
    # A quote may count its fixed taxes as goods. A difference of exactly that amount is no error.
    assume(off != sum(item.amount for item in quote.items if ":tax:" in item.key))
    changed = {"net": off, "total": off * (what == "net and total"), "tax": -off * (what == "net and tax")}
    assume(quote.total + changed["total"] >= 0)

    plan = plan_of(quote.with_figures(**changed))
    verdict = compare(plan, subtotal=plan.subtotal, total=plan.total)

    # An amount that is finer than the currency may be rounded up or down, which explains the net.
    assume(plan.subtotal == plan_of(quote.with_figures()).subtotal)
    assert verdict.kind == "different"
    assert any(sentence.startswith("Net:") for sentence in verdict.sentences)


@given(random_quotes())
@examples(100)
def test_a_quote_without_totals_gets_totals_that_its_currency_has(quote: RandomQuote) -> None:
    plan = plan_of({**quote.document, "summary": None})

    assert plan.signed_total % quote.step == 0
    assert abs(plan.signed_total - plan.total) <= quote.explained + quote.step


# -- installments -------------------------------------------------------------------------------------


def seen(quote: RandomQuote, canonical: Quote, due: int) -> Any:
    """The record after Stripe has finalized the invoice with this amount due."""
    answer = {
        "id": "in_1",
        "status": "open",
        "currency": quote.currency.lower(),
        "subtotal": quote.total,
        "total": quote.total,
        "amount_due": due,
        "amount_paid": 0,
        "amount_remaining": due,
    }
    return invoice_seen(None, answer, "acct_1", canonical, TODAY)


@given(random_quotes(), st.integers(0, 100))
@examples(250)
def test_installments_sum_to_the_amount_due_and_each_is_its_share(quote: RandomQuote, credit: int) -> None:
    due = quote.total - quote.total * credit // 100 // quote.step * quote.step
    canonical = loaded(quote.document)

    parts = seen(quote, canonical, due).installments

    amounts = [Fraction(part.amount) for part in parts]
    coin = Fraction(Decimal(major(quote.step, quote.currency)))
    whole = Fraction(Decimal(major(due, quote.currency)))
    assert not parts or sum(amounts) == whole
    assert all(amount >= 0 for amount in amounts)
    assert all(amount % coin == 0 for amount in amounts), "an amount that nobody can pay in this currency"
    exact = [whole * Fraction(term.percentage) / 100 for term in canonical.installments]
    assert all(abs(amount - share) < coin for amount, share in zip(amounts, exact, strict=True))


# -- no float -----------------------------------------------------------------------------------------


def values(found: Any) -> Iterator[Any]:
    """Every value inside, at any depth."""
    if is_dataclass(found):
        found = [getattr(found, field.name) for field in fields(found)]
    elif isinstance(found, dict):
        found = [*found, *found.values()]
    if isinstance(found, list | tuple | set | frozenset):
        for part in found:
            yield from values(part)
    else:
        yield found


@given(random_quotes())
@examples(100)
def test_nothing_between_the_quote_and_the_requests_is_a_float(quote: RandomQuote) -> None:
    canonical, plan = planned(quote.document)
    verdict = compare(plan, subtotal=plan.subtotal, total=plan.total + 1)
    rates = {key: f"txr_{n}" for n, key in enumerate(plan.rates)}
    sent = [line_params(line, plan, rates) for line in plan.lines]

    everything = [
        *values(canonical),
        *values(plan),
        *values(verdict),
        *values(sent),
        *values(seen(quote, canonical, quote.total)),
    ]

    assert not any(isinstance(value, float) for value in everything)
    figures = [plan.subtotal, plan.tax, plan.total, plan.signed_total, verdict.amount]
    assert all(type(figure) is int for figure in [*figures, *(line["amount"] for line in sent)])
    assert all(type(rate.percentage) is Decimal for rate in plan.rates)


# -- plan and gateway in process ----------------------------------------------------------------------


def assert_invoiced(quote: RandomQuote, status: str, made: dict[str, Any], lines: list[dict[str, Any]]) -> None:
    """The invoice is final, and its net, its tax and its total are the signed ones."""
    event(f"{'amounts' if any('discount' in line['metadata']['qwoty_line'] for line in lines) else 'lines'}")
    assert status == "succeeded"
    assert made["status"] in {"open", "paid"}
    fixed = sum(item.amount for item in quote.items if ":tax:" in item.key)
    assert (made["subtotal"], made["total"] - made["subtotal"], made["total"]) == (
        quote.net + fixed,
        quote.tax - fixed,
        quote.total,
    )
    assert {line["metadata"]["qwoty_line"]: line["amount"] for line in lines} == amounts(quote, lines)


def amounts(quote: RandomQuote, lines: list[dict[str, Any]]) -> dict[str, int]:
    """The amount of each line. A quote-wide discount counts as one, although it may be several items."""
    expected = {item.key: item.amount for item in quote.items}
    reductions = [amount for key, amount in expected.items() if key.startswith("discount:")]
    there = [line for line in lines if line["metadata"]["qwoty_line"].startswith("discount:")]
    if len(there) < len(reductions):
        assert len(there) == 1, "one single negative item"
        expected = {key: amount for key, amount in expected.items() if not key.startswith("discount:")}
        expected["discount:1"] = sum(reductions)
    return expected


def is_payable(quote: RandomQuote) -> bool:
    """The total is zero or at least Stripe's minimum. test_limits.py tests totals below it."""
    return quote.total == 0 or quote.total >= 50


@given(random_quotes(ways=[*WAYS, *CUT_OFF]).filter(is_payable), roundings)
@examples(300)
def test_every_consistent_quote_becomes_an_invoice_with_its_signed_net_vat_and_total(
    desk: Desk, quote: RandomQuote, rounding: str
) -> None:
    outcome = desk.invoice(quote.document, rounding=rounding)

    assert_invoiced(quote, outcome.status, desk.made, desk.lines)


@given(
    random_quotes(ways=[*WAYS, *CUT_OFF]).filter(is_payable),
    roundings,
    st.sampled_from(["tax_amounts_refused", "tax_amounts_ignored", "tax_amounts_dropped"]),
)
@examples(200)
def test_the_total_is_the_signed_one_where_stripe_refuses_tax_as_amounts(
    desk: Desk, quote: RandomQuote, rounding: str, switch: str
) -> None:
    outcome = desk.invoice(quote.document, rounding=rounding, stripe={switch: True})

    assert outcome.status == "succeeded", outcome
    assert (desk.made["total"], desk.made["status"] in {"open", "paid"}) == (quote.total, True)


#: What real CPQs do to their figures after they have rounded the taxes.
HABITS = ("cash", "noise", "decimals")


@given(random_quotes(ways=[*WAYS, *CUT_OFF]).filter(is_payable), st.sampled_from(HABITS), st.booleans())
@examples(300)
def test_the_invoice_has_the_figures_of_the_quote_whatever_the_cpq_does_to_them(
    desk: Desk, quote: RandomQuote, habit: str, refused: bool
) -> None:
    document, tax, total = (_in_coins if habit == "cash" else _noisy if habit == "noise" else _finer)(quote)
    assume(total == 0 or total >= 50)

    outcome = desk.invoice(document, stripe={"tax_amounts_refused": refused})

    assert outcome.status == "succeeded", outcome
    assert (desk.made["total"], desk.made["status"] in {"open", "paid"}) == (total, True)
    if not refused:
        assert desk.made["total"] - desk.made["subtotal"] == tax


def _percentage_tax(quote: RandomQuote) -> int:
    return quote.tax - sum(item.amount for item in quote.items if ":tax:" in item.key)


def _in_coins(quote: RandomQuote) -> tuple[dict[str, Any], int, int]:
    """The total rounded to the smallest coin in use."""
    coin = COINS.get(quote.currency, quote.step)
    total = rounded(Fraction(quote.total), coin)
    return quote.with_figures(total=total - quote.total), _percentage_tax(quote), total


def _noisy(quote: RandomQuote) -> tuple[dict[str, Any], int, int]:
    """Every amount as a JSON number with the noise of binary arithmetic, up and down."""

    def noisy(amount: str) -> Decimal:
        return Decimal(repr(float(amount) * 1.1 / 1.1 + 0.3 - 0.2 - 0.1))

    def amounts(found: dict[str, str]) -> dict[str, Any]:
        return {name: noisy(amount) for name, amount in found.items()}

    document = copy.deepcopy(quote.document)
    document["summary"]["one_off"] = amounts(document["summary"]["one_off"])
    for line in document["pricing_table"]["sections"][0]["phases"][0]["line_items"]:
        if "amounts" in line:
            line["amounts"] = amounts(line["amounts"])
    return document, _percentage_tax(quote), quote.total


def _finer(quote: RandomQuote) -> tuple[dict[str, Any], int, int]:
    """The signed net and tax and two lines a third of a unit finer than the currency, up and down."""
    document = copy.deepcopy(quote.document)
    # A dinar has 1000 fils, although Stripe charges in steps of ten fils.
    unit = 1 if quote.step == 10 else quote.step
    third = (Decimal(major(unit, quote.currency)) / 3).quantize(Decimal("1e-6"))
    figures = document["summary"]["one_off"]
    if quote.tax > unit:
        figures["net_amount"] = str(Decimal(figures["net_amount"]) + third)
        figures["tax_amount"] = str(Decimal(figures["tax_amount"]) - third)
    lines = [line for line in document["pricing_table"]["sections"][0]["phases"][0]["line_items"] if "amounts" in line]
    for up, down in zip(lines[::2], lines[1::2], strict=False):
        if Decimal(up["amounts"]["gross"]) and Decimal(down["amounts"]["net"]) > third:
            for line, by in ((up, third), (down, -third)):
                for name in ("gross", "net"):
                    line["amounts"][name] = str(Decimal(line["amounts"][name]) + by)
    return document, _percentage_tax(quote), quote.total


# -- the whole host -----------------------------------------------------------------------------------

_numbers = count(1)


@given(random_quotes().filter(is_payable), roundings)
@examples(30)
def test_the_whole_host_makes_an_invoice_with_the_signed_total(bench: Any, quote: RandomQuote, rounding: str) -> None:
    bench.stripe.reset()
    bench.stripe.config.update(rounding=rounding)
    bench.enable(invoice_status="open")
    name = f"q-{next(_numbers)}"

    run = bench.accept({**quote.document, "id": name, "number": name})

    (made,) = bench.stripe.objects("invoices")
    status = run["status"]
    # The simulator shows only ten lines with the invoice. The tests with the desk compare all lines.
    assert (status, made["total"]) == ("succeeded", quote.total)
    if made["lines"]["total_count"] <= 10:
        assert_invoiced(quote, status, made, made["lines"]["data"])
    assert bench.quote(name)["total"] == major(made["total"], quote.currency)
