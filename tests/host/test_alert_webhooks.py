"""Alerts by webhook: signed requests, and only to public addresses."""

from __future__ import annotations

from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from host.conftest import ANA, AlertReceiver
from qwoty_integrations_host import (
    NeedsAttention,
    PermanentError,
)
from qwoty_integrations_host.alerts.alert import missing_webhooks
from qwoty_integrations_host.alerts.webhook import is_valid_url, new_secret, post
from qwoty_integrations_host.errors import InvalidInput


def test_the_webhook_gets_one_signed_request_for_each_alert(webhook_desk: Any, alert_receiver: AlertReceiver) -> None:
    webhook_desk.fail_with(NeedsAttention("Look at it.", hint="Compare.", code="totals_differ"))
    run, happened = webhook_desk.accept(), webhook_desk.clock.now()
    webhook_desk.clock.advance(1)
    webhook_desk.accept(id="q-8")

    assert webhook_desk.host.alert_delivery.deliver() == 2

    assert len(alert_receiver.received) == 2
    headers, body = alert_receiver.received[0]
    signed = Webhook(webhook_desk.alert_secret).sign(headers["webhook-id"], webhook_desk.clock.now(), body.decode())
    assert headers["webhook-signature"] == signed
    assert headers["webhook-timestamp"] == str(int(webhook_desk.clock.now().timestamp()))
    assert alert_receiver.documents[0] == {
        "type": "run.needs_attention",
        "timestamp": happened.isoformat(),
        "data": {
            "workspace": "ws-1",
            "code": "totals_differ",
            "title": "Look at it.",
            "hint": "Compare.",
            "plugin": "recorder",
            "run_id": run["id"],
            "quote_id": "q-7",
            "quote_number": "N-q-7",
            "command": f"qwoty-host run show {run['id']}",
            "url": None,
        },
    }


@pytest.mark.parametrize("answer", [500, 404, 302])
def test_an_alert_that_the_webhook_refuses_is_sent_again_with_the_same_id(
    webhook_desk: Any, alert_receiver: AlertReceiver, answer: int
) -> None:
    alert_receiver.answer = answer
    webhook_desk.fail_with(NeedsAttention("Look at it."))
    webhook_desk.accept()

    assert webhook_desk.host.alert_delivery.deliver() == 0
    assert webhook_desk.alerts()[0]["trouble"] == f"The alert webhook answered with HTTP {answer}."
    alert_receiver.answer = 204
    webhook_desk.clock.advance(60)
    assert webhook_desk.host.alert_delivery.deliver() == 1

    ids = [headers["webhook-id"] for headers, _ in alert_receiver.received]
    assert len(ids) == 2
    assert len(set(ids)) == 1


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://alerts.example/in?x=1", True),
        ("http://alerts.example/in", False),
        ("https://user:pass@alerts.example/", False),
        ("https://127.0.0.1/in", False),
        ("https://[::1]/in", False),
        ("https://10.1.2.3/in", False),
        ("https://169.254.169.254/latest", False),
        ("https://localhost/in", False),
        ("https://alerts.example:99999/", False),
        ("ftp://alerts.example/", False),
        ("https://127.0.0.1\\x.alerts.example/", False),
        ("https://alerts.example/in ", False),
        ("https://aler\nts.example/", False),
        ("nonsense", False),
    ],
)
def test_the_webhook_address_must_be_public_https(alert_desk: Any, url: str, allowed: bool) -> None:
    assert is_valid_url(url, allow_private=False) == allowed
    if allowed:
        alert_desk.host.alert_recipients.replace("ws-1", {"webhook_url": url})
    else:
        with pytest.raises(InvalidInput) as caught:
            alert_desk.host.alert_recipients.replace("ws-1", {"webhook_url": url})
        assert [problem.dotted for problem in caught.value.problems] == ["webhook_url"]
        assert url not in str(caught.value.problems)


def test_a_host_name_that_resolves_to_a_private_address_gets_no_alert(
    alert_desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = (2, 1, 6, "", ("10.0.0.7", 443))
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: [place])
    alert_desk.host.alert_recipients.replace("ws-1", {"webhook_url": "https://inside.example/in"})

    (found,) = alert_desk.host.alert_delivery.test("ws-1")["data"]

    assert not found["delivered"]
    assert "private address" in found["trouble"]


def test_an_invalid_webhook_address_does_not_hold_up_other_alerts(alert_desk: Any) -> None:
    alert_desk.host.alert_recipients.replace("ws-1", {"webhook_url": "https://alerts.example/"})
    alert_desk.host.alert_recipients.replace("ws-2", {"mails": [ANA]})
    with alert_desk.host.store.write() as db:  # earlier releases accepted such an address
        wrong = f"https://{'a' * 70}.example/"
        document = f"UPDATE alert_targets SET document = replace(document, 'https://alerts.example/', '{wrong}')"
        db.exec_driver_sql(document)
    for workspace in ("ws-1", "ws-2"):
        tell(alert_desk, workspace)

    assert alert_desk.host.alert_delivery.deliver() == 1

    assert alert_desk.alerts()[0]["trouble"] == "The alert webhook has a host name that is not known."
    assert len(alert_desk.mails()) == 1


def test_an_undecipherable_webhook_secret_does_not_hold_up_other_alerts(alert_desk: Any) -> None:
    alert_desk.host.alert_recipients.replace("ws-1", {"webhook_url": "https://alerts.example/"})
    alert_desk.host.alert_recipients.replace("ws-2", {"mails": [ANA]})
    with alert_desk.host.store.write() as db:
        db.exec_driver_sql(
            "UPDATE secrets SET blob = 'v1.' || substr(blob, 4, 8) || '.damaged0' WHERE workspace = 'ws-1'"
        )
    tell(alert_desk, "ws-1")
    tell(alert_desk, "ws-2")

    assert alert_desk.host.alert_delivery.deliver() == 1

    assert len(alert_desk.mails()) == 1


def tell(desk: Any, workspace: str) -> None:
    facts = missing_webhooks("recorder", {"code": "c", "title": "t", "hint": ""}, "")
    with desk.host.store.write() as db:
        desk.host.alerts.add(db, workspace, "s", facts)


def test_an_address_that_cannot_be_requested_is_a_permanent_error_and_is_not_logged(
    alert_desk: Any, caplog: Any
) -> None:
    with pytest.raises(PermanentError):
        post("https://canary..example/", new_secret(), "msg_1", {}, alert_desk.clock.now(), allow_private=True)

    assert "alert.request_unsent" in caplog.text and "Traceback" in caplog.text
    assert "canary" not in caplog.text
