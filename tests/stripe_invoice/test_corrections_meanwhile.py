"""A quote is corrected while its run works, waits or dies: no correction is lost, and nothing is made twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from itertools import count
from typing import Any

import pytest

from builders import EMAIL, LINK, OPEN, over
from dying import Crash, work_and_die
from qwoty_integrations_host import QuoteRecord
from qwoty_integrations_host.store.plugin_storage import PluginRecords
from stripe_invoice.conftest import totals


def send(bench: Any, quote: dict[str, Any]) -> Callable[[], Any]:
    """A function that accepts this quote, as the platform does."""
    return lambda: bench.host.runs.acceptance.accept("ws-1", quote)


def notes_of_changes(run: dict[str, Any]) -> list[str]:
    return [note for note in run["outcome"]["notes"] if "changed quote arrived" in note]


# -- during a request ------------------------------------------------------------------------------------


def test_a_correction_during_the_last_request_for_a_draft_is_not_lost(bench: Any, meanwhile: Any) -> None:
    bench.enable()
    waiting = meanwhile("POST", "/add_lines$", send(bench, over("250.00")))

    run = bench.accept(over("100.00"))

    assert not waiting
    assert (run["status"], run["outcome"]["total"]) == ("succeeded", "300.00")
    assert totals(bench) == [("draft", 30000)]
    assert bench.host.runs.acceptance.accept("ws-1", over("250.00")).duplicate


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        pytest.param(OPEN, "/finalize$", id="while the invoice is made final"),
        pytest.param(EMAIL, "/send$", id="while Stripe mails the invoice"),
        pytest.param(LINK, "^/v1/checkout/sessions$", id="while the payment link is made"),
    ],
)
def test_a_correction_after_the_invoice_became_final_is_noted_and_the_first_version_restored(
    bench: Any, meanwhile: Any, settings: dict[str, Any], path: str
) -> None:
    bench.enable(**settings)
    first = over("100.00", installments=2)
    waiting = meanwhile("POST", path, send(bench, over("250.00", installments=2)))

    run = bench.accept(first)
    again = bench.host.runs.acceptance.accept("ws-1", first)

    assert not waiting
    assert run["status"] == "succeeded", run
    assert len(notes_of_changes(run)) == 1
    assert totals(bench) == [("open", 12000)]
    assert [session["amount_total"] for session in bench.stripe.objects("sessions")] == [6000] * (settings == LINK)
    assert again.duplicate and not again.corrected, "the first version is the stored one"


def test_a_correction_for_another_contact_replaces_the_draft_whose_answer_was_lost(bench: Any, meanwhile: Any) -> None:
    bench.enable()
    bench.stripe.faults.add("cut_after", method="POST", path="^/v1/invoices$")
    corrected = over("250.00", contact={"id": "c-2", "email": "bob@buyer.example"})
    waiting = meanwhile("POST", "^/v1/invoices$", send(bench, corrected))

    run = bench.accept(over("100.00"))

    assert not waiting
    assert run["status"] == "succeeded", run
    assert totals(bench) == [("draft", 30000)]


def test_a_draft_that_somebody_finalizes_while_we_look_at_it_is_kept(bench: Any, v1: Any, meanwhile: Any) -> None:
    bench.enable()
    bench.accept(over("100.00"))
    (draft,) = bench.stripe.objects("invoices")
    waiting = meanwhile("GET", f"/v1/invoices/{draft['id']}$", lambda: v1.invoices.finalize_invoice(draft["id"]))

    run = bench.accept(over("250.00"))

    assert not waiting
    assert (run["status"], run["error"]) == ("succeeded", None)
    assert f"Invoice {draft['id']} is open already." in notes_of_changes(run)[0]
    assert totals(bench) == [("open", 12000)]


# -- while another run of the quote waits ----------------------------------------------------------------


def test_a_waiting_installment_keeps_the_amount_of_its_own_version(bench: Any, v1: Any) -> None:
    bench.enable()
    bench.accept(over("100.00", installments=2))
    v1.invoices.finalize_invoice(bench.stripe.objects("invoices")[0]["id"])
    installment = bench.host.runs.installments.request("ws-1", "q-7", None, look_first=True)
    bench.host.runs.acceptance.accept("ws-1", over("250.00", installments=3, number="N-CORRECTED"))

    bench.work()

    assert bench.run(installment)["status"] == "succeeded", bench.run(installment)
    assert [session["amount_total"] for session in bench.stripe.objects("sessions")] == [6000]
    mail = message_from_bytes(bench.mails()[0].read_bytes(), policy=policy.default)
    text = mail.get_body(("plain",)).get_content().replace("\xa0", " ")  # type: ignore[union-attr]
    assert "accepting quote N-q-7" in text
    assert "installment 1 of 2: €60.00" in text


# -- the process dies ------------------------------------------------------------------------------------


def test_a_draft_deleted_just_before_the_process_died_stays_deleted_and_is_noted(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.enable()
    bench.accept(over("100.00"))
    (draft,) = bench.stripe.objects("invoices")
    update = PluginRecords.update

    def forgetting(records: PluginRecords, *given: Any) -> QuoteRecord:
        record = update(records, *given)
        if record.invoice is None:
            raise Crash
        return record

    (run_id,) = bench.host.runs.acceptance.accept("ws-1", over("250.00")).run_ids
    with monkeypatch.context() as patch:
        patch.setattr(PluginRecords, "update", forgetting)
        with pytest.raises(Crash):
            bench.work()
    assert totals(bench) == []

    bench.restart()

    run = bench.run(run_id)
    assert run["status"] == "succeeded", run
    assert totals(bench) == [("draft", 30000)]
    assert f"The draft {draft['id']} that was made before is deleted." in run["outcome"]["notes"]


def deaths(
    bench: Any,
    monkeypatch: pytest.MonkeyPatch,
    after: str,
    every: int,
    *,
    done: list[str],
    dying: str,
    late: str | None = None,
) -> Iterator[tuple[int, dict[str, Any], list[tuple[str, int]]]]:
    """Let the process die at one place after the other, each time with a new quote, contact and Stripe account.

    The quote is first worked over the amounts of ``done``. The process dies while it works the quote over ``dying``.
    Before the restart the quote is corrected to ``late``. Gives the place, the run after the restart, and the invoices.
    """
    for number in count(1, every):
        bench.stripe.reset()

        def accept(net: str, number: int = number) -> str:
            contact = {"id": f"c-{number}", "email": f"c-{number}@buyer.example"}
            quote = over(net, id=f"q-{number}", contact=contact)
            return str(bench.host.runs.acceptance.accept("ws-1", quote).run_ids[0])

        for net in done:
            accept(net)
            bench.work()
        run_id = accept(dying)
        if not work_and_die(bench, monkeypatch, after, number):
            assert number > 1, "it never died"
            return
        if late is not None:
            accept(late)
        bench.restart()
        yield number, bench.run(run_id), totals(bench)


@pytest.mark.parametrize(
    ("after", "every", "story"),
    [
        pytest.param("commit", 4, {"done": ["100.00"], "dying": "250.00"}, id="while a draft is replaced"),
        pytest.param("answer", 4, {"done": ["100.00"], "dying": "250.00"}, id="at an answer while a draft is replaced"),
        pytest.param("commit", 4, {"done": [], "dying": "100.00", "late": "250.00"}, id="before a correction"),
        pytest.param("answer", 3, {"done": [], "dying": "100.00", "late": "250.00"}, id="at an answer before one"),
        pytest.param(
            "commit", 5, {"done": ["100.00"], "dying": "300.00", "late": "250.00"}, id="between two corrections"
        ),
    ],
)
def test_a_process_that_dies_leaves_one_draft_of_the_last_version(
    bench: Any, monkeypatch: pytest.MonkeyPatch, after: str, every: int, story: dict[str, Any]
) -> None:
    bench.enable()

    for number, run, left in deaths(bench, monkeypatch, after, every, **story):
        assert (number, run["status"], run["error"]) == (number, "succeeded", None)
        assert (number, left) == (number, [("draft", 30000)])
        assert (number, run["outcome"]["total"]) == (number, "300.00")


@pytest.mark.parametrize("after", ["commit", "answer"])
def test_a_process_that_dies_leaves_one_final_version_and_a_note_of_a_later_one(
    bench: Any, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    bench.enable(**OPEN)
    seen = set()

    for number, run, left in deaths(bench, monkeypatch, after, 3, done=[], dying="100.00", late="250.00"):
        assert (number, run["status"], run["error"]) == (number, "succeeded", None)
        assert left in ([("open", 12000)], [("open", 30000)]), number
        assert (number, len(notes_of_changes(run))) == (number, left == [("open", 12000)])
        seen.add(left[0][1])

    assert seen == {12000, 30000}


@pytest.mark.parametrize(
    ("correction", "look", "shown"),
    [
        pytest.param({"currency": "USD"}, lambda i: i["currency"], "usd", id="the currency"),
        pytest.param(
            {"contact": {"id": "c-2", "email": "bob@buyer.example"}},
            lambda i: i["customer_email"],
            "bob@buyer.example",
            id="the contact",
        ),
        pytest.param({"number": "N-NEW"}, lambda i: i["custom_fields"][0]["value"], "N-NEW", id="the number"),
        pytest.param({"language": "fr"}, lambda i: i["custom_fields"][0]["name"], "Devis", id="the language"),
    ],
)
@pytest.mark.parametrize("gave_up", [False, True], ids=["corrected during the run", "corrected after it gave up"])
def test_a_draft_whose_answer_was_lost_is_not_used_for_the_corrected_quote(
    bench: Any, meanwhile: Any, gave_up: bool, correction: dict[str, Any], look: Any, shown: str
) -> None:
    bench.enable(**EMAIL)
    bench.stripe.faults.add("cut_after", method="POST", path="^/v1/invoices$")
    corrected = over("250.00", **correction)
    if gave_up:
        bench.stripe.faults.add("500_before", method="GET", path="^/v1/invoices$", times=99)
    else:
        meanwhile("POST", "^/v1/invoices$", lambda: bench.host.runs.acceptance.accept("ws-1", corrected))
    bench.accept(over("100.00"))
    bench.stripe.faults.reset()
    bench.host.runs.acceptance.accept("ws-1", corrected)
    bench.work()
    (invoice,) = bench.stripe.objects("invoices")
    assert (invoice["total"], look(invoice)) == (30000, shown)
