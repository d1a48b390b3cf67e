"""E-mail addresses are checked before any request: an unusable address stops only an invoice that is sent."""

from __future__ import annotations

from typing import Any

import pytest

from builders import EMAIL, LINK, OPEN, a_quote, loaded
from qwoty_integrations_host.reports.previews import plugin_preview

#: Texts that are several addresses or no address.
NO_ADDRESS = [
    "otameshi@com",
    "yuya＠icloud.example",
    "ana@buyer.example, bob@buyer.example",
    "Ana <ana@buyer.example>",
    "odatakeryu",
    "ana@buyer..example",
    "mailto:ana@buyer.example ",
    "ana@" + "b" * 64 + ".example",
    "a" * 65 + "@buyer.example",
]
#: Addresses that only servers with SMTPUTF8 accept.
NOT_EVERYWHERE = ["jürgen@firma.example", "田中@firma.example"]


def said(run: dict[str, Any]) -> str:
    error = run["error"] or {"title": "", "hint": ""}
    return "\n".join([*run["outcome"]["notes"], error["title"], error["hint"]])


@pytest.mark.parametrize("settings", [{}, OPEN, LINK], ids=["draft", "open", "link without terms"])
@pytest.mark.parametrize("email", [*NO_ADDRESS, *NOT_EVERYWHERE])
def test_an_unusable_address_does_not_stop_an_invoice_that_is_not_sent(
    bench: Any, email: str, settings: dict[str, Any]
) -> None:
    bench.enable(**settings)

    run = bench.accept(a_quote(contact={"email": email}))

    (invoice,), (customer,) = bench.stripe.objects("invoices"), bench.stripe.objects("customers")
    assert run["status"] == "succeeded", run
    assert invoice["status"] == settings.get("invoice_status", "draft")
    assert customer["email"] is None
    assert "Stripe is not given the e-mail address of Ana Diaz." in said(run)
    assert email not in said(run) and "ompare the invoice" not in said(run)
    assert bench.mails() == []


@pytest.mark.parametrize("settings", [LINK, EMAIL], ids=["link", "email"])
@pytest.mark.parametrize("email", [*NO_ADDRESS, *NOT_EVERYWHERE])
def test_an_unusable_address_stops_an_invoice_that_is_sent_before_any_request(
    bench: Any, email: str, settings: dict[str, Any]
) -> None:
    bench.enable(**settings)

    run = bench.accept(a_quote(installments=2, contact={"email": email}))

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "email_invalid")
    assert run["error"]["title"].startswith("The invoice cannot be sent to Ana Diaz. The e-mail address ")
    assert run["error"]["hint"] == "Correct it in Qwoty and accept the quote again."
    assert email not in said(run)
    assert (len(bench.stripe.requests), bench.mails()) == (0, [])


@pytest.mark.parametrize("settings", [LINK, EMAIL], ids=["link", "email"])
def test_the_quote_succeeds_once_its_address_is_corrected_as_the_hint_advises(
    bench: Any, settings: dict[str, Any]
) -> None:
    bench.enable(**settings)
    bench.accept(a_quote(installments=2, contact={"email": "ana@buyer"}))

    run = bench.accept(a_quote(installments=2))

    (invoice,) = bench.stripe.objects("invoices")
    assert (run["status"], invoice["status"], invoice["customer_email"]) == ("succeeded", "open", "ana@buyer.example")


def test_a_contact_without_a_name_is_named_by_the_id(bench: Any) -> None:
    bench.enable(**LINK)

    run = bench.accept(a_quote(installments=1, contact={"email": "ana", "first_name": None, "last_name": ""}))

    assert run["error"]["title"].startswith("The invoice cannot be sent to contact 'c-1'.")


@pytest.mark.parametrize(
    ("email", "sent_to"),
    [
        ("info@münchen.example", "info@xn--mnchen-3ya.example"),
        ("info@日本.example", "info@xn--wgv71a.example"),
        ("Ana.Diaz+Q7@Buyer.Example", "Ana.Diaz+Q7@Buyer.Example"),
        ("ana@mail.buyer.local", "ana@mail.buyer.local"),
        ("o'hara@buyer.test", "o'hara@buyer.test"),
    ],
)
def test_the_mail_goes_to_the_ascii_form_of_the_address(bench: Any, email: str, sent_to: str) -> None:
    bench.enable(**LINK)

    run = bench.accept(a_quote(installments=2, contact={"email": email}))

    (mail,), (customer,) = bench.outbox.mails, bench.stripe.objects("customers")
    assert run["status"] == "succeeded", run
    assert [to.addr_spec for to in mail["To"].addresses] == [sent_to]
    assert customer["email"] == sent_to


@pytest.mark.parametrize("email", ["max.sales", "max@sales, eve@evil.example", "mäx@seller.example"])
def test_an_unusable_owners_address_is_left_out_and_the_mail_is_sent(bench: Any, email: str) -> None:
    bench.enable(**LINK)

    run = bench.accept(a_quote(installments=2, owner={"id": "o-1", "first_name": "Max", "email": email}))
    (first,) = bench.outbox.mails
    bench.pay(bench.stripe.objects("sessions")[0]["id"])
    again = bench.send_installment("q-7")

    for each in (run, again):
        assert each["status"] == "succeeded", each
        assert "The mail goes out without a Reply-To to the quote's owner. The e-mail address" in said(each)
    assert len(bench.outbox) == 2
    assert first["Reply-To"] is None


def test_an_owner_at_an_international_domain_is_in_reply_to(bench: Any) -> None:
    bench.enable(**LINK)

    bench.accept(a_quote(installments=2, owner={"email": "max@verkäufer.example"}))

    (mail,) = bench.outbox.mails
    assert str(mail["Reply-To"]) == "max@xn--verkufer-3za.example"


@pytest.mark.parametrize("settings", [{}, OPEN, EMAIL], ids=["draft", "open", "email"])
def test_an_unusable_owners_address_is_not_mentioned_when_we_send_no_mail(bench: Any, settings: dict[str, Any]) -> None:
    bench.enable(**settings)

    run = bench.accept(a_quote(owner={"email": "max.sales"}))

    assert "Reply-To" not in said(run)


def test_a_long_seller_name_with_commas_stays_one_sender(bench: Any) -> None:
    name = "Northern Engineering, Installation and Maintenance Services (Dublin) Limited"
    bench.enable(**LINK)

    bench.accept(a_quote(installments=2, business_unit={"id": "bu_1", "name": name}))

    (mail,) = bench.outbox.mails
    (sender,) = mail["From"].addresses
    assert (sender.display_name, sender.addr_spec) == (name, "no-reply@qwoty.invalid")


def test_an_installment_is_not_sent_to_an_unusable_address(bench: Any) -> None:
    bench.enable(**OPEN)
    bench.accept(a_quote(installments=2, contact={"email": "ana@buyer"}))
    bench.enable(**LINK)

    run = bench.send_installment("q-7")

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "email_invalid")
    assert (bench.mails(), bench.stripe.objects("sessions")) == ([], [])


@pytest.mark.parametrize(
    ("settings", "needs_attention", "sentence"),
    [
        pytest.param(LINK, True, "No invoice would be made. The invoice cannot be sent to Ana Diaz.", id="link"),
        pytest.param({}, False, "Stripe is not given the e-mail address of Ana Diaz.", id="draft"),
    ],
)
def test_the_preview_says_the_same_of_an_unusable_address_as_the_run(
    bench: Any, settings: dict[str, Any], needs_attention: bool, sentence: str
) -> None:
    bench.enable(**settings)

    quote = loaded(a_quote(installments=2, contact={"email": "ana@buyer"}))
    host = bench.host
    plan = plugin_preview(host.integrations.of("ws-1", "stripe_invoice"), quote)

    assert plan["needs_attention"] is needs_attention
    assert sentence in "\n".join([plan["verdict"], *plan["notes"]])


def test_the_hint_of_a_refused_customer_does_not_mention_an_invoice(bench: Any) -> None:
    bench.enable()
    bench.stripe.faults.add("unknown_parameter", method="POST", path="^/v1/customers$")

    run = bench.accept(a_quote())

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "stripe_refused")
    assert "invoice" not in run["error"]["hint"] and "Qwoty" in run["error"]["hint"]
