"""What happens between two attempts: people work in Stripe, other runs go on, events overtake each other."""

from __future__ import annotations

from typing import Any

import pytest

from builders import EMAIL, LINK, OPEN, a_quote, the_example
from stripe_invoice.conftest import the_invoice


def accept_with(bench: Any, fault: str, path: str, times: int = 99, **quote: Any) -> dict[str, Any]:
    """Accept the example while a request always fails, then remove the fault."""
    bench.stripe.faults.add(fault, path=path, times=times)
    run: dict[str, Any] = bench.accept(the_example(**quote))
    bench.stripe.faults.reset()
    return run


def add_a_line(v1: Any, invoice: dict[str, Any]) -> None:
    line = {"amount": 5000, "description": "Added by hand"}
    v1.invoices.add_lines(invoice["id"], params={"lines": [line]})


@pytest.mark.parametrize("finalized", [False, True], ids=["draft", "finalized by hand"])
def test_a_changed_draft_does_not_pass_for_the_signed_quote(bench: Any, v1: Any, finalized: bool) -> None:
    bench.enable(**LINK)
    run = accept_with(bench, "500_before", "/finalize$")
    assert run["status"] == "waiting"
    (invoice,) = bench.stripe.objects("invoices")
    add_a_line(v1, invoice)
    if finalized:
        v1.invoices.finalize_invoice(invoice["id"])

    run = bench.retry(run["id"])

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "totals_differ")
    assert "9152.00" in run["error"]["title"] and "9102.00" in run["error"]["title"]
    assert bench.stripe.objects("sessions") == []
    assert bench.mails() == []


def test_a_retry_notices_lines_that_somebody_deleted(bench: Any, v1: Any) -> None:
    bench.enable(**OPEN)
    run = bench.accept(a_quote(total="999.00"))
    assert run["error"]["code"] == "totals_differ"
    for item in v1.invoice_items.list(params={"limit": 100}).data:
        v1.invoice_items.delete(item.id)

    run = bench.retry(run["id"])

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "totals_differ")
    assert [invoice["status"] for invoice in bench.stripe.objects("invoices")] == ["draft"]
    assert bench.stripe.objects("invoices")[0]["total"] == int(run["outcome"]["total"].replace(".", ""))


def test_a_wrong_total_that_somebody_finalized_is_reported_as_open(bench: Any, v1: Any) -> None:
    bench.enable(**OPEN)
    run = bench.accept(a_quote(total="999.00"))
    assert "it stays a draft" in run["error"]["title"]
    v1.invoices.finalize_invoice(bench.stripe.objects("invoices")[0]["id"])

    run = bench.retry(run["id"])

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "totals_differ")
    assert "it is open already" in run["error"]["title"]


def test_a_refused_look_after_the_mail_sends_no_second_mail(bench: Any) -> None:
    bench.enable(**EMAIL)
    bench.stripe.faults.add("cut_after", path="/send$", times=1)
    bench.stripe.faults.add("403", method="GET", path="^/v1/invoices/in_", times=1)
    run = bench.accept(the_example())
    assert run["error"]["code"] == "permission_missing"

    run = bench.retry(run["id"])

    assert run["status"] == "succeeded", run
    assert len(bench.stripe.objects("sent")) == 1


def test_a_retry_does_not_mail_a_link_that_another_run_mailed(bench: Any) -> None:
    bench.enable(**LINK)
    outbox = bench.host.config.data_dir / "outbox"
    outbox.write_text("in the way")
    run = bench.accept(the_example())
    assert (run["status"], run["error"]["code"]) == ("waiting", "mail_unreachable")
    outbox.unlink()
    assert bench.send_installment("q-1", 1)["status"] == "succeeded"

    run = bench.retry(run["id"])

    assert run["status"] == "succeeded", run
    assert "not mailed again" in run["outcome"]["notes"][0]
    assert len(bench.mails()) == 1


def test_only_one_link_of_an_invoice_can_be_paid(bench: Any) -> None:
    bench.enable(**LINK)
    run = accept_with(bench, "500_before", "^/v1/checkout/sessions$")
    assert run["status"] == "waiting"
    assert bench.send_installment("q-1", 2)["status"] == "succeeded"

    run = bench.retry(run["id"])

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "link_not_needed")
    assert "installment 2" in run["error"]["title"]
    assert [s["status"] for s in bench.stripe.objects("sessions")] == ["open"]


def test_a_failed_payment_stays_failed_when_its_events_come_in_the_wrong_order(bench: Any) -> None:
    bench.enable(**LINK)
    bench.accept(the_example())
    (session,) = bench.stripe.objects("sessions")
    bench.stripe.config.update(webhooks_held=True)
    bench.stripe.pay_later(session["id"])
    bench.stripe.fail(session["id"])

    bench.stripe.deliver(newest_first=True)
    bench.work()

    assert bench.quote("q-1")["installments"][0]["status"] == "failed"
    assert bench.send_installment("q-1")["status"] == "succeeded"


def test_a_retried_refusal_looks_at_stripe_again(bench: Any) -> None:
    bench.enable(**LINK)
    bench.accept(the_example())
    (session,) = bench.stripe.objects("sessions")
    bench.stripe.config.update(webhooks_held=True)
    bench.stripe.pay_later(session["id"])
    refused = bench.send_installment("q-1", 1)
    assert refused["status"] == "skipped"
    bench.stripe.fail(session["id"])
    bench.stripe.requests.reset()

    bench.retry(refused["id"])

    assert len(bench.stripe.requests) > 0


def test_a_copied_invoice_does_not_become_the_quotes_invoice(bench: Any, v1: Any) -> None:
    bench.enable(**LINK)
    bench.accept(a_quote(installments=2))
    (ours,) = bench.stripe.objects("invoices")
    copy = v1.invoices.create(
        params={
            "customer": ours["customer"],
            "currency": "eur",
            "collection_method": "send_invoice",
            "days_until_due": 3,
            "metadata": dict(ours["metadata"]),
        }
    )
    v1.invoices.add_lines(copy.id, params={"lines": [{"amount": 100, "description": "copied"}]})
    v1.invoices.finalize_invoice(copy.id)
    v1.invoices.void_invoice(copy.id)

    bench.webhooks()

    assert bench.quote("q-7")["invoice"]["id"] == ours["id"]
    assert bench.quote("q-7")["payment_status"] == "unpaid"


def test_an_installment_of_a_draft_that_somebody_finalized_is_sent_after_a_look_at_stripe(bench: Any, v1: Any) -> None:
    bench.enable()
    bench.accept(the_example())
    v1.invoices.finalize_invoice(bench.stripe.objects("invoices")[0]["id"])

    run = bench.send_installment("q-1", look_first=True)

    assert run["status"] == "succeeded", run
    assert run["outcome"]["payment_link"]["amount"] == "2275.50"


def test_the_next_installment_is_sent_after_a_debit_whose_success_was_not_reported(bench: Any) -> None:
    bench.enable(**LINK)
    bench.accept(the_example())
    (session,) = bench.stripe.objects("sessions")
    bench.stripe.pay_later(session["id"])
    bench.webhooks()
    bench.stripe.config.update(webhooks_held=True)
    bench.stripe.settle(session["id"])

    run = bench.send_installment("q-1", look_first=True)

    assert run["status"] == "succeeded", run
    assert [part["status"] for part in bench.quote("q-1")["installments"][:2]] == ["paid", "sent"]


@pytest.mark.parametrize("settings", [{}, OPEN], ids=["draft", "void"])
def test_an_installment_of_an_invoice_that_is_not_open_is_refused_after_a_look_at_stripe(
    bench: Any, v1: Any, settings: dict[str, Any]
) -> None:
    bench.enable(**settings)
    bench.accept(the_example())
    if settings:
        v1.invoices.void_invoice(bench.stripe.objects("invoices")[0]["id"])

    run = bench.send_installment("q-1", look_first=True)

    assert run["status"] == "skipped"
    assert run["error"]["code"] == "refused"
    assert bench.mails() == []


def test_a_draft_that_somebody_deleted_is_made_again(bench: Any, v1: Any) -> None:
    bench.stripe.faults.add("500_before", path=r"/finalize$", times=50)
    bench.enable(**OPEN)
    run = bench.accept(a_quote())
    bench.stripe.faults.reset()
    v1.invoices.delete(the_invoice(bench)["id"])

    run = bench.retry(run["id"])
    if run["status"] != "succeeded":  # the resumed step finds its invoice gone, so the next attempt begins anew
        run = bench.retry(run["id"])

    assert run["status"] == "succeeded", run
    assert (the_invoice(bench)["status"], the_invoice(bench)["total"]) == ("open", 12000)


def test_a_run_goes_on_with_an_invoice_that_somebody_finalized(bench: Any, v1: Any) -> None:
    bench.stripe.faults.add("500_before", path=r"/finalize$", times=50)
    bench.enable(**LINK)
    run = bench.accept(a_quote(installments=2))
    bench.stripe.faults.reset()
    v1.invoices.finalize_invoice(the_invoice(bench)["id"])

    run = bench.retry(run["id"])

    assert run["status"] == "succeeded", run
    assert run["outcome"]["payment_link"]["amount"] == "60.00"


@pytest.mark.parametrize("settings", [EMAIL, LINK], ids=["email", "link"])
def test_nothing_is_sent_for_an_invoice_that_somebody_voided(bench: Any, v1: Any, settings: dict[str, Any]) -> None:
    bench.stripe.faults.add("500_before", path=r"(/send|checkout/sessions)$", times=50)
    bench.enable(**settings)
    run = bench.accept(a_quote(installments=2))
    assert run["status"] == "waiting"
    bench.stripe.faults.reset()
    v1.invoices.void_invoice(the_invoice(bench)["id"])

    run = bench.retry(run["id"])

    assert run["status"] == "needs_attention", run
    assert run["outcome"]["invoice_status"] == "void"
    assert bench.stripe.objects("sessions") == []
    assert bench.mails() == []


def test_a_run_that_begins_anew_sends_nothing_for_a_voided_invoice(bench: Any, v1: Any) -> None:
    bench.stripe.faults.add("500_before", path=r"checkout/sessions$", times=50)
    bench.enable(**LINK)
    run = bench.accept(a_quote(installments=2))
    bench.stripe.faults.reset()
    v1.invoices.void_invoice(the_invoice(bench)["id"])
    bench.enable(**EMAIL)

    run = bench.retry(run["id"])

    assert run["status"] == "needs_attention", run
    assert bench.stripe.objects("sent") == []
    assert bench.stripe.objects("sessions") == []
