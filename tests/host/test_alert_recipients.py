"""The recipients of alerts: how they are saved, refused, tested and set at the command line."""

from __future__ import annotations

import json
from operator import attrgetter
from typing import Any

import pytest

from host.conftest import ANA, BEN, AlertReceiver
from qwoty_integrations_host import (
    NeedsAttention,
)
from qwoty_integrations_host.errors import ActionRefused, InvalidInput, NotFound


def test_a_webhook_secret_is_shown_once_and_changes_only_with_its_address(alert_desk: Any) -> None:
    first = alert_desk.host.alert_recipients.replace("ws-1", {"webhook_url": "https://one.example/"})["webhook_secret"]
    again = alert_desk.host.alert_recipients.replace("ws-1", {"webhook_url": "https://one.example/", "mails": [ANA]})
    assert again["webhook_secret"] == {"set": True, "last4": first[-4:]}
    assert first not in repr(alert_desk.host.alert_recipients.show("ws-1"))
    with alert_desk.host.store.read() as db:
        assert first not in repr(db.exec_driver_sql("SELECT * FROM secrets").all())

    other = alert_desk.host.alert_recipients.replace("ws-1", {"webhook_url": "https://two.example/"})["webhook_secret"]
    assert isinstance(other, str)
    assert other != first
    assert alert_desk.host.alert_recipients.replace("ws-1", {"mails": [ANA]})["webhook_secret"] is None


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"mails": ["nobody"]}, "mails.0"),
        ({"mails": [ANA, "ben@seller.example\n"]}, "mails.1"),
        ({"mails": ["é@seller.example"]}, "mails.0"),
        ({"mails": [")@seller.example"]}, "mails.0"),
        ({"mails": "ana@seller.example"}, "mails"),
        ({"language": "tlh"}, "language"),
        ({"silent_after_hours": 0}, "silent_after_hours"),
        ({"phone": "1"}, "phone"),
    ],
)
def test_recipients_that_cannot_receive_alerts_are_refused_by_field(
    alert_desk: Any, document: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        alert_desk.host.alert_recipients.replace("ws-1", document)

    assert [problem.dotted for problem in caught.value.problems] == [field]
    assert alert_desk.host.alert_recipients.show("ws-1")["mails"] == [ANA]


def test_a_test_alert_goes_to_every_recipient_at_once_and_reports_each_failure(
    webhook_desk: Any, alert_receiver: AlertReceiver
) -> None:
    webhook_desk.host.alert_recipients.replace("ws-1", {"mails": [ANA], "webhook_url": alert_receiver.url})
    alert_receiver.answer = 500

    found = webhook_desk.host.alert_delivery.test("ws-1")["data"]

    assert [(one["to"], one["delivered"]) for one in found] == [(ANA, True), (alert_receiver.url, False)]
    assert alert_receiver.documents[0]["type"] == "test"
    assert len(webhook_desk.mails()) == 1
    assert webhook_desk.alerts() == []


def test_without_recipients_a_test_is_refused_and_waiting_alerts_are_given_up(alert_desk: Any) -> None:
    alert_desk.fail_with(NeedsAttention("Look at it."))
    alert_desk.accept()
    alert_desk.host.alert_recipients.replace("ws-1", {})

    assert alert_desk.host.alert_delivery.deliver() == 0
    assert alert_desk.host.alert_recipients.show("ws-1")["waiting"] == 0
    with pytest.raises(ActionRefused, match="Nobody"):
        alert_desk.host.alert_delivery.test("ws-1")


@pytest.mark.parametrize("act", ["alert_recipients.show", "alert_delivery.test"])
def test_a_workspace_that_does_not_exist_is_not_found(alert_desk: Any, act: str) -> None:
    with pytest.raises(NotFound):
        attrgetter(act)(alert_desk.host)("nowhere")


def test_command_set_replaces_the_recipients_and_shows_a_new_secret_once(alert_desk: Any, desk_cli: Any) -> None:
    words = ("set", "ws-1", "--mail", ANA, "--mail", BEN, "--webhook-url", "https://one.example/", "--language", "fr")

    first, again = desk_cli("alerts", *words), desk_cli("alerts", *words)

    assert first.exit_code == 0, first.output
    assert first.stdout.splitlines()[-1].startswith("whsec_")
    assert "whsec_" not in again.output
    shown = json.loads(desk_cli("alerts", "show", "ws-1", "--json").stdout)
    assert (shown["mails"], shown["language"], shown["silent_after_hours"]) == ([ANA, BEN], "fr", 24)
    assert "Nobody" in desk_cli("alerts", "set", "ws-1").stdout
    assert desk_cli("alerts", "set", "ws-1", "--mail", "nobody").exit_code == 2


def test_command_show_lists_the_alerts_and_when_they_were_delivered(alert_desk: Any, desk_cli: Any) -> None:
    alert_desk.fail_with(NeedsAttention("Look at it.", code="totals_differ"))
    alert_desk.accept()

    assert "not yet" in desk_cli("alerts", "show", "ws-1").stdout
    alert_desk.host.alert_delivery.deliver()
    shown = desk_cli("alerts", "show", "ws-1").stdout

    assert "totals_differ  Look at it.  2026-03-10 09:00" in shown


def test_command_test_exits_1_when_a_recipient_cannot_be_reached(
    alert_desk: Any, desk_cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert desk_cli("alerts", "test", "ws-1").stdout == f"✓ {ANA}\n"

    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("10.0.0.7", 443))])
    alert_desk.host.alert_recipients.replace("ws-1", {"webhook_url": "https://inside.example/in"})
    found = desk_cli("alerts", "test", "ws-1")

    assert found.exit_code == 1
    assert found.stdout.startswith("✗ https://inside.example/in  The alert webhook leads to a private address")
