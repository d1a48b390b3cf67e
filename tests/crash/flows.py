"""The flows during which a host is killed, and what must be true after each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from builders import EMAIL, LINK, a_line, a_quote, the_example
from crash.site import Site

Act = Callable[[Site], bool]


@dataclass(frozen=True)
class Flow:
    """Something that happens to a quote. ``act`` does it, and returns whether the caller got a success answer."""

    name: str
    act: Act
    check: Callable[[Site], None]
    settings: Mapping[str, Any] = field(default_factory=lambda: LINK)
    before: Callable[[Site], None] = lambda _: None
    #: Whether a caller without an answer sees that it has to repeat the request.
    unheard: Callable[[Site], bool] = lambda _: False
    #: The command that dies in place of the serving host.
    command: Callable[[Site], tuple[str, ...]] | None = None
    smtp: bool = False

    #: Whether there are several runs at a time, so that chance decides which worker takes which run.
    several_runs: bool = False

    @property
    def is_one_workers(self) -> bool:
        """Whether one worker does all the work, in a process other than the one that takes the request."""
        return self.command is None and not self.several_runs


# -- what happens ---------------------------------------------------------------------------------------


def accept_example(site: Site) -> bool:
    return site.accept(the_example())


def sent_example(site: Site) -> None:
    assert accept_example(site)
    site.settle()


def pay(site: Site) -> bool:
    (session,) = [session for session in site.stripe.objects("sessions") if session["status"] == "open"]
    site.stripe.pay(session["id"])
    return True  # Stripe repeats its webhook until it is accepted


def paid_example(site: Site) -> None:
    sent_example(site)
    pay(site)
    site.settle()


def pay_on_stripes_page(site: Site) -> bool:
    site.stripe.pay_hosted(site.stripe.objects("invoices")[0]["id"])
    return True


def refused_example(site: Site) -> None:
    """The key lacks a permission, so the run needs attention."""
    site.stripe.faults.add("403", method="POST", path="/finalize$", code="invoice_write")
    sent_example(site)
    assert site.runs()[0]["status"] == "needs_attention", site.runs()


def small_draft(site: Site) -> None:
    assert site.accept(a_quote())
    site.settle()


def correct(site: Site) -> bool:
    return site.accept(a_quote(a_line(net="250.00")))


# -- what must be true ----------------------------------------------------------------------------------

LINES = [780000, -78000, 76500, -20000]


def of_example(
    *, paid: int = 0, links: tuple[str, ...], mails: int, runs: int, status: str = "open"
) -> Callable[[Site], None]:
    """Return a check that there is exactly one of each object of the example. ``paid`` is in cents."""

    def check(site: Site) -> None:
        stripe = site.stripe
        counts = {kind: len(stripe.objects(kind)) for kind in ("customers", "tax_rates", "invoices")}
        assert counts == {"customers": 1, "tax_rates": 1, "invoices": 1}
        (invoice,) = stripe.objects("invoices")
        assert [line["amount"] for line in invoice["lines"]["data"]] == LINES
        assert (invoice["status"], invoice["total"], invoice["amount_paid"]) == (status, 910200, paid)
        assert sorted(session["status"] for session in stripe.objects("sessions")) == sorted(links)
        assert len(stripe.objects("endpoints")) == (1 if links else 0), stripe.objects("endpoints")
        saved = site.quote("q-1")["saved_ids"]
        assert saved["contacts"] == {"contact_3": stripe.objects("customers")[0]["id"]}
        assert saved["taxes"] == {"tax_1": stripe.objects("tax_rates")[0]["id"]}
        assert site.mails == mails
        _all_ended_well(site, runs)

    return check


def _all_ended_well(site: Site, runs: int) -> None:
    ended = [(run["kind"], run["status"], run["error"]) for run in site.runs()]
    assert [run for run in ended if run[1] not in {"succeeded", "skipped"} or run[2]] == []
    assert len(ended) == runs, ended


def paid_once(site: Site) -> None:
    of_example(paid=227550, links=("complete",), mails=1, runs=len(site.runs()))(site)
    payments = [one["amount_paid"] for one in site.stripe.objects("invoice_payments") if one["status"] == "paid"]
    assert payments == [227550]
    assert [part["status"] for part in site.quote("q-1")["installments"]] == ["paid", *["scheduled"] * 3]


def link_closed(site: Site) -> None:
    of_example(paid=910200, links=("expired",), mails=1, runs=len(site.runs()), status="paid")(site)


def sent_by_stripe(site: Site) -> None:
    of_example(links=(), mails=0, runs=1)(site)
    assert len(site.stripe.objects("sent")) == 1


def mailed_or_asked(site: Site) -> None:
    """Check the only case in which nobody can know whether a mail was sent: no second mail is sent unasked."""
    (run,) = site.runs()
    if run["status"] == "needs_attention":
        assert run["error"]["code"] == "mail_unsure"
        assert site.mails in {0, 1}
        left = site.mails
        assert site.command("run", "retry", run["id"], "--wait")
        assert site.mails == left + 1
        return
    of_example(links=("open",), mails=1, runs=1)(site)


def one_corrected_draft(site: Site) -> None:
    assert [(i["status"], i["total"]) for i in site.stripe.objects("invoices")] == [("draft", 30000)]
    _all_ended_well(site, 1)


def nothing_left(site: Site) -> None:
    assert site.stripe.objects("invoices") == []
    _all_ended_well(site, 2)


def paid_unheard(site: Site) -> tuple[str, ...]:
    """Let the customer pay while Stripe's webhooks are held back; return the command that finds the payment."""
    site.stripe.config.update(webhooks_held=True)
    pay(site)
    return ("webhook", "check", "ws-1", "--roll-secrets", "--wait")


def _first_run(site: Site) -> str:
    return str(site.runs("quote_accepted")[0]["id"])


FLOWS = (
    Flow("accept, payment link", accept_example, of_example(links=("open",), mails=1, runs=1), unheard=lambda _: True),
    Flow("accept, payment link by SMTP", accept_example, mailed_or_asked, unheard=lambda _: True, smtp=True),
    Flow("accept, e-mail by Stripe", accept_example, sent_by_stripe, settings=EMAIL, unheard=lambda _: True),
    Flow("the link is paid", pay, paid_once, before=sent_example),
    Flow("a webhook closes a link", pay_on_stripes_page, link_closed, before=sent_example, several_runs=True),
    Flow(
        "next installment",
        lambda site: site.command(*("installment", "send", "ws-1", "q-1", "--wait")),
        of_example(paid=227550, links=("complete", "open"), mails=2, runs=4),
        before=paid_example,
        unheard=lambda site: not site.runs("installment"),
        command=lambda _: ("installment", "send", "ws-1", "q-1", "--wait"),
    ),
    Flow(
        "upkeep: a missed payment, and the webhook secret rolled",
        lambda site: site.command("webhook", "check", "ws-1", "--roll-secrets", "--wait"),
        paid_once,
        before=sent_example,
        unheard=lambda site: not site.runs("upkeep"),
        command=paid_unheard,
        several_runs=True,
    ),
    Flow(
        "retry of a refused run",
        lambda site: site.command(*("run", "retry", _first_run(site), "--wait")),
        of_example(links=("open",), mails=1, runs=1),
        before=refused_example,
        unheard=lambda site: site.runs()[0]["status"] == "needs_attention",
        command=lambda site: ("run", "retry", _first_run(site), "--wait"),
    ),
    Flow("a corrected quote", correct, one_corrected_draft, settings={}, before=small_draft, unheard=lambda _: True),
    Flow(
        "undo of a draft",
        lambda site: site.command(*("run", "undo", _first_run(site), "--wait")),
        nothing_left,
        settings={},
        before=small_draft,
        unheard=lambda site: not site.runs("undo"),
        command=lambda site: ("run", "undo", _first_run(site), "--wait"),
    ),
)
