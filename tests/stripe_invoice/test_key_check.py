"""Test connection: what each key may do, found out without any effect at Stripe."""

from __future__ import annotations

from typing import Any

import pytest

from builders import EMAIL, KEY, LINK, LIVE, RESTRICTED, UNIT_1, UNIT_2, the_example
from stripe_simulator import DOCUMENTED_PERMISSIONS

ALWAYS = ["Customers", "Invoices", "Invoice items", "Tax Rates"]
FOR_LINKS = [*ALWAYS, "Checkout Sessions", "Webhook Endpoints"]


def saved(bench: Any, **settings: Any) -> None:
    bench.host.settings.save("ws-1", "stripe_invoice", {"workspace_api_token": KEY, **settings})


def ask(bench: Any, **settings: Any) -> dict[str, Any]:
    """Save the settings and test them."""
    saved(bench, **settings)
    found: dict[str, Any] = bench.host.connections.test("ws-1", "stripe_invoice")
    return found


def the_key(bench: Any, **settings: Any) -> dict[str, Any]:
    (key,) = ask(bench, **settings)["keys"]
    return key


def rights(key: dict[str, Any]) -> dict[str, str]:
    return {f"{right['resource']}: {right['access']}": right["status"] for right in key["rights"]}


# -- keys that work ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "resources"), [({}, ALWAYS), (EMAIL, ALWAYS), (LINK, FOR_LINKS)], ids=["draft", "e-mail", "link"]
)
@pytest.mark.parametrize("key", [KEY, RESTRICTED], ids=["secret", "restricted"])
def test_a_key_with_the_documented_permissions_works(
    bench: Any, key: str, settings: dict[str, Any], resources: list[str]
) -> None:
    bench.stripe.add_key(RESTRICTED, permissions=DOCUMENTED_PERMISSIONS)

    found = ask(bench, **settings, workspace_api_token=key)

    assert (found["status"], found["problem"], found["notes"]) == ("ok", None, [])
    (row,) = found["keys"]
    assert (row["label"], row["mode"], row["last4"], row["title"]) == ("workspace key", "test", "0001", "")
    assert list(dict.fromkeys(right["resource"] for right in row["rights"])) == resources
    assert set(rights(row).values()) == {"ok"}


def test_a_test_of_the_connection_leaves_nothing_at_stripe(bench: Any) -> None:
    ask(bench, **LINK)

    kinds = ("customers", "invoices", "items", "tax_rates", "sessions", "endpoints", "events")
    assert [kind for kind in kinds if bench.stripe.objects(kind)] == []
    asked = {request.path for request in bench.stripe.requests}
    assert not {"/v1/account", "/v1/balance"} & asked


def test_only_the_last_four_characters_of_the_key_are_shown(bench: Any) -> None:
    found = ask(bench, **LINK)

    assert KEY not in repr(found)
    assert found["keys"][0]["last4"] == KEY[-4:]


# -- keys that lack a right --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("without", "missing", "tick"),
    [
        ({"customer_write"}, ["Customers: Write"], "Customers: Write"),
        ({"customer_read", "customer_write"}, ["Customers: Read", "Customers: Write"], "Customers: Write"),
        ({"invoice_item_write"}, ["Invoice items: Write"], "Invoice items: Write"),
        ({"tax_rate_write"}, ["Tax Rates: Write"], "Tax Rates: Write"),
        (
            {"checkout_session_write"},
            ["Checkout Sessions: Read", "Checkout Sessions: Write"],
            "Checkout Sessions: Write",
        ),
        (
            {"webhook_write", "invoice_write"},
            ["Invoices: Write", "Webhook Endpoints: Write"],
            "Invoices: Write, Webhook",
        ),
    ],
    ids=lambda value: "+".join(sorted(value)) if isinstance(value, set) else "",
)
def test_a_missing_permission_is_named_with_the_box_to_tick(
    bench: Any, without: set[str], missing: list[str], tick: str
) -> None:
    bench.stripe.add_key(RESTRICTED, permissions=DOCUMENTED_PERMISSIONS - without)

    found = ask(bench, **LINK, workspace_api_token=RESTRICTED)

    (key,) = found["keys"]
    assert key["status"] == "missing"
    assert [right for right, status in rights(key).items() if status == "missing"] == missing
    assert f"tick {tick}" in key["hint"]
    assert (found["status"], found["problem"]["code"]) == ("needs_attention", "permission_missing")


def test_a_permission_that_the_settings_do_not_need_is_not_tested(bench: Any) -> None:
    bench.stripe.add_key(RESTRICTED, permissions=DOCUMENTED_PERMISSIONS - {"checkout_session_write", "webhook_write"})

    assert the_key(bench, **EMAIL, workspace_api_token=RESTRICTED)["status"] == "ok"


def test_write_permissions_are_unclear_where_stripe_checks_existence_first(bench: Any) -> None:
    bench.stripe.config.update(existence_before_permission=True)
    bench.stripe.add_key(RESTRICTED, permissions=DOCUMENTED_PERMISSIONS - {"tax_rate_write"})

    found = ask(bench, workspace_api_token=RESTRICTED)

    by_access = {right["access"]: right["status"] for right in found["keys"][0]["rights"]}
    assert by_access == {"Read": "ok", "Write": "unclear"}
    assert found["status"] == "ok"
    (note,) = found["notes"]
    assert note.startswith("What the workspace key may write could not be asked: Stripe looks for the object before")


def test_a_missing_read_permission_means_a_missing_write_permission(bench: Any) -> None:
    bench.stripe.config.update(existence_before_permission=True)
    less = DOCUMENTED_PERMISSIONS - {"tax_rate_read", "tax_rate_write"}
    bench.stripe.add_key(RESTRICTED, permissions=less)

    found = rights(the_key(bench, workspace_api_token=RESTRICTED))

    assert (found["Tax Rates: Read"], found["Tax Rates: Write"]) == ("missing", "missing")
    assert found["Customers: Write"] == "unclear"


# -- refused keys and outages of Stripe ------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "title"),
    [({"revoked": True}, "Stripe refused the key."), ({"expired": True}, "The Stripe key has expired.")],
    ids=["revoked", "expired"],
)
def test_a_refused_key_is_one_row_without_permissions(bench: Any, how: dict[str, bool], title: str) -> None:
    bench.stripe.add_key(RESTRICTED, **how)

    found = ask(bench, workspace_api_token=RESTRICTED)

    (key,) = found["keys"]
    assert (key["status"], key["code"], key["title"], key["rights"]) == ("refused", "key_refused", title, [])
    assert "valid key" in key["hint"]
    assert found["problem"]["code"] == "key_refused"


def test_a_live_key_is_tested_only_at_stripe_itself(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWOTY_STRIPE_API_BASE", "http://stripe.example")

    key = the_key(bench, workspace_api_token=f"sk_{LIVE}_51SimulatedKey01")

    assert (key["status"], key["code"], key["mode"]) == ("refused", "api_base_refused", "live")
    assert "QWOTY_STRIPE_API_BASE" in key["hint"]


@pytest.mark.parametrize("fault", ["cut_before", "500_before", "429"])
def test_an_outage_of_stripe_does_not_blame_the_key(bench: Any, fault: str) -> None:
    bench.stripe.faults.add(fault, times=50)

    found = ask(bench)

    assert (found["status"], found["problem"]) == ("unreachable", None)
    assert found["keys"][0]["status"] == "unreachable"


def test_a_failed_answer_leaves_one_permission_unclear(bench: Any) -> None:
    bench.stripe.faults.add("500_before", path="/v1/tax_rates", method="GET")

    tested = ask(bench)
    found = rights(tested["keys"][0])

    assert found.pop("Tax Rates: Read") == "unclear"
    assert set(found.values()) == {"ok"}
    assert tested["notes"] == [
        "Stripe gave no clear answer about Tax Rates: Read of the workspace key: test again later."
    ]


# -- one key per business unit -----------------------------------------------------------------------------


def test_each_key_of_the_business_units_has_a_row_and_units_without_a_key_are_named(bench: Any) -> None:
    bench.stripe.add_key(UNIT_1, account="acct_1")
    bench.stripe.add_key(UNIT_2, revoked=True)
    for number, unit in enumerate([{"id": "bu_1", "name": "One"}, {"id": "bu_3", "name": "Three"}, None]):
        bench.host.runs.acceptance.accept("ws-1", the_example(id=f"q-{number}", business_unit=unit))
    keys = {"bu_1": UNIT_1, "bu_2": UNIT_2, "bu_4": UNIT_1}

    found = ask(bench, token_scope="business_unit", business_unit_api_tokens=keys, workspace_api_token=None)

    assert [(key["label"], key["status"]) for key in found["keys"]] == [
        ("business unit One (bu_1), bu_4", "ok"),
        ("business unit bu_2", "refused"),
    ]
    (note,) = found["notes"]
    assert "Three (bu_3), which has no key" in note
    assert len({key["account"] for key in found["keys"]}) == 2


@pytest.mark.parametrize(("account", "noted"), [("acct_sim_default", False), ("acct_2", True)])
def test_a_key_of_another_account_is_noted(bench: Any, account: str, noted: bool) -> None:
    bench.stripe.add_key(UNIT_2, account=account)
    bench.enable(**EMAIL)
    bench.accept(the_example())
    (invoice,) = bench.stripe.objects("invoices")

    found = ask(bench, **EMAIL, workspace_api_token=UNIT_2)

    assert found["status"] == "ok"
    sentence = f"No key sees invoice {invoice['id']} of quote q-1: it was made with a key of another account or mode."
    assert found["notes"] == ([sentence] if noted else [])


# -- the service -------------------------------------------------------------------------------------------


def test_the_check_whether_stripe_answers_needs_no_key(bench: Any) -> None:
    bench.enable()
    (service,) = bench.host.connections.services()["data"]

    assert (service["plugin"], service["reachable"], service["detail"]) == ("stripe_invoice", True, "")
    assert [request.status for request in bench.stripe.requests] == [401]


@pytest.mark.parametrize("fault", ["cut_before", "500_before"])
def test_a_stripe_that_does_not_answer_is_shown_as_unreachable(bench: Any, fault: str) -> None:
    bench.enable()
    bench.stripe.faults.add(fault)

    (service,) = bench.host.connections.services()["data"]

    assert not service["reachable"]
    assert service["detail"].startswith("Stripe ")


# -- problems are reported until they end ------------------------------------------------------------------


def test_a_key_that_is_revoked_later_is_reported_once_until_a_test_succeeds(bench: Any) -> None:
    bench.host.alert_recipients.replace("ws-1", {"mails": ["admin@seller.example"]})
    bench.stripe.add_key(RESTRICTED, permissions=DOCUMENTED_PERMISSIONS)
    bench.enable(workspace_api_token=RESTRICTED)
    assert bench.host.connections.test("ws-1", "stripe_invoice")["status"] == "ok"
    bench.stripe.add_key(RESTRICTED, revoked=True)

    runs = [bench.accept(the_example(id=f"q-{number}")) for number in (1, 2)]

    problem = bench.host.connections.show("ws-1", "stripe_invoice")["problem"]
    assert (problem["code"], problem["run_id"]) == ("key_refused", runs[0]["id"])
    assert bench.host.alert_delivery.deliver() == 1
    (mail,) = bench.mails()
    assert "/console/" in mail.read_text("utf-8"), "where it is mended"
    assert RESTRICTED not in mail.read_text("utf-8")
    assert ask(bench, workspace_api_token=KEY)["status"] == "ok"


def test_missing_webhooks_are_reported_although_the_upkeep_finds_the_payments(bench: Any) -> None:
    bench.host.alert_recipients.replace("ws-1", {"mails": ["admin@seller.example"]})
    bench.stripe.config.update(webhooks_held=True)
    bench.enable(**LINK)
    bench.accept(the_example())

    for _ in range(48):
        assert bench.host.missing_webhooks.record_new() == []
        bench.clock.advance(3600)
        bench.stripe.clock.advance(3600)
    bench.clock.advance(3600)
    bench.host.upkeep.request("ws-1")
    bench.work()

    assert len(bench.host.missing_webhooks.record_new()) == 1
    bench.stripe.config.update(webhooks_held=False)
    bench.webhooks()
    bench.clock.advance(3600)
    assert bench.host.missing_webhooks.record_new() == []


def test_arriving_webhooks_are_not_reported_as_missing(bench: Any) -> None:
    bench.host.alert_recipients.replace("ws-1", {"mails": ["admin@seller.example"]})
    bench.enable(**LINK)
    bench.accept(the_example())

    bench.clock.advance(25 * 3600)
    bench.stripe.clock.advance(25 * 3600)
    bench.webhooks()
    bench.clock.advance(200 * 3600)

    assert bench.host.missing_webhooks.record_new() == []
