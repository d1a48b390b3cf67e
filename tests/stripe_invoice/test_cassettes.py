"""The requests and answers between the plugin and Stripe, one behavior per cassette (tests/cassettes/README.md).

The answers replayed by default are the simulator's, not Stripe's. The same tests run against the simulator itself
(``--stripe=simulated``) and, with a key, against Stripe's test mode (``--stripe=live``).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from builders import vat
from cassette_kit import LIMITED_KEY, How, Stage, staged
from stripe_test_mode import RecordingRefused, require_test_key


def _how(config: pytest.Config) -> How:
    stripe, mode = config.getoption("--stripe"), config.getoption("--record-mode")
    if mode not in (None, "none", "rewrite") or (mode == "rewrite" and stripe == "cassette"):
        raise pytest.UsageError("Cassettes are written with --record-mode=rewrite and --stripe=simulated or live.")

    def show(text: str) -> None:
        with config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            print(f"\n{text}")

    return How(stripe, mode == "rewrite", config.getoption("--pay-by-hand"), show)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "stage" in metafunc.fixturenames:
        name = metafunc.function.__name__.removeprefix("test_")
        metafunc.parametrize("stage", _how(metafunc.config).kinds(name), indirect=True)


@pytest.fixture
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    how, failed = _how(request.config), request.session.testsfailed
    simulator = request.getfixturevalue("stripe_simulator") if how.stripe == "simulated" else None
    name = request.function.__name__.removeprefix("test_")
    try:
        with staged(
            name,
            request.param,
            how,
            tmp_path / "data",
            simulator=simulator,
            passed=lambda: request.session.testsfailed == failed,
        ) as made:
            yield made
    except RecordingRefused as refused:
        # A key that is refused once is refused in every test, so pytest ends here with code 2.
        request.session.shouldstop = str(refused)
        pytest.fail(str(refused), pytrace=False)


def the_steps(run: dict[str, Any]) -> list[str]:
    return [step["name"] for step in run["steps"]]


def asked(run: dict[str, Any], step: str) -> int:
    """How many requests a step took."""
    (found,) = [one for one in run["steps"] if one["name"] == step]
    return len(found["request_ids"])


# -- customer -----------------------------------------------------------------------------------------


def test_unknown_contact_becomes_a_customer(stage: Stage) -> None:
    stage.enable()

    run = stage.accept(stage.a_quote())

    assert run["status"] == "succeeded", run
    assert asked(run, "customer") == 4  # searched by contact, listed by e-mail, searched by e-mail, created
    customer = run["outcome"]["customer_id"]
    assert stage.quote(run["quote_id"])["saved_ids"]["contacts"] == {f"contact-{stage.tag}": customer}


def test_saved_customer_is_verified_and_used(stage: Stage) -> None:
    saved = stage.given("saved_customer", lambda v1: v1.customers.create({"email": stage.email})["id"])
    stage.enable()

    run = stage.accept(stage.a_quote(customer=saved))

    assert run["status"] == "succeeded", run
    assert run["outcome"]["customer_id"] == saved
    assert asked(run, "customer") == 1


def test_deleted_customer_is_replaced(stage: Stage) -> None:
    def one_that_is_gone(v1: Any) -> str:
        made = v1.customers.create({"email": stage.email})
        return str(v1.customers.delete(made["id"])["id"])

    gone = stage.given("deleted_customer", one_that_is_gone)
    stage.enable()

    run = stage.accept(stage.a_quote(customer=gone))

    assert run["status"] == "succeeded", run
    assert run["outcome"]["customer_id"] not in (None, gone)
    assert stage.quote(run["quote_id"])["saved_ids"]["contacts"] == {
        f"contact-{stage.tag}": run["outcome"]["customer_id"]
    }


# -- taxes --------------------------------------------------------------------------------------------


def test_tax_rate_is_found_by_percentage_and_country(stage: Stage) -> None:
    params = {
        "display_name": "VAT",
        "percentage": "20",
        "country": "FR",
        "inclusive": False,
        "metadata": {"qwoty_tax": f"tax-{stage.tag}"},
    }
    rate = stage.given("tax_rate", lambda v1: v1.tax_rates.create(params)["id"])
    stage.enable()

    run = stage.accept(stage.a_quote())

    assert run["outcome"]["total"] == "9102.00", run
    assert not [name for name in the_steps(run) if name.startswith("tax_rate.create")]
    assert stage.quote(run["quote_id"])["saved_ids"]["taxes"] == {f"tax-{stage.tag}": rate}


def test_missing_tax_rate_is_created(stage: Stage) -> None:
    stage.enable()
    # Iceland's reduced rate: a test account is unlikely to have it already.
    quote = stage.a_quote(tax=vat("11", "IS"))
    quote["summary"]["one_off"] = {"net_amount": "7585.00", "tax_amount": "834.35", "total_amount": "8419.35"}

    run = stage.accept(quote)

    assert run["status"] == "succeeded", run
    assert run["outcome"]["total"] == "8419.35"
    assert [name for name in the_steps(run) if name.startswith("tax_rate.create")]
    (rate,) = stage.quote(run["quote_id"])["saved_ids"]["taxes"].values()
    assert rate.startswith("txr_")


# -- invoice ------------------------------------------------------------------------------------------


def test_draft_has_the_lines_and_the_signed_total(stage: Stage) -> None:
    stage.enable(invoice_status="draft", send_invoice_email=True)

    run = stage.accept(stage.a_quote())

    assert run["status"] == "succeeded", run
    assert (run["outcome"]["invoice_status"], run["outcome"]["total"]) == ("draft", "9102.00")
    assert asked(run, "lines:0") == 1
    assert not {"finalize", "send"} & set(the_steps(run))


def test_lines_go_one_by_one_where_add_lines_is_refused(stage: Stage) -> None:
    stage.only_simulated("Stripe cannot be told to refuse add_lines.")
    if stage.simulator is not None:
        stage.simulator.faults.add("404", method="POST", path="/v1/invoices/.*/add_lines")
    stage.enable()

    run = stage.accept(stage.a_quote())

    assert run["status"] == "succeeded", run
    assert run["outcome"]["total"] == "9102.00"
    assert [name for name in the_steps(run) if name.startswith("item:")] == [
        "item:item_001",
        "item:item_001:discount",
        "item:item_002",
        "item:discount:1",
    ]


def test_invoice_is_finalized_and_mailed_by_stripe(stage: Stage) -> None:
    stage.enable(invoice_status="open", send_invoice_email=True)

    run = stage.accept(stage.a_quote())

    assert run["status"] == "succeeded", run
    assert run["outcome"]["invoice_status"] == "open"
    assert the_steps(run)[-2:] == ["finalize", "send"]
    assert stage.mails() == []


def test_missing_permission_needs_attention(stage: Stage) -> None:
    if stage.live:
        try:
            stage.key = require_test_key(os.environ, "STRIPE_TEST_LIMITED_KEY")
        except RecordingRefused as refused:
            stage.only_simulated(f"{refused} It may do nothing with invoices.")
    else:
        stage.key = LIMITED_KEY
    if stage.simulator is not None:
        stage.simulator.add_key(LIMITED_KEY, permissions={"customer_write", "tax_rate_write"})
    stage.enable()

    run = stage.accept(stage.a_quote())

    assert run["status"] == "needs_attention", run
    assert run["error"]["code"] == "permission_missing"
    assert run["outcome"]["invoice_id"] is None


# -- payment ------------------------------------------------------------------------------------------


def test_payment_link_is_made_and_mailed(stage: Stage) -> None:
    stage.enable(invoice_status="open", send_payment_link=True)

    run = stage.accept(stage.a_quote())

    assert run["status"] == "succeeded", run
    assert run["outcome"]["payment_link"]["amount"] == "2275.50"
    (mail,) = stage.mails()
    assert "application/pdf" in mail


def test_paid_link_is_attached_to_the_invoice(stage: Stage) -> None:
    stage.enable(invoice_status="open", send_payment_link=True)
    quote_id = stage.accept(stage.a_quote())["quote_id"]

    stage.customer_pays(quote_id, 1)

    quote = stage.quote(quote_id)
    assert (quote["payment_status"], quote["amount_paid"], quote["amount_remaining"]) == (
        "partially_paid",
        "2275.50",
        "6826.50",
    )


def test_next_installment_sent_again_expires_its_first_link(stage: Stage) -> None:
    stage.enable(invoice_status="open", send_payment_link=True)
    quote_id = stage.accept(stage.a_quote())["quote_id"]
    stage.customer_pays(quote_id, 1)

    first = stage.send_installment(quote_id)
    replaced = stage.session_id(quote_id, 2)
    second = stage.send_installment(quote_id)

    assert (first["status"], second["status"]) == ("succeeded", "succeeded"), second
    assert f"link.expire:{replaced}" in the_steps(second)
    assert stage.session_id(quote_id, 2) != replaced
    statuses = [part["status"] for part in stage.quote(quote_id)["installments"]]
    assert statuses == ["paid", "sent", "scheduled", "scheduled"]
