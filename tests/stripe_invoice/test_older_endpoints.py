"""A webhook endpoint that an earlier version made is brought up to date."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from builders import a_quote
from qwoty_integrations_host.store import tables
from stripe_invoice.conftest import first_link, parts


def an_older_endpoint(bench: Any, v1: Any) -> str:
    """Our endpoint as an earlier version left it: not subscribed to refunds, and without a record of its events."""
    (endpoint,) = bench.stripe.objects("endpoints")
    older = [event for event in endpoint["enabled_events"] if event != "charge.refunded"]
    v1.webhook_endpoints.update(endpoint["id"], params={"enabled_events": older})
    with bench.host.store.write() as db:
        kept = tables.plugin_state
        here = kept.c.name.startswith("webhook_endpoint:")
        value = db.execute(select(kept.c.value).where(here)).scalar_one()
        db.execute(kept.update().where(here).values(value={k: v for k, v in value.items() if k != "events"}))
    return str(endpoint["id"])


def test_an_older_endpoint_is_brought_up_to_date_once(linked: Any, v1: Any) -> None:
    endpoint = an_older_endpoint(linked, v1)
    linked.stripe.requests.reset()

    for number in (8, 9):
        assert linked.accept(a_quote(id=f"q-{number}", installments=2))["status"] == "succeeded"

    assert linked.posts("/v1/webhook_endpoints/") == [f"/v1/webhook_endpoints/{endpoint}"]
    (found,) = linked.stripe.objects("endpoints")
    assert "charge.refunded" in found["enabled_events"]
    linked.pay(first_link(linked))
    linked.stripe.refund(linked.stripe.objects("sessions")[0]["payment_intent"], 100)
    linked.webhooks()
    assert parts(linked, "amount_refunded")[0] == "1.00"


@pytest.mark.parametrize("fault", [None, "cut_after", "500_after"])
def test_an_older_endpoint_that_is_gone_is_made_again(linked: Any, v1: Any, fault: str | None) -> None:
    gone = an_older_endpoint(linked, v1)
    v1.webhook_endpoints.delete(gone)
    if fault:
        linked.stripe.faults.add(fault, method="POST", path=r"^/v1/webhook_endpoints$")

    assert linked.accept(a_quote(id="q-8", installments=2))["status"] == "succeeded"

    (found,) = linked.stripe.objects("endpoints")
    assert found["id"] != gone
    assert "charge.refunded" in found["enabled_events"]


@pytest.mark.parametrize("fault", ["cut_after", "500_after", "500_before", "429"])
def test_a_lost_answer_leaves_an_older_endpoint_up_to_date(linked: Any, v1: Any, fault: str) -> None:
    endpoint = an_older_endpoint(linked, v1)
    linked.stripe.faults.add(fault, method="POST", path=r"^/v1/webhook_endpoints/we_")

    assert linked.accept(a_quote(id="q-8", installments=2))["status"] == "succeeded"

    (found,) = linked.stripe.objects("endpoints")
    assert (found["id"], "charge.refunded" in found["enabled_events"]) == (endpoint, True)
