"""The run that fetches a quote from Qwoty: what it stores, and how it handles errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from console.conftest import follow
from dying import Crash, work_and_die
from qwoty_integrations_host.errors import InvalidInput, PermanentError
from qwoty_integrations_host.platform.qwoty_client import QwotyClient
from qwoty_integrations_host.runs.acceptance import Acceptance
from qwoty_integrations_host.store import quotes
from qwoty_integrations_host.store.tables import alerts
from qwoty_integrations_host.web.app import create_app
from qwoty_integrations_host.web.sessions import login_link
from qwoty_stand_in import DOCUMENTED, QwotyStandIn, completed

QUOTE = DOCUMENTED["id"]
ReportAccepted = Callable[..., dict[str, Any]]


def test_a_fetched_quote_has_the_contacts_ids_and_not_its_links(
    bench: Any, qwoty: QwotyStandIn, report_accepted: ReportAccepted
) -> None:
    qwoty.put(completed())
    told_at = bench.clock.now()

    run = report_accepted(QUOTE)

    with bench.host.store.read() as db:
        quote = quotes.get(db, "ws-1", QUOTE)
        stored = db.exec_driver_sql("SELECT document FROM quotes").scalar_one()
    (contact,) = quote.customer.contacts
    assert contact.external_ids.crm == "C-3" and contact.role == ("decision_maker", "billing")
    assert quote.accepted_at == told_at
    assert "SignedPdfToken" not in stored and "dealroom" not in stored
    assert run["outcome"]["notes"] == [
        "Quote Q-2026-042 was accepted. No integration is enabled for this workspace, so nothing was started."
    ]


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (401, "platform_token_refused"),
        (403, "platform_permission_missing"),
        (404, "platform_not_found"),
        (302, "platform_refused"),
        (400, "platform_refused"),
        ("page", "platform_answer"),
        ("huge", "platform_answer"),
        ("empty", "platform_answer"),
    ],
)
def test_a_refused_fetch_needs_a_person_and_a_retry_fetches_again(
    bench: Any, qwoty: QwotyStandIn, report_accepted: ReportAccepted, trouble: int | str, code: str
) -> None:
    qwoty.put(completed())
    qwoty.trouble = [trouble]

    refused = report_accepted(QUOTE)

    assert (refused["status"], refused["error"]["code"]) == ("needs_attention", code)
    assert refused["error"]["hint"]
    assert bench.retry(refused["id"])["status"] == "succeeded"


def test_the_page_of_a_quote_that_could_not_be_fetched_offers_to_fetch_it_again(
    bench: Any, qwoty: QwotyStandIn, report_accepted: ReportAccepted
) -> None:
    qwoty.put(completed())
    qwoty.trouble = [401]
    run = report_accepted(QUOTE)
    client = create_app(bench.host).test_client()
    follow(client, login_link(bench.host, "ws-1", "admin"))
    here = {"Sec-Fetch-Site": "same-origin"}

    page = client.get(f"/console/quotes/{QUOTE}", headers=here).text

    assert bench.quote(QUOTE)["standing"]["state"] == "not_fetched"
    assert "The quote could not be fetched from the platform" in page
    assert f'action="/console/runs/{run["id"]}/retry"' in page
    client.post(f"/console/runs/{run['id']}/retry", headers=here)
    bench.work()
    assert bench.quote(QUOTE)["standing"]["state"] == "waiting_for_integration"


def test_a_late_fetch_does_not_reopen_a_quote_that_was_cancelled(
    bench: Any, qwoty: QwotyStandIn, report_accepted: ReportAccepted
) -> None:
    qwoty.put(completed())
    report_accepted(QUOTE)
    qwoty.trouble = [401]
    late = report_accepted(QUOTE)
    bench.clock.advance(60)

    bench.host.runs.cancellation.cancel("ws-1", QUOTE)
    bench.work()
    again = bench.retry(late["id"])

    assert again["status"] == "succeeded"
    assert bench.quote(QUOTE)["standing"]["state"] == "cancelled"


def test_cancelling_a_quote_dismisses_its_failed_fetch(
    bench: Any, qwoty: QwotyStandIn, report_accepted: ReportAccepted
) -> None:
    qwoty.put(completed())
    qwoty.trouble = [401]
    run = report_accepted(QUOTE)
    page = home(bench)
    assert "1 quote could not be fetched from the platform." in page

    bench.host.runs.cancellation.cancel("ws-1", QUOTE)

    assert bench.run(run["id"])["status"] == "dismissed"
    assert "could not be fetched" not in home(bench)


def home(bench: Any) -> str:
    client = create_app(bench.host).test_client()
    follow(client, login_link(bench.host, "ws-1", "admin"))
    return str(client.get("/console/", headers={"Sec-Fetch-Site": "same-origin"}).text)


def test_the_console_shows_that_a_quote_is_being_fetched(
    bench: Any, qwoty: QwotyStandIn, report_accepted: ReportAccepted
) -> None:
    qwoty.put(completed())
    qwoty.trouble = [503] * 6
    run = report_accepted(QUOTE)
    assert bench.quote(QUOTE)["standing"]["state"] == "waiting"

    bench.host.runs.control.retry(run["id"])

    assert bench.quote(QUOTE)["standing"]["state"] == "fetching"


@pytest.mark.parametrize("trouble", [407, 408, 429, 500, 503, "cut", "half"])
def test_a_short_failure_is_tried_again_at_once(
    bench: Any, qwoty: QwotyStandIn, report_accepted: ReportAccepted, trouble: int | str
) -> None:
    qwoty.put(completed())
    qwoty.trouble = [trouble, trouble]

    run = report_accepted(QUOTE)

    assert run["status"] == "succeeded"
    assert run["steps"][0]["attempts"] == 3


def test_an_outage_makes_the_fetch_wait_and_resume_by_itself(
    bench: Any, qwoty: QwotyStandIn, report_accepted: ReportAccepted
) -> None:
    qwoty.put(completed())
    qwoty.trouble = [503] * 6

    run = report_accepted(QUOTE)
    assert (run["status"], run["error"]["code"]) == ("waiting", "platform_busy")
    bench.clock.advance(61)
    bench.work()

    assert bench.run(run["id"])["status"] == "succeeded"


def test_the_delay_that_qwoty_asks_for_is_respected(
    bench: Any, qwoty: QwotyStandIn, report_accepted: ReportAccepted
) -> None:
    qwoty.put(completed())
    qwoty.trouble, qwoty.retry_after = [429], "3600"

    run = report_accepted(QUOTE)
    bench.clock.advance(3000)
    bench.work()
    assert bench.run(run["id"])["status"] == "waiting"
    bench.clock.advance(700)
    bench.work()

    assert bench.run(run["id"])["status"] == "succeeded"


def test_an_unreachable_address_is_an_outage(bench: Any, qwoty: QwotyStandIn, report_accepted: ReportAccepted) -> None:
    settings = {"platform": "qwoty", "base_url": "http://127.0.0.1:9/api", "token": "qwt_prod_Other0123456789"}
    bench.host.platforms.save("ws-1", settings)

    assert report_accepted(QUOTE)["error"]["code"] == "platform_unreachable"


def test_a_quote_is_taken_only_once_it_is_accepted(
    bench: Any, qwoty: QwotyStandIn, report_accepted: ReportAccepted
) -> None:
    qwoty.put(completed(status="Pending Signature"))

    run = report_accepted(QUOTE)
    assert (run["status"], run["error"]["code"]) == ("needs_attention", "quote_not_accepted")
    qwoty.put(completed(status="Accepted"))

    assert bench.retry(run["id"])["status"] == "succeeded"


def test_a_workspace_may_configure_further_statuses_that_mean_accepted(
    bench: Any, qwoty: QwotyStandIn, report_accepted: ReportAccepted
) -> None:
    qwoty.put(completed(status="sent"))
    settings = {"platform": "qwoty", "base_url": qwoty.url, "accepted_statuses": ["accepted", "Sent"]}
    bench.host.platforms.save("ws-1", settings)

    assert report_accepted(QUOTE)["status"] == "succeeded"


def test_the_refusal_of_a_fetched_quote_names_fields_and_no_values(
    bench: Any, qwoty: QwotyStandIn, report_accepted: ReportAccepted
) -> None:
    qwoty.put(completed(currency="WRONG"))

    run = report_accepted(QUOTE)

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "quote_invalid")
    assert "currency: Not a currency code" in run["error"]["title"]
    assert "WRONG" not in str(run)


def test_a_line_without_an_amount_in_a_graduated_model_needs_a_person(
    bench: Any, qwoty: QwotyStandIn, report_accepted: ReportAccepted, runs_of: Callable[..., list[dict[str, Any]]]
) -> None:
    bench.enable()
    quote = completed()
    (line,) = quote["pricing_table"]["sections"][0]["phases"][0]["line_items"]
    del line["amounts"]
    line["pricing"]["model"] = "graduated"
    qwoty.put(quote)

    report_accepted(QUOTE)

    assert runs_of(QUOTE, "stripe_invoice")[0]["error"]["code"] == "amounts_missing"


def test_an_answer_with_another_quote_is_refused(
    bench: Any, qwoty: QwotyStandIn, report_accepted: ReportAccepted
) -> None:
    qwoty.quotes[QUOTE] = completed(id="another")

    assert report_accepted(QUOTE)["error"]["code"] == "platform_answer"
    assert runs_and_quotes(bench) == (1, 0)


def test_a_contact_that_qwoty_does_not_show_does_not_stop_the_fetch(
    bench: Any, qwoty: QwotyStandIn, report_accepted: ReportAccepted
) -> None:
    qwoty.put(completed())
    qwoty.forbidden = {"GET contacts"}

    run = report_accepted(QUOTE)

    assert run["status"] == "succeeded"
    assert "Contact contact_3 could not be looked up in Qwoty" in run["outcome"]["notes"][1]


def test_a_quote_that_changed_in_qwoty_is_fetched_in_its_new_form(
    bench: Any, qwoty: QwotyStandIn, report_accepted: ReportAccepted
) -> None:
    qwoty.put(completed())
    report_accepted(QUOTE)
    same = report_accepted(QUOTE)
    qwoty.put(completed(number="Q-2026-042-B"))
    changed = report_accepted(QUOTE)

    assert "was here before" in same["outcome"]["notes"][0]
    assert "was taken in its changed form" in changed["outcome"]["notes"][0]


def test_requests_of_a_workspace_are_half_a_second_apart(
    bench: Any, qwoty: QwotyStandIn, report_accepted: ReportAccepted
) -> None:
    if bench.host.config.is_shared:
        pytest.skip("turns between machines are waited for in real time")
    qwoty.put(completed())
    started = bench.clock.now()

    for _ in range(3):
        report_accepted(QUOTE)

    assert (bench.clock.now() - started).total_seconds() == pytest.approx(2.5)


def test_a_process_that_dies_after_it_stored_the_quote_accepts_it_once(
    bench: Any,
    qwoty: QwotyStandIn,
    report_accepted: ReportAccepted,
    runs_of: Callable[..., list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench.enable()
    qwoty.put(completed())
    accept = Acceptance.accept

    def dying(acceptance: Acceptance, *given: Any, **more: Any) -> Any:
        accept(acceptance, *given, **more)
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(Acceptance, "accept", dying)
        with pytest.raises(Crash):
            report_accepted(QUOTE)
    (fetching,) = runs_of(QUOTE, "platform")
    bench.host.engine.work_again(f"{fetching['id']}.1")
    bench.work()

    assert [run["status"] for run in runs_of(QUOTE)] == ["succeeded", "succeeded"]
    assert bench.posts("/v1/invoices").count("/v1/invoices") == 1


def test_a_replay_of_a_completed_fetch_sends_no_request_to_qwoty(
    bench: Any, qwoty: QwotyStandIn, report_accepted: ReportAccepted
) -> None:
    qwoty.put(completed())
    run = report_accepted(QUOTE)
    asked = list(qwoty.requests)

    bench.host.engine.work_again(f"{run['id']}.1")

    assert qwoty.requests == asked
    assert bench.run(run["id"]) == run


def test_a_fetch_needs_a_person_when_the_platform_was_removed(
    bench: Any, qwoty: QwotyStandIn, report_accepted: ReportAccepted
) -> None:
    qwoty.trouble = [401]
    run = report_accepted(QUOTE)
    bench.host.platforms.remove("ws-1")

    assert bench.retry(run["id"])["error"]["code"] == "platform_missing"


def test_a_new_token_starts_all_refused_fetches_again(
    bench: Any, qwoty: QwotyStandIn, report_accepted: ReportAccepted
) -> None:
    refused = set()
    for quote_id in ("q-1", "q-2"):
        qwoty.put(completed(id=quote_id))
        qwoty.trouble = [401]
        refused.add(report_accepted(quote_id)["id"])

    shown = bench.host.platforms.save("ws-1", {"platform": "qwoty", "base_url": qwoty.url})
    bench.work()

    assert set(shown["retried"]) == refused
    assert [bench.run(run_id)["status"] for run_id in refused] == ["succeeded"] * 2


def test_a_refused_token_causes_one_alert_until_a_new_token_is_set(
    bench: Any, qwoty: QwotyStandIn, report_accepted: ReportAccepted
) -> None:
    bench.host.alert_recipients.replace("ws-1", {"mails": ["ops@seller.example"]})

    def refuse(quote_id: str) -> None:
        qwoty.put(completed(id=quote_id))
        qwoty.trouble = [401]
        report_accepted(quote_id)

    refuse("q-1")
    refuse("q-2")
    assert [alert["command"] for alert in _alerts(bench)] == ["qwoty-host platform set ws-1"]

    bench.host.platforms.save("ws-1", {"platform": "qwoty", "base_url": qwoty.url})
    bench.work()
    refuse("q-3")
    assert [alert["type"] for alert in _alerts(bench)].count("connection.needs_attention") == 2


def test_the_secrets_of_a_platform_are_neither_stored_unencrypted_nor_shown(
    bench: Any, qwoty: QwotyStandIn, report_accepted: ReportAccepted, sender: Any, caplog: pytest.LogCaptureFixture
) -> None:
    qwoty.put(completed())
    qwoty.trouble = [401]
    run = bench.retry(report_accepted(QUOTE)["id"])
    configuration = bench.host.platforms.configurations.of("ws-1")

    bench.host.store.engine.dispose()
    kept = b"".join(path.read_bytes() for path in bench.host.config.data_dir.glob("host.sqlite3*"))
    shown = f"{run}{configuration!r}{caplog.text}{bench.host.platforms.show('ws-1')}"
    for secret in (qwoty.token, sender.secret):
        assert secret.encode() not in kept and secret not in shown


def runs_and_quotes(bench: Any) -> tuple[int, int]:
    with bench.host.store.read() as db:
        return tuple(db.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar_one() for name in ("runs", "quotes"))


@pytest.mark.parametrize("number", range(1, 8))
def test_a_crash_after_any_commit_between_event_and_invoice_makes_one_invoice(
    bench: Any,
    qwoty: QwotyStandIn,
    runs_of: Callable[..., list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    bench.enable()
    qwoty.put(completed())
    bench.host.platform_events.receive("ws-1", b'{"event_type": "quote.accepted", "id": "%s"}' % QUOTE.encode())

    assert work_and_die(bench, monkeypatch, "commit", number)
    bench.restart()

    (fetched,), (invoiced,) = (runs_of(QUOTE, plugin) for plugin in ("platform", "stripe_invoice"))
    assert (fetched["status"], invoiced["status"]) == ("succeeded", "succeeded")
    assert qwoty.contacts["contact_3"]["id_accounting"] == invoiced["outcome"]["customer_id"]
    assert bench.posts("/v1/invoices").count("/v1/invoices") == 1


def _alerts(bench: Any) -> list[dict[str, Any]]:
    with bench.host.store.read() as db:
        return list(db.execute(select(alerts.c.document)).scalars())


@pytest.mark.parametrize("token", ["qwt_prod_é日本", "CanaryToken\n"])
def test_a_token_that_no_header_can_hold_is_a_permanent_error_and_is_not_logged(
    qwoty: QwotyStandIn, caplog: pytest.LogCaptureFixture, token: str
) -> None:
    client = QwotyClient(qwoty.url, token, lambda: None)

    with pytest.raises(PermanentError) as failed:
        client.quote(QUOTE)

    assert failed.value.code == "request_unsent"
    assert "qwoty.request_unsent" in caplog.text and "Traceback" in caplog.text
    assert "CanaryToken" not in caplog.text
    assert qwoty.requests == []


@pytest.mark.parametrize("quote_id", ["日本", "a/b é", "50%?#", 77])
def test_a_quote_of_any_id_is_fetched(bench: Any, qwoty: QwotyStandIn, quote_id: str | int) -> None:
    bench.enable()
    qwoty.put(completed(id=quote_id))
    body = json.dumps({"event_type": "quote.accepted", "id": quote_id}).encode()

    (run,) = bench.host.platform_events.receive("ws-1", body).body["runs"]
    bench.work()

    assert bench.run(run["id"])["status"] == "succeeded"
    with bench.host.store.read() as db:
        assert quotes.exists(db, "ws-1", str(quote_id))


@pytest.mark.parametrize("quote_id", ["a\x07b", "a\n", "\ud800", "", " ", True, 1.5, None, ["q"], "x" * 256])
def test_an_event_that_names_no_id_is_refused_by_field(bench: Any, qwoty: QwotyStandIn, quote_id: Any) -> None:
    body = json.dumps({"event_type": "quote.accepted", "id": quote_id}).encode()

    with pytest.raises(InvalidInput) as refused:
        bench.host.platform_events.receive("ws-1", body)

    assert [problem.pointer for problem in refused.value.problems] == ["/id"]
    assert runs_and_quotes(bench) == (0, 0)


@pytest.mark.parametrize("kind", ["fixed", None, "", 5])
@pytest.mark.parametrize("place", ["line", "quote"])
def test_a_fetched_discount_of_unknown_type_is_named_by_its_field_and_not_invoiced(
    bench: Any, qwoty: QwotyStandIn, report_accepted: ReportAccepted, place: str, kind: Any
) -> None:
    bench.enable()
    quote, discount = completed(), {"type": kind, "value": "10", "amount": "10"}
    if place == "line":
        quote["pricing_table"]["sections"][0]["phases"][0]["line_items"][0]["discount"] = discount
    else:
        quote["discounts"] = [discount]
    qwoty.put(quote)

    run = report_accepted(QUOTE)

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "quote_invalid")
    assert ("line_items.0.discount.type" if place == "line" else "discounts.0.type") in run["error"]["title"]
    assert runs_and_quotes(bench) == (1, 0)
    assert bench.posts() == []
