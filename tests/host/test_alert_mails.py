"""Alerts by mail: what a mail says, and what happens when the mail server does not take it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from host.conftest import ANA, BEN, AlertReceiver, words_of
from mail_server import parsed
from qwoty_integrations_host import (
    NeedsAttention,
)
from qwoty_integrations_host.mail.transports import SmtpTransport


def test_one_mail_to_each_recipient_holds_all_new_alerts(alert_desk: Any) -> None:
    alert_desk.host.alert_recipients.replace("ws-1", {"mails": [ANA, BEN, ANA], "language": "fr"})
    alert_desk.fail_with(NeedsAttention("Look <here>."))
    for number in range(25):
        alert_desk.accept(id=f"q-{number}")
        alert_desk.clock.advance(1)

    alert_desk.host.alert_delivery.deliver()

    assert sorted(mail["To"] for mail in alert_desk.mails()) == [ANA, BEN]
    mail = alert_desk.mails()[0]
    assert mail["Subject"] == "Intégrations Qwoty, ws-1\u202f: 25 points demandent votre attention"
    assert "Devis N-q-0\u202f: Look <here>." in words_of(mail)
    assert "… et 5 autres" in words_of(mail)
    assert "Look &lt;here&gt;." in mail.get_body(("html",)).get_content()


def test_a_french_mail_translates_recorded_sentences(alert_desk: Any) -> None:
    alert_desk.host.alert_recipients.replace("ws-1", {"mails": [ANA], "language": "fr"})
    alert_desk.fail_with(NeedsAttention("Invoice in_1 is open already.", hint="Retry the run; else ask Qwoty."))
    alert_desk.accept()

    alert_desk.host.alert_delivery.deliver()

    (mail,) = alert_desk.mails()
    assert mail["Subject"] == "Intégrations Qwoty, ws-1\u202f: La facture in_1 est déjà ouverte."
    assert "À faire\u202f: Relancez l’exécution\u202f; sinon, demandez à Qwoty." in words_of(mail)
    (alert,) = alert_desk.alerts()
    assert alert["title"] == "Invoice in_1 is open already."


def test_mails_are_tried_again_when_the_mail_server_is_away_and_given_up_after_ten_tries(
    desks: Any, mail_server: Any
) -> None:
    desk = desks(smtp_url=f"smtp://127.0.0.1:{mail_server.port}?tls=none", mail_from="Host <host@seller.example>")
    desk.host.alert_recipients.replace("ws-1", {"mails": [ANA, BEN]})
    desk.enable()
    desk.fail_with(NeedsAttention("Look at it."))
    desk.accept()
    mail_server.be("451 data", mails=1)

    assert desk.host.alert_delivery.deliver() == 0
    (alert,) = desk.alerts()
    assert (alert["tries"], alert["trouble"]) == (1, "The mail server refused the mail.")
    assert desk.host.alert_delivery.deliver() == 0, "the next try is not due yet"
    desk.clock.advance(60)
    assert desk.host.alert_delivery.deliver() == 1
    # Ben got his mail at the first try, and gets no second one.
    assert sorted(str(parsed(envelope)["To"]) for envelope in mail_server.taken) == [ANA, BEN]

    mail_server.be("451 data")
    desk.accept(id="q-8")
    for _ in range(20):
        desk.host.alert_delivery.deliver()
        desk.clock.advance(12 * 3600)
    assert (desk.alerts()[0]["tries"], desk.alerts()[0]["delivered_at"]) == (10, None)
    assert desk.host.alert_recipients.show("ws-1")["waiting"] == 0


def test_an_unreachable_mail_server_is_asked_once_a_round_and_does_not_stop_the_webhook(
    desks: Any, alert_receiver: AlertReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = desks(smtp_url="smtp://127.0.0.1:1?tls=none", mail_from="host@seller.example", private_alerts=True)
    desk.host.alert_recipients.replace("ws-1", {"mails": [ANA, BEN], "webhook_url": alert_receiver.url})
    desk.enable()
    desk.fail_with(NeedsAttention("Look at it."))
    desk.accept()
    asked: list[str] = []
    deliver = SmtpTransport.deliver
    monkeypatch.setattr(SmtpTransport, "deliver", lambda *given: asked.append(given[1]["To"]) or deliver(*given))

    assert desk.host.alert_delivery.deliver() == 0

    assert asked == [ANA]
    assert len(alert_receiver.received) == 1
    assert desk.alerts()[0]["trouble"] == "The mail server cannot be reached."


def test_an_alert_sent_just_before_a_crash_is_sent_again_with_the_same_message_id(alert_desk: Any) -> None:
    alert_desk.fail_with(NeedsAttention("Look at it."))
    alert_desk.accept()
    alert_desk.host.alert_delivery.deliver()
    (before,) = alert_desk.mails()
    with alert_desk.host.store.write() as db:  # as if the process had died before it recorded the delivery
        document = json.dumps({**told_document(db), "told": []})
        db.exec_driver_sql("UPDATE alerts SET delivered_at = NULL, tries = 0, document = ?", (document,))

    assert alert_desk.host.alert_delivery.deliver() == 1

    (after,) = alert_desk.mails()
    assert after["Message-ID"] == before["Message-ID"]


def told_document(db: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(db.exec_driver_sql("SELECT document FROM alerts").scalar_one())
    return found
