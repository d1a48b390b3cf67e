"""Alerts about runs and connections that need a person: one per subject, none lost, none twice."""

from __future__ import annotations

from typing import Any

import pytest

from builders import a_quote
from host.conftest import ANA, ENDPOINT, words_of
from qwoty_integrations_host import (
    ConnectionReport,
    CredentialsError,
    KeyReport,
    NeedsAttention,
    Outcome,
    PermanentError,
    RetryableError,
    UpkeepReport,
)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NeedsAttention("The totals differ.", hint="Compare them.", code="totals_differ"), "run.needs_attention"),
        (PermanentError("It cannot work.", hint="Compare them.", code="totals_differ"), "run.failed"),
    ],
)
def test_a_run_that_needs_a_person_causes_an_alert_with_a_hint(alert_desk: Any, error: Exception, kind: str) -> None:
    alert_desk.fail_with(error)

    run = alert_desk.accept()
    assert alert_desk.host.alert_delivery.deliver() == 1

    (alert,) = alert_desk.alerts()
    assert (alert["type"], alert["code"], alert["run_id"]) == (kind, "totals_differ", run["id"])
    assert alert["delivered_at"] is not None
    (mail,) = alert_desk.mails()
    assert mail["To"] == ANA
    assert str(error) in mail["Subject"]
    for part in ("Quote N-q-7", "[totals_differ]", "Compare them.", f"qwoty-host run show {run['id']}"):
        assert part in words_of(mail)


@pytest.mark.parametrize("end", [Outcome.done(), Outcome.skipped("Nothing to do.")])
def test_a_run_that_ends_well_causes_no_alert(alert_desk: Any, end: Outcome) -> None:
    alert_desk.recorder.answers["on_quote_accepted"] = lambda ctx, quote: end

    alert_desk.accept()

    assert (alert_desk.host.alert_delivery.deliver(), alert_desk.alerts(), alert_desk.mails()) == (0, [], [])


def test_a_run_that_gives_up_after_an_outage_causes_one_alert_at_its_end(alert_desk: Any) -> None:
    alert_desk.fail_with(RetryableError("The service is away."))
    run = alert_desk.accept()
    assert alert_desk.alerts() == []

    for _ in range(30):
        alert_desk.clock.advance(12 * 3600)
        alert_desk.work()

    (alert,) = alert_desk.alerts()
    assert (alert["code"], alert["run_id"]) == ("retries_exhausted", run["id"])


def test_a_run_that_was_set_aside_causes_an_alert(alert_desk: Any) -> None:
    accepted = alert_desk.host.runs.acceptance.accept("ws-1", a_quote())
    alert_desk.host.executor.set_aside(f"{accepted.run_ids[0]}.1")

    assert [alert["code"] for alert in alert_desk.alerts()] == ["set_aside"]


def test_each_attempt_causes_one_alert(alert_desk: Any) -> None:
    alert_desk.fail_with(NeedsAttention("Look at it."))
    run = alert_desk.accept()
    alert_desk.host.alert_delivery.deliver()
    alert_desk.host.alert_delivery.deliver()
    assert len(alert_desk.mails()) == 1

    alert_desk.retry(run["id"])
    alert_desk.host.alert_delivery.deliver()

    assert len(alert_desk.mails()) == 2


def test_an_alert_goes_to_its_own_workspace_only(alert_desk: Any) -> None:
    alert_desk.enable("ws-2")
    alert_desk.fail_with(NeedsAttention("Look at it."))

    alert_desk.accept("ws-2")

    assert alert_desk.host.alert_delivery.deliver() == 0
    assert alert_desk.alerts() == alert_desk.alerts("ws-2") == []


def test_an_upkeep_that_stays_wrong_causes_one_alert_a_day(alert_desk: Any) -> None:
    alert_desk.recorder.answers["webhook_endpoints"] = lambda ctx, _: [ENDPOINT]
    wrong = UpkeepReport(Outcome.needs_attention("webhook_endpoint", "There is no room."))
    alert_desk.recorder.answers["on_upkeep"] = lambda ctx, _: wrong

    for _ in range(30):
        alert_desk.host.upkeep.request_due()
        alert_desk.work()
        alert_desk.clock.advance(3600)

    assert [alert["code"] for alert in alert_desk.alerts()] == ["webhook_endpoint"] * 2


def test_the_alert_is_stored_with_the_runs_end_or_not_at_all(alert_desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    alert_desk.fail_with(NeedsAttention("Look at it."))

    def settle(*_: Any) -> None:
        raise RuntimeError("the process dies here")

    with monkeypatch.context() as dying:
        dying.setattr("qwoty_integrations_host.runs.executor.Executor._forget_earlier_version", settle)
        accepted = alert_desk.host.runs.acceptance.accept("ws-1", a_quote())
        with pytest.raises(RuntimeError):
            alert_desk.work()
    assert alert_desk.alerts() == []

    alert_desk.work_again(accepted.run_ids[0])

    assert len(alert_desk.alerts()) == 1


def test_alerts_are_kept_for_ninety_days(alert_desk: Any) -> None:
    alert_desk.fail_with(NeedsAttention("Look at it."))
    alert_desk.accept()

    alert_desk.clock.advance(89 * 24 * 3600)
    assert alert_desk.host.pruning.prune()["alerts"] == 0
    alert_desk.clock.advance(2 * 24 * 3600)
    assert alert_desk.host.pruning.prune()["alerts"] == 1
    assert alert_desk.alerts() == []


def refuse(desk: Any) -> None:
    desk.fail_with(CredentialsError("The key is refused.", hint="Enter another one."))


def test_a_refused_key_causes_one_alert_however_many_runs_meet_it(alert_desk: Any) -> None:
    refuse(alert_desk)

    first = alert_desk.accept(id="q-1")
    for number in range(2, 6):
        alert_desk.accept(id=f"q-{number}")

    (alert,) = alert_desk.alerts()
    assert (alert["type"], alert["code"], alert["run_id"]) == ("connection.needs_attention", "key_refused", first["id"])
    assert alert["command"] == "qwoty-host test-connection ws-1 recorder"


def test_a_refused_key_causes_another_alert_after_new_settings_or_a_good_test(alert_desk: Any) -> None:
    key = KeyReport(label="token", last4="7890", mode="test", account="main", status="ok")
    alert_desk.recorder.answers["check_connection"] = lambda ctx, _: ConnectionReport((key,))
    refuse(alert_desk)
    alert_desk.accept(id="q-1")

    alert_desk.enable(token="key_Another1234567890")
    alert_desk.accept(id="q-2")
    assert len(alert_desk.alerts()) == 2

    alert_desk.clock.advance(60)
    alert_desk.host.connections.test("ws-1", "recorder")
    alert_desk.accept(id="q-3")
    assert len(alert_desk.alerts()) == 3


@pytest.mark.parametrize("code", ["mail_refused", "mail_address", "mail_unsure"])
def test_a_mail_that_needs_a_person_causes_an_alert_about_a_mail(alert_desk: Any, code: str) -> None:
    alert_desk.fail_with(NeedsAttention("The mail server refused the recipient.", hint="Correct it.", code=code))
    alert_desk.accept()

    assert [(alert["type"], alert["code"]) for alert in alert_desk.alerts()] == [("mail.not_sent", code)]


def test_a_mail_that_waits_causes_an_alert_after_an_hour_and_then_once_a_day(alert_desk: Any) -> None:
    alert_desk.fail_with(RetryableError("The mail server cannot be reached.", code="mail_unreachable"))
    alert_desk.accept()
    alert_desk.accept(id="q-8")
    alert_desk.clock.advance(300)
    alert_desk.work()
    assert alert_desk.alerts() == []

    for _ in range(12):
        alert_desk.clock.advance(1800)
        alert_desk.work()

    (alert,) = alert_desk.alerts()
    assert (alert["type"], alert["code"], alert["hint"]) == (
        "mail.not_sent",
        "mail_unreachable",
        "It goes on by itself. Retry the run to try at once.",
    )
