"""The alert about a service that should have sent webhooks and did not."""

from __future__ import annotations

from typing import Any

import pytest

from host.conftest import ANA, ENDPOINT


@pytest.fixture
def endpoint_desk(alert_desk: Any) -> Any:
    """A desk whose recorder has a webhook endpoint, with alerts to Ana."""
    alert_desk.recorder.answers["webhook_endpoints"] = lambda ctx, _: [ENDPOINT]
    return alert_desk


def test_a_service_is_silent_when_no_event_follows_a_link_that_expired_a_day_ago(endpoint_desk: Any) -> None:
    endpoint_desk.add_open_link()
    endpoint_desk.receive_event("e-1")

    endpoint_desk.clock.advance(47 * 3600)
    assert endpoint_desk.host.missing_webhooks.record_new() == []
    endpoint_desk.clock.advance(2 * 3600)
    assert len(endpoint_desk.host.missing_webhooks.record_new()) == 1
    assert endpoint_desk.host.missing_webhooks.record_new() == []

    (alert,) = endpoint_desk.alerts()
    assert (alert["type"], alert["code"], alert["command"]) == (
        "webhooks.silent",
        "webhooks_silent",
        "qwoty-host webhook status ws-1",
    )
    endpoint_desk.receive_event("e-2")
    endpoint_desk.clock.advance(7 * 24 * 3600)
    assert endpoint_desk.host.missing_webhooks.record_new() == []


@pytest.mark.parametrize(
    ("link", "silent"),
    [({}, True), ({"status": "expired"}, True), ({"status": "paid"}, False), ({"account": "other"}, False)],
    ids=["no event ever", "the upkeep found its end", "it was paid", "of another account"],
)
def test_only_links_whose_expiry_must_have_caused_an_event_count(
    endpoint_desk: Any, link: dict[str, str], silent: bool
) -> None:
    endpoint_desk.add_open_link(**link)

    endpoint_desk.clock.advance(49 * 3600)

    assert bool(endpoint_desk.host.missing_webhooks.record_new()) == silent


def test_the_workspace_chooses_the_threshold_and_without_recipients_nothing_is_checked(endpoint_desk: Any) -> None:
    endpoint_desk.add_open_link()
    endpoint_desk.clock.advance(30 * 3600)
    assert endpoint_desk.host.missing_webhooks.record_new() == []

    endpoint_desk.host.alert_recipients.replace("ws-1", {})
    assert endpoint_desk.host.missing_webhooks.record_new() == []
    endpoint_desk.host.alert_recipients.replace("ws-1", {"mails": [ANA], "silent_after_hours": 5})
    assert len(endpoint_desk.host.missing_webhooks.record_new()) == 1
