"""Each check of the suite fails for its own kind of fault, with an explanation, and for no other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

#: The minimal suite of an author.
BARE = """
import pytest
from qwoty_integrations_host.testing import PluginConformance

class TestWayward(PluginConformance):
    plugin_id = "wayward"

    @pytest.fixture
    def valid_settings(self):
        return {"address": "http://notes.invalid", "token": "tok_000000000000"}
"""
DERIVED = """
from qwoty_integrations_host.testing.derived import DerivedConformance

class TestWayward(DerivedConformance):
    plugin_id = "wayward"
"""
Checked = Callable[..., list[dict[str, str]]]


def test_a_plugin_that_keeps_the_contract_passes_every_check(checked: Checked) -> None:
    ends = checked()

    assert [end for end in ends if end["result"] not in {"passed", "not_checked"}] == []
    # The plugin is a folder on the path, not a wheel, so it has no list of files.
    assert [end["check"] for end in ends if end["result"] == "not_checked"] == ["what is installed is complete"]
    assert len(ends) > 35


Row = tuple[str, str, str]
#: Faults, the check that finds each, and its explanation. Faults that do not affect each other share a plugin.
FAULTS: dict[str, list[Row]] = {
    "what it says of itself": [
        ("old draft", "named_and_of_the_right_draft", "Its $schema is not"),
        ("nested", "schema_is_flat", "deep is an object that is no map"),
        ("open", "schema_is_closed", "takes settings that it does not know"),
        ("no description", "has_title_and_description", "loud has no description"),
        ("no default", "default_that_is_valid", "loud is optional and has no default"),
        ("plain secret", "secrets_are_marked", "token sounds like a secret"),
        ("anyOf", "of_the_plain_kind", "The schema says 'anyOf'"),
        ("shown by nothing", "shown_on_a_condition", "there is no setting volume"),
        ("no title", "manifest_says_who_it_is", "title is empty"),
        ("claims too little", "claims_it_implements", "does not claim 'webhooks'"),
    ],
    "how it judges settings": [
        ("breaks on loud", "no_combination_of_choices", "raised KeyError"),
        ("blames another", "blamed_on_their_field", "is blamed on token, not on address"),
        ("repeats values", "blamed_on_their_field", "repeats a value"),
    ],
    "when it asks": [
        ("asks while saving", "valid_settings_are_accepted", "The service does not answer"),
        ("fails for good", "service_that_is_away", "is failed"),
        ("previews by asking", "preview_touches_nothing", "The service does not answer"),
        ("always ok", "only_known_errors", "says that a key works"),
        ("never looks", "crash_before_any_checkpoint", "there are 2 effects and 0 mails; without one 1 and 0"),
        ("never looks", "renamed_step_has_no", "effects and 0 mails; else 1 and 0"),
        ("never confirms", "was_overtaken", "it went from 0 effects to 1."),
        ("asks at intake", "signed_webhook_is_taken", "The service does not answer"),
    ],
    "whom it believes and tells": [
        ("asks outside", "finished_step_is_never", "the network is asked again"),
        ("believes everybody", "forged_webhook", "A webhook with another body is answered"),
        ("numbers events", "repeated_webhook", "starts 1 runs"),
        ("refuses what is new", "unknown_event", "is answered 400"),
        ("logs the key", "secret_leaves_the_work", "stands in the log"),
        ("shows the key", "shown_by_a_connection_test", "check_connection gives back a secret: settings.token."),
    ],
    "what it keeps": [
        ("keeps the key", "secret_leaves_the_work", "it puts into its state a secret: settings.token."),
    ],
    "what a step gives back": [
        ("returns the key", "secret_leaves_the_work", "its step 'note' gives back a secret: settings.token."),
    ],
    "between releases": [
        ("draws a reference", "renamed_step_has_no", "and a release renames each step, there are 2 effects"),
    ],
    "between settings": [
        (
            "migrates wrongly",
            "earlier_releases_are_migrated",
            "settings that the schema refuses. loud: Has the wrong type.",
        ),
    ],
    "between settings, asking": [
        ("asks while migrating", "earlier_releases_are_migrated", "The service does not answer"),
    ],
    "a quote": [("gives up", "accepted_quote_is_worked", "is needs_attention: It is too late. [tired]")],
    "two workspaces": [("keeps settings", "sent_for_no_other", "is sent while the plugin works for another")],
}
#: The same for code that is appended to the plugin's module.
SOURCES: dict[str, list[Row]] = {
    "hooks": [
        ("HOOK_API = 0", "hosts_hook_api", "HOOK_API = 0; this host speaks 1"),
        ("HOOK_API = 0", "it_loads", "wayward 1.0 does not load (incompatible)"),
        ("@hookimpl\ndef on_quote_acepted(ctx): ...", "hooks_are_those", "There is no hook 'on_quote_acepted'"),
        (
            "@hookimpl(tryfirst=True)\ndef undo_quote(ctx, invoice, quote=None): ...",
            "hooks_are_those",
            "undo_quote asks for 'invoice'",
        ),
    ],
    "end": [("raise SystemExit(3)", "it_loads", "SystemExit: 3")],
    "slow": [
        (
            "import time\nbegan = time.process_time()\nwhile time.process_time() - began < 0.3: ...",
            "is_cheap",
            "ms of processor time",
        )
    ],
    "outside": [
        ("import requests", "no_sdk", "imports requests"),
        ("import os; os.environ.get('HOME')", "importing_it_touches", "reads HOME from the environment"),
        ("open('left_behind', 'w').close()", "importing_it_touches", "writes the file left_behind"),
        (
            "import socket\nwith socket.socket() as s: s.connect_ex(('127.0.0.1', 9))",
            "importing_it_touches",
            "the network",
        ),
    ],
}


def ended(ends: list[dict[str, str]], check: str) -> dict[str, str]:
    """The result of the only check whose name contains these words."""
    (end,) = (end for end in ends if check.replace("_", " ") in end["check"])
    return end


def that_find(rows: list[Row]) -> str:
    return " or ".join(check for _, check, _ in rows)


@pytest.mark.parametrize("rows", FAULTS.values(), ids=list(FAULTS))
def test_every_fault_of_a_plugin_is_found_and_explained(
    checked: Checked, rows: list[Row], subtests: pytest.Subtests
) -> None:
    ends = checked(that_find(rows), *(fault for fault, _, _ in rows))

    for fault, check, said in rows:
        with subtests.test(fault, check=check):
            end = ended(ends, check)
            assert end["result"] == "failed"
            assert said in end["what"]
            assert end["why"]
            assert end["mend"]


@pytest.mark.parametrize("rows", SOURCES.values(), ids=list(SOURCES))
def test_faults_of_a_module_are_found_before_its_hooks_are_called(
    checked: Checked, rows: list[Row], subtests: pytest.Subtests
) -> None:
    ends = checked(that_find(rows), source="\n".join(dict.fromkeys(source for source, _, _ in rows)))

    for source, check, said in rows:
        with subtests.test(source):
            end = ended(ends, check)
            assert (end["result"], said in end["what"]) == ("failed", True), end


def test_a_plugin_that_does_not_load_gets_no_further_checks(checked: Checked) -> None:
    ends = checked(source="raise RuntimeError('no')")

    failed = {end["check"] for end in ends if end["result"] == "failed"}
    assert failed == {
        "it loads",
        "importing it is cheap",
        "importing it imports no sdk and no http client",
        "importing it touches nothing",
    }
    assert "RuntimeError: no" in ended(ends, "importing_it_touches")["what"]
    assert all(
        "the plugin does not load" in end["what"]
        or "cannot be imported" in end["what"]
        or "no list of its files" in end["what"]
        for end in ends
        if end["result"] == "not_checked"
    )


def test_without_an_authors_suite_settings_are_generated_and_the_network_is_blocked(checked: Checked) -> None:
    # The checks of the import are the same with an author's suite.
    ends = checked("not importing", suite=DERIVED)

    assert [end for end in ends if end["result"] == "failed"] == []
    passed = {end["check"] for end in ends if end["result"] == "passed"}
    assert {
        "valid settings are accepted without network",
        "invalid settings are blamed on their field",
        "a service that is away lets the run wait",
        "no secret leaves the work on a quote",
    } <= passed
    assert "an accepted quote is worked" not in passed


def test_a_check_without_a_stand_in_is_reported_as_not_checked(checked: Checked) -> None:
    (end,) = checked("accepted_quote_is_worked", suite=BARE)

    assert end["result"] == "not_checked"
    assert "no fixture service" in end["what"]
