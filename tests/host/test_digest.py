"""What is still open is told once a day, at eight in the workspace's time zone, and only when something is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from host.test_alerts import (
    ANA,
    ENDPOINT,
    Receiver,
    alerts,
    ends_with,
    hear,
    hooked,
    mails,
    receiver,
    told,
    with_link,
    words_of,
)
from qwoty_integrations_host import CredentialsError, NeedsAttention, PermanentError, RetryableError, UpkeepReport
from qwoty_integrations_host.contract.hook_types import Outcome
from qwoty_integrations_host.workspaces.workspace import set_timezone

__all__ = ["hooked", "receiver", "told"]


def go_to(desk: Any, day: int, hour: int, minute: int = 0) -> None:
    """Move the clock to a time of March 2026, in UTC."""
    moment = datetime(2026, 3, day, hour, minute, tzinfo=UTC)
    desk.clock.advance((moment - desk.clock.now()).total_seconds())


def digests(desk: Any) -> list[dict[str, Any]]:
    return [alert for alert in alerts(desk) if alert["type"] == "digest"]


def test_what_is_open_at_eight_is_told_once_however_many_look(told: Any) -> None:
    ends_with(told, NeedsAttention("Look at it.", hint="Compare.", code="totals_differ"))
    run = told.accept()
    told.host.alert_delivery.deliver()

    go_to(told, 11, 7, 59)
    assert told.host.digest.record_due() == []
    go_to(told, 11, 8)
    assert told.host.digest.record_due() == ["ws-1"]
    go_to(told, 11, 23)
    assert told.host.digest.record_due() == []
    told.host.alert_delivery.deliver()

    (digest,) = digests(told)
    (one,) = digest["open"]
    assert (one["type"], one["code"], one["run_id"], one["quote_number"]) == (
        "run.needs_attention",
        "totals_differ",
        run["id"],
        "N-q-7",
    )
    (mail,) = [each for each in mails(told) if "still open" in each["Subject"]]
    assert (mail["To"], mail["Subject"]) == (ANA, "Qwoty integrations, ws-1: One thing is still open.")
    assert "Quote N-q-7: Look at it. [totals_differ]" in words_of(mail)
    go_to(told, 12, 8)
    assert told.host.digest.record_due() == ["ws-1"], "it is open still"


def test_nothing_is_told_when_nothing_is_open(told: Any) -> None:
    ends_with(told, PermanentError("It cannot work."))
    run = told.accept()
    told.host.runs.control.dismiss(run["id"], "done by hand")

    go_to(told, 11, 9)

    assert (told.host.digest.record_due(), digests(told)) == ([], [])


def test_what_happened_after_eight_was_told_by_itself_and_waits_for_the_next_day(told: Any) -> None:
    go_to(told, 11, 8, 1)
    ends_with(told, NeedsAttention("Look at it."))
    told.accept()
    go_to(told, 11, 9)
    assert told.host.digest.record_due() == []

    go_to(told, 12, 9)

    assert told.host.digest.record_due() == ["ws-1"]


def test_eight_is_eight_in_the_workspaces_time_zone(told: Any) -> None:
    set_timezone(told.host.store, told.clock, "ws-1", "America/New_York")
    ends_with(told, NeedsAttention("Look at it."))
    told.accept()

    go_to(told, 11, 11, 59)
    assert told.host.digest.record_due() == []
    go_to(told, 11, 12)
    assert told.host.digest.record_due() == ["ws-1"], "New York is four hours behind in March"


def test_who_is_entered_later_is_told_what_was_open_before(desk: Any) -> None:
    desk.enable()
    ends_with(desk, NeedsAttention("Look at it."))
    desk.accept()
    go_to(desk, 12, 10)
    assert desk.host.digest.record_due() == [] and alerts(desk) == []

    desk.host.alert_recipients.replace("ws-1", {"mails": [ANA]})

    assert desk.host.digest.record_due() == ["ws-1"]
    assert [one["title"] for one in digests(desk)[0]["open"]] == ["Look at it."]


def test_a_workspace_can_do_without(told: Any) -> None:
    told.host.alert_recipients.change("ws-1", {"daily_digest": False})
    ends_with(told, NeedsAttention("Look at it."))
    told.accept()

    go_to(told, 11, 9)

    assert told.host.digest.record_due() == []


def test_a_refused_key_and_a_silent_service_are_open_until_they_are_well(told: Any) -> None:
    told.recorder.answers["webhook_endpoints"] = lambda ctx, _: [ENDPOINT]
    with_link(told)
    ends_with(told, CredentialsError("The key is refused.", hint="Enter another."))
    told.accept()
    go_to(told, 13, 9)

    told.host.digest.record_due()

    kinds = [one["type"] for one in digests(told)[0]["open"]]
    assert kinds == ["connection.needs_attention", "webhooks.silent", "run.needs_attention"]
    hear(told, "e-1")
    told.host.connections.test("ws-1", "recorder")
    told.recorder.answers.clear()
    told.retry(alerts(told)[-1]["run_id"])
    go_to(told, 14, 9)
    assert told.host.digest.record_due() == ["ws-1"]
    assert [one["type"] for one in digests(told)[0]["open"]] == ["quote.asks"], "its link ended unpaid"


def test_of_an_upkeep_only_the_last_one_is_open(told: Any) -> None:
    told.recorder.answers["webhook_endpoints"] = lambda ctx, _: [ENDPOINT]
    ill = Outcome.needs_attention("webhook_endpoint", "The endpoint is ill.", hint="Mend it.")
    well = Outcome.skipped("Nothing to do.")
    for outcome in (ill, ill, well):
        told.recorder.answers["on_upkeep"] = lambda ctx, _, outcome=outcome: UpkeepReport(outcome)
        told.host.upkeep.request_due()
        told.work()
        told.clock.advance(3600)

    go_to(told, 11, 9)

    assert told.host.digest.record_due() == []


def test_a_long_list_is_counted(told: Any) -> None:
    ends_with(told, NeedsAttention("Look at it."))
    for number in range(23):
        told.accept(id=f"q-{number}")
    go_to(told, 11, 9)
    told.host.alert_recipients.change("ws-1", {"language": "fr"})

    told.host.digest.record_due()
    told.host.alert_delivery.deliver()

    (digest,) = digests(told)
    assert (digest["title"], len(digest["open"]), digest["left_out"]) == ("23 things are still open.", 20, 3)
    assert any("… et 3 autres" in words_of(mail) for mail in mails(told))


def test_a_machine_gets_the_digest_as_a_type_of_its_own(hooked: Any, receiver: Receiver) -> None:
    ends_with(hooked, NeedsAttention("Look at it."))
    hooked.accept()
    hooked.host.alert_delivery.deliver()
    go_to(hooked, 11, 9)

    hooked.host.digest.record_due()
    hooked.host.alert_delivery.deliver()

    found = receiver.documents[-1]
    assert (found["type"], found["data"]["title"]) == ("digest", "One thing is still open.")
    assert [one["title"] for one in found["data"]["open"]] == ["Look at it."]
    assert "open" not in receiver.documents[0]["data"]


# -- mails that do not leave -------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["mail_refused", "mail_address", "mail_unsure"])
def test_a_mail_that_a_person_has_to_look_at_is_told_as_one(told: Any, code: str) -> None:
    ends_with(told, NeedsAttention("The mail server refused the recipient.", hint="Correct it.", code=code))
    told.accept()

    assert [(alert["type"], alert["code"]) for alert in alerts(told)] == [("mail.not_sent", code)]


def test_a_mail_that_waits_is_told_after_an_hour_and_once_a_day(told: Any) -> None:
    ends_with(told, RetryableError("The mail server cannot be reached.", code="mail_unreachable"))
    told.accept()
    told.accept(id="q-8")
    told.clock.advance(300)
    told.work()
    assert alerts(told) == []

    for _ in range(12):
        told.clock.advance(1800)
        told.work()

    (alert,) = alerts(told)
    assert (alert["type"], alert["code"], alert["hint"]) == (
        "mail.not_sent",
        "mail_unreachable",
        "It goes on by itself. Retry the run to try at once.",
    )
