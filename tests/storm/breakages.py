"""Bugs that tests plant in the product to check that a storm finds them, one function each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from qwoty_integrations_host.contract.context import Attempt
from qwoty_integrations_host.mail.mailer import RecordedMailer
from qwoty_integrations_host.mail.message import build
from qwoty_integrations_host.runs.cancellation import Cancellation
from qwoty_integrations_host.store import holds, mails
from qwoty_stripe_invoice import installments, payment_links, payments, plan_types, sessions, webhooks
from storm import engine

Break = Callable[[pytest.MonkeyPatch], None]


def no_look_up(patch: pytest.MonkeyPatch) -> None:
    """A repeated step does not look for what it made before."""
    patch.setattr(Attempt, "repeated", property(lambda _: False))


def ledger_after_the_mail(patch: pytest.MonkeyPatch) -> None:
    """The host records a mail only after sending it."""

    def send(mailer: Any, name: str, message: Any) -> bool:
        whole, now = mails.name_for(mailer._quote_id, name), mailer._clock.now()
        sending = mails.Sending(mailer._workspace, mailer._plugin, whole, mailer._message_id(whole), epoch=0)
        with mailer._store.read() as db:
            if mails.state(db, mailer._workspace, mailer._plugin, whole):
                return False
        mail = build(message, sender=mailer._transport.sender, message_id=sending.message_id, now=now)
        mailer._transport.deliver(mail, lambda: None)
        with mailer._store.write() as db:
            sending.begin(db, now, again=False)
            sending.mark_sent(db, now)
        return True

    patch.setattr(RecordedMailer, "send", send)


def link_not_expired(patch: pytest.MonkeyPatch) -> None:
    """A replaced link stays payable."""
    for module in (sessions, payment_links, payments):
        patch.setattr(module, "expire_link", lambda *_: "expired")


def links_left_open(patch: pytest.MonkeyPatch) -> None:
    """The link of an invoice that was paid in another way stays payable."""
    for module in (payments, webhooks, installments):
        patch.setattr(module, "close_links", lambda *_: [])


def work_goes_on_after_the_end(patch: pytest.MonkeyPatch) -> None:
    """Work on a quote goes on after it is cancelled or undone."""
    patch.setattr(Cancellation, "_stop_work", lambda *_, **__: None)


def no_lease_check(patch: pytest.MonkeyPatch) -> None:
    """A suspended worker whose work was taken over still writes and sends mails."""
    patch.setattr(holds, "confirm", lambda *_, **__: None)
    patch.setattr(mails.Sending, "begin", lambda *_, **__: True)
    patch.setattr(engine.StormLocks, "confirm", lambda _: None)


def not_attached(patch: pytest.MonkeyPatch) -> None:
    """A payment counts as attached to its invoice although it is not."""
    patch.setattr(payments, "_is_attached", lambda *_: True)


def a_cent_too_much(patch: pytest.MonkeyPatch) -> None:
    """A large item is one cent more than what was signed."""
    make = plan_types.PlanLine.__init__

    def wrong(line: Any, *given: Any, **named: Any) -> None:
        make(line, *given, **named)
        if line.amount > 300_000:
            object.__setattr__(line, "amount", line.amount + 1)

    patch.setattr(plan_types.PlanLine, "__init__", wrong)


BREAKAGES: Mapping[str, Break] = {
    "no look-up before a write is repeated": no_look_up,
    "the ledger is written after the mail": ledger_after_the_mail,
    "a replaced link is not expired": link_not_expired,
    "links of paid invoices are not closed": links_left_open,
    "work goes on after the end of a quote": work_goes_on_after_the_end,
    "no lease check": no_lease_check,
    "a payment is taken for attached": not_attached,
    "a cent too much": a_cent_too_much,
}
