"""The secret of a webhook endpoint is rolled: the old one and the new one overlap."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import requests

from qwoty_integrations_host.store import tables
from stripe_invoice.conftest import first_link, notes
from upkept import (
    DAY,
    HOUR,
    a_ping,
    assert_told_again,
    attached,
    endpoint,
    held,
    later,
    look_after,
    post,
    secret_of,
)


def test_a_rolled_secret_and_its_successor_are_both_accepted(linked: Any) -> None:
    old = endpoint(linked)
    old_secret = secret_of(linked, old["id"])
    held(linked).stripe.pay(first_link(linked))
    (event,) = [e for e in linked.stripe.objects("events") if e["type"] == "checkout.session.completed"]

    run = look_after(linked, roll=True)

    assert run["status"] == "succeeded"
    assert "The webhook secret was rolled" in notes(run)
    new = endpoint(linked)
    assert new["id"] != old["id"]
    assert new["url"] != old["url"]
    assert secret_of(linked, new["id"]) != old_secret
    # Both endpoints deliver the same event: there is one run for it.
    answers = [
        post(linked, old["url"], old_secret, event),
        post(linked, new["url"], secret_of(linked, new["id"]), event),
    ]
    linked.work()
    assert [answer.status_code for answer in answers] == [200, 200]
    assert attached(linked) == [6000]
    runs = [run for run in linked.quote("q-7")["runs"] if run["kind"] == "webhook"]
    assert len([run for run in runs if "is on the invoice" in notes(run)]) == 1


def test_the_new_endpoint_is_made_before_the_old_one_is_deleted(linked: Any) -> None:
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


def test_a_secret_that_was_rolled_in_the_dashboard_is_noticed_and_replaced(linked: Any) -> None:
    linked.stripe.roll_secret(endpoint(linked)["id"], keep_old=False)
    linked.stripe.pay(first_link(linked))
    linked.webhooks()
    assert attached(linked) == []

    run = look_after(linked)

    assert run["status"] == "succeeded"
    assert "wrong signature" in notes(run)
    assert_told_again(linked)
    assert attached(linked) == [6000], "the refused event is found"


def test_a_good_delivery_after_a_refused_one_keeps_the_secret(linked: Any) -> None:
    there = endpoint(linked)
    assert post(linked, there["url"], "whsec_wrong", a_ping()).status_code == 400
    assert post(linked, there["url"], secret_of(linked, there["id"]), a_ping()).ok

    assert look_after(linked)["status"] == "skipped"
    assert endpoint(linked)["id"] == there["id"]


def test_an_old_delivery_with_the_right_secret_does_not_roll_it(linked: Any) -> None:
    there = endpoint(linked)
    linked.clock.advance(-HOUR)
    body = post(linked, there["url"], secret_of(linked, there["id"]), a_ping())
    linked.clock.advance(HOUR)
    assert body.ok, "the host's clock agrees with the signature"
    signed_before = int(linked.clock.now().timestamp()) - HOUR
    text = json.dumps(a_ping("evt_2"))
    key = secret_of(linked, there["id"]).encode()
    header = hmac.new(key, f"{signed_before}.{text}".encode(), hashlib.sha256).hexdigest()
    stale = requests.post(
        there["url"], data=text, headers={"Stripe-Signature": f"t={signed_before},v1={header}"}, timeout=5
    )

    assert stale.status_code == 400
    assert look_after(linked)["status"] == "skipped"


def test_repeated_refusals_are_stored_once_and_an_unknown_address_stores_nothing(linked: Any) -> None:
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


def test_a_roll_that_does_not_help_is_reported_and_repeated_only_after_a_day(linked: Any) -> None:
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
