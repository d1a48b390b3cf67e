"""The payment link: its endpoint, its Checkout session, and the mail that carries it."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest

from builders import LINK, a_line, a_quote, the_example
from qwoty_integrations_host.store import tables


def mail_of(bench: Any) -> EmailMessage:
    (path,) = bench.mails()
    found: EmailMessage = message_from_bytes(path.read_bytes(), policy=policy.default)
    return found


def text_of(mail: EmailMessage, kind: str = "plain") -> str:
    part = mail.get_body((kind,))
    assert part is not None
    text: str = part.get_content()
    return text


def linked(bench: Any, quote: dict[str, Any] | None = None) -> dict[str, Any]:
    run: dict[str, Any] = bench.accept(quote or the_example())
    assert run["status"] == "succeeded", run
    return run


# -- the endpoint ------------------------------------------------------------------------------------


def test_the_first_link_makes_the_endpoint_for_our_events_and_version(bench: Any) -> None:
    bench.enable(**LINK)

    linked(bench)

    (endpoint,) = bench.stripe.objects("endpoints")
    assert endpoint["url"].startswith(f"{bench.url}/webhooks/stripe_invoice/ws-1/")
    assert endpoint["api_version"] == "2026-10-28.endive"
    assert endpoint["metadata"] == {"qwoty_workspace": "ws-1"}
    assert {"checkout.session.completed", "checkout.session.async_payment_succeeded"} <= set(endpoint["enabled_events"])
    assert "*" not in endpoint["enabled_events"]


@pytest.mark.parametrize("settings", [{}, {"send_payment_link": True}, {"invoice_status": "open"}])
def test_no_endpoint_is_made_without_a_link(bench: Any, settings: dict[str, Any]) -> None:
    bench.enable(**settings)

    linked(bench)

    assert bench.stripe.objects("endpoints") == []


def test_an_endpoint_whose_secret_we_hold_is_kept_without_a_request(bench: Any) -> None:
    bench.enable(**LINK)
    linked(bench)
    before = bench.stripe.objects("endpoints")
    bench.stripe.requests.reset()

    linked(bench, the_example(id="q-2"))

    assert bench.stripe.objects("endpoints") == before
    assert not [r for r in bench.stripe.requests if "webhook_endpoints" in r.path]


def test_our_endpoint_without_its_secret_is_replaced_and_strangers_endpoints_stay(bench: Any, v1: Any) -> None:
    stranger = {"url": "https://stranger.example/hook", "enabled_events": ["*"]}
    strangers = [
        v1.webhook_endpoints.create(params=stranger).id,
        v1.webhook_endpoints.create(params={**stranger, "metadata": {"qwoty_workspace": "ws-1"}}).id,
    ]
    bench.enable(**LINK)
    linked(bench)
    (ours,) = [e for e in bench.stripe.objects("endpoints") if e["id"] not in strangers]
    with bench.host.store.write() as db:
        db.execute(tables.secrets.delete().where(tables.secrets.c.field.startswith("kept/webhook:")))
    quiet = {"url": ours["url"], "enabled_events": ["customer.updated"]}
    same_url = v1.webhook_endpoints.create(params=quiet).id

    run = linked(bench, the_example(id="q-2"))

    ids = {endpoint["id"] for endpoint in bench.stripe.objects("endpoints")}
    assert ours["id"] not in ids
    assert {*strangers, same_url} <= ids
    assert len(ids) == 4
    bench.stripe.pay([s for s in bench.stripe.objects("sessions") if s["status"] == "open"][-1]["id"])
    bench.webhooks()
    assert bench.quote(run["quote_id"])["payment_status"] == "partially_paid"


def test_a_process_that_dies_after_a_lost_answer_leaves_one_endpoint(bench: Any) -> None:
    bench.stripe.faults.add("cut_after", method="POST", path="/v1/webhook_endpoints")
    bench.enable(**LINK)
    bench.host.runs.acceptance.accept("ws-1", the_example())
    bench.engine.die_at("webhook_endpoint.create")

    died = bench.work_until_it_dies()
    there = len(bench.stripe.objects("endpoints"))
    bench.restart()

    assert died and there == 2, "one from the lost answer, and its successor"
    assert bench.quote("q-1")["standing"]["state"] == "link_sent"
    assert len(bench.stripe.objects("endpoints")) == 1


@pytest.mark.parametrize("fault", ["cut_after", "500_after", "500_before", "cut_before", "429", "409_in_flight"])
def test_a_lost_answer_leaves_one_endpoint_whose_secret_we_hold(bench: Any, fault: str) -> None:
    bench.stripe.faults.add(fault, method="POST", path="/v1/webhook_endpoints")
    bench.enable(**LINK)

    linked(bench)

    assert len(bench.stripe.objects("endpoints")) == 1
    bench.pay(bench.stripe.objects("sessions")[0]["id"])
    assert bench.quote("q-1")["payment_status"] == "partially_paid"


def test_a_second_run_repeats_the_request_for_the_endpoint_with_the_same_key(bench: Any) -> None:
    """The first request may still be on its way, as after a killed worker. Stripe makes one endpoint of both."""
    bench.stripe.faults.add("cut_before", method="POST", path="/v1/webhook_endpoints", times=200)
    bench.enable(**LINK)
    assert bench.accept(the_example())["status"] == "waiting"
    bench.stripe.faults.reset()

    linked(bench, the_example(id="q-2"))

    posts = [r for r in bench.stripe.requests.find("POST") if r.path == "/v1/webhook_endpoints"]
    assert len({post.idempotency_key for post in posts}) == 1
    assert len(posts) > 1


def test_a_refused_request_for_the_endpoint_gets_a_new_key_in_the_next_run(bench: Any) -> None:
    bench.stripe.faults.add("unknown_parameter", method="POST", path="/v1/webhook_endpoints")
    bench.enable(**LINK)
    assert bench.accept(the_example())["status"] == "needs_attention"

    linked(bench, the_example(id="q-2"))

    first, second = [r for r in bench.stripe.requests.find("POST") if r.path == "/v1/webhook_endpoints"]
    assert first.idempotency_key != second.idempotency_key


def test_a_run_that_waits_for_its_endpoint_can_be_retried(bench: Any) -> None:
    bench.stripe.faults.add("500_before", method="POST", path="/v1/webhook_endpoints", times=200)
    bench.enable(**LINK)

    run = bench.accept(the_example())

    assert (run["status"], run["error"]["code"]) == ("waiting", "stripe_error")
    bench.stripe.faults.reset()
    run = bench.retry(run["id"])
    assert run["status"] == "succeeded", run
    assert len(bench.stripe.objects("endpoints")) == 1


def test_an_endpoint_at_a_former_public_address_is_moved(bench: Any) -> None:
    bench.enable(**LINK)
    linked(bench)
    (old,) = bench.stripe.objects("endpoints")
    other = bench.host.integrations.contexts
    object.__setattr__(bench.host.integrations, "contexts", replace(other, public_url="https://new.example"))

    linked(bench, the_example(id="q-2"))

    (moved,) = bench.stripe.objects("endpoints")
    assert moved["id"] == old["id"]
    assert moved["url"] == old["url"].replace(bench.url, "https://new.example")


@pytest.mark.parametrize("installments", [0, 4])
def test_a_link_without_a_public_address_stops_before_any_request(bench: Any, installments: int) -> None:
    object.__setattr__(bench.host.integrations, "contexts", replace(bench.host.integrations.contexts, public_url=None))
    bench.enable(**LINK)

    run = bench.accept(a_quote(installments=installments))

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "public_url_missing")
    assert "QWOTY_HOST_PUBLIC_URL" in run["error"]["hint"]
    assert len(bench.stripe.requests) == 0


# -- the session -------------------------------------------------------------------------------------


def test_the_session_asks_for_the_first_installment_and_leaves_the_methods_to_stripe(bench: Any) -> None:
    bench.enable(**LINK)

    linked(bench)

    (create,) = bench.stripe.requests.find("POST", "/v1/checkout/sessions")
    (invoice,) = bench.stripe.objects("invoices")
    metadata = {
        "qwoty_workspace": "ws-1",
        "qwoty_quote_id": "q-1",
        "qwoty_quote_number": "Q-2026-042",
        "qwoty_installment": "1",
    }
    name = "Q-2026-042 – Échéance 1/4"
    assert create.params == {
        "mode": "payment",
        "customer": invoice["customer"],
        "line_items": [
            {
                "quantity": "1",
                "price_data": {"currency": "eur", "unit_amount": "227550", "product_data": {"name": name}},
            }
        ],
        "client_reference_id": invoice["id"],
        "metadata": metadata,
        "payment_intent_data": {"metadata": metadata, "description": name},
        "success_url": f"{bench.url}/paid",
        "cancel_url": f"{bench.url}/cancelled",
        "adaptive_pricing": {"enabled": "false"},
    }


def test_the_link_is_valid_for_a_day_and_reported(bench: Any) -> None:
    bench.enable(**LINK)

    run = linked(bench)

    (session,) = bench.stripe.objects("sessions")
    assert session["expires_at"] - session["created"] == 86400
    assert (run["outcome"]["payment_link"]["url"], run["outcome"]["payment_link"]["amount"]) == (
        session["url"],
        "2275.50",
    )
    first, *others = bench.quote("q-1")["installments"]
    assert (first["status"], first["url"]) == ("sent", session["url"])
    assert {(part["status"], part["url"]) for part in others} == {("scheduled", None)}


def test_installments_are_numbered_by_their_order_not_their_position(bench: Any) -> None:
    bench.enable(**LINK)
    quote = a_quote(installments=["30", "70"])
    quote["payment_terms"]["installments"].reverse()

    run = linked(bench, quote)

    assert run["outcome"]["payment_link"]["amount"] == "36.00"


def test_three_thirds_add_up_to_the_total(bench: Any) -> None:
    bench.enable(**LINK)

    linked(bench, a_quote(total="120.00", installments=["33.33", "33.33", "33.34"]))

    assert [part["amount"] for part in bench.quote("q-7")["installments"]] == ["40.00", "39.99", "40.01"]


def test_a_customers_credit_lowers_what_the_installments_share(bench: Any, v1: Any) -> None:
    customer = v1.customers.create(params={"email": "ana@buyer.example"}).id
    bench.stripe.world.states()[0].customers[customer]["balance"] = -2000
    bench.enable(**LINK)

    run = linked(bench, a_quote(installments=2))

    assert [part["amount"] for part in bench.quote("q-7")["installments"]] == ["50.00", "50.00"]
    assert run["outcome"]["payment_link"]["amount"] == "50.00"
    assert bench.quote("q-7")["amount_remaining"] == "100.00"


@pytest.mark.parametrize("contact", [{}, {"email": None}], ids=["with e-mail", "without"])
def test_an_invoice_without_payment_terms_is_final_and_not_sent_and_noted(bench: Any, contact: dict[str, Any]) -> None:
    bench.enable(**LINK)

    run = linked(bench, a_quote(contact=contact))

    assert (run["outcome"]["invoice_status"], run["outcome"]["payment_link"]) == ("open", None)
    assert any("no payment terms" in note for note in run["outcome"]["notes"])
    assert bench.stripe.objects("sessions") == []
    assert bench.stripe.objects("endpoints") == []
    assert bench.mails() == []


@pytest.mark.parametrize(
    ("currency", "net", "share", "asked"),
    [
        pytest.param("EUR", "100.00", "0.40", False, id="a known minimum is not even asked for"),
        pytest.param("DKK", "100.00", "0.40", True, id="an unknown one is learnt from Stripe"),
    ],
)
def test_an_installment_below_stripes_minimum_gives_no_link_and_a_note(
    bench: Any, currency: str, net: str, share: str, asked: bool
) -> None:
    bench.enable(**LINK)
    bench.stripe.config.update(unlisted_minimum_charge=250)

    run = bench.accept(a_quote(a_line(net=net), currency=currency, installments=[share, "99.60"]))

    assert (run["status"], run["outcome"]["invoice_status"], run["outcome"]["payment_link"]) == (
        "succeeded",
        "open",
        None,
    )
    assert (
        f"Installment 1 of 2 (0.48 {currency}) is below the smallest payment that Stripe takes"
        in run["outcome"]["notes"][0]
    )
    assert bench.mails() == []
    assert len(bench.posts("/v1/checkout/sessions")) == int(asked)
    assert bench.quote("q-7")["installments"][0]["status"] == "scheduled"


def test_the_next_installment_can_be_sent_after_one_that_was_too_small(bench: Any) -> None:
    bench.enable(**LINK)
    bench.accept(a_quote(installments=["0.40", "99.60"]))

    first = bench.send_installment("q-7", 1)
    second = bench.send_installment("q-7", 2)

    assert (first["status"], second["status"]) == ("skipped", "succeeded")
    assert second["outcome"]["payment_link"]["amount"] == "119.52"


# -- the mail ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "amount", "total", "subject"),
    [
        ("en", "€2,275.50", "€9,102.00", "Your invoice {number} – pay €2,275.50"),
        ("fr", "2\u202f275,50\xa0€", "9\u202f102,00\xa0€", "Votre facture {number} – règlement de 2\u202f275,50\xa0€"),
        ("nl", "€2,275.50", "€9,102.00", "Your invoice {number} – pay €2,275.50"),
    ],
)
def test_the_mail_is_in_the_quotes_language_with_exact_amounts(
    bench: Any, language: str, amount: str, total: str, subject: str
) -> None:
    bench.enable(**LINK)

    run = linked(bench, the_example(language=language))

    mail, (invoice,) = mail_of(bench), bench.stripe.objects("invoices")
    assert mail["To"] == "ana@buyer.example"
    assert mail["Subject"] == subject.format(number=invoice["number"])
    for kind in ("plain", "html"):
        text = text_of(mail, kind)
        assert amount in text
        assert total in text
        assert run["outcome"]["payment_link"]["url"] in text
        assert invoice["number"] in text
        assert "Q-2026-042" in text
        assert "24" in text
        assert "Seller SAS" in text


def test_the_mail_carries_the_invoice_as_its_one_attachment(bench: Any) -> None:
    bench.enable(**LINK)

    linked(bench)

    (attachment,) = mail_of(bench).iter_attachments()
    (invoice,) = bench.stripe.objects("invoices")
    assert attachment.get_content_type() == "application/pdf"
    assert attachment.get_filename() == f"{invoice['number']}.pdf"
    assert attachment.get_content().startswith(b"%PDF-")
    assert invoice["number"].encode() in attachment.get_content()


@pytest.mark.parametrize(("owner", "reply_to"), [({"email": "lea@seller.example"}, "lea@seller.example"), (None, None)])
def test_replies_go_to_the_sales_person(bench: Any, owner: dict[str, str] | None, reply_to: str | None) -> None:
    bench.enable(**LINK)

    linked(bench, the_example(owner=owner))

    assert mail_of(bench)["Reply-To"] == reply_to


def test_names_that_look_like_markup_stay_text(bench: Any) -> None:
    bench.enable(**LINK)
    quote = a_quote(installments=2, contact={"first_name": "<b>Ana & {total}</b>"})

    linked(bench, quote)

    assert "<b>Ana & {total}</b>" in text_of(mail_of(bench))
    assert "&lt;b&gt;Ana &amp; {total}&lt;/b&gt;" in text_of(mail_of(bench), "html")


def test_a_single_installment_is_not_numbered(bench: Any) -> None:
    bench.enable(**LINK)

    linked(bench, a_quote(installments=1))

    assert "Please pay €120.00." in text_of(mail_of(bench))


def test_a_link_that_expires_before_its_mail_leaves_is_replaced_on_retry(bench: Any) -> None:
    bench.enable(**LINK)
    outbox = bench.host.config.data_dir / "outbox"
    outbox.parent.mkdir(exist_ok=True)
    if outbox.exists():
        outbox.rmdir()
    outbox.write_text("in the way")  # a file in the place of the folder stops every mail
    run = bench.accept(the_example())
    assert run["status"] == "waiting", run
    outbox.unlink()
    outbox.mkdir()
    bench.clock.advance(25 * 3600)
    bench.stripe.clock.advance(25 * 3600)

    for _ in range(2):
        if run["status"] != "succeeded":
            run = bench.retry(run["id"])

    assert run["status"] == "succeeded", run
    open_sessions = [s for s in bench.stripe.objects("sessions") if s["status"] == "open"]
    assert [s["url"] for s in open_sessions] == [run["outcome"]["payment_link"]["url"]]
    assert open_sessions[0]["url"] in text_of(mail_of(bench))
