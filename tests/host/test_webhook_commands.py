"""The commands about webhooks: check, status, list and replay."""

from __future__ import annotations

import json
from typing import Any

import pytest

from builders import a_quote
from host.conftest import RUN_KEYS, CommandLine, refused
from qwoty_integrations_host import (
    Outcome,
    UpkeepReport,
    UpkeepRequest,
    WebhookEndpoint,
    WebhookEvent,
)


@pytest.fixture
def cli_with_webhooks(cli: CommandLine) -> CommandLine:
    """The command line of a host on which the recorder has a webhook endpoint."""
    cli.ready()
    url = "https://host.example/webhooks/recorder/ws-1/tokentokentoken1234"
    cli.recorder.answers["webhook_endpoints"] = lambda ctx, _: [WebhookEndpoint("main", "test", "we_1", url)]
    return cli


def test_webhook_check_runs_an_upkeep(cli_with_webhooks: CommandLine) -> None:
    asked: list[Any] = []
    report = UpkeepReport(Outcome.done("The secret was rolled."))
    cli_with_webhooks.recorder.answers["on_upkeep"] = lambda ctx, upkeep: asked.append(upkeep) or report

    found = cli_with_webhooks.ok("webhook", "check", "ws-1", "--roll-secrets", "--wait")

    (run,) = found["data"]
    assert set(run) == RUN_KEYS
    assert (run["kind"], run["status"], run["outcome"]["notes"]) == ("upkeep", "succeeded", ["The secret was rolled."])
    assert asked == [UpkeepRequest(roll_secrets=True)]
    assert "upkeep · workspace ws-1" in cli_with_webhooks("webhook", "check", "ws-1").stdout
    # That upkeep waits for a worker; a second one is not queued meanwhile.
    assert "looks after it now" in refused(cli_with_webhooks("webhook", "check", "ws-1"), 2)


def test_webhook_check_works_a_missed_payment_before_it_ends(cli_with_webhooks: CommandLine) -> None:
    cli_with_webhooks.ok("accept", "ws-1", cli_with_webhooks.file(a_quote()), "--wait")
    missed = WebhookEvent("e-1", "paid", {"id": "e-1"}, "q-7")
    cli_with_webhooks.recorder.answers["on_upkeep"] = lambda ctx, _: UpkeepReport(
        Outcome.skipped("Nothing to mend."), (missed,)
    )

    found = cli_with_webhooks.ok("webhook", "check", "ws-1", "--wait")

    upkeep, webhook = found["data"]
    assert (webhook["kind"], webhook["quote_id"], webhook["status"]) == ("webhook", "q-7", "succeeded")
    assert upkeep["outcome"]["found_runs"] == [webhook["id"]]


def test_webhook_check_with_wait_exits_1_when_the_upkeep_needs_a_person(cli_with_webhooks: CommandLine) -> None:
    report = UpkeepReport(Outcome.needs_attention("c", "There is no room.", hint="Make some."))
    cli_with_webhooks.recorder.answers["on_upkeep"] = lambda ctx, upkeep: report

    found = cli_with_webhooks("webhook", "check", "ws-1", "--wait")

    assert found.exit_code == 1
    assert "There is no room." in found.stdout


def test_the_state_of_the_webhooks_is_shown(cli_with_webhooks: CommandLine) -> None:
    before = cli_with_webhooks("webhook", "status", "ws-1").stdout
    assert cli_with_webhooks("webhook", "check", "ws-1", "--wait").exit_code == 0

    (shown,) = cli_with_webhooks.ok("webhook", "status", "ws-1")["data"]

    assert set(shown) == {
        "plugin", "account", "mode", "endpoint_id", "url", "last_event_at", "last_event_age", "last_upkeep",
    }  # fmt: skip
    assert (shown["endpoint_id"], shown["last_event_at"]) == ("we_1", None)
    assert shown["last_upkeep"]["status"] == "skipped"
    assert "tokentokentoken1234" not in json.dumps(shown) + before
    assert "last upkeep  none yet" in before
    text = cli_with_webhooks("webhook", "status", "ws-1").stdout
    assert "we_1  https://host.example/webhooks/recorder/ws-1/toke…1234" in text
    assert "Nothing had to be mended." in text


def test_webhook_check_is_refused_without_an_endpoint(cli: CommandLine) -> None:
    cli.ready()

    assert "No webhook endpoint yet" in cli("webhook", "status", "ws-1").stdout
    assert "no integration" in refused(cli("webhook", "check", "ws-1"), 2).lower()
    refused(cli("webhook", "status", "nowhere"), 5)


def test_upkeep_that_changed_nothing_is_listed_only_with_all(cli_with_webhooks: CommandLine) -> None:
    cli_with_webhooks("webhook", "check", "ws-1", "--wait")

    assert cli_with_webhooks.ok("run", "list")["data"] == []
    assert [run["kind"] for run in cli_with_webhooks.ok("run", "list", "--all")["data"]] == ["upkeep"]


def test_deliveries_are_listed_and_replayed(cli_with_webhooks: CommandLine) -> None:
    cli_with_webhooks.ok("accept", "ws-1", cli_with_webhooks.file(a_quote()), "--wait")
    missed = WebhookEvent("evt_1", "paid", {"id": "evt_1"}, "q-7")
    cli_with_webhooks.recorder.answers["on_upkeep"] = lambda ctx, _: UpkeepReport(
        Outcome.skipped("Nothing to mend."), (missed,)
    )
    cli_with_webhooks.ok("webhook", "check", "ws-1", "--wait")

    (event,) = cli_with_webhooks.ok("webhook", "list", "ws-1")["data"]
    assert (event["id"], event["result"], event["found"]) == ("evt_1", "verified", True)
    assert cli_with_webhooks.ok("webhook", "list", "ws-1", "--result", "refused")["data"] == []
    assert "verified      0  evt_1  paid" in cli_with_webhooks("webhook", "list", "ws-1").stdout
    assert cli_with_webhooks.ok("webhook", "replay", "ws-1", "recorder", "evt_1", "--wait")["id"] == event["run_id"]
    assert "no such event" in refused(cli_with_webhooks("webhook", "replay", "ws-1", "recorder", "evt_2"), 5)
