"""Testing a connection, and how it is marked when a run was refused, until a test succeeds."""

from __future__ import annotations

from typing import Any

import pytest

from builders import a_quote
from qwoty_integrations_host import (
    ConnectionReport,
    ConnectionRequest,
    CredentialsError,
    KeyReport,
    Outcome,
    RetryableError,
    RightReport,
    ServiceStatus,
)
from qwoty_integrations_host.errors import ActionRefused, NotFound


def a_key(status: str = "ok", **changes: Any) -> KeyReport:
    words = {"code": "c", "title": f"It is {status}.", "hint": "Mend it."} if status != "ok" else {}
    place = {"label": "token", "last4": "7890", "mode": "test", "account": "main"}
    return KeyReport(**{**place, **words, "status": status, **changes})


def finds(desk: Any, *keys: KeyReport, notes: tuple[str, ...] = ()) -> None:
    desk.recorder.answers["check_connection"] = lambda ctx, _: ConnectionReport(keys, notes)


def refused(ctx: Any, quote: Any) -> Outcome:
    raise CredentialsError("The key is refused.", hint="Enter another one.")


@pytest.fixture
def saved(desk: Any) -> Any:
    """A desk with settings that were saved and not yet switched on."""
    desk.host.settings.save("ws-1", "recorder", {"token": "key_Plain1234567890"})
    finds(desk, a_key())
    return desk


def test_(desk: Any) -> dict[str, Any]:
    return desk.host.connections.test("ws-1", "recorder")


def show(desk: Any) -> dict[str, Any]:
    return desk.host.connections.show("ws-1", "recorder")


test_.__test__ = False  # type: ignore[attr-defined]


# -- the hooks ---------------------------------------------------------------------------------------------


def test_hook_check_connection_gets_the_saved_settings_before_they_are_enabled(saved: Any) -> None:
    seen: list[tuple[str, ConnectionRequest]] = []

    def check(ctx: Any, request: ConnectionRequest) -> ConnectionReport:
        seen.append((ctx.settings["token"], request))
        return ConnectionReport((a_key(rights=(RightReport("Things", "Read", "unclear"),)),), ("A note.",))

    saved.recorder.answers["check_connection"] = check

    found = test_(saved)

    assert seen == [("key_Plain1234567890", ConnectionRequest({}))]
    assert (found["status"], found["enabled"], found["notes"]) == ("ok", False, ["A note."])
    (key,) = found["keys"]
    assert key["rights"] == [{"resource": "Things", "access": "Read", "status": "unclear"}]
    assert found == show(saved)


def test_it_is_told_which_business_units_recent_quotes_have(saved: Any) -> None:
    for number, unit in enumerate([{"id": "bu_2", "name": "Two"}, {"id": "bu_1"}, None, {"id": "bu_2", "name": "Two"}]):
        saved.host.runs.accept("ws-1", a_quote(id=f"q-{number}", business_unit=unit))
    seen: list[ConnectionRequest] = []
    saved.recorder.answers["check_connection"] = lambda ctx, request: seen.append(request) or ConnectionReport(())

    test_(saved)

    assert seen == [ConnectionRequest({"bu_1": "bu_1", "bu_2": "Two"})]


@pytest.mark.parametrize("answer", [None, ConnectionReport(("a key",)), ConnectionReport((a_key("fine"),))])  # type: ignore[arg-type]
def test_a_report_that_breaks_the_contract_is_the_plugins_bug_and_changes_nothing(saved: Any, answer: Any) -> None:
    saved.recorder.answers["check_connection"] = lambda ctx, _: answer

    with pytest.raises(Exception, match="has a bug"):
        test_(saved)
    assert show(saved)["status"] == "untested"


def test_hook_service_status_is_asked_without_workspace_or_settings(desk: Any) -> None:
    seen: list[Any] = []
    answer = ServiceStatus(reachable=False, ms=3, detail="No route.")
    desk.recorder.answers["service_status"] = lambda ctx, _: seen.append((ctx.workspace, ctx.settings)) or answer

    found = desk.host.connections.services()

    assert seen == [("", {})]
    assert found == {"data": [{"plugin": "recorder", "reachable": False, "ms": 3, "detail": "No route."}]}


def test_a_service_whose_plugin_fails_is_said_to_be_away(desk: Any) -> None:
    def fail(ctx: Any, _: Any) -> ServiceStatus:
        raise RetryableError("It took too long.")

    desk.recorder.answers["service_status"] = fail

    assert desk.host.connections.services()["data"][0]["detail"] == "It took too long."


# -- what is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", ["test", "show"])
@pytest.mark.parametrize("place", [("nowhere", "recorder"), ("ws-1", "nobody"), ("ws-2", "recorder")])
def test_without_workspace_plugin_or_settings_there_is_nothing_to_test(saved: Any, act: str, place: Any) -> None:
    with pytest.raises(NotFound):
        getattr(saved.host.connections, act)(*place)


def test_a_plugin_that_cannot_be_tested_says_so(desk: Any) -> None:
    desk.enable(plugin="second")

    with pytest.raises(ActionRefused, match="cannot be tested"):
        desk.host.connections.test("ws-1", "second")
    assert desk.host.connections.show("ws-1", "second")["status"] == "untested"


# -- how it is marked --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "status"),
    [
        ([], "ok"),
        (["ok", "ok"], "ok"),
        (["ok", "missing"], "needs_attention"),
        (["missing", "refused"], "needs_attention"),
        (["ok", "unreachable"], "unreachable"),
        (["unreachable", "missing"], "needs_attention"),
    ],
)
def test_the_worst_key_decides(saved: Any, keys: list[str], status: str) -> None:
    finds(saved, *map(a_key, keys))

    found = test_(saved)

    assert found["status"] == status
    if status == "needs_attention":
        worst = "refused" if "refused" in keys else "missing"
        assert found["problem"]["title"] == f"It is {worst}."
        assert found["problem"]["run_id"] is None
