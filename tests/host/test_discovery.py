"""Discovery of plugins in fake distributions: each one gets a status, none stops the host, none leaks a secret."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from qwoty_integrations_host.errors import NotFound, PluginLoadError
from qwoty_integrations_host.plugins.manager import Plugins


@pytest.mark.parametrize(
    ("id", "state", "origin", "reason"),
    [
        ("recorder", "loaded", "fake-recorder 1.0", ""),
        ("second", "loaded", "fake-second 1.0", ""),
        ("slack", "loaded", "qwoty-slack 0.1.0", ""),
        ("stripe_invoice", "loaded", "qwoty-stripe-invoice 0.1.0", ""),
        ("import_error", "failed", "fake-import-error 1.0", "No module named 'a_module_that_is_not_there'"),
        ("exits", "failed", "fake-exits 1.0", "SystemExit: 3"),
        ("leaky", "failed", "fake-leaky 1.0", "RuntimeError: cannot log in with sk_…"),
        ("old_api", "incompatible", "fake-old-api 1.0", "hook API 1, the plugin 0"),
        ("typo_hook", "failed", "fake-typo-hook 1.0", "'on_quote_acepted': is it misspelt?"),
        ("unknown_argument", "failed", "fake-unknown-argument 1.0", "{'invoice'} are declared"),
        ("argument_default", "failed", "fake-argument-default 1.0", "default"),
        ("try_first", "failed", "fake-try-first 1.0", "tryfirst"),
        ("wrong_manifest", "failed", "fake-wrong-manifest 1.0", "must return a Manifest"),
        ("id_mismatch", "failed", "fake-id-mismatch 1.0", "'somebody_else'"),
        ("bad_schema", "failed", "fake-bad-schema 1.0", "objekt"),
        ("twin", "failed", "fake-twin-a and fake-twin-b 1.0 and 1.0", "Two distributions"),
        ("half_removed", "failed", None, "fake_gone"),
    ],
    ids=lambda found: found if isinstance(found, str) and " " not in found else None,
)
def test_every_plugin_gets_a_status_with_reason_and_origin(
    fakes: Any, id: str, state: str, origin: str | None, reason: str
) -> None:
    found = Plugins().status(id)

    assert found.state == state
    assert reason in found.reason
    assert bool(found.reason) == (state != "loaded")
    if origin:
        assert found.origin == origin


def test_broken_plugins_get_no_calls_and_do_not_disturb_the_others(fakes: Any) -> None:
    plugins = Plugins()

    assert plugins.loaded() == ("recorder", "second", "slack", "stripe_invoice")
    assert [status.id for status in plugins.statuses] == sorted(status.id for status in plugins.statuses)
    for status in plugins.statuses:
        if status.state != "loaded":
            assert not plugins.implements(status.id, "on_quote_accepted")
            with pytest.raises(NotFound) as refused:
                plugins.manifest(status.id)
            assert refused.value.hint == status.reason


def test_no_reason_holds_a_secret(fakes: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert "Canary" not in str(Plugins().statuses)


def test_a_blocked_plugin_is_never_imported(fakes: Any) -> None:
    plugins = Plugins(blocked=frozenset({"exits", "second", "leaky"}))

    assert "fake_exits" not in sys.modules
    assert "fake_second" not in sys.modules
    assert plugins.status("exits").state == "blocked"
    assert plugins.status("exits").origin == "fake-exits 1.0"
    assert "QWOTY_PLUGINS_BLOCKED" in plugins.status("exits").reason


def test_strict_mode_stops_the_start_and_names_every_broken_plugin(fakes: Any) -> None:
    with pytest.raises(PluginLoadError) as refused:
        Plugins(strict=True)

    broken = {status.id for status in refused.value.statuses}
    assert {"exits", "old_api", "twin"} <= broken
    assert not broken & {"recorder", "second", "slack", "stripe_invoice"}
    assert "fake-exits 1.0" in refused.value.title
    assert "Canary" not in refused.value.title


def test_strict_mode_ignores_blocked_plugins(fakes: Any) -> None:
    broken = frozenset(status.id for status in Plugins().statuses if status.state != "loaded")

    assert Plugins(strict=True, blocked=broken).loaded() == ("recorder", "second", "slack", "stripe_invoice")


def test_an_unknown_plugin_is_not_found(fakes: Any) -> None:
    with pytest.raises(NotFound):
        Plugins().status("nobody")


def test_two_hosts_in_one_process_share_nothing(fakes: Any) -> None:
    first, second = Plugins(), Plugins(blocked=frozenset({"recorder"}))

    assert "recorder" in first.loaded()
    assert "recorder" not in second.loaded()
