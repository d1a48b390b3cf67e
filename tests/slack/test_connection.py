"""Test connection: what the token may do, without any effect in Slack."""

from __future__ import annotations

from typing import Any

import pytest

from qwoty_integrations_host.errors import SettingsError
from slack_stand_in import TOKEN


def tried(desk: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    found = desk.host.connections.test("ws-1", "slack")
    (key,) = found["keys"]
    assert not {method for method in desk.slack.methods() if method.startswith(("chat.", "files."))}
    return found, key


def rights(key: dict[str, Any]) -> dict[str, str]:
    return {right["resource"]: right["status"] for right in key["rights"]}


def test_a_token_with_every_scope_is_fine(desk: Any) -> None:
    desk.slack.scopes |= {"channels:read", "channels:history"}

    found, key = tried(desk)

    assert found["status"] == "ok"
    assert (key["last4"], key["mode"], key["account"]) == (TOKEN[-4:], "bot", "T0001")
    assert rights(key) == {"chat:write": "ok", "files:write": "ok", "channel": "ok"}
    assert found["notes"] == []


def test_the_documented_scopes_are_enough_and_unclear_rights_do_not_stop_the_test(desk: Any) -> None:
    found, key = tried(desk)

    assert found["status"] == "ok"
    assert rights(key)["channel"] == "unclear"
    assert any("channels:history" in note for note in found["notes"])


def test_a_missing_scope_is_reported_with_what_to_add(desk: Any) -> None:
    desk.slack.scopes.discard("files:write")

    found, key = tried(desk)

    assert (found["status"], key["code"]) == ("needs_attention", "permission_missing")
    assert "files:write" in key["hint"] and "chat:write" not in key["hint"]


def test_the_scope_for_files_is_not_needed_without_documents(desk: Any) -> None:
    desk.slack.scopes.discard("files:write")
    desk.enable(document_send=False)

    assert tried(desk)[0]["status"] == "ok"


@pytest.mark.parametrize(
    "change", [{"is_member": False}, {"is_archived": True}, {"channel": "C0000000000"}], ids=lambda c: next(iter(c))
)
def test_a_channel_that_the_bot_cannot_reach_is_reported(desk: Any, change: dict[str, Any]) -> None:
    desk.slack.scopes.add("channels:read")
    if "channel" in change:
        desk.enable(message_channel=change["channel"])
    else:
        for name, value in change.items():
            setattr(desk.slack, name, value)

    found, key = tried(desk)

    assert (found["status"], key["code"], rights(key)["channel"]) == (
        "needs_attention",
        "channel_unavailable",
        "missing",
    )


def test_a_channel_name_is_accepted_with_a_note(desk: Any) -> None:
    desk.enable(message_channel="#sales")

    found, key = tried(desk)

    assert (found["status"], rights(key)["channel"]) == ("ok", "unclear")
    assert any("given by its name" in note for note in found["notes"])


def test_a_refused_token_is_shown_as_refused(desk: Any) -> None:
    desk.enable(token=TOKEN[:-4] + "Zzzz")

    found, key = tried(desk)

    assert (found["status"], key["status"], key["code"]) == ("needs_attention", "refused", "key_refused")


@pytest.mark.parametrize("trouble", [503, 429, 407, "page", "stranger"])
def test_an_outage_of_slack_does_not_blame_the_token(desk: Any, trouble: Any) -> None:
    desk.slack.trouble["auth.test"] = [trouble]

    found, key = tried(desk)

    assert (found["status"], key["status"]) == ("unreachable", "unreachable")


def test_the_check_whether_slack_answers_needs_no_token(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ctx = desk.host.integrations.contexts.make("", "slack", {})
    assert desk.host.plugins.service_status("slack", ctx).reachable
    monkeypatch.setenv("QWOTY_SLACK_API_BASE", "http://127.0.0.1:9/api")

    assert not desk.host.plugins.service_status("slack", ctx).reachable


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"token": "xox" + "p-1234567890-User"}, "token"),
        ({"token": TOKEN + "\n!"}, "token"),
        ({"message_channel": "two words"}, "message_channel"),
        ({"message_channel": "<!channel>"}, "message_channel"),
        ({"message_channel": ""}, "message_channel"),
        ({"document_send": "yes"}, "document_send"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_settings_that_cannot_work_are_refused_at_their_field_without_their_value(
    desk: Any, given: dict[str, Any], field: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        desk.enable(**given)

    (problem,) = refused.value.problems
    assert field == "colour" or problem.path == (field,)
    assert "1234567890" not in problem.message


def test_documents_are_sent_unless_switched_off(desk: Any) -> None:
    assert desk.host.settings.effective("ws-1", "slack")["document_send"] is True
