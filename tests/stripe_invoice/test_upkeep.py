"""Webhooks that look after themselves: drift mended, secrets rolled with overlap, missed payments found."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
import requests

from builders import KEY, LINK, a_quote
from dying import work_and_die
from qwoty_integrations_host.store import tables
from stripe_simulator import DOCUMENTED_PERMISSIONS
from upkept import (
    DAY,
    HOUR,
    RESTRICTED,
    a_ping,
    as_it_was,
    assert_told_again,
    attached,
    deleted,
    disabled,
    endpoint,
    first_session,
    held,
    later,
    look_after,
    moved,
    notes,
    of_another_version,
    post,
    secret_of,
    sent_elsewhere,
    several_at_once,
    unsubscribed,
    with_a_link,
    without_our_secret,
)


@pytest.fixture
def linked(bench: Any) -> Any:
    """A bench on which a quote in two halves has its invoice, its first link and thereby an endpoint."""
    return with_a_link(bench)


# -- what drifted is mended --------------------------------------------------------------------------------


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
def test_what_drifted_is_mended_and_said(
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
def test_whatever_happens_to_an_answer_one_endpoint_is_left_whose_secret_we_hold(
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


def test_a_changed_public_address_is_told_to_stripe(linked: Any) -> None:
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


# -- a key is replaced -------------------------------------------------------------------------------------

ROLLED = "sk_test_RolledKey000001"


def test_a_new_key_of_the_same_account_goes_on_with_the_endpoint_of_the_old_one(linked: Any, v1: Any) -> None:
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


def test_of_two_endpoints_that_two_keys_of_one_account_made_the_newer_stays(linked: Any) -> None:
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


def test_the_endpoint_of_another_account_is_left_and_shown(linked: Any) -> None:
    linked.stripe.add_key(ROLLED, account="acct_other")
    linked.enable(**LINK, workspace_api_token=ROLLED)
    before = endpoint(linked)

    run = look_after(linked)

    assert run["status"] == "skipped", run
    assert endpoint(linked) == before
    assert [one["endpoint_id"] for one in linked.host.upkeep.status("ws-1")["data"]] == [before["id"]]


# -- the secret is rolled ----------------------------------------------------------------------------------


def test_a_roll_puts_a_successor_in_place_and_still_takes_what_is_on_its_way(linked: Any) -> None:
    old = endpoint(linked)
    old_secret = secret_of(linked, old["id"])
    held(linked).stripe.pay(first_session(linked))
    (event,) = [e for e in linked.stripe.objects("events") if e["type"] == "checkout.session.completed"]

    run = look_after(linked, roll=True)

    assert run["status"] == "succeeded"
    assert "The webhook secret was rolled" in notes(run)
    new = endpoint(linked)
    assert new["id"] != old["id"]
    assert new["url"] != old["url"]
    assert secret_of(linked, new["id"]) != old_secret
    # Both told the same event: one run of it, whoever was first.
    answers = [
        post(linked, old["url"], old_secret, event),
        post(linked, new["url"], secret_of(linked, new["id"]), event),
    ]
    linked.work()
    assert [answer.status_code for answer in answers] == [200, 200]
    assert attached(linked) == [6000]
    runs = [run for run in linked.quote("q-7")["runs"] if run["kind"] == "webhook"]
    assert len([run for run in runs if "is on the invoice" in notes(run)]) == 1


def test_the_successor_is_there_before_the_old_endpoint_is_deleted(linked: Any) -> None:
    linked.stripe.requests.reset()

    look_after(linked, roll=True)

    writes = [r.method for r in linked.stripe.requests if "webhook_endpoints" in r.path and r.method != "GET"]
    assert writes == ["POST", "DELETE"]


def test_the_old_secret_is_forgotten_after_three_days(linked: Any) -> None:
    old, event = endpoint(linked), a_ping()
    old_secret = secret_of(linked, old["id"])
    look_after(linked, roll=True)

    later(linked, 3 * DAY - HOUR)
    look_after(linked)
    assert post(linked, old["url"], old_secret, event).status_code == 200
    later(linked, HOUR)
    look_after(linked)
    assert post(linked, old["url"], old_secret, event).status_code == 404
    with linked.host.store.read() as db:
        kept = db.execute(tables.secrets.select().where(tables.secrets.c.field.startswith("kept/webhook:"))).all()
    assert len(kept) == 1


def test_a_secret_that_somebody_rolled_in_the_dashboard_is_noticed_and_replaced(linked: Any) -> None:
    linked.stripe.roll_secret(endpoint(linked)["id"], keep_old=False)
    linked.stripe.pay(first_session(linked))
    linked.webhooks()
    assert attached(linked) == []

    run = look_after(linked)

    assert run["status"] == "succeeded"
    assert "wrong signature" in notes(run)
    assert_told_again(linked)
    assert attached(linked) == [6000], "what was refused is found"


def test_a_good_delivery_after_a_refused_one_leaves_the_secret_alone(linked: Any) -> None:
    there = endpoint(linked)
    assert post(linked, there["url"], "whsec_wrong", a_ping()).status_code == 400
    assert post(linked, there["url"], secret_of(linked, there["id"]), a_ping()).ok

    assert look_after(linked)["status"] == "skipped"
    assert endpoint(linked)["id"] == there["id"]


def test_an_old_delivery_with_the_right_signature_does_not_roll_the_secret(linked: Any) -> None:
    there = endpoint(linked)
    linked.clock.advance(-HOUR)
    body = post(linked, there["url"], secret_of(linked, there["id"]), a_ping())
    linked.clock.advance(HOUR)
    assert body.ok, "it is signed by the host's own clock"
    signed_before = int(linked.clock.now().timestamp()) - HOUR
    text = json.dumps(a_ping("evt_2"))
    key = secret_of(linked, there["id"]).encode()
    header = hmac.new(key, f"{signed_before}.{text}".encode(), hashlib.sha256).hexdigest()
    stale = requests.post(
        there["url"], data=text, headers={"Stripe-Signature": f"t={signed_before},v1={header}"}, timeout=5
    )

    assert stale.status_code == 400
    assert look_after(linked)["status"] == "skipped"


def test_refusals_are_written_down_once_and_a_stranger_leaves_no_trace(linked: Any) -> None:
    def state() -> list[Any]:
        with linked.host.store.read() as db:
            return list(db.execute(tables.plugin_state.select().order_by(tables.plugin_state.c.name)).all())

    before, event = state(), a_ping()
    stranger = endpoint(linked)["url"].rsplit("/", 1)[0] + "/nobodys"
    for _ in range(3):
        assert post(linked, stranger, "whsec_wrong", event).status_code == 404
    assert state() == before
    for _ in range(3):
        post(linked, endpoint(linked)["url"], "whsec_wrong", event)
        linked.clock.advance(1)
    assert len(state()) == len(before) + 1


def test_a_roll_that_does_not_help_is_not_repeated_all_day_but_shown(linked: Any) -> None:
    event = a_ping()
    post(held(linked), endpoint(linked)["url"], "whsec_wrong", event)
    assert look_after(linked)["status"] == "succeeded"
    rolled = endpoint(linked)["id"]
    later(linked, HOUR)
    post(linked, endpoint(linked)["url"], "whsec_wrong", event)

    run = look_after(linked)

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "webhook_signature")
    assert endpoint(linked)["id"] == rolled
    later(linked, DAY)
    run = look_after(linked)
    assert "wrong signature" in notes(run), run
    assert endpoint(linked)["id"] != rolled


# -- what stands in the way --------------------------------------------------------------------------------


def test_a_full_account_keeps_its_endpoint_and_a_person_is_told(linked: Any, v1: Any) -> None:
    before = endpoint(linked)
    for _ in range(15):
        v1.webhook_endpoints.create(params={"url": "https://x.example", "enabled_events": ["*"]})

    run = look_after(linked, roll=True)

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "webhook_endpoint")
    assert "16 webhook endpoints" in run["error"]["title"]
    assert "Delete one" in run["error"]["hint"]
    linked.pay(first_session(linked))
    assert attached(linked) == [6000], "the endpoint of before still works"
    assert before["id"] in {one["id"] for one in linked.stripe.objects("endpoints")}


@pytest.mark.parametrize("missing", ["webhook_read", "webhook_write"])
def test_a_key_that_may_not_touch_endpoints_breaks_nothing_and_missed_payments_are_still_found(
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


def test_the_trouble_of_one_key_holds_up_no_other(bench: Any) -> None:
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


def test_of_upkeeps_that_find_the_same_trouble_only_the_newest_stands_open(linked: Any) -> None:
    linked.stripe.faults.add("403", path="^/v1/webhook_endpoints", times=99)
    first, second = look_after(linked)["id"], look_after(linked)["id"]

    assert [linked.run(run_id)["status"] for run_id in (first, second)] == ["dismissed", "needs_attention"]


# -- how it is asked for, and shown ------------------------------------------------------------------------


def test_there_is_nothing_to_look_after_before_the_first_invoice(bench: Any) -> None:
    bench.enable()

    assert bench.host.upkeep.request_due() == []
    assert bench.host.upkeep.status("ws-1")["data"] == []


def test_the_status_shows_the_age_of_the_last_event_and_no_secret(linked: Any) -> None:
    linked.pay(first_session(linked))
    held(linked).webhooks()  # what the attached payment made Stripe say
    later(linked, 90)
    look_after(linked)
    there = endpoint(linked)

    (shown,) = linked.host.upkeep.status("ws-1")["data"]

    assert (shown["endpoint_id"], shown["mode"]) == (there["id"], "test")
    assert 90 <= shown["last_event_age"] < 100
    assert shown["last_upkeep"]["status"] == "skipped"
    token = there["url"].rsplit("/", 1)[-1]
    assert shown["url"] == there["url"].replace(token, f"{token[:4]}…{token[-4:]}")
    text = json.dumps(shown)
    assert token not in text
    assert KEY not in text
    assert secret_of(linked, there["id"]) not in text


def test_what_was_found_is_not_shown_as_received_until_it_is_delivered(linked: Any) -> None:
    def last() -> Any:
        return linked.host.upkeep.status("ws-1")["data"][0]["last_event_at"]

    held(linked).webhooks()
    before = last()
    later(linked, 60)
    linked.stripe.pay(first_session(linked))
    look_after(linked)
    assert (last(), attached(linked)) == (before, [6000])

    later(linked, 60)
    linked.webhooks()

    assert last() == linked.clock.now().isoformat()


def test_an_upkeep_an_hour_is_asked_for_and_one_after_each_start(linked: Any) -> None:
    def asked(*requests: Callable[[], list[str]]) -> list[int]:
        found = [len(request()) for request in requests]
        linked.work()
        return found

    upkeep = linked.host.upkeep
    assert asked(upkeep.request_after_start, upkeep.request_due) == [1, 0]
    linked.clock.advance(timedelta(minutes=4).total_seconds())
    assert asked(upkeep.request_after_start, upkeep.request_due) == [0, 0]
    linked.clock.advance(timedelta(minutes=2).total_seconds())
    assert asked(upkeep.request_due, upkeep.request_after_start) == [0, 1]
    linked.clock.advance(HOUR)
    assert asked(upkeep.request_due, upkeep.request_due) == [1, 0]


# -- the process dies --------------------------------------------------------------------------------------


def another_run_meanwhile(bench: Any, number: int) -> None:
    """Before the upkeep is resumed, another quote's link makes sure that there is an endpoint."""
    bench.host.runs.acceptance.accept("ws-1", a_quote(id=f"q-meanwhile-{number}", installments=2))
    bench.host.engine.work_again(bench.host.engine._queued.pop(0))


@pytest.mark.parametrize(("after", "every"), [("commit", 4), ("answer", 1)], ids=["at a commit", "at an answer"])
@pytest.mark.parametrize(
    ("story", "meanwhile_too"),
    [
        pytest.param("rolled", False, id="while the secret is rolled"),
        pytest.param("deleted", False, id="while the endpoint is made anew"),
        pytest.param("disabled", False, id="while it is switched on again"),
        pytest.param("rolled", True, id="while it is rolled, and another run works before the restart"),
    ],
)
def test_wherever_the_process_dies_one_endpoint_is_left_and_the_payment_is_attached_once(
    bench: Any, v1: Any, monkeypatch: pytest.MonkeyPatch, after: str, every: int, story: str, meanwhile_too: bool
) -> None:
    bench.enable(**LINK)
    for times, number in enumerate(count(1, every), start=1):
        bench.stripe.config.update(webhooks_held=False)
        bench.webhooks()  # what was found before is delivered after all
        bench.accept(a_quote(id=f"q-{number}", installments=1))
        if story != "rolled":
            {"deleted": deleted, "disabled": disabled}[story](bench, v1)
        held(bench).stripe.pay(bench.stripe.objects("sessions")[-1]["id"])
        bench.host.upkeep.request("ws-1", roll_secrets=story == "rolled")
        died = work_and_die(bench, monkeypatch, after, number)
        if meanwhile_too and died:
            another_run_meanwhile(bench, number)
        bench.restart()

        assert (number, bench.quote(f"q-{number}")["amount_paid"]) == (number, "120.00")
        assert attached(bench) == [12000] * times, number
        found = bench.host.upkeep.status("ws-1")["data"][0]
        assert (number, found["last_upkeep"]["status"]) == (number, "succeeded")
        assert (number, found["endpoint_id"]) == (number, endpoint(bench)["id"])
        assert_told_again(bench)
        if not died:
            assert number > 5, "it died before"
            return
        later(bench, 2 * HOUR)
