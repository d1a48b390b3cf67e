"""Everything that can happen in a storm, one row each, with its weight and its effect on the world."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from qwoty_integrations_host.host import Host
from qwoty_integrations_host.quotes.run import RunKind, RunStatus
from qwoty_integrations_host.store import runs as run_rows
from storm.story import Event, Story
from storm.wire import TROUBLES, Trouble
from storm.world import MAIL_TROUBLES, WORKSPACE, Request, World
from stripe_simulator.errors import StripeError

Act = Callable[[World, Story, int], None]


@dataclass(frozen=True)
class Happening:
    """One kind of event.

    ``strikes``: it hits the process that reaches its boundary, in the middle of that process's work. With ``at``, it
    waits for the next boundary whose name begins with ``at``.
    """

    weight: int
    act: Act
    strikes: bool = False
    at: str = ""


def _quote(story: Story, number: int) -> str:
    return f"q-{1 + number % len(story.quotes)}"


# -- people and the platform ---------------------------------------------------------------------------


def accept(world: World, story: Story, number: int, *, version: int | None = None) -> None:
    """The platform sends an accepted quote, and repeats it until it gets an answer."""
    place = number % len(story.quotes)
    last = world.versions.get(place, 0)
    world.versions[place] = place_of = last if version is None else min(version, 2)
    document = story.quotes[place][place_of].document
    world.tell(f"q-{place + 1}", "accepted", lambda host: host.runs.acceptance.accept(WORKSPACE, document), again=True)


def correct(world: World, story: Story, number: int) -> None:
    place = number % len(story.quotes)
    accept(world, story, place, version=world.versions.get(place, 0) + 1)


def cancel(world: World, story: Story, number: int) -> None:
    quote = _quote(story, number)
    world.tell(quote, "cancelled", lambda host: host.runs.cancellation.cancel(WORKSPACE, quote), again=True)


def undo(world: World, story: Story, number: int) -> None:
    quote = _quote(story, number)

    def act(host: Host) -> Any:
        with host.store.read() as db:
            found = run_rows.of_quote(db, WORKSPACE, quote, kind=RunKind.QUOTE_ACCEPTED)
        return host.runs.cancellation.undo(found[0].id) if found else None

    world.tell(quote, "undone", act)


def void(world: World, story: Story, number: int) -> None:
    quote = _quote(story, number)
    world.tell(quote, "voided", lambda host: host.runs.cancellation.void(WORKSPACE, quote))


def retry(world: World, story: Story, number: int) -> None:
    quote = _quote(story, number)

    def act(host: Host) -> Any:
        with host.store.read() as db:
            every = run_rows.of_quote(db, WORKSPACE, quote)
        found = [run for run in every if run.is_open or run.status == RunStatus.WAITING]
        if not found:
            return None
        chosen = found[number % len(found)]
        host.runs.control.retry(chosen.id)
        return chosen.error_code

    world.tell(quote, "retried", act)


def ask_installment(world: World, story: Story, number: int) -> None:
    quote = _quote(story, number)
    world.tell(
        quote, "installment", lambda host: host.runs.installments.request(WORKSPACE, quote, None, look_first=True)
    )


def calendar(world: World, story: Story, number: int) -> None:
    """The host's schedule: due installments, upkeep, and alerts."""

    def act(host: Host) -> None:
        host.runs.installments.request_due()
        host.upkeep.request_due()
        host.alert_delivery.deliver()

    world.ask(Request("calendar", act))


# -- Stripe's side --------------------------------------------------------------------------------------


def _undelivered(world: World) -> list[Any]:
    return [one for one in world.deliveries if one.status == "pending"]


def deliver(world: World, story: Story, number: int) -> None:
    if waiting := _undelivered(world):
        world.deliver(waiting[number % len(waiting)])


def deliver_again(world: World, story: Story, number: int) -> None:
    if world.deliveries:
        world.deliver(world.deliveries[number % len(world.deliveries)])


def forge(world: World, story: Story, number: int) -> None:
    if world.deliveries:
        world.deliver(world.deliveries[number % len(world.deliveries)], forged=True)


def on_a_session(do: str) -> Act:
    """Return an act: the customer does this with a link, if the link's state allows it."""

    def act(world: World, story: Story, number: int) -> None:
        sessions = world.stripe.objects("sessions")
        if not sessions:
            return
        chosen = sessions[number % len(sessions)]["id"]
        try:
            getattr(world.stripe, do)(chosen)
        except StripeError:
            return

    return act


def on_an_invoice(do: str) -> Act:
    """Return an act: somebody does this with an invoice at Stripe, if the invoice's state allows it."""

    def act(world: World, story: Story, number: int) -> None:
        invoices = [one for one in world.stripe.objects("invoices") if one["status"] == "open"]
        if not invoices:
            return
        try:
            getattr(world.stripe, do)(invoices[number % len(invoices)]["id"])
        except StripeError:
            return

    return act


def refund(world: World, story: Story, number: int) -> None:
    intents = [one for one in world.stripe.objects("payment_intents") if one["status"] == "succeeded"]
    if not intents:
        return
    chosen = intents[number % len(intents)]
    try:
        world.stripe.refund(chosen["id"], None if number % 2 else max(1, chosen["amount"] // 3))
    except StripeError:
        return


def time_passes(world: World, story: Story, number: int) -> None:
    world.wire.finish_slow()
    minutes = (1, 6, 30, 120, 25 * 60, 31 * 24 * 60)[number % 6]
    if any(
        actor.away_until > world.scheduler.passed and actor.at.startswith("before POST")
        for actor in world.scheduler.actors
    ):
        # Between its last check and the first byte of its request, no worker can notice that it has slept. Stripe forgets
        # the request's key after a day, so a longer sleep right there makes a second object (docs/reliability.md).
        minutes = min(minutes, 23 * 60)
    world.clock.advance(60.0 * minutes)
    world.stripe.clock.on_move()


# -- trouble --------------------------------------------------------------------------------------------


def stripe_trouble(kind: str, world: World, story: Story, number: int) -> None:
    world.wire.troubles.append(Trouble(kind, times=1 + (number >> 4) % 8, writes_only=number % 2 == 0))


def mail_trouble(kind: str, world: World, story: Story, number: int) -> None:
    world.mail_troubles.extend([kind] * (1 + number % 3))


def database_away(world: World, story: Story, number: int) -> None:
    world.database_refusals += 1 + number % 12


def commit_unanswered(world: World, story: Story, number: int) -> None:
    world.lost_commits += 1


def release(world: World, story: Story, number: int) -> None:
    world.release += 1


def death(world: World, story: Story, number: int) -> None:
    """The process at this boundary dies, and is started again a little later."""
    actor = world.scheduler.current
    assert actor is not None
    actor.away_until = world.scheduler.passed + number % 60
    actor.dying = True


def freeze(world: World, story: Story, number: int, *, cut: bool) -> None:
    """The process at this boundary is frozen, others take over its work, and later it wakes."""
    actor = world.scheduler.current
    assert actor is not None
    if actor.in_transaction:
        return  # the database would end the transaction, which is the same as a death
    actor.away_until = world.scheduler.passed + 20 + number % 200
    world.take_over(actor, cut=cut)


HAPPENINGS: Mapping[str, Happening] = {
    "accepted": Happening(0, accept),
    "accepted again": Happening(4, accept),
    "corrected": Happening(5, correct),
    "cancelled": Happening(4, cancel),
    "undone": Happening(3, undo),
    "voided": Happening(2, void),
    "retried": Happening(4, retry),
    "installment asked for": Happening(5, ask_installment),
    "calendar": Happening(5, calendar),
    "webhook": Happening(10, deliver),
    "webhook again": Happening(3, deliver_again),
    "webhook forged": Happening(2, forge),
    "link paid": Happening(10, on_a_session("pay")),
    "link paid by debit": Happening(3, on_a_session("pay_later")),
    "debit settles": Happening(3, on_a_session("settle")),
    "debit fails": Happening(2, on_a_session("fail")),
    "link expires": Happening(2, on_a_session("expire")),
    "paid at Stripe": Happening(3, on_an_invoice("pay_hosted")),
    "marked as paid": Happening(2, on_an_invoice("mark_paid")),
    "refunded": Happening(3, refund),
    "time passes": Happening(8, time_passes),
    **{f"Stripe: {kind}": Happening(3, partial(stripe_trouble, kind)) for kind in TROUBLES},
    **{f"mail: {kind}": Happening(2, partial(mail_trouble, kind)) for kind in MAIL_TROUBLES},
    "database away": Happening(4, database_away),
    "commit unanswered": Happening(4, commit_unanswered),
    "release": Happening(4, release),
    "death": Happening(20, death, strikes=True),
    "death at a mail": Happening(4, death, strikes=True, at="mail server"),
    "frozen at a mail": Happening(3, partial(freeze, cut=True), strikes=True, at="mail server"),
    "frozen": Happening(6, partial(freeze, cut=False), strikes=True),
    "frozen and cut off": Happening(8, partial(freeze, cut=True), strikes=True),
}
WEIGHTS = {kind: happening.weight for kind, happening in HAPPENINGS.items() if happening.weight}


def let_happen(world: World, story: Story, event: Event) -> None:
    HAPPENINGS[event.kind].act(world, story, event.number)
    world.happened.append(event)
