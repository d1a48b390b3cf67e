"""Upkeep of webhooks: repair the endpoint, roll its secret, and find missed payments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qwoty_integrations_host import (
    CredentialsError,
    HookContext,
    NeedsAttention,
    Outcome,
    UpkeepReport,
    UpkeepRequest,
    WebhookEndpoint,
    WebhookEvent,
)

from .endpoint import adopt_endpoints, look_after_endpoint
from .endpoint_spec import repairs_in_words
from .endpoint_state import KeptEndpoint, accounts_kept, made_with
from .event_routing import object_of
from .gateway import fingerprint
from .missed_events import as_delivered, events_seen, look_at_events
from .open_invoices import INVOICES_A_RUN, INVOICES_BESIDE_EVENTS, invoices_seen, look_at_open_invoices
from .settings import StripeSettings
from .work import Work


def endpoints(ctx: HookContext) -> list[WebhookEndpoint]:
    """Return the saved endpoints, including those of keys that left the settings. Makes no request."""
    present = map(fingerprint, StripeSettings.of(ctx.settings).all_keys())
    kept = {account: KeptEndpoint(ctx, account) for account in (*present, *accounts_kept(ctx))}
    return [
        WebhookEndpoint(account, _mode(ctx, endpoint), endpoint.known["id"], endpoint.known["url"])
        for account, endpoint in kept.items()
        if endpoint.known
    ]


def _mode(ctx: HookContext, endpoint: KeptEndpoint) -> str:
    return "live" if made_with(ctx, endpoint.token).get("live") else "test"


@dataclass(slots=True)
class _Findings:
    notes: list[str] = field(default_factory=list)
    problems: list[NeedsAttention] = field(default_factory=list)
    events: list[WebhookEvent] = field(default_factory=list)

    def outcome(self, *, endpoints: bool) -> Outcome:
        if self.problems:
            first, *others = self.problems
            return Outcome.needs_attention(
                first.code, first.title, *self.notes, *(other.title for other in others), hint=first.hint
            )
        if self.notes:
            return Outcome.done(*self.notes)
        if endpoints:
            return Outcome.skipped("The webhooks were looked after; nothing had to be mended.")
        return Outcome.skipped(
            "The open invoices were looked at; no webhook tells of them, since no link was made yet."
        )


def look_after(ctx: HookContext, request: UpkeepRequest) -> UpkeepReport:
    """Check the endpoint of every key that has one, and the open invoices of all keys.

    A problem with one key does not stop the others.
    """
    keys = {fingerprint(key): key for key in StripeSettings.of(ctx.settings).all_keys()}
    findings = _Findings()
    _adopt(ctx, keys, findings)
    accounts: Sequence[str] = ctx.step("accounts", lambda _: [a for a in keys if KeptEndpoint(ctx, a).known])
    looks: dict[str, Mapping[str, Any]] = {}
    for account in accounts:
        work = Work.with_key(ctx, keys[account])
        _look_after_endpoint(work, findings, roll=request.roll_secrets)
        if look := _events(work, findings):
            looks[account] = look
    all_readable = bool(looks) and len(looks) == len(keys)
    after = _open_invoices(ctx, findings, INVOICES_BESIDE_EVENTS if all_readable else INVOICES_A_RUN)
    # Saved last: if anything above ends the run, the next one looks at the same events and invoices again.
    for account, look in looks.items():
        events_seen(ctx, account, look["next"])
    if after is not None:
        invoices_seen(ctx, after)
    return UpkeepReport(findings.outcome(endpoints=bool(accounts)), tuple(findings.events))


def _adopt(ctx: HookContext, keys: Mapping[str, str], findings: _Findings) -> None:
    """Adopt endpoints of keys that were replaced by another key of the same Stripe account."""
    left: list[str] = ctx.step("accounts.left", lambda _: [a for a in accounts_kept(ctx) if a not in keys])
    for key in keys.values() if left else ():
        try:
            adopted = adopt_endpoints(Work.with_key(ctx, key), left)
        except NeedsAttention as problem:
            findings.problems.append(problem)
            continue
        findings.notes += ["The webhook endpoint of a key that was replaced is looked after with the new one."] * len(
            adopted
        )


def _look_after_endpoint(work: Work, findings: _Findings, *, roll: bool) -> None:
    try:
        seen = look_after_endpoint(work, roll=roll)
    except NeedsAttention as problem:
        findings.problems.append(problem)
        return
    findings.notes += repairs_in_words(seen)
    if seen["still_refused"]:
        useless = NeedsAttention(
            "Webhooks still come with a wrong signature, although the secret was rolled a short while ago.",
            hint="Does something between Stripe and this host change what is delivered (a proxy, a firewall)?",
            code="webhook_signature",
        )
        findings.problems.append(useless)


def _events(work: Work, findings: _Findings) -> Mapping[str, Any] | None:
    """Find missed events and return the look; None if the key may not read events."""
    try:
        look = look_at_events(work)
    except NeedsAttention as problem:
        findings.problems.append(problem)
        return None
    findings.events += [as_delivered(work.stripe.account, event) for event in look["events"]]
    return look if look["readable"] else None


def _leads_to_the_invoice(event: WebhookEvent) -> bool:
    """Whether the event's run looks at the invoice. An unpaid link does not say whether it was paid outside."""
    is_of_a_link = event.type.startswith("checkout.session.")
    return not is_of_a_link or object_of(event.payload).get("payment_status") == "paid"


def _open_invoices(ctx: HookContext, findings: _Findings, most: int) -> str | None:
    try:
        told = {event.quote_id for event in findings.events if _leads_to_the_invoice(event)}
        events, after = look_at_open_invoices(ctx, most, told=told)
    except CredentialsError as problem:
        findings.problems.append(problem)
        return None
    findings.events += events
    return after
