"""Contact, language and owner can be corrected after the invoice is final: the invoice stays, later mails change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner

from builders import KEY, LINK, OPEN, a_line, a_quote
from mail_server import mailing_through, parsed
from qwoty_integrations_host.cli import main
from qwoty_integrations_host.store.api_keys import create_api_key
from stripe_invoice.conftest import accept_again

RIGHT = {"email": "ana.diaz@buyer.example"}


@pytest.fixture
def host_config(mail_server: Any) -> dict[str, Any]:
    return mailing_through(mail_server)


def sent_to(mail_server: Any) -> list[str]:
    return [address for envelope in mail_server.taken for address in envelope.rcpt_tos]


def at_stripe(bench: Any) -> list[tuple[str, str]]:
    """The requests that change something at Stripe, except those that make a link."""
    return [(r.method, r.path) for r in bench.stripe.requests if r.method != "GET" and "/checkout/" not in r.path]


@pytest.mark.parametrize("kind", ["wrong address", "another person", "another role"])
def test_a_retried_run_mails_the_corrected_contact(bench: Any, mail_server: Any, kind: str) -> None:
    bench.enable(**LINK)
    mail_server.be("550 rcpt")
    run = bench.accept(a_quote(installments=2))
    assert (run["error"]["code"], "accept the quote again" in run["error"]["hint"]) == ("mail_refused", True)
    (invoice,) = bench.stripe.objects("invoices")
    mail_server.be("")
    bench.stripe.requests.reset()
    bo = {"id": "c-2", "first_name": "Bo", **RIGHT, "role": ["billing"]}
    corrected = a_quote(installments=2, contact=RIGHT if kind == "wrong address" else {"role": ["signer"]})
    if kind == "another person":
        corrected["customer"]["contacts"] = [bo]
    if kind == "another role":
        corrected["customer"]["contacts"].append(bo)

    accepted, noted = accept_again(bench, corrected)
    retried = bench.retry(run["id"])

    assert accepted.corrected and not accepted.duplicate
    assert noted["status"] == "needs_attention", "the run is not begun anew: a person retries it"
    assert "The contacts were corrected on" in noted["outcome"]["notes"][-1]
    assert (retried["status"], sent_to(mail_server)) == ("succeeded", [RIGHT["email"]])
    assert noted["outcome"]["notes"][-1] in retried["outcome"]["notes"]
    assert f"mailed to {RIGHT['email']}." in retried["outcome"]["notes"][0]
    assert bench.stripe.objects("invoices") == [invoice]
    assert at_stripe(bench) == []


def test_the_next_installment_goes_to_the_corrected_contact(bench: Any, mail_server: Any) -> None:
    bench.enable(**LINK)
    bench.accept(a_quote(installments=2))
    bench.pay(bench.stripe.objects("sessions")[0]["id"])

    accepted, run = accept_again(bench, a_quote(installments=2, contact=RIGHT))
    sent = bench.send_installment("q-7")

    assert accepted.corrected
    assert (run["status"], sent["status"]) == ("succeeded", "succeeded")
    assert sent_to(mail_server) == ["ana@buyer.example", RIGHT["email"]]
    assert len(bench.stripe.objects("invoices")) == 1


def test_a_link_is_sent_again_to_the_corrected_address(bench: Any, mail_server: Any) -> None:
    bench.enable(**LINK)
    bench.accept(a_quote(installments=2))

    accept_again(bench, a_quote(installments=2, contact=RIGHT))
    sent = bench.send_installment("q-7", 1)

    assert sent["status"] == "succeeded", sent
    assert sent_to(mail_server) == ["ana@buyer.example", RIGHT["email"]]
    assert [session["status"] for session in bench.stripe.objects("sessions")].count("open") == 1


def test_the_next_mail_uses_the_corrected_language_and_owner(bench: Any, mail_server: Any) -> None:
    bench.enable(**LINK)
    bench.accept(a_quote(installments=2, owner={"email": "max@seller.example"}))
    bench.pay(bench.stripe.objects("sessions")[0]["id"])

    accepted, run = accept_again(bench, a_quote(installments=2, language="fr", owner={"email": "eva@seller.example"}))
    bench.send_installment("q-7")

    second = parsed(mail_server.taken[1])
    assert accepted.corrected
    assert (second["Content-Language"], str(second["Reply-To"])) == ("fr", "eva@seller.example")
    assert [note.partition(" on ")[0] for note in run["outcome"]["notes"][-2:]] == [
        "The language was corrected",
        "The owner's e-mail address was corrected",
    ]


def test_a_corrected_owner_keeps_the_draft(bench: Any) -> None:
    bench.enable()
    bench.accept(a_quote(owner={"email": "max@seller.example"}))
    (draft,) = bench.stripe.objects("invoices")
    bench.stripe.requests.reset()

    accepted, run = accept_again(bench, a_quote(owner={"email": "eva@seller.example"}))

    assert accepted.corrected
    assert "owner's e-mail address was corrected" in run["outcome"]["notes"][-1]
    assert (bench.stripe.objects("invoices"), len(bench.stripe.requests)) == ([draft], 0)


def test_a_corrected_contact_replaces_the_draft(bench: Any) -> None:
    bench.enable()
    bench.accept(a_quote())
    (draft,) = bench.stripe.objects("invoices")
    other = {"id": "c-2", "email": "bo@buyer.example"}

    accepted, run = accept_again(bench, a_quote(contact=other))

    (invoice,) = bench.stripe.objects("invoices")
    assert accepted.corrected and run["status"] == "succeeded"
    assert (invoice["id"] != draft["id"], invoice["customer_email"]) == (True, "bo@buyer.example")


def address_of(line: str) -> dict[str, Any]:
    customer = a_quote()["customer"]
    return {"customer": {**customer, "billing_address": {**customer["billing_address"], "line1": line}}}


@pytest.mark.parametrize(
    "signed",
    [
        pytest.param({"number": "N-8"}, id="the number"),
        pytest.param(address_of("3 rue C"), id="the billing address"),
        pytest.param({"business_unit": {"id": "bu_1", "name": "Other SAS"}}, id="the seller"),
        pytest.param({"installments": ["30", "70"]}, id="the payment terms"),
        pytest.param({"lines": [a_line(name="Training")]}, id="a line"),
    ],
)
def test_a_change_of_what_was_signed_is_refused_with_every_other_correction(
    bench: Any, mail_server: Any, signed: dict[str, Any]
) -> None:
    bench.enable(**LINK)
    bench.accept(a_quote(installments=2))
    changes = {"installments": 2, **signed}

    accepted, run = accept_again(bench, a_quote(*changes.pop("lines", []), contact=RIGHT, **changes))
    bench.pay(bench.stripe.objects("sessions")[0]["id"])
    bench.send_installment("q-7")

    assert accepted.duplicate and not accepted.corrected
    assert "Nothing was changed" in run["outcome"]["notes"][-1]
    assert sent_to(mail_server) == ["ana@buyer.example"] * 2


def test_a_repeated_correction_is_a_duplicate_and_noted_once(bench: Any) -> None:
    bench.enable(**OPEN)
    bench.accept(a_quote())

    accept_again(bench, a_quote(contact=RIGHT))
    accepted, run = accept_again(bench, a_quote(contact=RIGHT))

    assert accepted.duplicate and not accepted.corrected
    assert len([note for note in run["outcome"]["notes"] if "contacts were corrected" in note]) == 1


def test_a_corrected_contact_is_used_for_a_draft_that_somebody_finalized(bench: Any, v1: Any, mail_server: Any) -> None:
    bench.enable()
    bench.accept(a_quote(installments=2))
    v1.invoices.finalize_invoice(bench.stripe.objects("invoices")[0]["id"])

    _, run = accept_again(bench, a_quote(installments=2, contact=RIGHT))
    bench.enable(**LINK)
    sent = bench.send_installment("q-7", 1)

    assert run["status"] == "succeeded", run
    assert "The contacts were corrected" in "\n".join(run["outcome"]["notes"])
    assert (sent["status"], sent_to(mail_server)) == ("succeeded", [RIGHT["email"]])
    assert len(bench.stripe.objects("invoices")) == 1


def test_a_waiting_run_goes_on_with_the_corrected_contact(bench: Any, mail_server: Any) -> None:
    bench.enable(**LINK)
    mail_server.be("450 rcpt")
    run = bench.accept(a_quote(installments=2))
    assert run["status"] == "waiting"
    mail_server.be("")

    accept_again(bench, a_quote(installments=2, contact=RIGHT))
    bench.clock.sleep(3600)
    bench.work()

    assert bench.run(run["id"])["status"] == "succeeded"
    assert sent_to(mail_server) == [RIGHT["email"]]


def test_a_working_run_goes_on_with_the_corrected_contact(bench: Any, mail_server: Any, meanwhile: Any) -> None:
    bench.enable(**LINK)
    corrected = a_quote(installments=2, contact=RIGHT)
    meanwhile("POST", "^/v1/checkout/sessions$", lambda: bench.host.runs.acceptance.accept("ws-1", corrected))

    run = bench.accept(a_quote(installments=2))
    bench.work()

    assert bench.run(run["id"])["status"] == "succeeded"
    assert sent_to(mail_server) == [RIGHT["email"]]
    assert len(bench.stripe.objects("sessions")) == len(bench.stripe.objects("invoices")) == 1


# -- over HTTP and at the command line -----------------------------------------------------------------


def test_a_contact_is_corrected_and_the_run_retried_by_http(bench: Any, mail_server: Any) -> None:
    with bench.host.store.write() as db:
        key = create_api_key(db, "ws-1", bench.clock.now())
    bench.enable(**LINK)
    mail_server.be("550 rcpt")

    def post(path: str, document: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {key}"}
        answer = requests.post(f"{bench.url}/v1/{path}", json=document, headers=headers, timeout=10)
        bench.work()
        return answer

    first = post("workspaces/ws-1/quotes/accepted", a_quote(installments=2)).json()
    mail_server.be("")
    again = post("workspaces/ws-1/quotes/accepted", a_quote(installments=2, contact=RIGHT))
    (run,) = first["runs"]
    post(f"workspaces/ws-1/runs/{run['id']}/retry")

    assert (again.status_code, again.json()["corrected"], again.json()["duplicate"]) == (202, True, False)
    assert bench.run(run["id"])["status"] == "succeeded"
    assert sent_to(mail_server) == [RIGHT["email"]]
    assert len(bench.stripe.objects("invoices")) == 1


def test_a_contact_is_corrected_and_the_run_retried_by_the_command_line(
    tmp_path: Path, stripe_simulator: Any, mail_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QWOTY_STRIPE_API_BASE", stripe_simulator.url)
    monkeypatch.setenv("QWOTY_HOST_PUBLIC_URL", "https://integrations.example.com")
    monkeypatch.setenv("QWOTY_HOST_SMTP_URL", f"smtp://127.0.0.1:{mail_server.port}?tls=none")
    monkeypatch.setenv("QWOTY_HOST_MAIL_FROM", "shop@seller.example")

    def call(*words: str, given: Any = None) -> Any:
        found = CliRunner().invoke(
            main, ["--data-dir", str(tmp_path / "data"), *words, "--json"], input=given and json.dumps(given)
        )
        return json.loads(found.stdout), found.exit_code

    call("workspace", "add", "ws-1")
    call("settings", "set", "ws-1", "stripe_invoice", "--file", "-", given={"workspace_api_token": KEY, **LINK})
    call("enable", "ws-1", "stripe_invoice")
    mail_server.be("550 rcpt")

    first, needs_attention = call("accept", "ws-1", "-", "--wait", given=a_quote(installments=2))
    mail_server.be("")
    again, _ = call("accept", "ws-1", "-", given=a_quote(installments=2, contact=RIGHT))
    (run,) = first["runs"]
    retried, done = call("run", "retry", run["id"], "--wait")

    assert (run["error"]["code"], again["corrected"]) == ("mail_refused", True)
    assert needs_attention != done == 0
    assert retried["status"] == "succeeded", retried
    assert sent_to(mail_server) == [RIGHT["email"]]
    assert len(stripe_simulator.objects("invoices")) == 1
