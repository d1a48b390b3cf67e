"""Which permissions a key needs, which key serves a quote, and what a run says of a refused key."""

from __future__ import annotations

from typing import Any

import pytest

from builders import EMAIL, KEY, LINK, LIVE, RESTRICTED, UNIT_1, UNIT_2, a_quote, the_example
from qwoty_integrations_host.store import tables
from stripe_simulator import DOCUMENTED_PERMISSIONS


def test_the_documented_permissions_are_enough_for_everything(bench: Any, v1: Any) -> None:
    bench.stripe.add_key(RESTRICTED, permissions=DOCUMENTED_PERMISSIONS)
    bench.enable(**LINK, workspace_api_token=RESTRICTED)

    # The first quote needs a customer, a rate, an endpoint and a link. It gets a payment, a debit and a replaced link.
    run = bench.accept(the_example())
    assert run["status"] == "succeeded", run
    bench.pay(bench.stripe.objects("sessions")[0]["id"])
    assert bench.quote("q-1")["payment_status"] == "partially_paid"
    assert bench.send_installment("q-1")["status"] == "succeeded"
    assert bench.send_installment("q-1")["status"] == "succeeded"
    late = bench.stripe.objects("sessions")[-1]["id"]
    bench.stripe.pay_later(late)
    bench.webhooks()
    bench.stripe.settle(late)
    bench.webhooks()
    assert bench.quote("q-1")["amount_paid"] == "4551.00"
    # The second invoice follows a lost answer, gets its lines one by one, and is mailed by Stripe.
    bench.stripe.faults.add("404", path=r"/add_lines$")
    bench.stripe.faults.add("cut_after", method="POST", path="^/v1/invoices$")
    bench.enable(**{**EMAIL, "send_payment_link": False}, workspace_api_token=RESTRICTED)
    run = bench.accept(the_example(id="q-2"))
    assert run["status"] == "succeeded", run
    assert len(bench.stripe.objects("sent")) == 1
    # The webhook secret is lost: the endpoint is deleted and made again.
    with bench.host.store.write() as db:
        db.execute(tables.secrets.delete().where(tables.secrets.c.field.startswith("kept/webhook:")))
    bench.stripe.clock.advance(60)
    bench.clock.advance(60)
    bench.enable(**{**LINK, "send_invoice_email": False}, workspace_api_token=RESTRICTED)
    assert bench.accept(the_example(id="q-3"))["status"] == "succeeded"
    assert len(bench.stripe.objects("endpoints")) == 1

    assert 403 not in {r.status for r in bench.stripe.requests}


NEEDED = {
    "customer_write": LINK,
    "invoice_write": LINK,
    "tax_rate_write": LINK,
    "checkout_session_write": LINK,
    "webhook_write": LINK,
}


@pytest.mark.parametrize("missing", NEEDED)
def test_the_hint_names_the_missing_permission_and_adding_it_is_enough(bench: Any, missing: str) -> None:
    subject = missing.removesuffix("_write")
    less = {one for one in DOCUMENTED_PERMISSIONS if not one.startswith((f"{subject}_read", f"{subject}_write"))}
    bench.stripe.add_key(RESTRICTED, permissions=less)
    bench.enable(**LINK, workspace_api_token=RESTRICTED)

    run = bench.accept(the_example())

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "permission_missing")
    assert f"{subject}_" in run["error"]["hint"]
    assert "rak_" not in run["error"]["hint"]
    bench.stripe.add_key(RESTRICTED, permissions=DOCUMENTED_PERMISSIONS)
    run = bench.retry(run["id"])
    assert run["status"] == "succeeded", run
    assert len(bench.stripe.objects("invoices")) == 1
    assert len(bench.mails()) == 1


@pytest.mark.parametrize("missing", ["customer_write", "tax_rate_write", "webhook_write"])
def test_the_hint_names_the_write_permission_that_a_reading_key_lacks(bench: Any, missing: str) -> None:
    bench.stripe.add_key(RESTRICTED, permissions=DOCUMENTED_PERMISSIONS - {missing})
    bench.enable(**LINK, workspace_api_token=RESTRICTED)

    run = bench.accept(the_example())

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "permission_missing")
    assert missing in run["error"]["hint"]


def test_several_alternative_permissions_are_all_named(bench: Any) -> None:
    message = (
        "The provided key 'rk_test_*****' does not have the required permissions for this endpoint on account "
        "'acct_1'. Having the 'rak_charge_write', 'rak_invoice_write' permissions would allow this request to continue."
    )
    body = {"error": {"type": "invalid_request_error", "message": message}}
    bench.stripe.faults.add("403", path="^/v1/invoices$", body=body)
    bench.enable()

    run = bench.accept(a_quote())

    assert "charge_write or invoice_write" in run["error"]["hint"]
    assert "acct_1" not in repr(run["error"])


def test_a_refusal_that_names_no_permission_says_where_to_look(bench: Any) -> None:
    body = {"error": {"type": "invalid_request_error", "message": "This key may not do this."}}
    bench.stripe.faults.add("403", path="^/v1/invoices$", body=body)
    bench.enable()

    run = bench.accept(a_quote())

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "permission_missing")
    assert "Dashboard" in run["error"]["hint"]


@pytest.mark.parametrize("settings", [{}, LINK], ids=["draft", "link"])
def test_a_run_with_a_revoked_key_goes_on_with_a_new_key(bench: Any, settings: dict[str, Any]) -> None:
    bench.stripe.add_key("sk_test_RevokedKey0001", revoked=True)
    bench.enable(**settings, workspace_api_token="sk_test_RevokedKey0001")

    run = bench.accept(the_example())

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "key_refused")
    assert "RevokedKey" not in repr(run)
    bench.enable(**settings)
    assert bench.retry(run["id"])["status"] == "succeeded"


def test_a_live_key_is_never_sent_to_anything_but_stripe(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWOTY_STRIPE_API_BASE", "http://stripe.example")
    bench.enable(workspace_api_token=f"sk_{LIVE}_51SimulatedKey01")

    run = bench.accept(a_quote())

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "api_base_refused")


# -- one key per business unit -----------------------------------------------------------------------


@pytest.fixture
def units(bench: Any) -> Any:
    bench.stripe.add_key(UNIT_1, account="acct_1")
    bench.stripe.add_key(UNIT_2, account="acct_2")
    bench.enable(**LINK, token_scope="business_unit", business_unit_api_tokens={"bu_1": UNIT_1, "bu_2": UNIT_2})
    return bench


def counts(bench: Any, kind: str) -> tuple[int, int]:
    return len(bench.stripe.objects(kind, account="acct_1")), len(bench.stripe.objects(kind, account="acct_2"))


def test_each_quote_goes_to_the_account_of_its_business_unit(units: Any) -> None:
    first = units.accept(the_example(id="q-1", business_unit={"id": "bu_1", "name": "One"}))
    second = units.accept(the_example(id="q-2", business_unit={"id": "bu_2", "name": "Two"}))

    assert (first["status"], second["status"]) == ("succeeded", "succeeded"), (first, second)
    for kind in ("customers", "tax_rates", "invoices", "sessions", "endpoints"):
        assert counts(units, kind) == (1, 1), kind
    assert units.stripe.objects("invoices") == []


def test_one_contact_in_two_accounts_keeps_one_customer_in_each(units: Any) -> None:
    for number in range(4):
        unit = {"id": f"bu_{number % 2 + 1}", "name": "x"}
        run = units.accept(the_example(id=f"q-{number}", business_unit=unit))
        assert run["status"] == "succeeded", run

    assert counts(units, "customers") == (1, 1)
    assert counts(units, "tax_rates") == (1, 1)
    assert counts(units, "invoices") == (2, 2)
    assert counts(units, "endpoints") == (1, 1)


def test_payments_and_installments_stay_in_the_account_of_their_invoice(units: Any) -> None:
    for number in (1, 2):
        units.accept(the_example(id=f"q-{number}", business_unit={"id": f"bu_{number}", "name": "x"}))
    (session,) = units.stripe.objects("sessions", account="acct_2")

    units.pay(session["id"])

    assert units.quote("q-1")["payment_status"] == "unpaid"
    assert units.quote("q-2")["payment_status"] == "partially_paid"
    assert units.send_installment("q-2")["status"] == "succeeded"
    assert counts(units, "sessions") == (1, 2)


@pytest.mark.parametrize(
    ("unit", "words"),
    [(None, "names no business unit"), ({"id": "bu_3", "name": "x"}, "'bu_3'"), ({"id": "BU_1"}, "'BU_1'")],
)
def test_a_quote_whose_unit_has_no_key_is_skipped_with_the_reason(
    units: Any, unit: dict[str, str] | None, words: str
) -> None:
    run = units.accept(the_example(business_unit=unit))

    assert run["status"] == "skipped"
    assert run["error"]["title"].startswith("No invoice: ") and words in run["error"]["title"]
    assert units.quote("q-1")["without_invoice"] == {**run["error"], "plugin": "stripe_invoice", "run_id": run["id"]}
    assert len(units.stripe.requests) == 0
    assert units.quote("q-1")["invoice"] is None


def test_the_workspaces_key_serves_every_business_unit(bench: Any) -> None:
    bench.enable(workspace_api_token=KEY, business_unit_api_tokens={"bu_1": UNIT_1})

    assert bench.accept(a_quote(business_unit=None))["status"] == "succeeded"
    assert bench.accept(a_quote(id="q-8"))["status"] == "succeeded"
    assert len(bench.stripe.objects("invoices")) == 2


def test_a_webhook_of_a_unit_without_a_key_needs_attention(units: Any) -> None:
    units.accept(the_example(business_unit={"id": "bu_1", "name": "x"}))
    (session,) = units.stripe.objects("sessions", account="acct_1")
    units.host.settings.save(
        "ws-1",
        "stripe_invoice",
        {**LINK, "token_scope": "business_unit", "business_unit_api_tokens": {"bu_1": None, "bu_2": UNIT_2}},
    )

    units.pay(session["id"])

    failed = [r for r in units.quote("q-1")["runs"] if r["kind"] == "webhook" and r["status"] == "needs_attention"]
    assert [r["error"]["code"] for r in failed] == ["business_unit_missing"]


def test_an_invoice_made_in_another_account_is_not_made_again(bench: Any) -> None:
    bench.stripe.add_key(UNIT_2, account="acct_2")
    bench.stripe.faults.add("500_before", path=r"/checkout/sessions$", times=500)
    bench.enable(**LINK)
    run = bench.accept(the_example())
    bench.stripe.faults.reset()
    bench.enable(**LINK, workspace_api_token=UNIT_2)

    run = bench.retry(run["id"])

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "invoice_in_other_account")
    assert bench.stripe.objects("invoices", account="acct_2") == []
