"""Ids that a plugin saves: the host always keeps them, and writes them to Qwoty."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from builders import a_quote
from qwoty_stand_in import DOCUMENTED, QwotyStandIn, completed

QUOTE = DOCUMENTED["id"]
PATCH = "PATCH contacts"


@pytest.fixture
def invoiced(
    bench: Any, qwoty: QwotyStandIn, report_accepted: Callable[..., Any], runs_of: Callable[..., list[dict[str, Any]]]
) -> Callable[[], dict[str, Any]]:
    """A function that lets Stripe Invoice invoice the documented quote, and returns the run."""
    bench.enable()
    qwoty.put(completed())

    def invoice() -> dict[str, Any]:
        report_accepted(QUOTE)
        return runs_of(QUOTE, "stripe_invoice")[0]

    return invoice


@pytest.mark.parametrize(
    ("prepare", "title"),
    [
        (lambda qwoty: qwoty.forbidden.add(PATCH), "Qwoty's token may not do this with contacts."),
        (lambda qwoty: qwoty.contacts.clear(), "Qwoty has nothing under this id (contacts)."),
        (lambda qwoty: qwoty.trouble.extend([None, None, 401]), "Qwoty does not accept the token."),
        (lambda qwoty: qwoty.trouble.extend([None, None, "page"]), "Qwoty's answer is not understood."),
    ],
    ids=["forbidden", "missing", "token", "garbled"],
)
def test_an_id_that_qwoty_refuses_causes_a_note_and_the_invoice_stays(
    bench: Any,
    qwoty: QwotyStandIn,
    invoiced: Callable[[], dict[str, Any]],
    prepare: Callable[[QwotyStandIn], Any],
    title: str,
) -> None:
    prepare(qwoty)

    run = invoiced()

    assert run["status"] == "succeeded"
    note = next(note for note in run["outcome"]["notes"] if "not saved" in note)
    assert note.startswith(f"The id of contact contact_3 was not saved in Qwoty, and is kept here: {title}")
    assert bench.quote(QUOTE)["saved_ids"]["contacts"] == {"contact_3": run["outcome"]["customer_id"]}


def test_an_answer_without_a_body_is_a_success(
    bench: Any, qwoty: QwotyStandIn, invoiced: Callable[[], dict[str, Any]]
) -> None:
    qwoty.trouble = [None, None, "empty"]

    assert not [note for note in invoiced()["outcome"]["notes"] if "not saved" in note]


def test_an_outage_repeats_the_step_until_the_id_is_saved(
    bench: Any, qwoty: QwotyStandIn, invoiced: Callable[[], dict[str, Any]]
) -> None:
    qwoty.trouble = [None, None, *[503] * 6]
    waiting = invoiced()
    assert (waiting["status"], waiting["error"]["code"]) == ("waiting", "platform_busy")

    bench.clock.advance(61)
    bench.work()

    run = bench.run(waiting["id"])
    assert run["status"] == "succeeded"
    assert qwoty.contacts["contact_3"]["id_accounting"] == run["outcome"]["customer_id"]


def test_the_next_quote_saves_an_id_that_qwoty_refused_before(
    bench: Any,
    qwoty: QwotyStandIn,
    invoiced: Callable[[], dict[str, Any]],
    report_accepted: Callable[..., Any],
    runs_of: Callable[..., list[dict[str, Any]]],
) -> None:
    qwoty.forbidden.add(PATCH)
    first = invoiced()
    qwoty.forbidden.clear()
    qwoty.put(completed(id="q-2"))
    report_accepted("q-2")

    (second,) = runs_of("q-2", "stripe_invoice")
    assert qwoty.contacts["contact_3"]["id_accounting"] == first["outcome"]["customer_id"]
    assert not [note for note in second["outcome"]["notes"] if "Qwoty" in note]


def test_a_workspace_without_a_platform_keeps_ids_for_the_next_quote(bench: Any) -> None:
    bench.enable()
    first = bench.accept(a_quote(id="q-1"))
    bench.accept(a_quote(id="q-2"))

    assert bench.quote("q-2")["saved_ids"]["contacts"] == {"c-1": first["outcome"]["customer_id"]}
    assert bench.posts("/v1/customers") == ["/v1/customers"]
