"""Each mail is sent once: to a real SMTP server that can fail in many ways, or into files."""

from __future__ import annotations

import email
import email.policy
import email.utils
import smtplib
from typing import Any

import pytest

from mail_server import parsed
from qwoty_integrations_host import Attachment, MailMessage, Outcome
from qwoty_integrations_host.errors import Interruption, NeedsAttention
from qwoty_integrations_host.store.mails import name_for

PDF = b"%PDF-1.7\r\n\x00\xff\r\n.\r\n..dots\nunix\n" + bytes(range(256)) * 40


@pytest.fixture
def server(mail_server: Any) -> Any:
    return mail_server


@pytest.fixture
def smtp_desk(desks: Any, server: Any) -> Any:
    return desks(smtp_url=f"smtp://127.0.0.1:{server.port}?tls=none", mail_from="Seller <shop@seller.example>")


def a_mail(**changes: Any) -> MailMessage:
    given: dict[str, Any] = {
        "to": "ana@buyer.example",
        "subject": "Facture n°\u202f42 — à régler",
        "text": "Bonjour Zoë,\n\n2\u202f275,50\xa0€\n",
        "html": "<p>Bonjour Zoë, 2\u202f275,50\xa0€</p>",
        "language": "fr",
        "from_name": "Société Générée",
        "reply_to": "owner@seller.example",
        "attachments": (Attachment(filename="facture-né.pdf", content=PDF),),
    }
    return MailMessage(**{**given, **changes})


def sends(desk: Any, *mails: MailMessage, name: str = "mail:1") -> list[Any]:
    """Let the plugin send these mails in a step, and return the results of ``send``."""
    given: list[Any] = []

    def hook(ctx: Any, _quote: Any) -> Outcome:
        for number, mail in enumerate(mails):
            ctx.step(f"step {number}", lambda _, mail=mail: given.append(ctx.mail.send(name, mail)))
        return Outcome.done()

    desk.recorder.answers["on_quote_accepted"] = hook
    desk.enable()
    return given


def test_a_mail_arrives_once_and_byte_for_byte(smtp_desk: Any, server: Any) -> None:
    given = sends(smtp_desk, a_mail(), a_mail())

    run = smtp_desk.accept()

    assert run["status"] == "succeeded", run
    assert given == [True, False]
    (envelope,) = server.taken
    assert (envelope.mail_from, envelope.rcpt_tos) == ("shop@seller.example", ["ana@buyer.example"])
    mail = parsed(envelope)
    assert str(mail["Subject"]) == "Facture n°\u202f42 — à régler"
    assert (mail["From"].addresses[0].display_name, mail["From"].addresses[0].addr_spec) == (
        "Société Générée",
        "shop@seller.example",
    )
    assert str(mail["Reply-To"]) == "owner@seller.example"
    assert (mail["Auto-Submitted"], mail["Content-Language"]) == ("auto-generated", "fr")
    assert mail["Message-ID"].endswith("@seller.example>")
    assert mail["Date"].datetime == smtp_desk.clock.now()
    text = mail.get_body(("plain",)).get_content().replace("\r\n", "\n")
    assert text == "Bonjour Zoë,\n\n2\u202f275,50\xa0€\n"
    assert "2\u202f275,50\xa0€" in mail.get_body(("html",)).get_content()
    (file,) = mail.iter_attachments()
    assert (file.get_filename(), file.get_content_type()) == ("facture-né.pdf", "application/pdf")
    assert file.get_content() == PDF


@pytest.mark.parametrize(
    ("mood", "code"), [("550 rcpt", "mail_refused"), ("554 data", "mail_refused")], ids=["recipient", "content"]
)
def test_a_refusal_needs_attention_and_can_be_sent_after_a_retry(
    smtp_desk: Any, server: Any, mood: str, code: str
) -> None:
    server.mood = mood
    sends(smtp_desk, a_mail())

    run = smtp_desk.accept()

    assert (run["status"], run["error"]["code"]) == ("needs_attention", code)
    assert server.connections == 1
    server.mood = ""
    assert smtp_desk.retry(run["id"])["status"] == "succeeded"
    assert len(server.taken) == 1


@pytest.mark.parametrize("mood", ["450 rcpt", "451 data", "cut before data"])
def test_a_mail_that_certainly_did_not_leave_is_sent_again(smtp_desk: Any, server: Any, mood: str) -> None:
    server.mood = mood
    sends(smtp_desk, a_mail())
    sleep = smtp_desk.clock.sleep
    smtp_desk.clock.sleep = lambda seconds: (sleep(seconds), setattr(server, "mood", ""))

    run = smtp_desk.accept()

    assert run["status"] == "succeeded"
    assert run["steps"][0]["attempts"] == 2
    assert len(server.taken) == 1


def test_a_server_that_is_down_is_tried_until_the_tries_are_over(desks: Any, server: Any) -> None:
    desk = desks(smtp_url="smtp://127.0.0.1:1?tls=none", mail_from="shop@seller.example")
    sends(desk, a_mail())

    run = desk.accept()

    assert (run["status"], run["error"]["code"]) == ("waiting", "mail_unreachable")
    assert run["steps"][0]["attempts"] == 4


def test_a_mail_is_not_repeated_automatically_when_the_connection_breaks_while_it_leaves(
    smtp_desk: Any, server: Any
) -> None:
    server.mood = "cut in data"
    sends(smtp_desk, a_mail())

    run = smtp_desk.accept()

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "mail_unsure")
    assert len(server.taken) == 1
    server.mood = ""
    ctx_mail = smtp_desk.host.integrations.contexts.make("ws-1", "recorder", {}, quote_id="q-7").mail
    with pytest.raises(NeedsAttention) as unsure:
        ctx_mail.send("mail:1", a_mail())
    assert unsure.value.code == "mail_unsure"
    assert len(server.taken) == 1

    assert smtp_desk.retry(run["id"])["status"] == "succeeded"
    assert len(server.taken) == 2
    assert len({parsed(envelope)["Message-ID"] for envelope in server.taken}) == 1


def test_a_retry_of_one_quote_forgets_nothing_about_another(smtp_desk: Any, server: Any) -> None:
    server.mood = "cut in data"
    sends(smtp_desk, a_mail())
    smtp_desk.accept(id="q/7")
    run = smtp_desk.accept(id="q")
    server.mood = ""

    smtp_desk.retry(run["id"])

    other = smtp_desk.host.integrations.contexts.make("ws-1", "recorder", {}, quote_id="q/7").mail
    with pytest.raises(NeedsAttention):
        other.send("mail:1", a_mail())


def test_a_mail_is_not_repeated_automatically_after_a_crash_while_it_leaves(smtp_desk: Any, server: Any) -> None:
    class Crash(Interruption):
        pass

    mailer = smtp_desk.host.integrations.contexts.make("ws-1", "recorder", {}, quote_id="q-7").mail
    deliver = mailer._transport.deliver

    class Dying:
        sender, repeatable = mailer._transport.sender, False

        def deliver(self, mail: Any, leaving: Any) -> None:
            deliver(mail, leaving)
            raise Crash

    mailer._transport, alive = Dying(), mailer._transport
    with pytest.raises(Crash):
        mailer.send("mail:1", a_mail())
    mailer._transport = alive

    with pytest.raises(NeedsAttention) as unsure:
        mailer.send("mail:1", a_mail())

    assert unsure.value.code == "mail_unsure"
    assert len(server.taken) == 1


def test_a_mail_is_sent_after_a_crash_before_it_left(
    smtp_desk: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Crash(Interruption):
        pass

    def crash(*_: Any) -> None:
        raise Crash

    mailer = smtp_desk.host.integrations.contexts.make("ws-1", "recorder", {}, quote_id="q-7").mail
    with monkeypatch.context() as patch:
        patch.setattr(smtplib.SMTP, "rcpt", crash)
        with pytest.raises(Crash):
            mailer.send("mail:1", a_mail())

    assert mailer.send("mail:1", a_mail()) is True
    assert mailer.send("mail:1", a_mail()) is False
    assert len(server.taken) == 1


@pytest.mark.parametrize(
    "to",
    ["", " ", "ana", "ana@", "@buyer.example", "a@b@c", "ana@buyer.example, eve@evil.example", "ana@buyer.example\nBcc: eve@evil.example",
     "<ana@buyer.example>", "ana@buyer.example\r\n", "\u0430\u043d\u0430@buyer.example"],
    ids=repr,
)  # fmt: skip
def test_an_invalid_mail_address_needs_attention_and_sends_nothing(smtp_desk: Any, server: Any, to: str) -> None:
    sends(smtp_desk, a_mail(to=to))

    run = smtp_desk.accept()

    assert run["status"] == "needs_attention", run
    assert run["error"]["code"] in {"mail_address", "mail_refused"}
    assert server.taken == []
    assert smtp_desk.count("mails") == 0


@pytest.mark.parametrize("break_", ["\n", "\r\n", "\r", "\x0b", "\u2028", "\x85"], ids=ascii)
@pytest.mark.parametrize("where", ["subject", "from_name", "filename"])
def test_no_header_can_be_injected_into_a_mail(smtp_desk: Any, server: Any, where: str, break_: str) -> None:
    smuggled = f"Invoice{break_}Bcc: eve@evil.example{break_}{break_}<script>"
    change = {where: smuggled}
    if where == "filename":
        change = {"attachments": (Attachment(filename=smuggled, content=PDF),)}  # type: ignore[dict-item]
    sends(smtp_desk, a_mail(**change))

    run = smtp_desk.accept()

    assert run["status"] == "succeeded", run
    (envelope,) = server.taken
    mail = parsed(envelope)
    assert envelope.rcpt_tos == ["ana@buyer.example"]
    assert mail["Bcc"] is None
    assert mail.defects == []


def test_the_outbox_holds_one_file_however_often_it_is_sent(desk: Any) -> None:
    mailer = desk.host.integrations.contexts.make("ws-1", "recorder", {}, quote_id="q-7").mail
    assert mailer.send("mail:1", a_mail()) is True
    (first,) = (desk.host.config.data_dir / "outbox").iterdir()
    content = first.read_bytes()
    with desk.host.store.write() as db:
        db.exec_driver_sql("UPDATE mails SET state = 'sending'")

    assert mailer.send("mail:1", a_mail()) is True
    assert mailer.send("mail:2", a_mail()) is True

    files = sorted((desk.host.config.data_dir / "outbox").iterdir())
    assert [path.suffix for path in files] == [".eml", ".eml"]
    assert content[:200] == first.read_bytes()[:200]
    mail = email.message_from_bytes(first.read_bytes(), policy=email.policy.default)
    assert next(iter(mail.iter_attachments())).get_content() == PDF


def test_a_mail_of_the_same_name_for_another_quote_or_workspace_is_another_mail(desk: Any) -> None:
    make = desk.host.integrations.contexts.make

    sent = [
        make(workspace, "recorder", {}, quote_id=quote).mail.send("mail:1", a_mail())
        for workspace in ("ws-1", "ws-2")
        for quote in ("q-1", "q-2")
    ]

    assert sent == [True] * 4
    assert len(list((desk.host.config.data_dir / "outbox").iterdir())) == 4


@pytest.mark.parametrize(
    "quote_id", ["q-1", "日" * 255, "💶" * 255, "a/b%"], ids=["plain", "long", "longest", "escaped"]
)
def test_the_ledger_key_of_a_mail_fits_its_column_and_is_unique_to_its_quote(quote_id: str) -> None:
    name = name_for(quote_id, f"link:10000:cs_test_{'a' * 60}")

    assert len(name) <= 512 and name.isascii()
    assert name.startswith(name_for(quote_id, ""))
    assert not name.startswith(name_for(quote_id + "x", "")) and not name.startswith(name_for(quote_id[:-1], ""))


def test_the_mails_of_a_plain_quote_keep_their_names() -> None:
    assert name_for("q-1/é", "link:1") == "q-1%2F%C3%A9/link:1"


LONG = "Northern Engineering, Installation and Maintenance Services (Dublin) Limited"


@pytest.mark.parametrize("by", ["smtp", "outbox"])
@pytest.mark.parametrize(
    "name",
    [
        "Seller SAS",
        "Seller, Sons & Co",
        'The "Good" Seller, Ltd',
        "Seller <shop@evil.example>, Bcc: eve@evil.example",
        LONG,
        f'"{LONG}"',
        f"{LONG} \\ {LONG}, " * 20,
        "Société d’Ingénierie, d’Installation et de Maintenance Industrielle (Dublin), à Responsabilité Limitée",
        "ア" * 300,
        "X" * 500,
        "a, " * 30 + "z",
    ],
    ids=range(11),
)
def test_a_sender_name_of_any_length_stays_one_sender(
    request: pytest.FixtureRequest, server: Any, name: str, by: str
) -> None:
    desk = request.getfixturevalue("smtp_desk" if by == "smtp" else "desk")
    sends(desk, a_mail(from_name=name))

    run = desk.accept()

    assert run["status"] == "succeeded", run
    if by == "smtp":
        (envelope,) = server.taken
        raw, address = envelope.original_content, "shop@seller.example"
        assert envelope.mail_from == address
    else:
        (file,) = (desk.host.config.data_dir / "outbox").iterdir()
        raw, address = file.read_bytes(), "no-reply@qwoty.invalid"
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    (sender,) = mail["From"].addresses
    assert sender.addr_spec == address
    # This parser puts a space between two encoded words; RFC 2047 does not.
    assert sender.display_name.replace(" ", "") == name.strip().replace(" ", "")
    # Older programs split the header before they decode it.
    old = email.message_from_bytes(raw)
    assert [spec for _, spec in email.utils.getaddresses(old.get_all("From"))] == [address]
    assert max(map(len, raw.partition(b"\r\n\r\n")[0].split(b"\r\n"))) <= 998
    assert mail.defects == [] and mail["Bcc"] is None


def test_an_international_domain_is_sent_as_its_a_label(smtp_desk: Any, server: Any) -> None:
    sends(smtp_desk, a_mail(to="info@münchen.example", reply_to="max@verkäufer.example"))

    run = smtp_desk.accept()

    assert run["status"] == "succeeded", run
    (envelope,) = server.taken
    assert envelope.rcpt_tos == ["info@xn--mnchen-3ya.example"]
    assert str(parsed(envelope)["Reply-To"]) == "max@xn--verkufer-3za.example"


@pytest.mark.parametrize("sender", ["shop@seller.example", "root@localhost", "Shop <qwoty@mailhost>"])
def test_any_sender_that_the_operators_mail_server_accepts_is_used(desks: Any, server: Any, sender: str) -> None:
    desk = desks(smtp_url=f"smtp://127.0.0.1:{server.port}?tls=none", mail_from=sender)
    sends(desk, a_mail())

    assert desk.accept()["status"] == "succeeded"


def test_an_invalid_sender_address_needs_attention_and_names_the_variable(desks: Any, server: Any) -> None:
    desk = desks(smtp_url=f"smtp://127.0.0.1:{server.port}?tls=none", mail_from="Shop")
    sends(desk, a_mail())

    run = desk.accept()

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "mail_address")
    assert "QWOTY_HOST_MAIL_FROM" in run["error"]["hint"]
