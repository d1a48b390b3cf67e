"""A refusal of Slack is reported with what to do, and never shows the token."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("word", "code", "advice"),
    [
        ("channel_not_found", "channel_unavailable", "invite the bot"),
        ("not_in_channel", "channel_unavailable", "Invite the bot"),
        ("is_archived", "channel_unavailable", "archived"),
        ("restricted_action", "channel_unavailable", "ask a Slack admin"),
        ("invalid_auth", "key_refused", "Bot User OAuth Token"),
        ("token_revoked", "key_refused", "Bot User OAuth Token"),
        ("account_inactive", "key_refused", "Bot User OAuth Token"),
        ("missing_scope", "permission_missing", "unknown"),
        ("msg_too_long", "slack_refused", "documentation"),
        ("<b>rubbish & worse</b>", "slack_refused", "documentation"),
    ],
)
def test_each_refusal_says_what_to_do_and_a_retry_posts_once(desk: Any, word: str, code: str, advice: str) -> None:
    desk.slack.trouble["chat.postMessage"] = [word]

    run = desk.accept()

    assert (run["status"], run["error"]["code"]) == ("needs_attention", code)
    assert advice in run["error"]["hint"]
    assert "<" not in run["error"]["title"] + run["error"]["hint"]
    assert desk.slack.posted == []
    assert desk.retry(run["id"])["status"] == "succeeded"
    assert len(desk.slack.posted) == 1


def test_a_missing_scope_is_named(desk: Any) -> None:
    desk.slack.scopes.discard("chat:write")

    run = desk.accept()

    assert (run["error"]["code"], "chat:write" in run["error"]["hint"]) == ("permission_missing", True)


def test_a_redirect_is_not_followed_with_the_token(desk: Any) -> None:
    desk.slack.trouble["chat.postMessage"] = [302]

    desk.accept()

    assert desk.slack.methods().count("chat.postMessage") == 1


@pytest.mark.parametrize(
    "base", ["https://slack.com.evil.example/api", "http://slack.com/api", "https://127.0.0.1.example/api", "nonsense"]
)
def test_the_token_is_sent_to_nobody_but_slack(desk: Any, monkeypatch: pytest.MonkeyPatch, base: str) -> None:
    monkeypatch.setenv("QWOTY_SLACK_API_BASE", base)

    run = desk.accept()

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "api_base_refused")


def test_a_file_is_uploaded_only_to_slack(desk: Any) -> None:
    desk.slack.origin = "http://127.0.0.1:9"

    run = desk.accept()

    assert run["status"] == "succeeded"
    assert "The PDF is not attached. Slack refused the request (upload_url)." in run["outcome"]["notes"]


def test_a_request_that_cannot_be_written_fails_and_is_no_outage(
    desk: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("QWOTY_SLACK_API_BASE", "https://a..slack.com/api")
        run = desk.accept()

    assert (run["status"], run["error"]["code"]) == ("failed", "request_unsent")
    assert "slack.request_unsent" in caplog.text and "Traceback" in caplog.text
    assert desk.retry(run["id"])["status"] == "succeeded"
    assert len(desk.slack.posted) == 1
