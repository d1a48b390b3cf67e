"""A release renames steps while a run waits or after its process died: nothing is made twice at Stripe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from builders import EMAIL, LINK, a_line, a_quote, vat
from qwoty_integrations_host.errors import Interruption
from qwoty_integrations_host.testing.releases import NthStep, answers_lost, renamed, renamed_steps
from upkept import HOUR, later

#: Prepares a quote and queues a run of one hook for it; gives the ids of the runs.
Begin = Callable[[Any, str], list[str]]


def accept(bench: Any, quote_id: str) -> list[str]:
    contact = {"id": f"contact of {quote_id}", "email": f"{quote_id}@buyer.example"}
    # Each quote has its own rate, so that each rate has to be made.
    tax = {**vat(rate_of(quote_id)), "id": f"tax of {quote_id}", "api_name": quote_id}
    quote = a_quote(a_line(taxes=[tax]), id=quote_id, installments=2, contact=contact)
    return list(bench.host.runs.acceptance.accept("ws-1", quote).run_ids)


def rate_of(quote_id: str) -> str:
    return f"5.{int(quote_id.partition('-')[2]):02}"


def with_an_invoice(bench: Any, quote_id: str) -> None:
    (run_id,) = accept(bench, quote_id)
    bench.work()
    assert bench.run(run_id)["status"] == "succeeded"


def installment(bench: Any, quote_id: str) -> list[str]:
    with_an_invoice(bench, quote_id)
    bench.pay(open_sessions(bench, quote_id)[0])
    return [bench.host.runs.installments.request("ws-1", quote_id, None)]


def payment(bench: Any, quote_id: str) -> list[str]:
    with_an_invoice(bench, quote_id)
    before = set(bench.runs())
    bench.stripe.pay(open_sessions(bench, quote_id)[0])
    bench.stripe.deliver()
    assert bench.stripe.wait_for_webhooks(10.0)
    return [run for run in bench.runs() if run not in before]


def cancellation(bench: Any, quote_id: str) -> list[str]:
    with_an_invoice(bench, quote_id)
    return list(bench.host.runs.cancellation.cancel("ws-1", quote_id).run_ids)


def voiding(bench: Any, quote_id: str) -> list[str]:
    with_an_invoice(bench, quote_id)
    return [bench.host.runs.cancellation.void("ws-1", quote_id)]


def undoing(bench: Any, quote_id: str) -> list[str]:
    (run_id,) = accept(bench, quote_id)
    bench.work()
    return [bench.host.runs.cancellation.undo(run_id)]


def again_after_undoing(bench: Any, quote_id: str) -> list[str]:
    undoing(bench, quote_id)
    bench.work()
    return accept(bench, quote_id)


def rolling(bench: Any, quote_id: str) -> list[str]:
    with_an_invoice(bench, quote_id)
    return list(bench.host.upkeep.request("ws-1", roll_secrets=True))


#: The settings and the function that begins the story.
HOOKS: dict[str, tuple[dict[str, Any], Begin]] = {
    "a link": (LINK, accept),
    "a mail of Stripe's": (EMAIL, accept),
    "an installment": (LINK, installment),
    "a payment": (LINK, payment),
    "a cancellation": ({**LINK, "void_on_cancel": True}, cancellation),
    "a voiding": (LINK, voiding),
    "an undoing": (LINK, undoing),
    "accepted again": (LINK, again_after_undoing),
    "rolled secrets": (LINK, rolling),
}


def open_sessions(bench: Any, quote_id: str) -> list[str]:
    return [s["id"] for s in about(bench, "sessions", quote_id) if s["status"] == "open"]


def about(bench: Any, kind: str, quote_id: str) -> list[dict[str, Any]]:
    return [one for one in bench.stripe.objects(kind) if one["metadata"].get("qwoty_quote_id") == quote_id]


def there(bench: Any, quote_id: str) -> dict[str, Any]:
    """How many objects there are of this quote, and of those that all quotes share."""
    invoices, sessions = about(bench, "invoices", quote_id), about(bench, "sessions", quote_id)
    ids = [invoice["id"] for invoice in invoices]
    payments = [p for p in bench.stripe.objects("invoice_payments") if p["invoice"] in ids and not p["is_default"]]
    sends = [r for r in bench.stripe.requests if r.path in {f"/v1/invoices/{one}/send" for one in ids}]
    mails = [path for path in bench.mails() if f"{quote_id}@buyer.example" in path.read_text()]
    customers = [c for c in bench.stripe.objects("customers") if c["email"] == f"{quote_id}@buyer.example"]
    return {
        "customers": len(customers),
        "rates": [rate["percentage"] for rate in bench.stripe.objects("tax_rates")].count(float(rate_of(quote_id))),
        "invoices": Counter(invoice["status"] for invoice in invoices),
        "lines": [line["metadata"]["qwoty_line"] for invoice in invoices for line in invoice["lines"]["data"]],
        "sessions": Counter(session["status"] for session in sessions),
        "payments": len(payments),
        # Stripe mails once for all requests with one key.
        "sent": len({r.idempotency_key for r in sends}),
        "mails": len(mails),
        "endpoints": len(bench.stripe.objects("endpoints")),
    }


def finished(bench: Any, quote_id: str) -> dict[str, Any]:
    bench.work()
    bench.webhooks()
    return there(bench, quote_id)


def is_released(bench: Any, version: str) -> None:
    """Give the plugin another version with the same steps."""
    plugins = bench.host.plugins
    plugins.statuses = tuple(replace(each, version=version) for each in plugins.statuses)


class Died(Interruption):
    """The process dies."""


@pytest.mark.timeout(900)  # dozens of stories, each with webhooks over real HTTP
@pytest.mark.parametrize("stops", ["waits", "dies"])
@pytest.mark.parametrize("hook", HOOKS)
def test_a_release_that_renames_steps_makes_nothing_twice(
    bench: Any, subtests: pytest.Subtests, hook: str, stops: str
) -> None:
    settings, begin = HOOKS[hook]
    bench.enable(**settings)
    begin(bench, "q-1")
    finished(bench, "q-1")  # makes the objects that all quotes share
    run_ids = begin(bench, "q-2")
    expected = finished(bench, "q-2")
    steps = [step["name"] for run_id in run_ids for step in bench.run(run_id)["steps"]]
    assert len(steps) > 1

    for place, step in enumerate(steps, start=1):
        for number, which in enumerate(("one", "each", "none") if stops == "waits" else ("each",)):
            with subtests.test(f"at {step}, {which} renamed"):
                quote_id, at = f"q-{3 * place + number}", NthStep(place)
                run_ids = begin(bench, quote_id)
                with answers_lost(at, **({} if stops == "waits" else {"how": Died})), suppress(Died):
                    bench.work()
                if which == "none":
                    is_released(bench, quote_id)
                with renamed_steps({"one": at.renamed, "each": renamed}.get(which, str)):
                    later(bench, HOUR)
                    bench.restart()
                    found = finished(bench, quote_id)

                assert found == expected
                assert {bench.run(run_id)["status"] for run_id in run_ids} <= {"succeeded", "skipped"}
