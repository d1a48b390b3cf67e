"""Five quotes that earlier releases did not report: each ends correctly by the steps that its page advises.

The person in these stories does only what the standing of the quote names, through the HTTP API.
"""

from __future__ import annotations

from typing import Any

import pytest

from builders import KEY, LINK, OPEN, a_quote
from mail_server import mailing_through
from qwoty_integrations_host.store.api_keys import create_api_key
from qwoty_integrations_host.web.app import create_app
from upkept import DAY

BY_UNIT = {"token_scope": "business_unit", "business_unit_api_tokens": {"bu_9": KEY}}
#: The route of each step, below the workspace.
ROUTES = {
    "retry": "runs/{run_id}/retry",
    "run": "quotes/q-7/run",
    "void": "quotes/q-7/invoice/void",
}


@pytest.fixture
def host_config(mail_server: Any) -> dict[str, Any]:
    return mailing_through(mail_server)


def call(bench: Any, path: str, body: Any = None, method: str = "post") -> Any:
    with bench.host.store.write() as db:
        key = create_api_key(db, "ws-1", bench.clock.now())
    client = create_app(bench.host).test_client()
    answer = getattr(client, method)(
        f"/v1/workspaces/ws-1/{path}", json=body or {}, headers={"Authorization": f"Bearer {key}"}
    )
    assert answer.status_code < 300, answer.text
    bench.work()
    bench.webhooks()
    return answer.get_json()


def standing(bench: Any) -> dict[str, Any]:
    found: dict[str, Any] = bench.quote("q-7")["standing"]
    return found


def follow(bench: Any, step: str) -> None:
    """Do a step. Fails when the quote's standing does not name it."""
    found = standing(bench)
    assert step in [one["step"] for one in found["steps"]], found
    call(bench, ROUTES[step].format(run_id=found["run_id"]))


def accept(bench: Any, **changes: Any) -> None:
    call(bench, "quotes/accepted", a_quote(**changes))


def test_a_wrong_address_after_finalizing_is_corrected_by_the_advised_steps(bench: Any, mail_server: Any) -> None:
    bench.enable(**LINK)
    mail_server.be("550 rcpt")
    accept(bench, installments=1)
    found = standing(bench)
    assert (found["state"], "accept the quote again" in found["hint"]) == ("link_made", True)

    mail_server.be("")
    accept(bench, installments=1, contact={"email": "ana.diaz@buyer.example"})
    follow(bench, "retry")

    assert standing(bench)["state"] == "link_sent"
    assert [envelope.rcpt_tos for envelope in mail_server.taken] == [["ana.diaz@buyer.example"]]
    assert [invoice["total"] for invoice in bench.stripe.objects("invoices")] == [12000]


def test_a_quote_accepted_before_anything_was_enabled_is_run_by_the_advised_steps(bench: Any) -> None:
    accept(bench)
    assert [one["step"] for one in standing(bench)["steps"]] == ["enable", "run", "dismiss"]

    bench.enable(**OPEN)
    follow(bench, "run")

    assert standing(bench)["state"] == "open"
    assert [invoice["total"] for invoice in bench.stripe.objects("invoices")] == [12000]


def test_a_quote_of_a_business_unit_without_a_key_is_run_by_the_advised_steps(bench: Any) -> None:
    bench.set_up("stripe_invoice", {**OPEN, **BY_UNIT})
    accept(bench)
    assert standing(bench)["steps"][0]["step"] == "settings"

    tokens = {"business_unit_api_tokens": {"bu_9": "", "bu_1": KEY}}
    call(bench, "plugins/stripe_invoice/settings?anyway=true", {**OPEN, **BY_UNIT, **tokens}, "put")
    follow(bench, "run")

    assert standing(bench)["state"] == "open"
    assert [invoice["total"] for invoice in bench.stripe.objects("invoices")] == [12000]


def test_a_cancelled_quote_with_an_open_invoice_is_voided_by_the_advised_steps(bench: Any) -> None:
    bench.enable(**LINK)
    accept(bench, installments=2)
    call(bench, "quotes/q-7/cancel", {"reason": "Another supplier."})
    assert standing(bench)["steps"][0]["step"] == "void"

    follow(bench, "void")

    assert standing(bench)["state"] == "cancelled"
    assert [invoice["status"] for invoice in bench.stripe.objects("invoices")] == ["void"]
    assert [session["status"] for session in bench.stripe.objects("sessions")] == ["expired"]


def test_an_undone_quote_sends_no_due_installment_and_is_voided_by_the_advised_steps(
    bench: Any, mail_server: Any
) -> None:
    bench.enable(**LINK, send_next_installments="on_due_date")
    terms = [{"percentage": "50", "term": term, "order_number": n} for n, term in ((1, "due_now"), (2, "net15"))]
    accept(bench, payment_terms={"name": "terms", "installments": terms})
    (run,) = bench.quote("q-7")["runs"]
    call(bench, f"runs/{run['id']}/undo")
    mailed = len(mail_server.taken)

    bench.clock.advance(20 * DAY)
    bench.stripe.clock.advance(20 * DAY)
    bench.host.runs.installments.request_due()
    bench.work()
    follow(bench, "void")

    assert len(mail_server.taken) == mailed
    assert standing(bench)["state"] == "void"
    assert [invoice["status"] for invoice in bench.stripe.objects("invoices")] == ["void"]
