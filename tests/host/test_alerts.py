"""Who is told what needs a person: once per subject, by mail and signed webhook, and nothing is lost on the way."""

from __future__ import annotations

import email
import email.policy
import json
import logging
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from operator import attrgetter
from typing import Any

import pytest
import structlog
from click.testing import CliRunner
from standardwebhooks.webhooks import Webhook

from builders import a_quote
from mail_server import parsed
from qwoty_integrations_host import (
    ConnectionReport,
    CredentialsError,
    InstallmentRecord,
    InvoiceRecord,
    KeyReport,
    NeedsAttention,
    Outcome,
    PermanentError,
    QuoteRecord,
    RetryableError,
    UpkeepReport,
    WebhookEndpoint,
)
from qwoty_integrations_host.alerts.alert import missing_webhooks
from qwoty_integrations_host.alerts.webhook import is_valid_url, new_secret, post
from qwoty_integrations_host.cli import main
from qwoty_integrations_host.contract.hook_types import WebhookRequest
from qwoty_integrations_host.errors import ActionRefused, InvalidInput, NotFound
from qwoty_integrations_host.mail.transports import SmtpTransport

ANA, BEN = "ana@seller.example", "ben@seller.example"
ENDPOINT = WebhookEndpoint("main", "test", "we_1", "https://host.example/webhooks/recorder/ws-1/tokentokentoken1234")


def ends_with(desk: Any, error: Exception) -> None:
    def hook(ctx: Any, quote: Any) -> Outcome:
        raise error

    desk.recorder.answers["on_quote_accepted"] = hook


def alerts(desk: Any, workspace: str = "ws-1") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = desk.host.alert_recipients.show(workspace)["alerts"]
    return found


def mails(desk: Any) -> list[Any]:
    found = [path.read_bytes() for path in (desk.host.config.data_dir / "outbox").glob("*.eml")]
    return [email.message_from_bytes(one, policy=email.policy.default) for one in found]


def words_of(mail: Any) -> str:
    return str(mail.get_body(("plain",)).get_content())


@pytest.fixture
def told(desk: Any) -> Any:
    """A desk on which Ana is to be told."""
    desk.host.alert_recipients.replace("ws-1", {"mails": [ANA]})
    desk.enable()
    return desk


class Receiver:
    """An HTTP server that takes alerts, and answers what it is told to."""

    def __init__(self) -> None:
        self.taken: list[tuple[dict[str, str], bytes]] = []
        self.answer = 200
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                owner.taken.append((dict(self.headers.items()), body))
                self.send_response(owner.answer)
                if owner.answer == 302:
                    self.send_header("Location", owner.url + "elsewhere")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/alerts"

    @property
    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.taken]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    thread = threading.Thread(target=found.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield found
    found.server.shutdown()
    thread.join()
    found.server.server_close()


@pytest.fixture
def hooked(desks: Callable[..., Any], receiver: Receiver) -> Any:
    """A desk whose alerts go to the receiver."""
    desk = desks(private_alerts=True)
    desk.secret = desk.host.alert_recipients.replace("ws-1", {"webhook_url": receiver.url})["webhook_secret"]
    desk.enable()
    return desk


# -- of what people are told -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NeedsAttention("The totals differ.", hint="Compare them.", code="totals_differ"), "run.needs_attention"),
        (PermanentError("It cannot work.", hint="Compare them.", code="totals_differ"), "run.failed"),
    ],
)
def test_a_run_that_needs_a_person_is_told_with_what_to_do(told: Any, error: Exception, kind: str) -> None:
    ends_with(told, error)

    run = told.accept()
    assert told.host.alert_delivery.deliver() == 1

    (alert,) = alerts(told)
    assert (alert["type"], alert["code"], alert["run_id"]) == (kind, "totals_differ", run["id"])
    assert alert["delivered_at"] is not None
    (mail,) = mails(told)
    assert mail["To"] == ANA
    assert str(error) in mail["Subject"]
    for part in ("Quote N-q-7", "[totals_differ]", "Compare them.", f"qwoty-host run show {run['id']}"):
        assert part in words_of(mail)


@pytest.mark.parametrize("end", [Outcome.done(), Outcome.skipped("Nothing to do.")])
def test_a_run_that_ends_well_is_not_told(told: Any, end: Outcome) -> None:
    told.recorder.answers["on_quote_accepted"] = lambda ctx, quote: end

    told.accept()

    assert (told.host.alert_delivery.deliver(), alerts(told), mails(told)) == (0, [], [])


def test_a_run_that_gives_up_after_an_outage_is_told_once_at_its_end(told: Any) -> None:
    ends_with(told, RetryableError("The service is away."))
    run = told.accept()
    assert alerts(told) == []

    for _ in range(30):
        told.clock.advance(12 * 3600)
        told.work()

    (alert,) = alerts(told)
    assert (alert["code"], alert["run_id"]) == ("retries_exhausted", run["id"])


def test_a_run_that_was_set_aside_is_told(told: Any) -> None:
    accepted = told.host.runs.acceptance.accept("ws-1", a_quote())
    told.host.execution.set_aside(f"{accepted.run_ids[0]}.1")

    assert [alert["code"] for alert in alerts(told)] == ["set_aside"]


def test_each_attempt_is_told_and_none_twice(told: Any) -> None:
    ends_with(told, NeedsAttention("Look at it."))
    run = told.accept()
    told.host.alert_delivery.deliver()
    told.host.alert_delivery.deliver()
    assert len(mails(told)) == 1

    told.retry(run["id"])
    told.host.alert_delivery.deliver()

    assert len(mails(told)) == 2


def test_the_other_workspace_hears_nothing(told: Any) -> None:
    told.enable("ws-2")
    ends_with(told, NeedsAttention("Look at it."))

    told.accept("ws-2")

    assert told.host.alert_delivery.deliver() == 0
    assert alerts(told) == alerts(told, "ws-2") == []


def test_an_upkeep_that_stays_wrong_is_told_once_a_day(told: Any) -> None:
    told.recorder.answers["webhook_endpoints"] = lambda ctx, _: [ENDPOINT]
    wrong = UpkeepReport(Outcome.needs_attention("webhook_endpoint", "There is no room."))
    told.recorder.answers["on_upkeep"] = lambda ctx, _: wrong

    for _ in range(30):
        told.host.upkeep.request_due()
        told.work()
        told.clock.advance(3600)

    assert [alert["code"] for alert in alerts(told)] == ["webhook_endpoint"] * 2


def test_the_alert_is_stored_with_the_runs_end_or_not_at_all(told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ends_with(told, NeedsAttention("Look at it."))

    def settle(*_: Any) -> None:
        raise RuntimeError("the process dies here")

    with monkeypatch.context() as dying:
        dying.setattr("qwoty_integrations_host.runs.executor.Execution._forget_earlier_version", settle)
        accepted = told.host.runs.acceptance.accept("ws-1", a_quote())
        with pytest.raises(RuntimeError):
            told.work()
    assert alerts(told) == []

    told.work_again(accepted.run_ids[0])

    assert len(alerts(told)) == 1


def test_alerts_are_kept_for_ninety_days(told: Any) -> None:
    ends_with(told, NeedsAttention("Look at it."))
    told.accept()

    told.clock.advance(89 * 24 * 3600)
    assert told.host.pruning.prune()["alerts"] == 0
    told.clock.advance(2 * 24 * 3600)
    assert told.host.pruning.prune()["alerts"] == 1
    assert alerts(told) == []


# -- of a connection ---------------------------------------------------------------------------------------


def refuse(desk: Any) -> None:
    ends_with(desk, CredentialsError("The key is refused.", hint="Enter another one."))


def test_of_a_refused_key_people_are_told_once_however_many_runs_meet_it(told: Any) -> None:
    refuse(told)

    first = told.accept(id="q-1")
    for number in range(2, 6):
        told.accept(id=f"q-{number}")

    (alert,) = alerts(told)
    assert (alert["type"], alert["code"], alert["run_id"]) == ("connection.needs_attention", "key_refused", first["id"])
    assert alert["command"] == "qwoty-host test-connection ws-1 recorder"


def test_of_a_refused_key_people_are_told_again_after_new_settings_or_a_good_test(told: Any) -> None:
    key = KeyReport(label="token", last4="7890", mode="test", account="main", status="ok")
    told.recorder.answers["check_connection"] = lambda ctx, _: ConnectionReport((key,))
    refuse(told)
    told.accept(id="q-1")

    told.enable(token="key_Another1234567890")
    told.accept(id="q-2")
    assert len(alerts(told)) == 2

    told.clock.advance(60)
    told.host.connections.test("ws-1", "recorder")
    told.accept(id="q-3")
    assert len(alerts(told)) == 3


# -- of silence --------------------------------------------------------------------------------------------


def with_link(desk: Any, *, quote_id: str = "q-7", status: str = "sent", account: str = "main") -> None:
    """An open invoice whose link ends in a day."""
    part = InstallmentRecord(
        number=1, amount=Decimal(50), status=status, expires_at=desk.clock.now() + timedelta(hours=24)
    )
    invoice = InvoiceRecord(id="in_1", status="open", account=account)
    record = QuoteRecord(currency="EUR", invoice=invoice, installments=(part,))
    desk.host.integrations.contexts.make("ws-1", "recorder", {}).records.update(quote_id, lambda _: record)


def hear(desk: Any, event: str) -> None:
    body = json.dumps({"id": event, "type": "t", "quote_id": "q-7"}).encode()
    desk.recorder.answers["authenticate_webhook"] = lambda ctx, request: heard(event)
    desk.host.runs.webhooks.receive("ws-1", "recorder", WebhookRequest("right", body, {"X-Signature": "signed"}))


def heard(event: str) -> Any:
    from qwoty_integrations_host import WebhookEvent

    return WebhookEvent(event, "t", {}, account="main")


@pytest.fixture
def listening(told: Any) -> Any:
    told.recorder.answers["webhook_endpoints"] = lambda ctx, _: [ENDPOINT]
    return told


def test_a_service_is_silent_when_a_link_ended_a_day_ago_and_nothing_was_heard_since(listening: Any) -> None:
    with_link(listening)
    hear(listening, "e-1")

    listening.clock.advance(47 * 3600)
    assert listening.host.missing_webhooks.record_new() == []
    listening.clock.advance(2 * 3600)
    assert len(listening.host.missing_webhooks.record_new()) == 1
    assert listening.host.missing_webhooks.record_new() == []

    (alert,) = alerts(listening)
    assert (alert["type"], alert["code"], alert["command"]) == (
        "webhooks.silent",
        "webhooks_silent",
        "qwoty-host webhook status ws-1",
    )
    hear(listening, "e-2")
    listening.clock.advance(7 * 24 * 3600)
    assert listening.host.missing_webhooks.record_new() == []


@pytest.mark.parametrize(
    ("link", "silent"),
    [({}, True), ({"status": "expired"}, True), ({"status": "paid"}, False), ({"account": "other"}, False)],
    ids=["no event ever", "the upkeep found its end", "it was paid", "of another account"],
)
def test_only_links_whose_end_must_have_been_told_count(listening: Any, link: dict[str, str], silent: bool) -> None:
    with_link(listening, **link)

    listening.clock.advance(49 * 3600)

    assert bool(listening.host.missing_webhooks.record_new()) == silent


def test_the_threshold_is_the_workspaces_choice_and_without_targets_nobody_looks(listening: Any) -> None:
    with_link(listening)
    listening.clock.advance(30 * 3600)
    assert listening.host.missing_webhooks.record_new() == []

    listening.host.alert_recipients.replace("ws-1", {})
    assert listening.host.missing_webhooks.record_new() == []
    listening.host.alert_recipients.replace("ws-1", {"mails": [ANA], "silent_after_hours": 5})
    assert len(listening.host.missing_webhooks.record_new()) == 1


# -- by mail -----------------------------------------------------------------------------------------------


def test_what_came_together_is_told_in_one_mail_to_each(told: Any) -> None:
    told.host.alert_recipients.replace("ws-1", {"mails": [ANA, BEN, ANA], "language": "fr"})
    ends_with(told, NeedsAttention("Look <here>."))
    for number in range(25):
        told.accept(id=f"q-{number}")
        told.clock.advance(1)

    told.host.alert_delivery.deliver()

    assert sorted(mail["To"] for mail in mails(told)) == [ANA, BEN]
    mail = mails(told)[0]
    assert mail["Subject"] == "Intégrations Qwoty, ws-1\u202f: 25 points demandent votre attention"
    assert "Devis N-q-0\u202f: Look <here>." in words_of(mail)
    assert "… et 5 autres" in words_of(mail)
    assert "Look &lt;here&gt;." in mail.get_body(("html",)).get_content()


def test_a_french_mail_says_in_french_what_was_recorded(told: Any) -> None:
    told.host.alert_recipients.replace("ws-1", {"mails": [ANA], "language": "fr"})
    ends_with(told, NeedsAttention("Invoice in_1 is open already.", hint="Retry the run; else ask Qwoty."))
    told.accept()

    told.host.alert_delivery.deliver()

    (mail,) = mails(told)
    assert mail["Subject"] == "Intégrations Qwoty, ws-1\u202f: La facture in_1 est déjà ouverte."
    assert "À faire\u202f: Relancez l’exécution\u202f; sinon, demandez à Qwoty." in words_of(mail)
    (alert,) = alerts(told)
    assert alert["title"] == "Invoice in_1 is open already."


def test_a_mail_server_that_is_away_is_tried_again_and_given_up_in_the_end(desks: Any, mail_server: Any) -> None:
    desk = desks(smtp_url=f"smtp://127.0.0.1:{mail_server.port}?tls=none", mail_from="Host <host@seller.example>")
    desk.host.alert_recipients.replace("ws-1", {"mails": [ANA, BEN]})
    desk.enable()
    ends_with(desk, NeedsAttention("Look at it."))
    desk.accept()
    mail_server.be("451 data", mails=1)

    assert desk.host.alert_delivery.deliver() == 0
    (alert,) = alerts(desk)
    assert (alert["tries"], alert["trouble"]) == (1, "The mail server refused the mail.")
    assert desk.host.alert_delivery.deliver() == 0, "not before its time"
    desk.clock.advance(60)
    assert desk.host.alert_delivery.deliver() == 1
    # Ben had been told at once, and is not told twice.
    assert sorted(str(parsed(envelope)["To"]) for envelope in mail_server.taken) == [ANA, BEN]

    mail_server.be("451 data")
    desk.accept(id="q-8")
    for _ in range(20):
        desk.host.alert_delivery.deliver()
        desk.clock.advance(12 * 3600)
    assert (alerts(desk)[0]["tries"], alerts(desk)[0]["delivered_at"]) == (10, None)
    assert desk.host.alert_recipients.show("ws-1")["waiting"] == 0


def test_a_mail_server_that_is_away_is_asked_once_a_round_and_the_machine_is_told_all_the_same(
    desks: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = desks(smtp_url="smtp://127.0.0.1:1?tls=none", mail_from="host@seller.example", private_alerts=True)
    desk.host.alert_recipients.replace("ws-1", {"mails": [ANA, BEN], "webhook_url": receiver.url})
    desk.enable()
    ends_with(desk, NeedsAttention("Look at it."))
    desk.accept()
    asked: list[str] = []
    deliver = SmtpTransport.deliver
    monkeypatch.setattr(SmtpTransport, "deliver", lambda *given: asked.append(given[1]["To"]) or deliver(*given))

    assert desk.host.alert_delivery.deliver() == 0

    assert asked == [ANA]
    assert len(receiver.taken) == 1
    assert alerts(desk)[0]["trouble"] == "The mail server cannot be reached."


def test_told_in_the_moment_of_a_crash_it_is_told_again_under_the_same_message_id(told: Any) -> None:
    ends_with(told, NeedsAttention("Look at it."))
    told.accept()
    told.host.alert_delivery.deliver()
    (before,) = mails(told)
    with told.host.store.write() as db:  # what was delivered was never noted
        document = json.dumps({**told_document(db), "told": []})
        db.exec_driver_sql("UPDATE alerts SET delivered_at = NULL, tries = 0, document = ?", (document,))

    assert told.host.alert_delivery.deliver() == 1

    (after,) = mails(told)
    assert after["Message-ID"] == before["Message-ID"]


def told_document(db: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(db.exec_driver_sql("SELECT document FROM alerts").scalar_one())
    return found


# -- by webhook --------------------------------------------------------------------------------------------


def test_a_machine_is_told_each_by_one_signed_request(hooked: Any, receiver: Receiver) -> None:
    ends_with(hooked, NeedsAttention("Look at it.", hint="Compare.", code="totals_differ"))
    run, happened = hooked.accept(), hooked.clock.now()
    hooked.clock.advance(1)
    hooked.accept(id="q-8")

    assert hooked.host.alert_delivery.deliver() == 2

    assert len(receiver.taken) == 2
    headers, body = receiver.taken[0]
    signed = Webhook(hooked.secret).sign(headers["webhook-id"], hooked.clock.now(), body.decode())
    assert headers["webhook-signature"] == signed
    assert headers["webhook-timestamp"] == str(int(hooked.clock.now().timestamp()))
    assert receiver.documents[0] == {
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
def test_a_machine_that_does_not_take_it_is_told_again_under_the_same_id(
    hooked: Any, receiver: Receiver, answer: int
) -> None:
    receiver.answer = answer
    ends_with(hooked, NeedsAttention("Look at it."))
    hooked.accept()

    assert hooked.host.alert_delivery.deliver() == 0
    assert alerts(hooked)[0]["trouble"] == f"The alert webhook answered with HTTP {answer}."
    receiver.answer = 204
    hooked.clock.advance(60)
    assert hooked.host.alert_delivery.deliver() == 1

    ids = [headers["webhook-id"] for headers, _ in receiver.taken]
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
def test_only_public_https_addresses_are_told(told: Any, url: str, allowed: bool) -> None:
    assert is_valid_url(url, allow_private=False) == allowed
    if allowed:
        told.host.alert_recipients.replace("ws-1", {"webhook_url": url})
    else:
        with pytest.raises(InvalidInput) as caught:
            told.host.alert_recipients.replace("ws-1", {"webhook_url": url})
        assert [problem.dotted for problem in caught.value.problems] == ["webhook_url"]
        assert url not in str(caught.value.problems)


def test_a_name_that_leads_to_a_private_place_is_not_told(told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    place = (2, 1, 6, "", ("10.0.0.7", 443))
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: [place])
    told.host.alert_recipients.replace("ws-1", {"webhook_url": "https://inside.example/in"})

    (found,) = told.host.alert_delivery.test("ws-1")["data"]

    assert not found["delivered"]
    assert "private address" in found["trouble"]


def test_an_address_that_is_none_holds_up_nobody_else(told: Any) -> None:
    told.host.alert_recipients.replace("ws-1", {"webhook_url": "https://alerts.example/"})
    told.host.alert_recipients.replace("ws-2", {"mails": [ANA]})
    with told.host.store.write() as db:  # as earlier releases took it
        wrong = f"https://{'a' * 70}.example/"
        document = f"UPDATE alert_targets SET document = replace(document, 'https://alerts.example/', '{wrong}')"
        db.exec_driver_sql(document)
    for workspace in ("ws-1", "ws-2"):
        tell(told, workspace)

    assert told.host.alert_delivery.deliver() == 1

    assert alerts(told)[0]["trouble"] == "The alert webhook has a host name that is not known."
    assert len(mails(told)) == 1


def test_a_secret_that_cannot_be_opened_holds_up_nobody_else(told: Any) -> None:
    told.host.alert_recipients.replace("ws-1", {"webhook_url": "https://alerts.example/"})
    told.host.alert_recipients.replace("ws-2", {"mails": [ANA]})
    with told.host.store.write() as db:
        db.exec_driver_sql(
            "UPDATE secrets SET blob = 'v1.' || substr(blob, 4, 8) || '.damaged0' WHERE workspace = 'ws-1'"
        )
    tell(told, "ws-1")
    tell(told, "ws-2")

    assert told.host.alert_delivery.deliver() == 1

    assert len(mails(told)) == 1


def tell(desk: Any, workspace: str) -> None:
    facts = missing_webhooks("recorder", {"code": "c", "title": "t", "hint": ""}, "")
    with desk.host.store.write() as db:
        desk.host.alerts.add(db, workspace, "s", facts)


# -- whom to tell ------------------------------------------------------------------------------------------


def test_a_secret_is_shown_once_kept_with_its_address_and_made_anew_for_another(told: Any) -> None:
    first = told.host.alert_recipients.replace("ws-1", {"webhook_url": "https://one.example/"})["webhook_secret"]
    again = told.host.alert_recipients.replace("ws-1", {"webhook_url": "https://one.example/", "mails": [ANA]})
    assert again["webhook_secret"] == {"set": True, "last4": first[-4:]}
    assert first not in repr(told.host.alert_recipients.show("ws-1"))
    with told.host.store.read() as db:
        assert first not in repr(db.exec_driver_sql("SELECT * FROM secrets").all())

    other = told.host.alert_recipients.replace("ws-1", {"webhook_url": "https://two.example/"})["webhook_secret"]
    assert isinstance(other, str)
    assert other != first
    assert told.host.alert_recipients.replace("ws-1", {"mails": [ANA]})["webhook_secret"] is None


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
def test_what_cannot_be_told_is_refused_by_field(told: Any, document: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        told.host.alert_recipients.replace("ws-1", document)

    assert [problem.dotted for problem in caught.value.problems] == [field]
    assert told.host.alert_recipients.show("ws-1")["mails"] == [ANA]


def test_a_test_tells_everybody_at_once_and_says_who_could_not_be_told(hooked: Any, receiver: Receiver) -> None:
    hooked.host.alert_recipients.replace("ws-1", {"mails": [ANA], "webhook_url": receiver.url})
    receiver.answer = 500

    found = hooked.host.alert_delivery.test("ws-1")["data"]

    assert [(one["to"], one["delivered"]) for one in found] == [(ANA, True), (receiver.url, False)]
    assert receiver.documents[0]["type"] == "test"
    assert len(mails(hooked)) == 1
    assert alerts(hooked) == []


def test_without_anybody_to_tell_there_is_nothing_to_test_and_what_waits_is_given_up(told: Any) -> None:
    ends_with(told, NeedsAttention("Look at it."))
    told.accept()
    told.host.alert_recipients.replace("ws-1", {})

    assert told.host.alert_delivery.deliver() == 0
    assert told.host.alert_recipients.show("ws-1")["waiting"] == 0
    with pytest.raises(ActionRefused, match="Nobody"):
        told.host.alert_delivery.test("ws-1")


@pytest.mark.parametrize("act", ["alert_recipients.show", "alert_delivery.test"])
def test_a_workspace_that_does_not_exist_is_not_found(told: Any, act: str) -> None:
    with pytest.raises(NotFound):
        attrgetter(act)(told.host)("nowhere")


# -- at the command line -----------------------------------------------------------------------------------


@pytest.fixture
def line(told: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A person at the command line of this desk's data directory."""
    monkeypatch.setenv("QWOTY_PLUGINS_BLOCKED", ",".join(told.host.config.plugins_blocked))
    handlers, level = list(logging.getLogger().handlers), logging.getLogger().level
    yield lambda *words: CliRunner().invoke(main, ["--data-dir", str(told.host.config.data_dir), "alerts", *words])
    logging.getLogger().handlers, logging.getLogger().level = handlers, level
    structlog.reset_defaults()


def test_command_set_replaces_whom_to_tell_and_shows_a_new_secret_once(told: Any, line: Any) -> None:
    words = ("set", "ws-1", "--mail", ANA, "--mail", BEN, "--webhook-url", "https://one.example/", "--language", "fr")

    first, again = line(*words), line(*words)

    assert first.exit_code == 0, first.output
    assert first.stdout.splitlines()[-1].startswith("whsec_")
    assert "whsec_" not in again.output
    shown = json.loads(line("show", "ws-1", "--json").stdout)
    assert (shown["mails"], shown["language"], shown["silent_after_hours"]) == ([ANA, BEN], "fr", 24)
    assert "Nobody" in line("set", "ws-1").stdout
    assert line("set", "ws-1", "--mail", "nobody").exit_code == 2


def test_command_show_tells_what_was_told(told: Any, line: Any) -> None:
    ends_with(told, NeedsAttention("Look at it.", code="totals_differ"))
    told.accept()

    assert "not yet" in line("show", "ws-1").stdout
    told.host.alert_delivery.deliver()
    shown = line("show", "ws-1").stdout

    assert "totals_differ  Look at it.  2026-03-10 09:00" in shown


def test_command_test_ends_with_1_when_somebody_could_not_be_told(
    told: Any, line: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert line("test", "ws-1").stdout == f"✓ {ANA}\n"

    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("10.0.0.7", 443))])
    told.host.alert_recipients.replace("ws-1", {"webhook_url": "https://inside.example/in"})
    found = line("test", "ws-1")

    assert found.exit_code == 1
    assert found.stdout.startswith("✗ https://inside.example/in  The alert webhook leads to a private address")


def test_an_address_that_no_request_can_hold_is_no_outage_and_is_not_logged(told: Any, caplog: Any) -> None:
    with pytest.raises(PermanentError):
        post("https://canary..example/", new_secret(), "msg_1", {}, told.clock.now(), allow_private=True)

    assert "alert.request_unsent" in caplog.text and "Traceback" in caplog.text
    assert "canary" not in caplog.text
