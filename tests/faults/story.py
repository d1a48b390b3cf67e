"""The story in which every fault occurs, and what must be true at its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from builders import LINK, the_example
from mail_server import Server

#: Seconds that the host waits for a service that hangs. No other timeout is shortened, so a slow machine adds no faults.
PATIENCE = 0.4
LINES = [("item_001", 780000), ("item_001:discount", -78000), ("item_002", 76500), ("discount:1", -20000)]
TOTAL, INSTALLMENT = 910200, 227550


@dataclass
class Story:
    """A quote is accepted, its first link is paid, and the next link is requested."""

    bench: Any
    mail_server: Server
    patch: pytest.MonkeyPatch
    #: Checks at the end besides ``one_of_everything``. Each strike may add some.
    at_the_end: list[Any] = field(default_factory=list)

    def accept(self) -> dict[str, Any]:
        self.bench.enable(**LINK)
        run: dict[str, Any] = self.bench.accept(the_example())
        return run

    def open_link(self) -> str:
        """The id of the session that the customer can pay."""
        (session,) = [s for s in self.bench.stripe.objects("sessions") if s["status"] == "open"]
        return str(session["id"])

    def pay(self) -> None:
        self.bench.pay(self.open_link())

    def send_next(self) -> dict[str, Any]:
        # A person's request also looks at Stripe first, because the record may be outdated.
        run: dict[str, Any] = self.bench.send_installment("q-1", look_first=True)
        self.bench.webhooks()
        return run

    def time_passes(self, seconds: float) -> None:
        """Let time pass for the host and for Stripe."""
        self.bench.clock.advance(seconds)
        self.bench.stripe.clock.advance(seconds)


#: Prepares a fault in a story before the story runs.
Strike = Callable[[Story], None]


def told(story: Story) -> None:
    """Run the story from its beginning to its end, without a person's help."""
    story.accept()
    story.pay()
    story.send_next()


def one_of_everything(story: Story, *, mails: int = 2) -> None:
    """Expect that nothing is lost or exists twice. The mail server got ``mails`` mails, with two message ids."""
    bench = story.bench
    assert [run["status"] for run in bench.quote("q-1")["runs"] if run["status"] != "succeeded"] == []
    kinds = ("customers", "tax_rates", "invoices", "endpoints")
    assert {kind: len(bench.stripe.objects(kind)) for kind in kinds} == dict.fromkeys(kinds, 1)
    (invoice,) = bench.stripe.objects("invoices")
    assert [(line["metadata"]["qwoty_line"], line["amount"]) for line in invoice["lines"]["data"]] == LINES
    assert (invoice["status"], invoice["total"], invoice["amount_paid"]) == ("open", TOTAL, INSTALLMENT)
    assert [s["amount_total"] for s in bench.stripe.objects("sessions") if s["status"] == "open"] == [INSTALLMENT]
    attached = [payment for payment in bench.stripe.objects("invoice_payments") if not payment["is_default"]]
    assert [payment["amount_paid"] for payment in attached] == [INSTALLMENT]
    quote = bench.quote("q-1")
    assert [part["status"] for part in quote["installments"]] == ["paid", "sent", "scheduled", "scheduled"]
    assert quote["saved_ids"]["contacts"] == {"contact_3": bench.stripe.objects("customers")[0]["id"]}
    assert quote["saved_ids"]["taxes"] == {"tax_1": bench.stripe.objects("tax_rates")[0]["id"]}
    sent = story.mail_server.message_ids
    assert (len(sent), len(set(sent))) == (mails, 2)
    assert not bench.stripe.faults.pending(), "the fault did not occur"
    for holds in story.at_the_end:
        holds()
