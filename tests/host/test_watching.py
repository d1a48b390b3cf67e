"""What operators see: logs with fields, metrics, health, and the doctor."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests
from click.testing import CliRunner
from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.parser import text_string_to_metric_families

from builders import a_quote
from host_server import REAL, served
from qwoty_integrations_host import CredentialsError, Outcome, RetryableError, ServiceStatus
from qwoty_integrations_host.cli import main
from qwoty_integrations_host.doctor import examine
from qwoty_integrations_host.observability.logs import log_context
from written_log import written_log

SECRET = "key_NobodyMaySee123"


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The lines that the host writes, as JSON objects."""
    with written_log(monkeypatch) as written:
        yield lambda event: [line for line in map(json.loads, written().splitlines()) if line["event"] == event]


# -- logs ---------------------------------------------------------------------------------------------------


def test_a_log_line_of_a_plugin_carries_its_run_and_quote(desk: Any, log: Any) -> None:
    desk.recorder.answers["on_quote_accepted"] = lambda ctx, _: ctx.log.info("looked", found=3) or Outcome.done()
    desk.enable()

    run = desk.accept()

    (line,) = log("looked")
    facts = {"run_id": run["id"], "workspace": "ws-1", "plugin": "recorder", "quote_id": "q-7", "found": 3}
    assert facts.items() <= line.items()


def test_log_lines_of_a_request_and_its_answer_carry_the_request_id(desk: Any, log: Any) -> None:
    with served(desk.host) as url:
        given = requests.get(f"{url}/health/live", headers={"X-Request-Id": "req-7.a"}, timeout=10)
        strange = requests.get(f"{url}/paid?x=1", headers={"X-Request-Id": "two words"}, timeout=10)

    assert given.headers["X-Request-Id"] == "req-7.a"
    assert len(strange.headers["X-Request-Id"]) == 32
    first, second = log("http.answered")
    assert {"request_id": "req-7.a", "method": "GET", "route": "/health/live", "status": 200}.items() <= first.items()
    assert second["request_id"] == strange.headers["X-Request-Id"]


def test_an_address_with_a_token_is_logged_as_its_route(desk: Any, log: Any) -> None:
    with served(desk.host) as url:
        requests.post(f"{url}/webhooks/recorder/ws-1/{SECRET}", data="{}", timeout=10)

    (line,) = log("http.answered")
    assert line["route"] == "/webhooks/<plugin>/<workspace>/<token>"
    assert SECRET not in json.dumps(line)


@pytest.mark.parametrize(
    "name", ["token", "api_key", "Authorization", "smtp_password", "webhook_secret", "X-Signature"]
)
def test_a_log_field_with_the_name_of_a_secret_is_not_written(log: Any, name: str) -> None:
    import structlog

    with log_context(run_id="r-1"):
        structlog.get_logger("qwoty").warning("careless", **{name: SECRET, "deep": {name: SECRET}})

    (line,) = log("careless")
    assert (line[name], line["deep"][name], line["run_id"]) == ("…", "…", "r-1")


def test_log_fields_end_with_their_block(log: Any) -> None:
    with log_context(run_id="r-1"):
        pass
    logging.getLogger("qwoty").warning("afterwards")

    (line,) = log("afterwards")
    assert "run_id" not in line


# -- metrics ------------------------------------------------------------------------------------------------


def scraped(desk: Any) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    with served(desk.host) as url:
        answer = requests.get(f"{url}/metrics", timeout=10)
    assert answer.headers["Content-Type"] == CONTENT_TYPE_LATEST
    families = text_string_to_metric_families(answer.text)
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def test_metrics_count_ended_and_waiting_runs(desk: Any) -> None:
    desk.enable()
    before = scraped(desk)
    desk.accept()
    desk.host.runs.acceptance.accept("ws-1", a_quote(id="q-8"))
    desk.clock.advance(90)

    found = scraped(desk)

    kept = {"plugin": "recorder", "kind": "quote_accepted"}
    assert found["qwoty_runs", tuple(sorted({**kept, "status": "succeeded"}.items()))] == 1
    assert found["qwoty_queue_depth", ()] == 1
    assert found["qwoty_oldest_queued_seconds", ()] == 90
    assert found["qwoty_database_up", ()] == 1
    ended = ("qwoty_runs_ended_total", tuple(sorted({**kept, "status": "succeeded"}.items())))
    assert found[ended] == before.get(ended, 0) + 1
    assert ("qwoty_plugins", (("plugin", "recorder"), ("state", "loaded"))) in found


def test_metrics_count_tries_and_requests_with_an_id_from_the_service(desk: Any) -> None:
    answers = [RetryableError("Busy."), "made"]

    def work(attempt: Any) -> Any:
        attempt.request_ids.append("req_1")
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    desk.recorder.answers["on_quote_accepted"] = lambda ctx, _: Outcome.done(result={"x": ctx.step("make", work)})
    desk.enable()
    before = scraped(desk)

    desk.accept()

    now, plugin = scraped(desk), ("plugin", "recorder")
    for name, labels, more in (
        ("qwoty_step_tries_total", (plugin, ("status", "retrying")), 1),
        ("qwoty_step_tries_total", (plugin, ("status", "succeeded")), 1),
        ("qwoty_remote_requests_total", (plugin,), 2),
    ):
        assert now[name, labels] == before.get((name, labels), 0) + more


def test_a_webhook_to_an_unknown_plugin_adds_no_metric_label(desk: Any) -> None:
    desk.enable()
    with served(desk.host) as url:
        requests.post(f"{url}/webhooks/{SECRET}/ws-1/token", data="{}", timeout=10)

    assert SECRET not in str(scraped(desk))


# -- health -------------------------------------------------------------------------------------------------


def test_a_host_without_its_database_is_alive_but_not_ready(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(desk.host) as url:
        assert requests.get(f"{url}/health/ready", timeout=10).json()["status"] == "ok"
        desk.host.store.engine.dispose()
        database = desk.host.config.data_dir / "host.sqlite3"
        for part in database.parent.glob("host.sqlite3*"):
            part.rename(part.with_name(f"away-{part.name}"))
        database.mkdir()

        live, ready = (requests.get(f"{url}/health/{what}", timeout=10) for what in ("live", "ready"))
        metrics = requests.get(f"{url}/metrics", timeout=10)

        database.rmdir()
        for part in database.parent.glob("away-*"):
            part.rename(part.with_name(part.name.removeprefix("away-")))

    assert (live.status_code, ready.status_code) == (200, 503)
    assert ready.json()["status"] == "unavailable"
    assert "qwoty_database_up 0.0" in metrics.text


def test_a_failed_plugin_makes_the_host_degraded_but_ready(desks: Any) -> None:
    desk = desks(plugins_blocked=REAL)
    with served(desk.host) as url:
        answer = requests.get(f"{url}/health/ready", timeout=10)

    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")


# -- the doctor ---------------------------------------------------------------------------------------------


def findings(desk: Any) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for finding in examine(desk.host):
        found.setdefault(finding.about, []).append((finding.state, finding.detail))
    return found


def test_the_doctor_finds_nothing_wrong_with_a_healthy_host(desks: Any) -> None:
    desk = desks(public_url="https://host.example")
    desk.enable()
    desk.host.connections.test("ws-1", "recorder")
    for workspace in ("ws-1", "ws-2"):
        desk.host.alert_recipients.replace(workspace, {"mails": ["ana@seller.example"]})

    found = findings(desk)

    assert {state for about, rows in found.items() for state, _ in rows if about != "mail"} == {"ok"}
    assert found["configuration"] == [("ok", "Reached at https://host.example.")]
    assert found["key ring"] == [("ok", "All stored secrets can be opened (1).")]
    assert found["mail"][0][0] == "warning", "mails into a folder reach nobody"


def test_the_doctor_connects_to_the_mail_server(desks: Any, mail_server: Any) -> None:
    well = desks("well", smtp_url=f"smtp://127.0.0.1:{mail_server.port}?tls=none", mail_from="a@host.example")
    away = desks("away", smtp_url="smtp://127.0.0.1:9?tls=none", mail_from="a@host.example")

    assert findings(well)["mail"] == [
        ("ok", f"127.0.0.1:{mail_server.port} takes mails from a@host.example, with no TLS, on this machine.")
    ]
    assert findings(away)["mail"] == [("failed", "The mail server cannot be reached.")]
    assert mail_server.message_ids == []


def damaged_secret(desk: Any) -> str:
    with desk.host.store.write() as db:
        db.exec_driver_sql("UPDATE secrets SET workspace = 'ws-2'")
    return "key ring"


def clock_went_back(desk: Any) -> str:
    desk.accept()
    desk.clock.advance(-3600)
    return "clock"


def nobody_works(desk: Any) -> str:
    desk.host.runs.acceptance.accept("ws-1", a_quote())
    desk.clock.advance(timedelta(minutes=10).total_seconds())
    return "worker"


def service_away(desk: Any) -> str:
    desk.recorder.answers["service_status"] = lambda _ctx: ServiceStatus(False, 3, "It is away.")
    return "services"


def key_refused_in_a_run(desk: Any) -> str:
    def refused(ctx: Any, _quote: Any) -> Outcome:
        raise CredentialsError("The key was refused.", hint="Enter another.")

    desk.recorder.answers["on_quote_accepted"] = refused
    desk.accept()
    return "connections"


@pytest.mark.parametrize(
    "trouble",
    [damaged_secret, clock_went_back, nobody_works, service_away, key_refused_in_a_run],
    ids=lambda found: found.__name__,
)
def test_the_doctor_finds_what_is_wrong(desk: Any, trouble: Any) -> None:
    desk.enable()

    about = trouble(desk)

    assert [state for state, _ in findings(desk)[about]] == ["failed"]


def test_the_doctor_blames_the_plugin_that_did_not_load_and_exits_1(
    desks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = desks(plugins_blocked=REAL)
    assert any("import_error" in detail and state == "failed" for state, detail in findings(desk)["plugins"])
    monkeypatch.setenv("QWOTY_PLUGINS_BLOCKED", ",".join(REAL))
    data_dir = str(desk.host.config.data_dir)
    desk.host.close()

    found = CliRunner().invoke(main, ["--data-dir", data_dir, "doctor", "--json"])

    assert found.exit_code == 1
    failed = [row for row in json.loads(found.stdout)["data"] if row["state"] == "failed"]
    assert {row["about"] for row in failed} == {"plugins"}


def test_the_doctor_of_a_healthy_host_exits_0_and_gives_advice_about_warnings(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QWOTY_PLUGINS_BLOCKED", ",".join(desk.host.config.plugins_blocked))

    found = CliRunner().invoke(main, ["--data-dir", str(desk.host.config.data_dir), "doctor"])

    assert found.exit_code == 0
    assert "→ Set QWOTY_HOST_SMTP_URL" in found.stdout
