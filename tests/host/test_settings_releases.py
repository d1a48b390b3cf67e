"""A release of a plugin reads settings of another release: it migrates them, misses some, or finds newer ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from click.testing import CliRunner

from builders import a_quote
from qwoty_integrations_host import Outcome, PermanentError
from qwoty_integrations_host.cli import main
from qwoty_integrations_host.doctor import examine
from qwoty_integrations_host.errors import SettingsIncomplete
from qwoty_integrations_host.reports.previews import preview
from qwoty_integrations_host.store import runs as rows
from qwoty_integrations_host.store import tables as t
from qwoty_integrations_host.store.api_keys import create_api_key
from qwoty_integrations_host.web.app import create_app
from qwoty_integrations_host.web.sessions import login_link

TOKEN, CHANNEL = "key_Plain1234567890", {"type": "string", "title": "Channel", "pattern": "^#.+$"}
Desks = Callable[..., Any]


def release(fakes: Any, version: int, *, without: str = "", required: bool = False, **settings: Any) -> None:
    """Let the plugin of the next start read these settings, too."""
    schema = deepcopy(fakes.SCHEMA)
    schema["properties"] |= settings
    schema["required"] = [*(schema["required"] if without != "token" else []), *(settings if required else [])]
    schema["properties"].pop(without, None)
    fakes.released.update(settings_version=version, settings_schema=schema)


def renamed(_ctx: Any, given: tuple[dict[str, Any], int]) -> dict[str, Any]:
    settings, _ = given
    return {("api_key" if name == "token" else name): value for name, value in settings.items()}


def stored(desk: Any) -> tuple[Any, ...]:
    with desk.host.store.read() as db:
        row = db.execute(t.settings.select()).one()
        fields = db.execute(t.secrets.select().with_only_columns(t.secrets.c.field)).scalars().all()
    return row.document, row.version, sorted(fields)


def attempt_of(desk: Any, run: dict[str, Any]) -> int:
    """The current attempt of the run; for a waiting run, the attempt that comes next."""
    with desk.host.store.read() as db:
        return rows.require(db, run["id"]).attempt


@pytest.fixture
def before(desks: Desks) -> Any:
    """A desk of the first release with saved settings. The start of the next release closes it."""
    desk = desks()
    desk.enable(unit_tokens={"bu_1": "key_Unit1234567890"})
    return desk


@pytest.fixture
def restarted(desks: Desks, before: Any) -> Callable[[], Any]:
    def start() -> Any:
        before.host.close()
        return desks(public_url="http://localhost")

    return start


# -- migrated ------------------------------------------------------------------------------------------------


def test_settings_are_migrated_at_each_read_and_stored_at_the_next_save(
    restarted: Any, before: Any, fakes: Any
) -> None:
    old = stored(before)
    release(fakes, 3, without="token", required=True, api_key=fakes.SECRET)
    fakes.answers["migrate_settings"] = renamed
    desk = restarted()

    found = desk.host.settings.effective("ws-1", "recorder")
    assert (found["api_key"], found["unit_tokens"]) == (TOKEN, {"bu_1": "key_Unit1234567890"})
    assert "token" not in found
    assert stored(desk) == old
    assert desk.host.settings.show("ws-1", "recorder")["settings"]["api_key"] == {"set": True, "last4": "7890"}
    assert desk.accept()["status"] == "succeeded"

    desk.host.connections.save("ws-1", "recorder", {"mode": "fast"})
    document, version, fields = stored(desk)
    assert (document["mode"], version) == ("fast", 3)
    assert fields == ["settings/api_key", "settings/unit_tokens/bu_1"]
    fakes.calls.clear()
    assert desk.host.settings.effective("ws-1", "recorder")["api_key"] == TOKEN
    assert fakes.calls == []


def test_a_migration_gets_the_version_of_the_stored_settings(restarted: Any, fakes: Any) -> None:
    seen: list[Any] = []
    release(fakes, 2)
    fakes.answers["migrate_settings"] = lambda _, given: seen.append(given) or given[0]

    restarted().host.settings.effective("ws-1", "recorder")

    assert seen == [({"mode": "slow", "ratio": 1, "token": TOKEN, "unit_tokens": {"bu_1": "key_Unit1234567890"}}, 1)]


def test_a_secret_that_a_migration_forgets_is_kept(restarted: Any, fakes: Any) -> None:
    release(fakes, 2)
    fakes.answers["migrate_settings"] = lambda _, given: {"mode": given[0]["mode"]}

    found = restarted().host.settings.effective("ws-1", "recorder")

    assert (found["token"], found["unit_tokens"]) == (TOKEN, {"bu_1": "key_Unit1234567890"})


def test_a_setting_that_is_gone_needs_no_migration(restarted: Any, fakes: Any) -> None:
    release(fakes, 1, without="unit_tokens")
    desk = restarted()

    assert "unit_tokens" not in desk.host.settings.effective("ws-1", "recorder")
    assert desk.accept()["status"] == "succeeded"
    desk.host.connections.save("ws-1", "recorder", {"mode": "fast"})


def _raise(error: Exception) -> Any:
    raise error


BROKEN_MIGRATIONS: dict[str, tuple[Any, str]] = {
    "raises": (lambda _, given: given[0]["nothing"], "migrate_settings raised KeyError."),
    "refuses": (lambda _, __: _raise(PermanentError("Too old.")), "Too old."),
    "gives nothing": (lambda _, __: None, "migrate_settings did not return a dict of settings by name."),
    "is no JSON": (lambda _, __: {"mode": {1}}, "migrate_settings did not return"),
    "puts a secret in clear": (
        lambda _, given: {**given[0], "mode": given[0]["token"]},
        "It puts the secret token where it would be kept in clear.",
    ),
}


@pytest.mark.parametrize(("migrates", "said"), BROKEN_MIGRATIONS.values(), ids=list(BROKEN_MIGRATIONS))
def test_a_failed_migration_is_reported_and_keeps_the_stored_settings(
    restarted: Any, before: Any, fakes: Any, migrates: Any, said: str
) -> None:
    old = stored(before)
    release(fakes, 2)
    fakes.answers["migrate_settings"] = migrates
    desk = restarted()

    run = desk.accept()

    assert (run["status"], run["error"]["code"]) == ("waiting", "settings_not_migrated")
    assert said in run["error"]["title"]
    assert "Plain123" not in str(run)
    assert stored(desk) == old
    shown = desk.host.connections.show("ws-1", "recorder")
    assert (shown["status"], shown["problem"]["code"]) == ("settings_incomplete", "settings_not_migrated")

    # Another release corrects it, or a person enters the settings again.
    desk.host.connections.save("ws-1", "recorder", {"token": ""})
    desk.work()
    assert desk.run(run["id"])["status"] == "succeeded"


# -- incomplete ----------------------------------------------------------------------------------------------


@pytest.fixture
def incomplete(restarted: Any, fakes: Any) -> Any:
    """A desk whose plugin requires a new setting that nobody has entered yet."""
    release(fakes, 1, required=True, channel=CHANNEL)
    fakes.answers["on_quote_accepted"] = lambda ctx, _: Outcome.done(ctx.settings["channel"])
    return restarted()


def test_runs_wait_for_a_new_setting_and_go_on_once_it_is_saved(incomplete: Any) -> None:
    run = incomplete.accept()

    assert (run["status"], run["error"]["code"]) == ("waiting", "settings_incomplete")
    assert run["error"]["title"] == ("These settings of recorder are missing or do not fit fake-recorder 1.0: channel.")
    assert ("on_quote_accepted", "ws-1") not in incomplete.recorder.calls
    incomplete.clock.advance(30 * 24 * 3600)
    incomplete.work()
    assert incomplete.run(run["id"])["status"] == "waiting"

    incomplete.host.connections.save("ws-1", "recorder", {"channel": "#sales"})
    incomplete.work()

    ended = incomplete.run(run["id"])
    assert (ended["status"], ended["outcome"]["notes"]) == ("succeeded", ["#sales"])


def test_saving_wakes_the_runs_of_its_own_workspace_only(incomplete: Any) -> None:
    run = incomplete.accept()

    incomplete.host.connections.attempts.go_on("ws-2", "recorder", ["settings_incomplete"])
    incomplete.host.connections.attempts.go_on("ws-1", "second", ["settings_incomplete"])
    incomplete.host.connections.attempts.go_on("ws-1", "recorder", ["settings_newer"])

    assert attempt_of(incomplete, run) == 1 + 1


def test_runs_resume_at_the_start_of_a_release_that_fits_the_settings_again(
    incomplete: Any, fakes: Any, desks: Desks
) -> None:
    run = incomplete.accept()
    incomplete.host.close()
    fakes.released.clear()
    fakes.answers.clear()

    again = desks()
    again.work()

    assert again.run(run["id"])["status"] == "succeeded"


def test_an_alert_says_that_runs_wait_for_settings(incomplete: Any) -> None:
    incomplete.host.alert_recipients.replace("ws-1", {"mails": ["ana@seller.example"]})

    incomplete.accept()
    incomplete.accept(id="q-8")

    (alert,) = incomplete.host.alert_recipients.show("ws-1")["alerts"]
    assert (alert["type"], alert["code"]) == ("run.waits", "settings_incomplete")


def test_missing_settings_cause_one_alert_a_day_even_if_no_run_waits(incomplete: Any) -> None:
    incomplete.host.alert_recipients.replace("ws-1", {"mails": ["ana@seller.example"]})

    incomplete.host.upkeep.request_after_start()
    incomplete.host.upkeep.request_due()
    incomplete.accept()

    (alert,) = incomplete.host.alert_recipients.show("ws-1")["alerts"]
    assert (alert["type"], alert["code"]) == ("connection.needs_attention", "settings_incomplete")
    assert alert["command"] == "qwoty-host settings show ws-1 recorder"


def test_doctor_names_the_settings_that_are_missing(incomplete: Any) -> None:
    incomplete.accept()

    found = [f"{one.about}: {one.detail}" for one in examine(incomplete.host) if one.state == "failed"]

    missing = "These settings of recorder are missing or do not fit fake-recorder 1.0: channel."
    assert f"plugins: 1 run waits: {missing}" in found
    assert f"connections: ws-1, recorder: {missing}" in found


def test_the_api_reports_the_missing_setting_and_runs_resume_after_saving(incomplete: Any) -> None:
    with incomplete.host.store.write() as db:
        key = create_api_key(db, "ws-1", incomplete.clock.now())
    client, headers = create_app(incomplete.host).test_client(), {"Authorization": f"Bearer {key}"}
    place = "/v1/workspaces/ws-1/plugins/recorder"
    run = incomplete.accept()

    shown = client.get(f"{place}/settings", headers=headers).get_json()
    tested = client.post(f"{place}/connection/test", headers=headers)
    saved = client.put(f"{place}/settings", json={"channel": "#sales"}, headers=headers)
    incomplete.work()

    connection = shown["connection"]
    assert (connection["status"], connection["problem"]["code"]) == ("settings_incomplete", "settings_incomplete")
    assert (tested.status_code, tested.get_json()["code"]) == (409, "settings_incomplete")
    assert saved.status_code == 202
    assert client.get(f"{place}/settings", headers=headers).get_json()["connection"]["problem"] is None
    assert incomplete.run(run["id"])["status"] == "succeeded"


def test_the_console_reports_the_missing_setting_and_its_form_completes_it(incomplete: Any) -> None:
    client = create_app(incomplete.host).test_client()
    same = {"Sec-Fetch-Site": "same-origin"}
    client.post(login_link(incomplete.host, "ws-1", "admin"), headers=same)
    run = incomplete.accept()

    for page in ("/console/", "/console/integrations/recorder"):
        text = client.get(page, headers=same).text
        assert "Settings incomplete" in text, page
        assert "fake-recorder 1.0: channel." in text, page
    answer = client.post(
        "/console/integrations/recorder", data={"_shown": ["channel"], "channel": "#sales"}, headers=same
    )
    assert answer.status_code == 303, answer.text
    incomplete.work()
    assert incomplete.run(run["id"])["status"] == "succeeded"
    assert "Settings incomplete" not in client.get("/console/", headers=same).text


def test_enabling_over_http_names_the_setting_that_is_missing(desks: Desks, before: Any, fakes: Any) -> None:
    before.host.settings.disable("ws-1", "recorder")
    before.host.close()
    release(fakes, 1, required=True, channel=CHANNEL)
    desk = desks(public_url="http://localhost")
    with desk.host.store.write() as db:
        key = create_api_key(db, "ws-1", desk.clock.now())
    client, same = create_app(desk.host).test_client(), {"Sec-Fetch-Site": "same-origin"}

    told = client.post(
        "/v1/workspaces/ws-1/plugins/recorder/enable", json={}, headers={"Authorization": f"Bearer {key}"}
    )
    client.post(login_link(desk.host, "ws-1", "admin"), headers=same)
    page = client.post("/console/integrations/recorder/enable", headers=same)

    assert (told.status_code, [one["pointer"] for one in told.get_json()["errors"]]) == (422, ["/channel"])
    assert page.status_code == 422
    assert 'name="channel"' in page.text


def test_the_command_line_reports_the_missing_setting_and_runs_resume_after_saving(
    incomplete: Any, desks: Desks, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = incomplete.host.config.data_dir
    monkeypatch.setenv("QWOTY_PLUGINS_BLOCKED", ",".join(incomplete.host.config.plugins_blocked))
    run = incomplete.accept()

    def line(*words: str, typed: str = "") -> Any:
        return CliRunner().invoke(main, ["--data-dir", str(folder), *words], input=typed)

    listed = line("test-connection", "ws-1", "--last")
    shown = line("settings", "show", "ws-1", "recorder")
    tested = line("test-connection", "ws-1", "recorder")
    assert listed.exit_code == 1
    assert "settings incomplete" in listed.stdout
    assert "Complete and save its settings" in listed.stdout
    assert "Connection: settings incomplete, These settings of recorder are missing" in shown.stdout
    assert (tested.exit_code, "settings set ws-1 recorder --file F" in tested.stderr) == (3, True), tested.output

    saved = line("settings", "set", "ws-1", "recorder", "--file", "-", typed=json.dumps({"channel": "#sales"}))

    assert saved.exit_code == 0, saved.output
    assert attempt_of(incomplete, run) == 1 + 1 + 1


def test_a_webhook_is_answered_503_while_a_setting_is_missing(incomplete: Any) -> None:
    client = create_app(incomplete.host).test_client()

    answer = client.post("/webhooks/recorder/ws-1/right", data="{}", headers={"X-Signature": "signed"})

    assert (answer.status_code, answer.get_json()["code"]) == (503, "settings_incomplete")
    assert incomplete.count("webhook_deliveries") == 0


def test_read_only_features_work_without_the_plugins_settings(incomplete: Any) -> None:
    foretold = preview("ws-1", a_quote(), incomplete.host.integrations)

    assert foretold["previews"][0]["problems"][0]["code"] == "settings_incomplete"
    assert incomplete.host.upkeep.status("ws-1")["data"] == []
    assert incomplete.host.upkeep.request_due() == []
    assert incomplete.host.missing_webhooks.silent_accounts("ws-1") == []
    assert incomplete.host.runs.installments.request_due() == []


# -- of a newer release --------------------------------------------------------------------------------------


@pytest.fixture
def downgraded(restarted: Any, fakes: Any, desks: Desks) -> Any:
    """A desk whose settings were saved by a release with version 2 and are read by the one before."""
    release(fakes, 2, channel={**CHANNEL, "default": "#all"})
    desk = restarted()
    desk.host.connections.save("ws-1", "recorder", {"channel": "#sales"})
    desk.host.close()
    fakes.released.clear()
    return desks()


def test_settings_of_a_newer_release_stay_unchanged_and_runs_wait_for_that_release(
    downgraded: Any, fakes: Any, desks: Desks
) -> None:
    kept = stored(downgraded)
    run = downgraded.accept()

    assert (run["status"], run["error"]["code"]) == ("waiting", "settings_newer")
    with pytest.raises(SettingsIncomplete, match="saved by a newer release"):
        downgraded.host.connections.save("ws-1", "recorder", {"mode": "fast"})
    assert stored(downgraded) == kept
    assert downgraded.host.settings.show("ws-1", "recorder")["settings"]["token"]["set"]
    downgraded.host.close()
    release(fakes, 2, channel={**CHANNEL, "default": "#all"})
    again = desks()
    again.work()
    assert again.run(run["id"])["status"] == "succeeded"
    assert again.host.settings.effective("ws-1", "recorder")["channel"] == "#sales"


def test_settings_saved_by_an_earlier_host_have_the_first_version(downgraded: Any) -> None:
    with downgraded.host.store.write() as db:
        # The earlier host knows neither column.
        later = downgraded.clock.advance(60) or downgraded.clock.now()
        db.execute(t.settings.update().values(document={"mode": "fast"}, updated_at=later))

    assert downgraded.host.settings.effective("ws-1", "recorder")["mode"] == "fast"
