"""The daily digest: at eight in the workspace's time zone it lists what is still open, if anything is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from host.conftest import ANA, ENDPOINT, AlertReceiver, words_of
from qwoty_integrations_host import CredentialsError, NeedsAttention, PermanentError, UpkeepReport
from qwoty_integrations_host.contract.hook_types import Outcome
from qwoty_integrations_host.workspaces.workspace import set_timezone


def go_to(desk: Any, day: int, hour: int, minute: int = 0) -> None:
    """Move the clock to a time of March 2026, in UTC."""
    moment = datetime(2026, 3, day, hour, minute, tzinfo=UTC)
    desk.clock.advance((moment - desk.clock.now()).total_seconds())


def digests(desk: Any) -> list[dict[str, Any]]:
    return [alert for alert in desk.alerts() if alert["type"] == "digest"]


def test_one_digest_at_eight_lists_what_is_open_however_many_processes_look(alert_desk: Any) -> None:
    alert_desk.fail_with(NeedsAttention("Look at it.", hint="Compare.", code="totals_differ"))
    run = alert_desk.accept()
    alert_desk.host.alert_delivery.deliver()

    go_to(alert_desk, 11, 7, 59)
    assert alert_desk.host.digest.record_due() == []
    go_to(alert_desk, 11, 8)
    assert alert_desk.host.digest.record_due() == ["ws-1"]
    go_to(alert_desk, 11, 23)
    assert alert_desk.host.digest.record_due() == []
    alert_desk.host.alert_delivery.deliver()

    (digest,) = digests(alert_desk)
    (one,) = digest["open"]
    assert (one["type"], one["code"], one["run_id"], one["quote_number"]) == (
        "run.needs_attention",
        "totals_differ",
        run["id"],
        "N-q-7",
    )
    (mail,) = [each for each in alert_desk.mails() if "still open" in each["Subject"]]
    assert (mail["To"], mail["Subject"]) == (ANA, "Qwoty integrations, ws-1: One thing is still open.")
    assert "Quote N-q-7: Look at it. [totals_differ]" in words_of(mail)
    go_to(alert_desk, 12, 8)
    assert alert_desk.host.digest.record_due() == ["ws-1"], "the run still needs a person"


def test_there_is_no_digest_when_nothing_is_open(alert_desk: Any) -> None:
    alert_desk.fail_with(PermanentError("It cannot work."))
    run = alert_desk.accept()
    alert_desk.host.runs.control.dismiss(run["id"], "done by hand")

    go_to(alert_desk, 11, 9)

    assert (alert_desk.host.digest.record_due(), digests(alert_desk)) == ([], [])


def test_what_happens_after_eight_waits_for_the_digest_of_the_next_day(alert_desk: Any) -> None:
    go_to(alert_desk, 11, 8, 1)
    alert_desk.fail_with(NeedsAttention("Look at it."))
    alert_desk.accept()
    go_to(alert_desk, 11, 9)
    assert alert_desk.host.digest.record_due() == []

    go_to(alert_desk, 12, 9)

    assert alert_desk.host.digest.record_due() == ["ws-1"]


def test_eight_is_eight_in_the_workspaces_time_zone(alert_desk: Any) -> None:
    set_timezone(alert_desk.host.store, alert_desk.clock, "ws-1", "America/New_York")
    alert_desk.fail_with(NeedsAttention("Look at it."))
    alert_desk.accept()

    go_to(alert_desk, 11, 11, 59)
    assert alert_desk.host.digest.record_due() == []
    go_to(alert_desk, 11, 12)
    assert alert_desk.host.digest.record_due() == ["ws-1"], "New York is four hours behind in March"


def test_a_recipient_who_is_added_later_gets_what_is_still_open(desk: Any) -> None:
    desk.enable()
    desk.fail_with(NeedsAttention("Look at it."))
    desk.accept()
    go_to(desk, 12, 10)
    assert desk.host.digest.record_due() == [] and desk.alerts() == []

    desk.host.alert_recipients.replace("ws-1", {"mails": [ANA]})

    assert desk.host.digest.record_due() == ["ws-1"]
    assert [one["title"] for one in digests(desk)[0]["open"]] == ["Look at it."]


def test_a_workspace_can_switch_the_digest_off(alert_desk: Any) -> None:
    alert_desk.host.alert_recipients.change("ws-1", {"daily_digest": False})
    alert_desk.fail_with(NeedsAttention("Look at it."))
    alert_desk.accept()

    go_to(alert_desk, 11, 9)

    assert alert_desk.host.digest.record_due() == []


def test_a_refused_key_and_a_silent_service_are_open_until_they_recover(alert_desk: Any) -> None:
    alert_desk.recorder.answers["webhook_endpoints"] = lambda ctx, _: [ENDPOINT]
    alert_desk.add_open_link()
    alert_desk.fail_with(CredentialsError("The key is refused.", hint="Enter another."))
    alert_desk.accept()
    go_to(alert_desk, 13, 9)

    alert_desk.host.digest.record_due()

    kinds = [one["type"] for one in digests(alert_desk)[0]["open"]]
    assert kinds == ["connection.needs_attention", "webhooks.silent", "run.needs_attention"]
    alert_desk.receive_event("e-1")
    alert_desk.host.connections.test("ws-1", "recorder")
    alert_desk.recorder.answers.clear()
    alert_desk.retry(alert_desk.alerts()[-1]["run_id"])
    go_to(alert_desk, 14, 9)
    assert alert_desk.host.digest.record_due() == ["ws-1"]
    assert [one["type"] for one in digests(alert_desk)[0]["open"]] == ["quote.asks"], "the link expired unpaid"


def test_only_the_last_upkeep_counts_as_open(alert_desk: Any) -> None:
    alert_desk.recorder.answers["webhook_endpoints"] = lambda ctx, _: [ENDPOINT]
    ill = Outcome.needs_attention("webhook_endpoint", "The endpoint is ill.", hint="Mend it.")
    well = Outcome.skipped("Nothing to do.")
    for outcome in (ill, ill, well):
        alert_desk.recorder.answers["on_upkeep"] = lambda ctx, _, outcome=outcome: UpkeepReport(outcome)
        alert_desk.host.upkeep.request_due()
        alert_desk.work()
        alert_desk.clock.advance(3600)

    go_to(alert_desk, 11, 9)

    assert alert_desk.host.digest.record_due() == []


def test_a_long_list_is_cut_and_its_rest_is_counted(alert_desk: Any) -> None:
    alert_desk.fail_with(NeedsAttention("Look at it."))
    for number in range(23):
        alert_desk.accept(id=f"q-{number}")
    go_to(alert_desk, 11, 9)
    alert_desk.host.alert_recipients.change("ws-1", {"language": "fr"})

    alert_desk.host.digest.record_due()
    alert_desk.host.alert_delivery.deliver()

    (digest,) = digests(alert_desk)
    assert (digest["title"], len(digest["open"]), digest["left_out"]) == ("23 things are still open.", 20, 3)
    assert any("… et 3 autres" in words_of(mail) for mail in alert_desk.mails())


def test_the_webhook_gets_the_digest_as_an_alert_of_its_own_type(
    webhook_desk: Any, alert_receiver: AlertReceiver
) -> None:
    webhook_desk.fail_with(NeedsAttention("Look at it."))
    webhook_desk.accept()
    webhook_desk.host.alert_delivery.deliver()
    go_to(webhook_desk, 11, 9)

    webhook_desk.host.digest.record_due()
    webhook_desk.host.alert_delivery.deliver()

    found = alert_receiver.documents[-1]
    assert (found["type"], found["data"]["title"]) == ("digest", "One thing is still open.")
    assert [one["title"] for one in found["data"]["open"]] == ["Look at it."]
    assert "open" not in alert_receiver.documents[0]["data"]
