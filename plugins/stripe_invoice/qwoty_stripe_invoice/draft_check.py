"""The check before an invoice becomes final: the draft's figures against the plan and the signed quote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from qwoty_integrations_host import Outcome

from .comparison import Verdict, compare
from .invoice_draft import InvoiceDraft
from .money import shown
from .plan_types import InvoicePlan


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of the check: ``problem`` says why the invoice must not become final; it is empty if it may."""

    problem: str = ""
    notes: tuple[str, ...] = ()
    code: str = "totals_differ"
    hint: str = (
        "Compare the invoice in the Stripe Dashboard with the quote. Correct the quote and accept it again, or "
        "undo by hand what was changed by hand; then retry the run."
    )
    #: Whether the draft has to be replaced by one whose taxes are sent by the next method.
    next_way: bool = False


def check_draft(
    draft: InvoiceDraft, invoice_id: str, facts: Mapping[str, Any], *, rounding_line: bool, is_last: bool
) -> Checked:
    """Compare the draft with the plan and the quote, and add a rounding line if it may make the total equal.

    ``facts`` is the result of ``InvoiceDraft.add_lines``. ``is_last`` says that no other tax method is left.
    """
    plan = draft.plan
    if "refused" in facts and is_last:
        return _no_room(plan, facts["refused"])
    if "refused" in facts:
        return Checked(notes=(_no_amounts(facts["refused"]),), next_way=True)
    order = (_REORDERED,) if facts.get("reordered") else ()
    if not plan.signed.given:
        return _total_missing(plan, facts, order)
    exempt = facts.get("customer_tax_exempt")
    verdict, touched = compare(plan, subtotal=facts["subtotal"], total=facts["total"], tax_exempt=exempt), False
    if facts.get("again") or verdict.kind == "different":
        # Others may have changed the draft, or its figures are wrong: compare every line.
        there = draft.compare_lines(invoice_id, taxes=verdict.kind == "equal" or not plan.has_amounts)
        verdict, touched = _with_lines(plan, facts, there), bool(there["differences"])
        if (
            verdict.kind != "different"
            and there["rounding"] == verdict.amount
            and (rounding_line or not verdict.amount)
        ):
            return Checked(notes=(*_rounded(plan, verdict), *order))
        if there["rounding"]:
            verdict = replace(verdict, kind="different")
    is_other = verdict.kind == "rounding" or (plan.has_amounts and verdict.kind != "equal")
    # An exempt customer pays no tax, so another tax method would not help.
    if is_other and not is_last and not touched and not verdict.is_exempt:
        return Checked(notes=(_other_figures(plan, facts),), next_way=True)
    return _settled(draft, invoice_id, facts, verdict, order, rounding_line=rounding_line)


def foretold(plan: InvoicePlan, verdict: Verdict, *, rounding_line: bool) -> str:
    """Return the code of the problem that the check will find if Stripe computes the planned figures; empty if none."""
    if not plan.signed.given:
        return _total_missing(plan, {"status": "draft", "total": plan.total}, ()).code
    is_fine = verdict.kind == "equal" or (verdict.kind == "rounding" and rounding_line)
    return "" if is_fine else Checked().code


def too_small(plan: InvoicePlan, notes: tuple[str, ...]) -> Outcome:
    """Return the outcome for a total that Stripe does not charge (docs/notes/stripe.md#states-of-an-invoice)."""
    return Outcome.needs_attention(
        "amount_too_small",
        f"The total ({shown(plan.signed_total, plan.currency)}) is below the smallest payment that Stripe takes.",
        *notes,
        hint="The invoice is left as a draft, since Stripe would call it paid. Collect the amount another way.",
    )


def _with_lines(plan: InvoicePlan, facts: Mapping[str, Any], there: Mapping[str, Any]) -> Verdict:
    """Return the verdict on the draft without our rounding line, including changes made by hand."""
    subtotal, total = facts["subtotal"] - there["rounding"], facts["total"] - there["rounding"]
    verdict = compare(plan, subtotal=subtotal, total=total, tax_exempt=facts.get("customer_tax_exempt"))
    if not there["differences"]:
        return verdict
    return replace(verdict, kind="different", sentences=(*verdict.sentences, *there["differences"]))


def _settled(
    draft: InvoiceDraft,
    invoice_id: str,
    facts: Mapping[str, Any],
    verdict: Verdict,
    order: tuple[str, ...],
    *,
    rounding_line: bool,
) -> Checked:
    plan = draft.plan
    if verdict.kind == "rounding" and rounding_line and facts["status"] == "draft":
        facts = draft.add_rounding(invoice_id, verdict.amount, one_by_one="one_by_one" in facts)
        if facts["total"] == plan.signed_total:
            return Checked(notes=(*_rounded(plan, verdict), *order))
    if verdict.kind == "equal":
        return Checked(notes=order)
    if verdict.kind == "rounding" and not rounding_line:
        line = shown(verdict.amount, plan.currency)
        off = f"One untaxed line of {line} would make the total equal, but rounding lines are off in the settings."
        verdict = replace(verdict, sentences=(off, *verdict.sentences))
    return Checked(_problem(plan, facts), (*verdict.sentences, *order))


def _no_amounts(refusal: str) -> str:
    return f"Stripe refused the lines with their tax as amounts, so the invoice is made with Tax Rates. {refusal}"


def _no_room(plan: InvoicePlan, refusal: str) -> Checked:
    """Return the problem of a plan that leaves no room for the rounding line."""
    return Checked(
        f"Stripe refused the {len(plan.lines)} lines with their tax as amounts, and with Tax Rates there is no room "
        "for the rounding line.",
        (refusal,),
        code="too_many_lines",
        hint="Split the quote in Qwoty and accept its parts.",
    )


def _other_figures(plan: InvoicePlan, facts: Mapping[str, Any]) -> str:
    there, asked = shown(facts["total"], plan.currency), shown(plan.signed_total, plan.currency)
    return (
        f"Stripe came to {there} where the signed total is {asked}: the draft is made anew, its tax told another way."
    )


def _total_missing(plan: InvoicePlan, facts: Mapping[str, Any], notes: tuple[str, ...]) -> Checked:
    """Return the problem of a quote without a signed total: its invoice must not become final."""
    there, becomes = shown(facts["total"], plan.currency), _becomes(facts["status"])
    return Checked(
        f"The quote came without a signed total; by its lines it comes to {there}, and {becomes}.",
        notes,
        code="total_missing",
        hint="Have the platform send summary.one_off with net, tax and total, and accept the quote again; or compare "
        "the invoice with what was signed, and finalize it in the Stripe Dashboard.",
    )


_REORDERED = "Stripe shows the lines in another order than the quote's; the figures are the same."


def _rounded(plan: InvoicePlan, verdict: Verdict) -> tuple[str, ...]:
    if verdict.kind == "equal":
        return ()
    line, by = shown(verdict.amount, plan.currency), shown(abs(verdict.amount), plan.currency)
    tax, subtotal = ("more", "less") if verdict.amount < 0 else ("less", "more")
    parts = f"against the quote, the tax is {by} {tax} and the subtotal {by} {subtotal}"
    return (f"One untaxed line of {line} makes the total equal the signed quote's: {parts}.", *verdict.sentences)


def _problem(plan: InvoicePlan, facts: Mapping[str, Any]) -> str:
    becomes = _becomes(facts["status"])
    signed, there = shown(plan.signed_total, plan.currency), shown(facts["total"], plan.currency)
    if there == signed:
        return f"The total is {signed}, as signed, but what it is made of is not; {becomes}."
    return f"Stripe computes {there}, the signed quote says {signed}; {becomes}."


def _becomes(status: str) -> str:
    # Somebody may have finalized an adopted invoice by hand: then the sentence must not promise a draft.
    return "it stays a draft" if status == "draft" else f"it is {status} already, and nothing was sent"
