"""A key that Stripe refuses is not switched on: at the command line, by the HTTP API and on the page."""

from __future__ import annotations

from typing import Any

from builders import KEY, LINK
from console.conftest import Person, words
from stripe_simulator import DOCUMENTED_PERMISSIONS

REVOKED, NARROW = "rk_test_Revoked00000001", "rk_test_TooNarrow000001"
SETTINGS, ENABLE = "/plugins/stripe_invoice/settings", "/plugins/stripe_invoice/enable"
PAGE = "/console/integrations/stripe_invoice"


def ended(call: Any, answer: Any) -> Any:
    """The result of a test, read where its 202 says."""
    assert answer.status_code == 202, answer.text
    return call("GET", answer.headers["Location"].removeprefix("/v1/workspaces/ws-1")).json


def connection(call: Any) -> Any:
    return call("GET", "/plugins/stripe_invoice/connection").json


def is_on(bench: Any) -> bool:
    return bool(bench.host.settings.is_enabled("ws-1", "stripe_invoice"))


def live_key(bench: Any) -> str:
    return str(bench.host.settings.effective("ws-1", "stripe_invoice")["workspace_api_token"])


def test_a_refused_key_is_switched_on_only_by_an_explicit_choice(
    bench: Any, command: Any, call: Any, admin: Person
) -> None:
    bench.stripe.add_key(REVOKED, revoked=True)

    put = call("PUT", SETTINGS, {"workspace_api_token": REVOKED, **LINK})
    by_api = ended(call, call("POST", ENABLE))
    by_command = command("enable", "ws-1", "stripe_invoice")
    admin.post(f"{PAGE}/enable")

    assert (put.status_code, put.json["connection"]["status"]) == (200, "untested")
    assert (by_api["status"], by_api["error"]["code"]) == ("failed", "connection_refused")
    assert (by_api["error"]["title"], by_command.exit_code) == ("Stripe refused the key.", 2)
    assert "Stripe refused the key." in by_command.stderr
    assert "Switch on anyway" in admin.page(PAGE) and not is_on(bench)
    assert "Stripe refused the key." in words(admin.page("/console/"))
    assert command("test-connection", "ws-1", "stripe_invoice").exit_code == 1

    assert ended(call, call("POST", ENABLE, {"anyway": True}))["status"] == "succeeded" and is_on(bench)
    # A valid key, which the hint names, removes the problem.
    ended(call, call("PUT", SETTINGS, {"workspace_api_token": KEY, **LINK}))
    mended = connection(call)
    assert (mended["enabled"], mended["status"], mended["problem"]) == (True, "ok", None)
    assert "✓ On" in words(admin.page("/console/"))
    assert command("test-connection", "ws-1", "stripe_invoice", "--last").exit_code == 0


def test_saving_a_key_that_lacks_a_permission_is_reported(bench: Any, command: Any, call: Any) -> None:
    bench.stripe.add_key(NARROW, permissions=DOCUMENTED_PERMISSIONS - {"checkout_session_write"})
    call("PUT", SETTINGS, {"workspace_api_token": KEY, **LINK})
    ended(call, call("POST", ENABLE))
    assert connection(call)["status"] == "ok"
    wanted = {"workspace_api_token": NARROW, **LINK}

    by_api = ended(call, call("PUT", SETTINGS, wanted))["error"]
    by_command = command("settings", "set", "ws-1", "stripe_invoice", "--file", "-", given=wanted)

    assert (by_api["code"], by_command.exit_code) == ("connection_refused", 2)
    assert "tick Checkout Sessions: Write" in by_api["hint"]
    assert live_key(bench) == KEY
    # The same key is good enough for settings without a link.
    narrower = call("PUT", SETTINGS, {**wanted, "send_payment_link": False})
    assert ended(call, narrower)["status"] == "succeeded"
    assert ended(call, call("PUT", f"{SETTINGS}?anyway=true", wanted))["status"] == "succeeded"
    assert connection(call)["status"] == "needs_attention"
    assert command("test-connection", "ws-1", "stripe_invoice").exit_code == 1


def test_an_outage_of_stripe_does_not_stop_enabling_and_is_reported(
    bench: Any, command: Any, call: Any, admin: Person
) -> None:
    call("PUT", SETTINGS, {"workspace_api_token": KEY})
    bench.stripe.faults.add("cut_before", times=50)

    by_command = command("enable", "ws-1", "stripe_invoice")

    assert (by_command.exit_code, is_on(bench)) == (0, True)
    assert "Connection: not tested, " in by_command.stdout
    assert "On, not tested" in words(admin.page("/console/"))


def test_an_unclear_permission_does_not_stop_enabling_and_is_reported(bench: Any, command: Any, call: Any) -> None:
    bench.stripe.config.update(existence_before_permission=True)
    bench.stripe.add_key(NARROW, permissions=DOCUMENTED_PERMISSIONS)
    call("PUT", SETTINGS, {"workspace_api_token": NARROW})

    assert ended(call, call("POST", ENABLE))["status"] == "succeeded"
    tested = command("test-connection", "ws-1", "stripe_invoice")

    assert tested.exit_code == 0
    assert "What the workspace key may write could not be asked" in tested.stdout
