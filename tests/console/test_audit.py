"""The audit log: it is written together with each action, names who did it, and holds no values."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import qwoty_integrations_host
from console.conftest import words
from host.conftest import TOKEN
from qwoty_integrations_host.observability.actor import acting_as
from qwoty_integrations_host.reports.audit import list_audit
from qwoty_integrations_host.web.console import filters
from qwoty_integrations_host.workspaces import api_keys


def entries(admin: Any, action: str) -> list[tuple[str, str, list[str]]]:
    found = list_audit(admin.desk.host.store, "ws-1")["data"]
    return [(one["actor"], one["subject"], one["fields"]) for one in found if one["action"] == action]


def test_the_audit_log_names_the_settings_that_changed(admin: Any) -> None:
    with acting_as("somebody"):
        admin.desk.host.settings.save("ws-1", "recorder", {"token": TOKEN, "unit_tokens": {"bu_1": TOKEN}})
        admin.desk.clock.sleep(1)
        admin.desk.host.settings.save("ws-1", "recorder", {"mode": "fast", "unit_tokens": {"bu_1": "key_Another123"}})

    assert entries(admin, "settings.saved") == [
        ("somebody", "recorder", ["mode", "unit_tokens.bu_1"]),
        ("somebody", "recorder", ["token", "unit_tokens.bu_1"]),
    ]
    page = admin.page("/console/audit")
    assert "unit_tokens.bu_1" in page and TOKEN not in page and "fast" not in page


def test_the_console_names_the_session_that_acts(admin: Any) -> None:
    admin.desk.enable()

    admin.post("/console/integrations/recorder/disable")

    ((actor, subject, _),) = entries(admin, "integration.disabled")
    assert actor.startswith("console, session ") and actor.endswith("(admin)")
    assert subject == "recorder"


def test_the_api_names_the_key_that_acts(admin: Any) -> None:
    admin.desk.enable()
    made = api_keys.create(admin.desk.host.store, admin.desk.host.clock, "ws-1")

    answer = admin.client.post(
        "/v1/workspaces/ws-1/plugins/recorder/disable", headers={"Authorization": f"Bearer {made['key']}"}
    )

    assert answer.status_code == 200, answer.text
    assert entries(admin, "integration.disabled") == [(f"API key {made['id']}", "recorder", [])]


def test_a_refused_action_is_not_in_the_audit_log(admin: Any) -> None:
    admin.desk.enable()
    run = admin.desk.accept()

    assert admin.post(f"/console/runs/{run['id']}/retry").status_code == 409
    assert entries(admin, "run.retried") == []


def test_ended_sessions_and_old_audit_entries_are_pruned(admin: Any) -> None:
    host, clock = admin.desk.host, admin.desk.clock
    assert "Logged in" in words(admin.page("/console/audit"))

    clock.sleep(timedelta(days=2).total_seconds())
    soon = host.pruning.prune()
    clock.sleep(timedelta(days=400).total_seconds())
    later = host.pruning.prune()

    assert (soon["sessions"], soon["audit"]) == (1, 0)
    assert later["audit"] == 2


def test_every_action_that_is_noted_has_a_label() -> None:
    modules = Path(qwoty_integrations_host.__file__).parent.rglob("*.py")
    noted = {
        action
        for path in modules
        for action in re.findall(r'audit\.note\(\s*[^"]*?"([a-z_.]+)"', path.read_text("utf-8"))
    }

    assert noted == set(filters._ACTIONS)
