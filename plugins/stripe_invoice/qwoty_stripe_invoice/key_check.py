"""Find out what the settings' keys may do at Stripe, without any effect (docs/notes/stripe.md#keys-and-permissions).

A read is tried with a list of one object. A write is tried on an object that cannot exist: 403 means that the key may
not, 404 that it may, if Stripe checks permissions before existence. If it does not, the result is "unclear".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import requests

from qwoty_integrations_host import (
    ConnectionReport,
    ConnectionRequest,
    CredentialsError,
    HookContext,
    IntegrationError,
    KeyReport,
    PermissionMissing,
    RetryableError,
    RightReport,
    ServiceStatus,
)

from .gateway import Gateway, api_base, fingerprint, is_live, stripes_answer
from .settings import StripeSettings
from .stripe_errors import NotStripe, StripeRefused
from .work import Work

_PROBE = {"metadata": {"qwoty_probe": "1"}}
_TIMEOUT = (5, 10)
#: The most open invoices that are checked for a key that left the settings.
_MOST_RECORDS = 200

_Call = Callable[[Any], Any]
_Status = Literal["ok", "missing", "unclear"]


@dataclass(frozen=True, slots=True)
class _Resource:
    """A row of the Dashboard's list of permissions, and the calls that try it. Every key needs Write on each."""

    name: str
    read: _Call | None
    write: _Call
    for_links: bool = False


_ONE = {"limit": 1}
_RESOURCES = (
    _Resource(
        "Customers", lambda v1: v1.customers.list(_ONE), lambda v1: v1.customers.update("cus_qwotyProbe", _PROBE)
    ),
    _Resource(
        "Invoices",
        lambda v1: v1.invoices.list(_ONE),
        lambda v1: v1.invoices.finalize_invoice("in_qwotyProbe", {"auto_advance": False}),
    ),
    _Resource("Invoice items", None, lambda v1: v1.invoice_items.update("ii_qwotyProbe", _PROBE)),
    _Resource(
        "Tax Rates", lambda v1: v1.tax_rates.list(_ONE), lambda v1: v1.tax_rates.update("txr_qwotyProbe", _PROBE)
    ),
    _Resource(
        "Checkout Sessions",
        lambda v1: v1.checkout.sessions.list(_ONE),
        lambda v1: v1.checkout.sessions.expire("cs_test_qwotyProbe"),
        for_links=True,
    ),
    _Resource(
        "Webhook Endpoints",
        lambda v1: v1.webhook_endpoints.list(_ONE),
        lambda v1: v1.webhook_endpoints.update("we_qwotyProbe", _PROBE),
        for_links=True,
    ),
)


def check_connection(ctx: HookContext, request: ConnectionRequest) -> ConnectionReport:
    """Try each key of the settings for the permissions that the settings need.

    Notes name business units of recent quotes without a key, and open invoices that no key can see.
    """
    settings = StripeSettings.of(ctx.settings)
    wanted = [resource for resource in _RESOURCES if settings.delivery == "link" or not resource.for_links]
    keys = tuple(_check(ctx, key, label, wanted) for key, label in _labelled(settings, request.business_units).items())
    notes = (
        *_left_unclear(keys),
        *_units_without_key(settings, request.business_units),
        *_invoices_left_behind(ctx, settings),
    )
    return ConnectionReport(keys, notes)


def service_status(ctx: HookContext) -> ServiceStatus:
    """Send a request without a key: Stripe's refusal proves that it can be reached."""
    begun = time.monotonic()
    try:
        answer = requests.get(f"{api_base()}/v1/customers", timeout=_TIMEOUT, allow_redirects=False)
    except requests.RequestException as error:
        return ServiceStatus(False, _ms_since(begun), f"Stripe cannot be reached ({type(error).__name__}).")
    status = answer.status_code
    detail = f"Stripe answers with HTTP {status}." if status >= 500 else ""
    if stripes_answer(status, answer.content) is None:
        detail = f"Something other than Stripe answered (HTTP {status})."
    return ServiceStatus(not detail, _ms_since(begun), detail)


def _ms_since(begun: float) -> int:
    return round((time.monotonic() - begun) * 1000)


# -- which keys --------------------------------------------------------------------------------------------


def _labelled(settings: StripeSettings, units: Mapping[str, str]) -> dict[str, str]:
    """Return a label for each key; a key of several business units is tried once."""
    if settings.token_scope == "workspace":
        return {settings.workspace_api_token: "workspace key"}
    served: dict[str, list[str]] = {}
    for unit, key in settings.business_unit_api_tokens.items():
        served.setdefault(key, []).append(_named(unit, units))
    return {key: "business unit " + ", ".join(names) for key, names in served.items()}


def _named(unit: str, units: Mapping[str, str]) -> str:
    name = units.get(unit, unit)
    return unit if name == unit else f"{name} ({unit})"


def _units_without_key(settings: StripeSettings, units: Mapping[str, str]) -> list[str]:
    return [
        f"Recent quotes are of the business unit {_named(unit, units)}, which has no key: such quotes get no invoice."
        for unit in units
        if settings.key_for(unit) is None
    ]


def _invoices_left_behind(ctx: HookContext, settings: StripeSettings) -> list[str]:
    """Name the open invoices whose key was replaced by a key of another account or mode."""
    present = {fingerprint(key) for key in settings.all_keys()}
    found: dict[str, tuple[str, str]] = {}
    for quote_id in ctx.records.awaiting_payment(after="", limit=_MOST_RECORDS):
        record = ctx.records.get(quote_id)
        if record and record.invoice and record.invoice.account not in present:
            found.setdefault(record.invoice.account, (record.invoice.id, quote_id))
    gateways = [Work.with_key(ctx, key).stripe for key in dict.fromkeys(settings.all_keys())]
    return [
        f"No key sees invoice {invoice_id} of quote {quote_id}: it was made with a key of another account or mode."
        for invoice_id, quote_id in found.values()
        if all(_is_unknown(stripe, invoice_id) for stripe in gateways)
    ]


def _is_unknown(stripe: Gateway, invoice_id: str) -> bool:
    try:
        stripe.probe(lambda v1: v1.invoices.retrieve(invoice_id))
    except StripeRefused as error:
        return error.missing
    except IntegrationError:
        pass
    return False


def _left_unclear(keys: Sequence[KeyReport]) -> list[str]:
    """Return notes on permissions without a clear result, which says nothing against the key."""
    return [sentence for key in keys for sentence in _why_unclear(key)]


def _why_unclear(key: KeyReport) -> Iterator[str]:
    unclear = [right for right in key.rights if right.status == "unclear"]
    writes = {right.resource for right in key.rights if right.access == "Write" and right.status != "missing"}
    if writes and writes == {right.resource for right in unclear if right.access == "Write"}:
        yield (
            f"What the {key.label} may write could not be asked: Stripe looks for the object before it looks at "
            "permissions. A good key reads so, too; the first run will tell."
        )
        unclear = [right for right in unclear if right.access != "Write"]
    if unclear:
        names = ", ".join(f"{right.resource}: {right.access}" for right in unclear)
        yield f"Stripe gave no clear answer about {names} of the {key.label}: test again later."


# -- what one key may do -----------------------------------------------------------------------------------


def _check(ctx: HookContext, key: str, label: str, wanted: Sequence[_Resource]) -> KeyReport:
    stripe = Work.with_key(ctx, key).stripe
    mode = "live" if is_live(key) else "test"
    report = partial(KeyReport, label=label, last4=key[-4:], mode=mode, account=stripe.account)
    try:
        rights = tuple(_rights(stripe, wanted))
    except CredentialsError as error:
        is_the_key = error.code == CredentialsError.default_code
        hint = "Enter a valid key in the settings, then test again." if is_the_key else error.hint
        return report(status="refused", code=error.code, title=error.title, hint=hint)
    except RetryableError as error:
        return _unreachable(report, error.title)
    if missing := list(dict.fromkeys(right.resource for right in rights if right.status == "missing")):
        ticks = ", ".join(f"{resource}: Write" for resource in missing)
        return report(
            status="missing",
            code="permission_missing",
            title="The key lacks permissions that the settings need.",
            hint=f"Edit the key in the Stripe Dashboard (Developers → API keys) and tick {ticks}; then test again.",
            rights=rights,
        )
    if not any(right.status == "ok" for right in rights):
        return _unreachable(report, "Stripe has trouble of its own.")
    return report(status="ok", rights=rights)


def _unreachable(report: Callable[..., KeyReport], title: str) -> KeyReport:
    hint = "This says nothing about the key: test again later."
    return report(status="unreachable", code="stripe_unreachable", title=title, hint=hint)


def _rights(stripe: Gateway, wanted: Sequence[_Resource]) -> list[RightReport]:
    """Try every permission. Raises: CredentialsError for a refused key, RetryableError when Stripe does not answer."""
    reads = {resource: _try(stripe, resource.read) for resource in wanted if resource.read}
    # In the Dashboard, Write includes Read: a key that may not read may not write either.
    writes = {
        resource: "missing" if reads.get(resource) == "missing" else _try(stripe, resource.write) for resource in wanted
    }
    tried = [resource for resource in writes if reads.get(resource) != "missing"]
    if all(writes[resource] != "missing" for resource in tried) and _looks_at_existence_first(stripe):
        writes |= dict.fromkeys(tried, "unclear")
    return [
        RightReport(resource.name, access, found[resource])
        for resource in wanted
        for access, found in (("Read", reads), ("Write", writes))
        if resource in found
    ]


def _try(stripe: Gateway, call: _Call) -> _Status:
    try:
        stripe.probe(call)
    except PermissionMissing:
        return "missing"
    except RetryableError as error:
        if isinstance(error, NotStripe) or error.code == "stripe_unreachable":
            raise
        return "unclear"
    except StripeRefused as error:
        return "ok" if error.missing else "unclear"
    return "ok"


def _looks_at_existence_first(stripe: Gateway) -> bool:
    """Whether a key without permission for events gets a 404 for an unknown event: then a 404 proves nothing."""
    if _try(stripe, lambda v1: v1.events.list(_ONE)) != "missing":
        return False
    return _try(stripe, lambda v1: v1.events.retrieve("evt_qwotyProbe")) == "ok"
