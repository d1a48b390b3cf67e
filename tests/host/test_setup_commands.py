"""The commands that set a workspace up: integrations, workspaces, API keys, settings."""

from __future__ import annotations

import json

import pytest

from host.conftest import TOKEN, CommandLine, refused
from host_server import REAL


def test_plugins_are_listed_with_status_reason_and_distribution(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QWOTY_PLUGINS_BLOCKED", "exits, " + ", ".join(REAL))

    found = cli.ok("plugin", "list")

    items = {item["id"]: item for item in found["data"]}
    assert found["has_more"] is False
    shown = {"id", "status", "reason", "distribution", "version", "title", "description", "capabilities"}
    assert set(items["recorder"]) == shown | {"hooks", "hook_api", "import_ms", "settings_schema_id", "hanging"}
    assert items["recorder"]["status"] == "loaded"
    assert (items["exits"]["status"], items["typo_hook"]["status"]) == ("blocked", "failed")
    assert (items["exits"]["distribution"], items["exits"]["version"]) == ("fake-exits", "1.0")
    assert "typo_hook" in cli("plugin", "list").stdout


def test_workspaces_and_keys_are_made(cli: CommandLine) -> None:
    assert cli.ok("workspace", "add", "ws-1") == {"id": "ws-1", "added": True}
    assert cli.ok("workspace", "add", "ws-1") == {"id": "ws-1", "added": False}
    shown = cli("apikey", "create", "ws-1")
    assert shown.stdout.startswith("qwh_")
    assert "not shown again" in shown.stderr


def test_a_key_is_made_for_a_purpose_listed_without_its_secret_and_revoked(cli: CommandLine) -> None:
    cli.ok("workspace", "add", "ws-1")
    made = cli.ok("apikey", "create", "ws-1", "--name", "The CPQ", "--scope", "write", "--scope", "read")
    key = made.pop("key")

    assert (made["name"], made["scopes"], made["last_used_at"]) == ("The CPQ", ["read", "write"], None)
    assert cli.ok("apikey", "list", "ws-1") == {"data": [made], "has_more": False}
    assert cli.ok("apikey", "revoke", "ws-1", made["id"])["revoked_at"]
    plain = cli("apikey", "list", "ws-1").stdout
    assert "The CPQ" in plain and key not in plain


def test_an_unknown_scope_and_an_unknown_key_are_refused(cli: CommandLine) -> None:
    cli.ok("workspace", "add", "ws-1")

    refused = cli("apikey", "create", "ws-1", "--scope", "everything")

    assert (refused.exit_code, "scopes.0: Is none of read, write, admin." in refused.stderr) == (2, True)
    assert cli("apikey", "revoke", "ws-1", "00000000").exit_code == 5


def test_settings_are_set_shown_validated_and_switched(cli: CommandLine) -> None:
    cli.ok("workspace", "add", "ws-1")
    path = cli.file({"token": TOKEN})

    assert cli.ok("settings", "validate", "recorder", "--file", path) == {"valid": True, "problems": []}
    shown = cli.ok("settings", "set", "ws-1", "recorder", "--file", "-", given=json.dumps({"token": TOKEN}))
    assert shown["settings"]["token"] == {"set": True, "last4": "7890"}
    assert (shown["connection"]["status"], shown["connection"]["checked_at"]) == ("untested", None)
    assert cli.ok("settings", "show", "ws-1", "recorder") == shown
    assert cli.ok("enable", "ws-1", "recorder")["enabled"] is True
    assert cli.ok("disable", "ws-1", "recorder") == {"workspace": "ws-1", "plugin": "recorder", "enabled": False}
    plain = cli("settings", "show", "ws-1", "recorder").stdout
    assert "•••• 7890" in plain and TOKEN not in plain


def test_invalid_settings_exit_3_and_name_the_field(cli: CommandLine) -> None:
    cli.ok("workspace", "add", "ws-1")
    path = cli.file({"token": "key-CanaryABCDEFGH99"})

    for words in (("set", "ws-1", "recorder"), ("validate", "recorder")):
        said = refused(cli("settings", *words, "--file", path), 3)
        assert "token: Enter a key" in said
        assert "Canary" not in said
    assert "token" in refused(cli("enable", "ws-1", "recorder"), 3)
    found = cli("settings", "validate", "recorder", "--file", path, "--json")
    assert found.exit_code == 3
    assert json.loads(found.stdout)["problems"][0]["path"] == ["token"]
