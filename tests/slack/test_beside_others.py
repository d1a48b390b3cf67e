"""Slack beside another integration of the workspace, in commands, pages and logs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from builders import KEY, the_example
from qwoty_integrations_host.cli import main
from slack_stand_in import CHANNEL, SlackStandIn
from stripe_simulator import StripeSimulator
from written_log import written_log

CANARY = "xox" + "b-1234567890-CanaryABCDEFGH"


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with written_log(monkeypatch) as written:
        yield written


@pytest.fixture
def both(desk: Any, stripe_simulator: StripeSimulator, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A desk with Stripe Invoice as a second integration."""
    monkeypatch.setenv("QWOTY_STRIPE_API_BASE", stripe_simulator.url)
    desk.host.settings.save("ws-1", "stripe_invoice", {"workspace_api_token": KEY, "invoice_status": "open"})
    desk.host.settings.enable("ws-1", "stripe_invoice")
    return desk


def accept(desk: Any, **changes: Any) -> dict[str, dict[str, Any]]:
    accepted = desk.host.runs.acceptance.accept("ws-1", desk.document(**changes))
    desk.work()
    return {run["plugin"]: run for run in map(desk.run, accepted.run_ids)}


def test_each_of_two_integrations_has_a_run_of_its_own(both: Any, stripe_simulator: StripeSimulator) -> None:
    runs = accept(both)

    assert {plugin: run["status"] for plugin, run in runs.items()} == {
        "slack": "succeeded",
        "stripe_invoice": "succeeded",
    }
    assert runs["slack"]["outcome"]["invoice_id"] is None
    assert (len(both.slack.posted), len(stripe_simulator.objects("invoices"))) == (1, 1)


def test_a_failed_integration_does_not_affect_the_other(both: Any, stripe_simulator: StripeSimulator) -> None:
    both.slack.trouble["chat.postMessage"] = ["channel_not_found"]

    runs = accept(both)

    assert (runs["slack"]["status"], runs["stripe_invoice"]["status"]) == ("needs_attention", "succeeded")
    both.host.runs.control.retry(runs["slack"]["id"])
    both.work()
    assert (len(both.slack.posted), len(stripe_simulator.objects("invoices"))) == (1, 1)


def test_a_change_that_comes_after_the_invoice_is_final_changes_no_message(both: Any) -> None:
    accept(both, language="en")

    runs = accept(both, language="en", number="Q-2026-043")

    assert "Nothing was changed" in runs["slack"]["outcome"]["notes"][-1]
    assert both.slack.posted[0]["text"].startswith("Buyer SARL has signed quote Q-2026-042")


def test_slack_gets_no_quote_of_another_workspace(desk: Any) -> None:
    accepted = desk.host.runs.acceptance.accept("ws-2", the_example(workspace_id="ws-2"))
    desk.work()

    assert (accepted.run_ids, desk.slack.calls) == ((), [])


def test_the_message_is_linked_on_the_runs_page(desk: Any) -> None:
    run = desk.accept()
    ctx = desk.host.integrations.contexts.make("ws-1", "slack", {})
    (made,) = run["outcome"]["ids"]

    assert desk.host.plugins.service_links("slack", ctx, [made, "req00000001", "in_1"]) == {
        made: "https://acme.slack.com/archives/C0123ABC456/p1773134401000000"
    }


def test_commands_set_slack_up_test_it_and_show_it(
    slack: SlackStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(*words: str, given: str | None = None) -> Any:
        found = CliRunner().invoke(main, ["--data-dir", str(tmp_path / "data"), *words, "--json"], input=given)
        assert found.exit_code == 0, found.output
        return json.loads(found.stdout)

    monkeypatch.setenv("QWOTY_PLUGINS_BLOCKED", "stripe_invoice")
    quote = tmp_path / "quote.json"
    quote.write_text(json.dumps(the_example()))
    command("workspace", "add", "ws-1")
    given = json.dumps({"token": slack.token, "message_channel": CHANNEL})
    command("settings", "set", "ws-1", "slack", "--file", "-", given=given)
    shown = command("settings", "show", "ws-1", "slack")
    tried = command("test-connection", "ws-1", "slack")
    command("enable", "ws-1", "slack")
    accepted = command("accept", "ws-1", str(quote), "--wait")

    assert slack.token not in json.dumps([shown, tried, accepted])
    (run,) = accepted["runs"]
    assert run["status"] == "succeeded"
    assert len(slack.posted) == 1


def test_a_planted_token_appears_in_no_answer_log_or_file(
    desk: Any, log: Any, slack: SlackStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    slack.token = CANARY
    desk.enable(token=CANARY)
    slack.trouble["chat.postMessage"] = ["done:" + CANARY, CANARY, "cut"]
    seen: list[Any] = [desk.host.settings.show("ws-1", "slack")]
    seen.append(desk.accept())
    seen.append(desk.accept(id="q-2"))
    slack.trouble["files.getUploadURLExternal"] = [CANARY]
    seen.append(desk.accept(id="q-3"))
    seen.append(desk.accept(id="q-4", pdf_link="http://user:secret@127.0.0.1:9/quote.pdf"))
    slack.trouble["auth.test"] = [CANARY]
    seen.append(desk.host.connections.test("ws-1", "slack"))
    folder: Path = desk.host.config.data_dir

    assert "Canary" not in json.dumps(seen)
    assert "Canary" not in log()
    assert [p.name for p in folder.rglob("*") if p.is_file() and b"CanaryABC" in p.read_bytes()] == []
