"""What webhooks keep of an integration is used only while it is so: who switches off or rolls a secret is obeyed at once.

Each change is made by another host on the same database, as by the command line beside ``serve``; some are made between
the moment when the plugin authenticates a webhook and the commit that stores it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from qwoty_integrations_host import WebhookEvent, WebhookRejected, WebhookRequest
from qwoty_integrations_host.engine.no_engine import NoEngine
from qwoty_integrations_host.errors import NotFound, PluginHangs
from qwoty_integrations_host.host import Host, create_host
from qwoty_integrations_host.store import secrets, webhooks


@pytest.fixture
def other(desk: Any) -> Iterator[Host]:
    """Another process on the same data."""
    host = create_host(desk.host.config, engine=NoEngine)
    yield host
    host.close()


class Hook:
    """An authentication by a kept secret, which notes its settings and does what a test wants done meanwhile."""

    def __init__(self) -> None:
        self.settings: list[dict[str, Any]] = []
        self.meanwhile: Callable[[Any], None] = lambda _: None

    def __call__(self, ctx: Any, request: WebhookRequest) -> WebhookEvent:
        self.settings.append(dict(ctx.settings))
        if ctx.secrets.get("hook") != request.header("X-Signature"):
            raise WebhookRejected("The signature is wrong.", code="wrong_signature")
        account = ctx.state.get("account")
        if account is not None:
            account["name"] += "!"  # its own copy
        self.meanwhile(ctx)
        body = json.loads(request.body)
        return WebhookEvent(body["id"], "thing.done", body, account=(account or {"name": ""})["name"])


@pytest.fixture
def hook(desk: Any) -> Hook:
    """The recorder's hook; one webhook has arrived, so something is kept."""
    desk.enable()
    ctx = desk.host.integrations.contexts.make("ws-1", "recorder", {})
    ctx.secrets.set("hook", "first secret")
    ctx.state.set("account", {"name": "acct"})
    found = Hook()
    desk.recorder.answers["authenticate_webhook"] = found
    assert deliver(desk, "evt_0") == "ignored"
    return found


def deliver(desk: Any, event_id: str, signature: str = "first secret") -> str:
    body = json.dumps({"id": event_id}).encode()
    request = WebhookRequest("right", body, {"X-Signature": signature})
    return str(desk.host.runs.webhooks.receive("ws-1", "recorder", request))


def stored(desk: Any) -> list[str]:
    with desk.host.store.read() as db:
        return sorted(row["id"] for row in webhooks.newest(db, "ws-1", result="verified", limit=50))


def once(work: Callable[[], object]) -> Callable[[Any], None]:
    done: list[bool] = []

    def only_once(_: Any) -> None:
        if not done:
            done.append(True)
            work()

    return only_once


def secret_of(host: Host) -> Any:
    return host.integrations.contexts.make("ws-1", "recorder", {}).secrets


def test_the_next_webhook_is_authenticated_by_what_is_kept(desk: Any, hook: Hook) -> None:
    assert [deliver(desk, "evt_1"), deliver(desk, "evt_1")] == ["ignored", "duplicate"]

    assert hook.settings[0] == hook.settings[1] == hook.settings[2]
    with desk.host.store.read() as db:
        accounts = {row["account"] for row in webhooks.newest(db, "ws-1", result="verified", limit=50)}
    assert accounts == {"acct!"}, "each call has a copy of its own"


def test_an_integration_that_was_switched_off_gets_no_call(desk: Any, hook: Hook, other: Host) -> None:
    other.settings.disable("ws-1", "recorder")

    with pytest.raises(NotFound):
        deliver(desk, "evt_1")

    assert stored(desk) == ["evt_0"]
    other.settings.enable("ws-1", "recorder")
    assert deliver(desk, "evt_1") == "ignored"


def test_an_integration_that_is_switched_off_meanwhile_stores_nothing(desk: Any, hook: Hook, other: Host) -> None:
    hook.meanwhile = once(lambda: other.settings.disable("ws-1", "recorder"))

    with pytest.raises(NotFound):
        deliver(desk, "evt_1")

    assert stored(desk) == ["evt_0"]


def test_a_secret_that_was_replaced_does_not_authenticate_any_more(desk: Any, hook: Hook, other: Host) -> None:
    secret_of(other).set("hook", "second secret")

    with pytest.raises(WebhookRejected):
        deliver(desk, "evt_1")
    assert deliver(desk, "evt_2", "second secret") == "ignored"

    assert stored(desk) == ["evt_0", "evt_2"]


def test_a_secret_that_is_replaced_meanwhile_does_not_authenticate_any_more(desk: Any, hook: Hook, other: Host) -> None:
    hook.meanwhile = once(lambda: secret_of(other).set("hook", "second secret"))

    with pytest.raises(WebhookRejected):
        deliver(desk, "evt_1")

    assert stored(desk) == ["evt_0"]
    assert [each["reason"] for each in refusals(desk)] == ["wrong_signature"]


def test_a_webhook_with_the_new_secret_is_taken_at_once(desk: Any, hook: Hook, other: Host) -> None:
    secret_of(other).set("hook", "second secret")

    assert deliver(desk, "evt_1", "second secret") == "ignored"

    assert refusals(desk) == []


def test_settings_that_were_saved_are_used_at_once(desk: Any, hook: Hook, other: Host) -> None:
    other.settings.save("ws-1", "recorder", {"mode": "fast"})

    assert deliver(desk, "evt_1") == "ignored"

    assert hook.settings[-1] == {**hook.settings[0], "mode": "fast"}


def test_a_value_of_the_state_that_was_changed_is_used_at_once(desk: Any, hook: Hook, other: Host) -> None:
    other.integrations.contexts.make("ws-1", "recorder", {}).state.set("account", {"name": "another"})

    assert deliver(desk, "evt_1") == "ignored"

    with desk.host.store.read() as db:
        newest = webhooks.find(db, "ws-1", "recorder", "evt_1")
    assert newest["account"] == "another!"


def test_a_secret_sealed_with_another_key_is_read_anew(desk: Any, hook: Hook, other: Host) -> None:
    with other.store.write() as db:
        secrets.reseal(db, other.vault, "ws-1", "recorder", "kept/hook")

    assert deliver(desk, "evt_1") == "ignored"


def test_a_hook_changes_nothing_because_of_what_is_kept(desk: Any, hook: Hook, other: Host) -> None:
    """It is called once more, with everything read anew, and what it found out by then is what it writes."""
    told = []

    def note(ctx: Any) -> None:
        told.append(ctx.state.get("told"))
        ctx.state.set("told", len(told))

    hook.meanwhile = note
    assert deliver(desk, "evt_1") == "ignored"

    assert told == [None, None], "the first call was cut short where it would have written"
    assert other.integrations.contexts.make("ws-1", "recorder", {}).state.get("told") == 2


def test_a_forged_webhook_is_counted_once_and_leaves_nothing(desk: Any, hook: Hook) -> None:
    with pytest.raises(WebhookRejected):
        deliver(desk, "evt_1", "forged")

    assert [(each["reason"], each["times"]) for each in refusals(desk)] == [("wrong_signature", 1)]
    assert stored(desk) == ["evt_0"]


def test_a_hook_that_hangs_is_not_called_a_second_time_for_the_same_webhook(
    desk: Any, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(*_: Any, **__: Any) -> Any:
        hook.settings.append({})
        raise PluginHangs("It hangs.", hint="Restart.")

    monkeypatch.setattr(desk.host.plugins.calls, "make", hang)
    before = len(hook.settings)

    with pytest.raises(PluginHangs):
        deliver(desk, "evt_1")

    assert len(hook.settings) == before + 1


def test_no_secret_is_kept_in_clear(desk: Any, hook: Hook) -> None:
    (kept,) = desk.host.runs.webhooks.kept._kept.values()

    assert "first secret" not in str((kept.reading.rows, kept.settings))
    assert desk.host.settings.effective("ws-1", "recorder")["token"] not in str((kept.reading.rows, kept.settings))


def refusals(desk: Any) -> list[dict[str, Any]]:
    desk.host.runs.webhooks.rejected.write_down()
    with desk.host.store.read() as db:
        return [dict(row) for row in webhooks.newest(db, "ws-1", result="refused", limit=50)]
