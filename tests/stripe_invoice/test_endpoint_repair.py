"""The upkeep repairs a webhook endpoint that somebody changed in Stripe, or asks a person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from builders import LINK, RESTRICTED, a_quote
from stripe_invoice.conftest import first_link, notes
from stripe_simulator import DOCUMENTED_PERMISSIONS
from upkept import (
    HOUR,
    a_ping,
    as_it_was,
    assert_told_again,
    attached,
    deleted,
    disabled,
    endpoint,
    held,
    later,
    look_after,
    moved,
    of_another_version,
    post,
    secret_of,
    sent_elsewhere,
    several_at_once,
    unsubscribed,
    without_our_secret,
)

DRIFT = [
    pytest.param(as_it_was, "skipped", "nothing had to be mended", 0, id="nothing"),
    pytest.param(deleted, "succeeded", "was gone; it was made anew", 1, id="deleted"),
    pytest.param(disabled, "succeeded", "had been disabled", 1, id="disabled"),
    pytest.param(unsubscribed, "succeeded", "not subscribed to every event", 1, id="events missing"),
    pytest.param(moved, "succeeded", "delivered to another address", 1, id="another host"),
    pytest.param(sent_elsewhere, "succeeded", "delivered to another address", 1, id="another address altogether"),
    pytest.param(several_at_once, "succeeded", "had been disabled", 1, id="several at once"),
    pytest.param(of_another_version, "succeeded", "spoke 2020-08-27", 1, id="another version"),
    pytest.param(without_our_secret, "succeeded", "secret was lost", 1, id="its secret lost"),
]


@pytest.mark.parametrize(("drift", "status", "said", "writes"), DRIFT)
def test_a_changed_endpoint_is_repaired_and_the_repair_is_noted(
    linked: Any, v1: Any, drift: Callable[[Any, Any], None], status: str, said: str, writes: int
) -> None:
    drift(linked, v1)
    linked.stripe.requests.reset()

    run = look_after(linked)

    assert (run["status"], run["error"]) == (status, None), run
    assert said in notes(run)
    assert len(linked.posts()) == writes
    assert_told_again(linked)
    assert look_after(linked)["status"] == "skipped"


@pytest.mark.parametrize("fault", ["500_before", "500_after", "cut_before", "cut_after", "429", "409_in_flight"])
@pytest.mark.parametrize("drift", [deleted, disabled, of_another_version])
def test_a_lost_answer_leaves_one_repaired_endpoint_whose_secret_we_hold(
    linked: Any, v1: Any, drift: Callable[[Any, Any], None], fault: str
) -> None:
    drift(linked, v1)
    for method in ("GET", "POST", "DELETE"):
        linked.stripe.faults.add(fault, method=method, path="^/v1/webhook_endpoints")

    run = look_after(linked)

    assert run["status"] == "succeeded", run
    assert_told_again(linked)


def test_the_same_repair_within_a_day_is_a_new_request(linked: Any, v1: Any) -> None:
    for _ in range(2):
        disabled(linked, v1)
        assert look_after(linked)["status"] == "succeeded"
        assert_told_again(linked)
        later(linked, HOUR)


def test_a_changed_public_address_moves_the_endpoint(linked: Any) -> None:
    before = endpoint(linked)
    contexts = replace(linked.host.integrations.contexts, public_url="https://new.example")
    object.__setattr__(linked.host.integrations, "contexts", contexts)

    run = look_after(linked)

    assert run["status"] == "succeeded"
    assert endpoint(linked)["url"] == before["url"].replace(linked.url, "https://new.example")


def test_other_peoples_endpoints_are_left_alone(linked: Any, v1: Any) -> None:
    ours = endpoint(linked)
    others = [
        {"url": "https://stranger.example/hook", "enabled_events": ["*"]},
        {"url": ours["url"], "enabled_events": ["invoice.paid"]},
        {"url": ours["url"], "enabled_events": ["invoice.paid"], "metadata": {"qwoty_workspace": "ws-2"}},
        {"url": f"{linked.url}/webhooks/stripe_invoice/ws-1/t", "enabled_events": ["*"], "metadata": ours["metadata"]},
    ]
    ids = {v1.webhook_endpoints.create(params=other).id for other in others}
    before = [one for one in linked.stripe.objects("endpoints") if one["id"] in ids]

    assert look_after(linked, roll=True)["status"] == "succeeded"

    assert [one for one in linked.stripe.objects("endpoints") if one["id"] in ids] == before
    assert len(linked.stripe.objects("endpoints")) == len(others) + 1


def test_each_key_of_a_workspace_is_looked_after(bench: Any, v1: Any) -> None:
    keys = {"bu_1": "sk_test_UnitOneKey0001", "bu_2": "sk_test_UnitTwoKey0002"}
    for unit, key in keys.items():
        bench.stripe.add_key(key, account=f"acct_{unit}")
    bench.enable(**LINK, token_scope="business_unit", business_unit_api_tokens=keys)
    for unit in keys:
        bench.accept(a_quote(id=f"q-{unit}", installments=2, business_unit={"id": unit, "name": unit}))
    for unit in keys:
        bench.stripe.world.state(f"acct_{unit}", False).endpoints.clear()

    run = look_after(bench)

    assert run["status"] == "succeeded", run
    assert [len(bench.stripe.objects("endpoints", account=f"acct_{unit}")) for unit in keys] == [1, 1]


ROLLED = "sk_test_RolledKey000001"


def test_a_new_key_of_the_same_account_keeps_the_endpoint_of_the_old_key(linked: Any, v1: Any) -> None:
    before = endpoint(linked)
    linked.enable(**LINK, workspace_api_token=ROLLED)
    disabled(linked, v1)

    run = look_after(linked)

    assert run["status"] == "succeeded", run
    assert "replaced" in notes(run)
    assert_told_again(linked)
    linked.accept(a_quote(id="q-8", installments=2))
    assert endpoint(linked)["id"] == before["id"], "the next link needs no other endpoint"
    (shown,) = linked.host.upkeep.status("ws-1")["data"]
    assert shown["endpoint_id"] == before["id"]
    assert look_after(linked)["status"] == "skipped"


def test_the_newer_of_two_endpoints_of_one_account_stays(linked: Any) -> None:
    old = endpoint(linked)
    old_secret = secret_of(linked, old["id"])
    linked.enable(**LINK, workspace_api_token=ROLLED)
    linked.accept(a_quote(id="q-8", installments=2))
    assert len(linked.stripe.objects("endpoints")) == 2

    assert look_after(linked)["status"] == "succeeded"

    assert endpoint(linked)["id"] != old["id"]
    assert_told_again(linked)
    assert post(linked, old["url"], old_secret, a_ping()).status_code == 200
    assert look_after(linked)["status"] == "skipped"


def test_the_endpoint_of_another_account_is_kept_and_shown(linked: Any) -> None:
    linked.stripe.add_key(ROLLED, account="acct_other")
    linked.enable(**LINK, workspace_api_token=ROLLED)
    before = endpoint(linked)

    run = look_after(linked)

    assert run["status"] == "skipped", run
    assert endpoint(linked) == before
    assert [one["endpoint_id"] for one in linked.host.upkeep.status("ws-1")["data"]] == [before["id"]]


def test_an_account_with_too_many_endpoints_keeps_its_endpoint_and_asks_a_person(linked: Any, v1: Any) -> None:
    before = endpoint(linked)
    for _ in range(15):
        v1.webhook_endpoints.create(params={"url": "https://x.example", "enabled_events": ["*"]})

    run = look_after(linked, roll=True)

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "webhook_endpoint")
    assert "16 webhook endpoints" in run["error"]["title"]
    assert "Delete one" in run["error"]["hint"]
    linked.pay(first_link(linked))
    assert attached(linked) == [6000], "the endpoint of before still works"
    assert before["id"] in {one["id"] for one in linked.stripe.objects("endpoints")}


@pytest.mark.parametrize("missing", ["webhook_read", "webhook_write"])
def test_missed_payments_are_found_with_a_key_that_may_not_repair_the_endpoint(
    linked: Any, v1: Any, missing: str
) -> None:
    linked.enable(**LINK, workspace_api_token=linked.stripe.add_key(RESTRICTED, permissions=DOCUMENTED_PERMISSIONS))
    linked.accept(a_quote(id="q-8", installments=2))
    mine = {"webhook_read", "webhook_write"}
    linked.stripe.add_key(RESTRICTED, permissions=(DOCUMENTED_PERMISSIONS - mine) | (mine - {"webhook_write", missing}))
    ours = [one["id"] for one in linked.stripe.objects("endpoints")]
    v1.webhook_endpoints.update(ours[-1], params={"disabled": True})
    held(linked).stripe.pay(linked.stripe.objects("sessions")[-1]["id"])

    run = look_after(linked)

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "permission_missing")
    assert missing in run["error"]["hint"]
    assert [one["id"] for one in linked.stripe.objects("endpoints")] == ours
    assert attached(linked) == [6000]


def test_a_refused_key_does_not_stop_the_upkeep_of_another_key(bench: Any) -> None:
    keys = {"bu_1": "sk_test_UnitOneKey0001", "bu_2": "sk_test_UnitTwoKey0002"}
    for unit, key in keys.items():
        bench.stripe.add_key(key, account=f"acct_{unit}")
    bench.enable(**LINK, token_scope="business_unit", business_unit_api_tokens=keys)
    for unit in keys:
        bench.accept(a_quote(id=f"q-{unit}", installments=2, business_unit={"id": unit, "name": unit}))
        bench.stripe.world.state(f"acct_{unit}", False).endpoints.clear()
    bench.stripe.add_key(keys["bu_1"], account="acct_bu_1", revoked=True)

    run = look_after(bench)

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "key_refused")
    assert len(bench.stripe.objects("endpoints", account="acct_bu_2")) == 1


def test_only_the_newest_upkeep_with_the_same_trouble_stays_open(linked: Any) -> None:
    linked.stripe.faults.add("403", path="^/v1/webhook_endpoints", times=99)
    first, second = look_after(linked)["id"], look_after(linked)["id"]

    assert [linked.run(run_id)["status"] for run_id in (first, second)] == ["dismissed", "needs_attention"]
