"""From Qwoty's event about an accepted quote to its invoice in Stripe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from qwoty_stand_in import DOCUMENTED, QwotyStandIn, completed

QUOTE = DOCUMENTED["id"]


def test_a_thin_event_becomes_a_stripe_invoice_and_the_customer_is_saved_in_qwoty(
    bench: Any, qwoty: QwotyStandIn, sender: Any, runs_of: Callable[..., list[dict[str, Any]]]
) -> None:
    qwoty.put(completed())
    bench.enable(invoice_status="open")

    answer = sender.send({"event_type": "quote.accepted", "id": QUOTE})
    bench.work()

    assert answer.status_code == 202
    (fetched,), (invoiced,) = (runs_of(QUOTE, plugin) for plugin in ("platform", "stripe_invoice"))
    assert (fetched["kind"], fetched["status"]) == ("platform_event", "succeeded")
    assert fetched["id"] == answer.json()["runs"][0]["id"]
    assert invoiced["status"] == "succeeded"
    assert invoiced["outcome"]["total"] == "18000.00"
    assert qwoty.contacts["contact_3"]["id_accounting"] == invoiced["outcome"]["customer_id"]
    assert qwoty.requests == [f"GET quote/{QUOTE}", "GET contacts/contact_3", "PATCH contacts/contact_3"]


@pytest.fixture
def two_runs(
    bench: Any,
    qwoty: QwotyStandIn,
    report_accepted: Callable[..., dict[str, Any]],
    runs_of: Callable[..., list[dict[str, Any]]],
) -> list[dict[str, Any]]:
    """The runs of two quotes of one contact, q-1 and q-2, accepted one after the other."""
    bench.enable()
    for quote_id in ("q-1", "q-2"):
        qwoty.put(completed(id=quote_id))
        report_accepted(quote_id)
    return [runs_of(quote_id, "stripe_invoice")[0] for quote_id in ("q-1", "q-2")]


def test_the_next_quote_of_the_contact_uses_the_customer_saved_in_qwoty(
    bench: Any, qwoty: QwotyStandIn, two_runs: list[dict[str, Any]]
) -> None:
    first, second = two_runs
    assert first["outcome"]["customer_id"] == second["outcome"]["customer_id"]
    assert [one for one in qwoty.requests if one.startswith("PATCH")] == ["PATCH contacts/contact_3"]
    assert bench.posts("/v1/customers") == ["/v1/customers"]


def test_ids_of_taxes_are_kept_by_the_host_and_one_note_says_so(bench: Any, two_runs: list[dict[str, Any]]) -> None:
    first, second = two_runs
    note = "Qwoty has no place for the ids of a tax: they are kept by this host."
    assert note in first["outcome"]["notes"] and note not in second["outcome"]["notes"]
    assert list(bench.quote("q-2")["saved_ids"]["taxes"]) == ["tax_1"]
