"""Settings: saved as a whole, secrets stored separately and never repeated, and only valid settings can be enabled."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from postgresql import until_it_ends_or_waits
from qwoty_integrations_host import SettingsProblem
from qwoty_integrations_host.errors import InvalidInput, NotFound, SettingsError
from qwoty_integrations_host.store import settings as table

TOKEN = "key_Plain1234567890"
OTHER = "key_Other1234567890"
CANARY = "key_CanaryABCDEFGH99"


def save(desk: Any, workspace: str = "ws-1", **settings: Any) -> Any:
    return desk.host.settings.save(workspace, "recorder", settings)


def effective(desk: Any, workspace: str = "ws-1") -> Any:
    return desk.host.settings.effective(workspace, "recorder")


def test_absent_settings_take_their_defaults_before_validation(desk: Any) -> None:
    save(desk, token=TOKEN)

    assert effective(desk) == {"mode": "slow", "ratio": 1, "token": TOKEN}


def test_saving_replaces_the_document(desk: Any) -> None:
    save(desk, token=TOKEN, mode="fast", ratio=3)

    save(desk, token=TOKEN, ratio=2)

    assert effective(desk) == {"mode": "slow", "ratio": 2, "token": TOKEN}


@pytest.mark.parametrize("given", [{}, {"token": ""}, {"token": "   "}], ids=["omitted", "empty", "blank"])
def test_an_omitted_secret_keeps_its_stored_value(desk: Any, given: dict[str, Any]) -> None:
    save(desk, token=TOKEN)

    save(desk, **given)

    assert effective(desk)["token"] == TOKEN


@pytest.fixture
def shared(desks: Any, postgresql: str) -> Any:
    return desks(shared_database=postgresql)


@pytest.fixture
def meanwhile(postgresql: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], threading.Thread]:
    """A function that starts an action in another thread right before the next write of settings."""
    replace = table.replace

    def begin(work: Callable[[], object]) -> threading.Thread:
        other = threading.Thread(target=work)

        def replace_meanwhile(*given: Any) -> None:
            if other.ident is None:
                other.start()
                until_it_ends_or_waits(other, postgresql)
            replace(*given)

        monkeypatch.setattr(table, "replace", replace_meanwhile)
        return other

    return begin


def test_two_simultaneous_saves_do_not_restore_a_replaced_secret(shared: Any, meanwhile: Any) -> None:
    save(shared, token=TOKEN)
    other = meanwhile(lambda: save(shared, token=OTHER))

    save(shared, mode="fast")
    other.join()

    assert effective(shared)["token"] == OTHER


def test_enabling_without_settings_keeps_settings_that_are_saved_at_the_same_time(shared: Any, meanwhile: Any) -> None:
    other = meanwhile(lambda: shared.host.settings.save("ws-1", "second", {"a": 1}))

    shared.host.settings.enable("ws-1", "second")
    other.join()

    assert shared.host.settings.effective("ws-1", "second") == {"a": 1}


def test_null_removes_a_secret_and_a_required_secret_is_then_missing(desk: Any) -> None:
    save(desk, token=TOKEN, unit_tokens={"bu_1": OTHER})

    with pytest.raises(SettingsError) as refused:
        save(desk, token=None)

    assert [problem.dotted for problem in refused.value.problems] == ["token"]
    assert effective(desk)["token"] == TOKEN, "a refusal changes nothing"


@pytest.mark.parametrize(
    ("given", "rows"),
    [
        ({}, {"bu_1": TOKEN, "bu_2": OTHER}),
        ({"unit_tokens": {}}, {"bu_1": TOKEN, "bu_2": OTHER}),
        ({"unit_tokens": {"bu_1": ""}}, {"bu_1": TOKEN, "bu_2": OTHER}),
        ({"unit_tokens": {"bu_1": OTHER}}, {"bu_1": OTHER, "bu_2": OTHER}),
        ({"unit_tokens": {"bu_1": None}}, {"bu_2": OTHER}),
        ({"unit_tokens": {"bu_1": None, "bu_2": None}}, None),
        ({"unit_tokens": None}, None),
        ({"unit_tokens": {"bu_3": TOKEN}}, {"bu_1": TOKEN, "bu_2": OTHER, "bu_3": TOKEN}),
        ({"unit_tokens": {"bu/4": TOKEN}}, {"bu_1": TOKEN, "bu_2": OTHER, "bu/4": TOKEN}),
    ],
    ids=["omitted", "empty map", "empty row", "new value", "null row", "all rows", "null map", "new row", "slash"],
)
def test_rows_of_a_map_of_secrets_are_kept_replaced_and_removed_one_by_one(
    desk: Any, given: dict[str, Any], rows: dict[str, str] | None
) -> None:
    save(desk, token=TOKEN, unit_tokens={"bu_1": TOKEN, "bu_2": OTHER})

    save(desk, **given)

    assert effective(desk).get("unit_tokens") == rows


def test_blanks_around_values_and_names_are_dropped(desk: Any) -> None:
    save(desk, token=f" {TOKEN}\n", unit_tokens={" bu_1 ": f"{OTHER}\t"})

    assert effective(desk) == {"mode": "slow", "ratio": 1, "token": TOKEN, "unit_tokens": {"bu_1": OTHER}}


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"token": "wrong " + CANARY}, "token"),
        ({"token": 7}, "token"),
        ({"token": {"value": CANARY}}, "token"),
        ({"token": TOKEN, "mode": CANARY}, "mode"),
        ({"token": TOKEN, "ratio": CANARY}, "ratio"),
        ({"token": TOKEN, "unit_tokens": {"bu_1": "wrong " + CANARY}}, "unit_tokens.bu_1"),
        ({"token": TOKEN, "unit_tokens": {f"a b{CANARY}": TOKEN}}, "unit_tokens.row 1"),
        ({"token": TOKEN, "unit_tokens": {"bu_1": TOKEN, "sk_test_Canary01": "x"}}, "unit_tokens.row 2"),
        ({"token": TOKEN, "unit_tokens": {"sk_test_Canary01": TOKEN}}, "unit_tokens.row 1"),
        ({"token": TOKEN, "unit_tokens": [CANARY]}, "unit_tokens"),
        ({"token": TOKEN, CANARY: True}, "(document)"),
        ({"mode": "fast"}, "token"),
    ],
    ids=str,
)
def test_a_message_names_the_field_and_never_repeats_the_value(desk: Any, given: Any, where: str) -> None:
    with pytest.raises(SettingsError) as refused:
        desk.host.settings.save("ws-1", "recorder", given)

    assert [problem.dotted for problem in refused.value.problems] == [where]
    said = "".join(f"{p.dotted}{p.message}" for p in refused.value.problems) + str(refused.value)
    assert "Canary" not in said
    assert desk.count("settings") == desk.count("secrets") == 0


def test_the_plugins_own_messages_and_checks_are_used(desk: Any) -> None:
    with pytest.raises(SettingsError) as refused:
        save(desk, token="x")
    assert refused.value.problems[0].message == "Enter a key: it starts with key_."
    desk.recorder.answers["validate_settings"] = lambda _ctx, _given: [SettingsProblem(("mode",), "Not today.")]

    with pytest.raises(SettingsError) as refused:
        save(desk, token=TOKEN)

    assert [(p.dotted, p.message) for p in refused.value.problems] == [("mode", "Not today.")]


@pytest.mark.parametrize("given", [[], "text", None, 7], ids=repr)
def test_settings_that_are_no_object_are_refused(desk: Any, given: Any) -> None:
    with pytest.raises(InvalidInput):
        desk.host.settings.save("ws-1", "recorder", given)


def test_a_number_from_a_file_is_kept_as_a_number(desk: Any) -> None:
    from qwoty_integrations_host.contract.exact_json import parse_json

    desk.host.settings.save("ws-1", "recorder", parse_json(f'{{"token": "{TOKEN}", "ratio": 0.5}}'))

    assert effective(desk)["ratio"] == 0.5


def test_secrets_are_nowhere_in_the_files_of_the_host(desk: Any) -> None:
    save(desk, token=CANARY, unit_tokens={"bu_1": CANARY + "x"})
    desk.host.integrations.contexts.make("ws-1", "recorder", {}).secrets.set("webhook", CANARY)

    folder: Path = desk.host.config.data_dir
    files = [path for path in folder.rglob("*") if path.is_file()]

    assert {"host.sqlite3", "host.sqlite3-wal", "keys"} <= {path.name for path in files}
    assert [path.name for path in files if CANARY.encode() in path.read_bytes()] == []
    assert desk.host.integrations.contexts.make("ws-1", "recorder", {}).secrets.get("webhook") == CANARY


@pytest.mark.parametrize("settings", [None, {"mode": "fast"}], ids=["none", "never saved"])
def test_enabling_without_valid_settings_is_refused(desk: Any, settings: Any) -> None:
    if settings:
        with pytest.raises(SettingsError):
            save(desk, **settings)

    with pytest.raises(SettingsError) as refused:
        desk.host.settings.enable("ws-1", "recorder")

    assert [problem.dotted for problem in refused.value.problems] == ["token"]
    assert not desk.host.settings.is_enabled("ws-1", "recorder")


def test_a_plugin_that_needs_no_settings_can_be_enabled_at_once(desk: Any) -> None:
    desk.host.settings.enable("ws-1", "second")

    assert desk.host.settings.enabled_plugins("ws-1") == ("second",)


def test_saving_neither_enables_nor_disables_an_integration(desk: Any) -> None:
    desk.enable()

    save(desk, mode="fast")

    assert desk.host.settings.is_enabled("ws-1", "recorder")
    desk.host.settings.disable("ws-1", "recorder")
    save(desk, mode="slow")
    assert not desk.host.settings.is_enabled("ws-1", "recorder")


def test_shown_settings_hold_masks_instead_of_secrets(desk: Any) -> None:
    shown = save(desk, token=CANARY, unit_tokens={"bu_1": OTHER, "bu_2": "key_short"})

    assert shown == {
        "workspace": "ws-1",
        "plugin": "recorder",
        "enabled": False,
        "settings": {
            "mode": "slow",
            "ratio": 1,
            "token": {"set": True, "last4": "GH99"},
            "unit_tokens": {"bu_1": {"set": True, "last4": "7890"}, "bu_2": {"set": True, "last4": ""}},
        },
    }
    assert desk.host.settings.show("ws-1", "recorder") == shown


def test_a_workspace_does_not_see_the_settings_of_another(desk: Any) -> None:
    save(desk, token=CANARY, unit_tokens={"bu_1": CANARY})
    desk.enable("ws-2", token=TOKEN)
    seen: list[Any] = []
    desk.recorder.answers["on_quote_accepted"] = lambda ctx, _q: seen.append(dict(ctx.settings))

    desk.accept("ws-2")

    assert seen == [{"mode": "slow", "ratio": 1, "token": TOKEN}]
    assert "Canary" not in str(desk.host.settings.show("ws-2", "recorder"))


@pytest.mark.parametrize(
    ("workspace", "plugin"),
    [("unknown", "recorder"), ("ws-1", "unknown"), ("ws-1", "exits")],
    ids=["workspace", "plugin", "plugin that did not load"],
)
@pytest.mark.parametrize("call", ["save", "show", "enable"])
def test_unknown_workspaces_and_plugins_are_not_found(desk: Any, call: str, workspace: str, plugin: str) -> None:
    given = [{"token": TOKEN}] if call == "save" else []

    with pytest.raises(NotFound):
        getattr(desk.host.settings, call)(workspace, plugin, *given)


def test_a_plugin_may_keep_state_while_its_settings_are_validated(desk: Any) -> None:
    desk.recorder.answers["validate_settings"] = lambda ctx, _given: ctx.state.set("seen", True) or []

    save(desk, token=TOKEN)

    assert desk.host.integrations.contexts.make("ws-1", "recorder", {}).state.get("seen") is True
