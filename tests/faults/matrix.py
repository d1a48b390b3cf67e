"""The fault matrix. Each row is one fault: what goes wrong, where, and what must be true at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain, cycle

from database_trouble import FullDisk
from faults import machine_strikes, mail_strikes, stripe_strikes, webhook_strikes
from faults.story import Story, Strike, one_of_everything, told

#: The writes and reads of the story, by their purpose. A test proves that both tables are complete.
WRITES = {
    "webhook endpoint": {"path": "^/v1/webhook_endpoints$"},
    "customer": {"path": "^/v1/customers$"},
    "tax rate": {"path": "^/v1/tax_rates$"},
    "draft invoice": {"path": "^/v1/invoices$"},
    "invoice's lines": {"path": "^/v1/invoices/[^/]+/add_lines$"},
    "finalizing": {"path": "^/v1/invoices/[^/]+/finalize$"},
    "first payment link": {"path": "^/v1/checkout/sessions$"},
    "next payment link": {"path": "^/v1/checkout/sessions$", "skip": 1},
    "attaching the payment": {"path": "^/v1/invoices/[^/]+/attach_payment$"},
}
READS = {
    "webhook endpoints": {"path": "^/v1/webhook_endpoints$"},
    "searching the customer": {"path": "^/v1/customers/search$"},
    "customers by e-mail": {"path": "^/v1/customers$"},
    "tax rates": {"path": "^/v1/tax_rates$"},
    "session that was paid": {"path": "^/v1/checkout/sessions/[^/]+$"},
    "invoice's payments": {"path": "^/v1/invoice_payments$"},
    "invoice": {"path": "^/v1/invoices/[^/]+$"},
}
#: The writes before the first mail.
OF_ACCEPTING = [name for name in WRITES if name not in {"next payment link", "attaching the payment"}]

BY_ITSELF = "one of everything, by itself"


@dataclass(frozen=True, slots=True)
class Fault:
    """One row: ``strikes`` cause the fault, one for each place; ``tell`` runs the story; ``holds`` checks its end."""

    name: str
    strikes: Mapping[str, Strike]
    tell: Callable[[Story], None] = told
    result: str = BY_ITSELF
    holds: Callable[[Story], None] = one_of_everything


def _on(kind: str, method: str, **order: object) -> dict[str, Strike]:
    places = WRITES if method == "POST" else READS
    verb = "write" if method == "POST" else "read"
    return {f"{verb}: {name}": stripe_strikes.stripe(kind, method, **where, **order) for name, where in places.items()}  # type: ignore[arg-type]


def _everywhere(kind: str, **order: object) -> dict[str, Strike]:
    return _on(kind, "POST", **order) | _on(kind, "GET", **order)


def _kept(kind: str) -> dict[str, Strike]:
    """Everywhere but at requests that may have a new connection: the first of all, and two that are read at once."""
    new = {"read: webhook endpoints", "read: searching the customer", "read: tax rates"}
    return {name: strike for name, strike in _everywhere(kind).items() if name not in new}


#: Answers that do not come from Stripe, in turn. test_odd_answers.py tests each of them.
_ODD = ("html", "truncated", "403_page", "407", "redirect", "502", "error_text")


def _odd() -> dict[str, Strike]:
    """Odd answers at a place. Stripe may have performed a write whose answer was lost."""
    writes = ((f"write: {name}", "odd_after", "POST", where) for name, where in WRITES.items())
    reads = ((f"read: {name}", "odd_before", "GET", where) for name, where in READS.items())
    return {
        name: stripe_strikes.stripe(kind, method, **where, code=code)  # type: ignore[arg-type]
        for (name, kind, method, where), code in zip(chain(writes, reads), cycle(_ODD), strict=False)
    }


MATRIX = [
    Fault("Stripe answers 429 and says how long to wait", {
        f"{verb}: {name}": stripe_strikes.slows_down(method, **where)
        for verb, method, places in (("write", "POST", WRITES), ("read", "GET", READS))
        for name, where in places.items()
    }, result="one of everything, by itself, after the pause that Stripe asked for"),
    Fault("Stripe answers 429 without a hint", _everywhere("429")),
    Fault("Stripe answers 429 lock_timeout", _on("429", "POST", code="lock_timeout")),
    Fault("Stripe answers 500 and has done nothing", _everywhere("500_before")),
    Fault("Stripe answers 500, has done it, and repeats that answer for a day", {
        f"write: {name}": stripe_strikes.stores_a_500(**where) for name, where in WRITES.items()
    }, result="one of everything, by itself; the stored answer is never asked for again"),
    Fault("somebody else answers in the place of Stripe, or its answer comes garbled", _odd()),
    Fault("the connection breaks before Stripe has done it", _everywhere("cut_before")),
    Fault("the connection breaks after Stripe has done it", _everywhere("cut_after")),
    Fault("a kept connection is found dead before Stripe has done it", _kept("died_before"), holds=stripe_strikes.at_the_first_attempt),
    Fault("a kept connection dies after Stripe has done it", _kept("died_after"), holds=stripe_strikes.at_the_first_attempt),
    Fault("Stripe does not answer in time and does nothing", _everywhere("hang", seconds=1.0)),
    Fault("Stripe does it, but only after we gave up waiting", _on("slow", "POST", seconds=0.6)),
    Fault("Stripe answers 409: the same request is being worked on", _on("409_in_flight", "POST")),
    Fault("Stripe knows our idempotency key from another request", _on("key_reused", "POST")),
    Fault("Stripe's search is a minute behind, two quotes of one new contact", {"customer": stripe_strikes.search_lags},
          stripe_strikes.told_with_a_second_quote),
    Fault("Stripe does it and falls silent; when it is back, its idempotency keys are gone", {
        f"write: {name}": stripe_strikes.falls_silent(str(WRITES[name]["path"])) for name in OF_ACCEPTING
    }, stripe_strikes.told_over_a_day, "one of everything, adopted by metadata"),

    Fault("each webhook comes three times, and all of them again later", {"webhooks": webhook_strikes.webhooks_doubled}),
    Fault("webhooks come in the wrong order", {"webhooks": webhook_strikes.webhooks_held},
          webhook_strikes.told_by_a_bank_debit_backwards),
    Fault("a webhook comes after its payment was found otherwise", {"webhooks": webhook_strikes.webhooks_held},
          webhook_strikes.told_with_late_webhooks),
    Fault("a webhook comes before we know the link that it speaks of", {"webhooks": webhook_strikes.paid_before_we_know_the_link},
          webhook_strikes.told_without_paying),
    Fault("webhooks are signed with another secret for a while", {"webhooks": webhook_strikes.webhooks_badly_signed},
          webhook_strikes.told_with_refused_webhooks, "refused with 400 and not believed; one of everything once they are right"),
    Fault("a stranger forges a webhook", {"webhooks": lambda _: None}, webhook_strikes.told_with_a_forger,
          "refused with 400 and not believed"),

    Fault("the mail server refuses the mail", {
        "recipient": mail_strikes.mail_server("550 rcpt"), "content": mail_strikes.mail_server("554 data"),
    }, mail_strikes.told_with_help("mail_refused"), "needs attention (`mail_refused`); `run retry` sends it, once"),
    Fault("the mail server defers (greylisting)", {
        "recipient": mail_strikes.mail_server("450 rcpt"), "content": mail_strikes.mail_server("451 data"),
    }),
    Fault("the mail server hangs, or hangs up, before the mail is handed over", {
        "hangs": mail_strikes.mail_server("hang before data"), "hangs up": mail_strikes.mail_server("cut before data"),
    }),
    Fault("the mail server hangs, or hangs up, while the mail is handed over", {
        "hangs": mail_strikes.mail_server("hang in data"), "hangs up": mail_strikes.mail_server("cut in data"),
    }, mail_strikes.told_with_help("mail_unsure"),
        "needs attention (`mail_unsure`), never sent again by itself; `run retry` sends it again, under the same Message-ID",
        partial(one_of_everything, mails=3)),

    Fault("the platform fails when an id is saved", {
        "before it saved": machine_strikes.platform_fails(after=False), "after it saved": machine_strikes.platform_fails(after=True),
    }),
    Fault("our clock is two hours off", {
        "ahead": machine_strikes.our_clock(machine_strikes.TWO_HOURS), "behind": machine_strikes.our_clock(-machine_strikes.TWO_HOURS),
    }, machine_strikes.told_while_the_clock_is_off, "invoiced all the same; webhooks are refused until the clock is right"),
    Fault("Stripe is down for more than a day, and comes back", {
        "answers 500": stripe_strikes.away("500_before"), "cannot be reached": stripe_strikes.away("cut_before"),
    }, stripe_strikes.told_over_a_day, "the run waits and goes on by itself; one of everything"),

    Fault("another program holds our database for longer than we wait for it", {
        name: machine_strikes.database(machine_strikes.locked, str(WRITES[name]["path"])) for name in OF_ACCEPTING
    }, machine_strikes.told_after_a_while),
    Fault("our disk is full for a while", {
        name: machine_strikes.database(FullDisk, str(WRITES[name]["path"])) for name in OF_ACCEPTING
    }, machine_strikes.told_after_a_while),
    Fault("a second host is started on one SQLite directory", {"serve and worker": machine_strikes.a_second_host},
          result="it says why and ends with 1; the first goes on"),
]  # fmt: skip
