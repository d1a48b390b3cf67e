"""The settings of a platform: problems are reported by field, and secrets are shown once or never."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from qwoty_integrations_host.cli import main
from qwoty_integrations_host.errors import ActionRefused, InvalidInput, NotFound, SettingsError
from qwoty_integrations_host.plugins import manager

TOKEN = "qwt_prod_Secret0123456789"
QWOTY = {"platform": "qwoty", "base_url": "https://qwoty.example/api", "token": TOKEN}


@pytest.fixture
def platforms(bench: Any) -> Any:
    return bench.host.platforms


def test_a_platform_is_shown_without_its_token(platforms: Any) -> None:
    shown = platforms.save("ws-1", QWOTY)

    assert shown == {
        "workspace": "ws-1",
        "platform": "qwoty",
        "base_url": "https://qwoty.example/api",
        "token": {"set": True, "last4": "6789"},
        "accepted_event_types": ["quote.accepted"],
        "accepted_statuses": ["accepted", "won"],
        "cancelled_event_types": ["quote.canceled", "quote.cancelled", "quote.expired", "quote.lost"],
        "cancelled_statuses": ["canceled", "cancelled", "expired", "lost"],
        "signing_secrets": [],
        "retried": [],
    }
    assert platforms.show("ws-2")["platform"] == "standalone"


def test_the_default_base_url_is_that_of_qwoty(platforms: Any) -> None:
    assert platforms.save("ws-1", {"platform": "qwoty", "token": TOKEN})["base_url"] == "https://qwoty.app/api"


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"platform": "another"}, ["platform"]),
        ({"platform": None}, ["platform"]),
        ({"token": ""}, ["token"]),
        ({"token": "with a blank"}, ["token"]),
        ({"token": 7}, ["token"]),
        ({"base_url": "http://qwoty.example/api"}, ["base_url"]),
        ({"base_url": "https://user:word@qwoty.example"}, ["base_url"]),
        ({"base_url": "https://qwoty.example/api?a=b"}, ["base_url"]),
        ({"base_url": "https://[::1"}, ["base_url"]),
        ({"base_url": "https://qwoty.example:port"}, ["base_url"]),
        ({"base_url": "qwoty.example"}, ["base_url"]),
        ({"base_url": 7}, ["base_url"]),
        ({"accepted_event_types": []}, ["accepted_event_types"]),
        ({"accepted_event_types": ["quote.accepted", 7]}, ["accepted_event_types.1"]),
        ({"accepted_statuses": "accepted"}, ["accepted_statuses"]),
        ({"passwd": "x"}, ["passwd"]),
    ],
    ids=str,
)
def test_wrong_platform_settings_are_reported_by_field_and_not_stored(
    platforms: Any, changes: dict[str, Any], fields: list[str]
) -> None:
    with pytest.raises(SettingsError) as refused:
        platforms.save("ws-1", {**QWOTY, **changes})

    assert [problem.dotted for problem in refused.value.problems] == fields
    assert platforms.show("ws-1")["platform"] == "standalone"


def test_a_stored_token_is_kept_for_its_address_only(platforms: Any) -> None:
    platforms.save("ws-1", QWOTY)
    kept = {name: value for name, value in QWOTY.items() if name != "token"}

    assert platforms.save("ws-1", {**kept, "accepted_statuses": ["won"]})["token"]["set"]
    with pytest.raises(SettingsError) as refused:
        platforms.save("ws-1", {**kept, "base_url": "https://elsewhere.example/api"})

    assert [problem.dotted for problem in refused.value.problems] == ["token"]
    assert platforms.configurations.of("ws-1").base_url == QWOTY["base_url"]


def test_a_removed_platform_leaves_no_token_and_keeps_the_signing_secrets(bench: Any, platforms: Any) -> None:
    platforms.save("ws-1", QWOTY)
    platforms.add_signing_secret("ws-1")

    shown = platforms.remove("ws-1")

    assert (shown["platform"], len(shown["signing_secrets"])) == ("standalone", 1)
    with pytest.raises(SettingsError):
        platforms.save("ws-1", {"platform": "qwoty", "base_url": QWOTY["base_url"]})


def test_a_valid_signing_secret_of_the_platform_is_accepted(platforms: Any) -> None:
    theirs = "whsec_" + b64encode(b"x" * 24).decode()
    assert platforms.add_signing_secret("ws-1", theirs + "\n")["secret"] == theirs

    for wrong in ("whsec_", "whsec_AAAA", "whsec_!", theirs.removeprefix("whsec_"), "whsec_é"):
        with pytest.raises(InvalidInput):
            platforms.add_signing_secret("ws-1", wrong)


def test_the_number_of_signing_secrets_is_limited(platforms: Any) -> None:
    for _ in range(5):
        platforms.add_signing_secret("ws-1")

    with pytest.raises(ActionRefused):
        platforms.add_signing_secret("ws-1")


@pytest.mark.parametrize("ask", ["show", "remove", "add_signing_secret", "signing_secrets"])
def test_an_unknown_workspace_has_no_platform(platforms: Any, ask: str) -> None:
    with pytest.raises(NotFound):
        getattr(platforms, ask)("nowhere")


def test_no_plugin_can_use_the_id_of_the_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("platform", "a_module_that_is_not_there", manager.GROUP)
    monkeypatch.setattr(manager, "entry_points", lambda group: [point])

    (status,) = manager.Plugins().statuses

    assert (status.state, status.reason) == ("failed", "This id is the host's own.")


# -- the command line -------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Result]:
    def command(*words: str, input: str | None = None) -> Result:
        return CliRunner().invoke(main, ["--data-dir", str(tmp_path / "cli"), *words], input=input)

    command("workspace", "add", "acme")
    return command


def test_the_command_line_sets_shows_and_removes_a_platform(run: Callable[..., Result]) -> None:
    as_set = run("platform", "set", "acme", "--file", "-", "--json", input=json.dumps(QWOTY))
    shown = run("platform", "show", "acme")

    assert json.loads(as_set.stdout)["token"] == {"set": True, "last4": "6789"}
    assert "come from qwoty" in shown.stdout and "token: •••• 6789" in shown.stdout
    assert TOKEN not in as_set.output + shown.output
    assert "come from standalone" in run("platform", "remove", "acme").stdout


def test_the_command_line_names_the_field_that_is_wrong(run: Callable[..., Result]) -> None:
    refused = run("platform", "set", "acme", "--file", "-", input='{"platform": "qwoty"}')

    assert refused.exit_code == 3
    assert "token: This field is required." in refused.stderr


def test_the_command_line_shows_a_signing_secret_once(run: Callable[..., Result], tmp_path: Path) -> None:
    secret = run("platform", "signing-secret", "add", "acme").stdout.strip()
    listed = json.loads(run("platform", "signing-secret", "list", "acme", "--json").stdout)

    assert secret.startswith("whsec_")
    assert [one["last4"] for one in listed["data"]] == [secret[-4:]]
    assert secret not in run("platform", "signing-secret", "list", "acme").output
    assert run("platform", "signing-secret", "remove", "acme", listed["data"][0]["id"]).exit_code == 0
    assert run("platform", "signing-secret", "remove", "acme", listed["data"][0]["id"]).exit_code == 5


def test_the_command_line_does_not_repeat_a_secret_that_it_was_given(run: Callable[..., Result]) -> None:
    theirs = "whsec_" + b64encode(b"x" * 32).decode()

    taken = run("platform", "signing-secret", "add", "acme", "--file", "-", input=theirs)

    assert taken.exit_code == 0 and theirs not in taken.output
