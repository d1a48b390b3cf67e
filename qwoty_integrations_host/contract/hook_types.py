"""The arguments and results of the hooks.

Within one HOOK_API, fields are only added, each with a default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from importlib.resources.abc import Traversable
from typing import Any, Literal

from ..errors import FieldProblem
from .quote import Quote

#: One problem found by ``validate_settings``: ``SettingsProblem(("send_payment_link",), "…")``.
SettingsProblem = FieldProblem


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Describes a plugin. ``settings_schema`` follows JSON Schema 2020-12 and the conventions of docs/settings.md."""

    id: str
    title: str
    description: str
    version: str
    hook_api: int
    settings_schema: Mapping[str, Any]
    #: Increase it when the form of the settings changes. Then ``migrate_settings`` converts older settings.
    settings_version: int = 1
    #: Some of ``quotes``, ``webhooks``, ``installments``, ``invoices``.
    capabilities: frozenset[str] = frozenset()
    #: Whether ``attempt.confirm()`` comes right before each request of this plugin that changes something. Then the
    #: host commits a step's beginning only there, and a step that changes nothing costs no commit of its own.
    confirms_writes: bool = False
    #: A folder with files such as ``fr.po``, which translate the sentences that the plugin records (docs/hooks.md).
    translations: Traversable | None = field(default=None, repr=False)


#: The statuses with which a plugin can end a run.
OUTCOMES = ("succeeded", "skipped", "needs_attention")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ends. Put ids and figures into the record, and sentences for people into ``notes``."""

    status: Literal["succeeded", "skipped", "needs_attention"]
    notes: tuple[str, ...] = ()
    code: str = ""
    title: str = ""
    hint: str = ""
    #: Further small JSON values to show; the host adds the record's figures.
    result: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def done(cls, *notes: str, result: Mapping[str, Any] | None = None) -> Outcome:
        """Return the outcome of a run that has done everything."""
        return cls("succeeded", notes, result=result or {})

    @classmethod
    def skipped(cls, reason: str, *notes: str, code: str = "", hint: str = "") -> Outcome:
        """Return the outcome of a run that had nothing to do; the reason is shown first.

        A ``code`` means that something is missing. Then the reason becomes the run's error, ``hint`` says how a person
        can add what is missing, and an accepted quote is counted among the quotes without an invoice.
        """
        return cls("skipped", notes, code, reason, hint) if code else cls("skipped", (reason, *notes))

    @classmethod
    def needs_attention(cls, code: str, title: str, *notes: str, hint: str = "") -> Outcome:
        """Return the outcome of a run that needs a person: ``title`` says what happened, ``hint`` what to do."""
        return cls("needs_attention", notes, code, title, hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewTax:
    """One tax on a line: its name (``VAT``), percentage (20) and expected amount in major units."""

    name: str
    percentage: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewLine:
    """One line of the invoice; ``amount`` is in major units without tax."""

    key: str
    description: str
    amount: Decimal
    taxes: tuple[PreviewTax, ...] = ()

    @property
    def total(self) -> Decimal:
        """The amount with taxes."""
        return self.amount + sum((tax.amount for tax in self.taxes), Decimal(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewProblem:
    """A problem at which a run would stop: ``code``, ``title`` and ``hint`` of its error, and its final ``status``."""

    code: str
    title: str
    hint: str = ""
    status: Literal["needs_attention", "skipped"] = "needs_attention"


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewRecipient:
    """Who is billed, in the form sent to the service. ``address`` is one line, empty if the quote has no address."""

    name: str
    company: str = ""
    email: str | None = None
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The invoice that a plugin would create for a quote, in major units. The ``signed_…`` figures are the quote's own.

    If there are ``problems`` and no ``lines``, the plugin has no plan, and the sums have no meaning.
    """

    currency: str
    lines: tuple[PreviewLine, ...]
    subtotal: Decimal
    tax: Decimal
    total: Decimal
    signed_total: Decimal
    #: None if the quote states only the total.
    signed_net: Decimal | None = None
    signed_tax: Decimal | None = None
    #: One sentence on what a run would do about the totals; empty when they are not compared.
    verdict: str = ""
    #: Whether a run would end as ``needs_attention``.
    needs_attention: bool = False
    #: Why figures differ from the quote's, one sentence each.
    differences: tuple[str, ...] = ()
    #: (number, amount, due date if it can be known)
    installments: tuple[tuple[int, Decimal, date | None], ...] = ()
    notes: tuple[str, ...] = ()
    #: Every problem at which a run would stop, in the run's order: the first is the run's error.
    problems: tuple[PreviewProblem, ...] = ()
    billed: PreviewRecipient | None = None
    #: One sentence on who would get which mail; empty when that is unknown.
    mailed: str = ""
    #: Where a run would look for the service's customer, in this order, one sentence each.
    customer: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InstallmentRequest:
    """A request to send an installment of the quote now. ``number`` begins at 1; None means the lowest unpaid one."""

    quote: Quote = field(repr=False)
    number: int | None = None

    @property
    def quote_id(self) -> str:
        return self.quote.id


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """An HTTP request of the remote service, unchanged. ``token`` is the last segment of its path."""

    token: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)

    def header(self, name: str) -> str:
        """Return a header's value regardless of case; empty when it was not sent."""
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), "")


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """An authenticated event. Without a ``quote_id`` the host stores it and starts no run."""

    id: str
    type: str
    payload: Mapping[str, Any] = field(repr=False)
    quote_id: str | None = None
    #: The service's account from which it came, as in ``WebhookEndpoint.account``; empty when unknown.
    account: str = ""


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """An endpoint to which a service delivers its webhooks, as the plugin knows it.

    ``account`` distinguishes the service's accounts (at most 64 characters, never a key). ``mode`` is the service's own
    word (test, live), and ``id`` is the endpoint's id at the service.
    """

    account: str
    mode: str
    id: str
    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class UpkeepRequest:
    """A request to maintain the connection to the service. ``roll_secrets`` asks for new webhook secrets."""

    roll_secrets: bool = False


@dataclass(frozen=True, slots=True)
class UpkeepReport:
    """The result of ``on_upkeep``: its outcome (``skipped`` when nothing had to be repaired) and undelivered events."""

    outcome: Outcome
    events: tuple[WebhookEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class ConnectionRequest:
    """A request to test the keys of the settings.

    ``business_units`` has the units of recent quotes: names by id. If a unit has no name, its id is used as the name.
    """

    business_units: Mapping[str, str] = field(default_factory=dict)


#: In this order: the key works; it lacks a right; the service refused it; the service did not answer.
KEY_STATUSES = ("ok", "missing", "refused", "unreachable")
#: ``unclear``: only a write could show whether the key has the right. This status blocks nothing.
RIGHT_STATUSES = ("ok", "missing", "unclear")


@dataclass(frozen=True, slots=True)
class RightReport:
    """One right that the settings need: ``Customers``, ``Write``, in the words of the service's own pages."""

    resource: str
    access: str
    status: Literal["ok", "missing", "unclear"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyReport:
    """The state of one key. ``label`` says which key it is; ``last4`` holds its last four characters and no more."""

    label: str
    last4: str
    #: The service's own word: test, live.
    mode: str
    #: Distinguishes the service's accounts, as in ``WebhookEndpoint.account``; never a key.
    account: str
    status: Literal["ok", "missing", "refused", "unreachable"]
    #: As in an error: what is wrong and what to do, such as which boxes to tick. Empty if nothing is wrong.
    code: str = ""
    title: str = ""
    hint: str = ""
    rights: tuple[RightReport, ...] = ()


@dataclass(frozen=True, slots=True)
class ConnectionReport:
    """The state of each key of the settings. ``notes`` are further sentences for an admin, such as on a missing key."""

    keys: tuple[KeyReport, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """Whether the service can be reached from this machine: after how many ms, or what failed (``detail``)."""

    reachable: bool
    ms: int
    detail: str = ""
