"""What goes through the hooks: one object of facts in, one typed answer out.

Fields are only ever added within one HOOK_API, with a meaning when absent.
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
    """Who a plugin is. ``settings_schema`` follows JSON Schema 2020-12 and the conventions of docs/settings.md."""

    id: str
    title: str
    description: str
    version: str
    hook_api: int
    settings_schema: Mapping[str, Any]
    #: Raised by a release that reads settings of another form: those of before go through ``migrate_settings``.
    settings_version: int = 1
    #: What it works with: ``quotes``, ``webhooks``, ``installments``, ``invoices``.
    capabilities: frozenset[str] = frozenset()
    #: A folder with ``fr.po`` and others: what the plugin records, in its readers' languages (docs/hooks.md). Read when
    #: somebody first needs it.
    translations: Traversable | None = field(default=None, repr=False)


#: How a run can end by a plugin's word.
OUTCOMES = ("succeeded", "skipped", "needs_attention")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. References and figures belong into the record, words for people into ``notes``."""

    status: Literal["succeeded", "skipped", "needs_attention"]
    notes: tuple[str, ...] = ()
    code: str = ""
    title: str = ""
    hint: str = ""
    #: Further small JSON values worth showing; the record's figures are added by the host.
    result: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def done(cls, *notes: str, result: Mapping[str, Any] | None = None) -> Outcome:
        """Everything asked for is done."""
        return cls("succeeded", notes, result=result or {})

    @classmethod
    def skipped(cls, reason: str, *notes: str, code: str = "", hint: str = "") -> Outcome:
        """There was rightly nothing to do; the reason is shown first.

        With a ``code`` nothing was done for want of something: the reason then is the run's error, ``hint`` says how a
        person adds what is missing, and an accepted quote counts as one without an invoice.
        """
        return cls("skipped", notes, code, reason, hint) if code else cls("skipped", (reason, *notes))

    @classmethod
    def needs_attention(cls, code: str, title: str, *notes: str, hint: str = "") -> Outcome:
        """A person has to look: ``code`` for machines, ``title`` what happened, ``hint`` what to do."""
        return cls("needs_attention", notes, code, title, hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewTax:
    """One tax on a line: ``VAT``, 20 (percent), and what it should come to, in major units."""

    name: str
    percentage: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewLine:
    """One line of what would be made; ``amount`` in major units without tax."""

    key: str
    description: str
    amount: Decimal
    taxes: tuple[PreviewTax, ...] = ()

    @property
    def total(self) -> Decimal:
        """The amount with its taxes."""
        return self.amount + sum((tax.amount for tax in self.taxes), Decimal(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewProblem:
    """What a run would stop at: ``code``, ``title`` and ``hint`` as of its error, ``status`` as it would end."""

    code: str
    title: str
    hint: str = ""
    status: Literal["needs_attention", "skipped"] = "needs_attention"


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewRecipient:
    """Who is billed, as the service would be told; ``address`` in one line, empty where the quote names none."""

    name: str
    company: str = ""
    email: str | None = None
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a plugin would make of a quote, in major units; the ``signed_…`` figures are the quote's own.

    With ``problems`` and no lines there is no plan, and the sums say nothing.
    """

    currency: str
    lines: tuple[PreviewLine, ...]
    subtotal: Decimal
    tax: Decimal
    total: Decimal
    signed_total: Decimal
    #: None where the quote does not tell them apart.
    signed_net: Decimal | None = None
    signed_tax: Decimal | None = None
    #: One sentence on what a run would do about the totals; empty when they are not compared.
    verdict: str = ""
    #: Whether a run would end with a person having to look.
    needs_attention: bool = False
    #: Why a figure is not the quote's, one sentence each.
    differences: tuple[str, ...] = ()
    #: (number, amount, due date if it can be known)
    installments: tuple[tuple[int, Decimal, date | None], ...] = ()
    notes: tuple[str, ...] = ()
    #: Everything that a run would stop at, in the order in which it would: the first is the run's error.
    problems: tuple[PreviewProblem, ...] = ()
    billed: PreviewRecipient | None = None
    #: One sentence on who would be mailed what; empty when nobody can tell.
    mailed: str = ""
    #: Where the service's customer would be looked for, in this order, one sentence each.
    customer: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InstallmentRequest:
    """Somebody asks for an installment of the quote to be sent now; 1 is the first, None the lowest unpaid one."""

    quote: Quote = field(repr=False)
    number: int | None = None

    @property
    def quote_id(self) -> str:
        return self.quote.id


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """An HTTP request of the remote service, untouched. ``token`` is the last segment of its address."""

    token: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)

    def header(self, name: str) -> str:
        """Give a header's value regardless of case; empty when it was not sent."""
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), "")


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """An authenticated event. Without ``quote_id`` it concerns nothing of ours: kept, answered, no run."""

    id: str
    type: str
    payload: Mapping[str, Any] = field(repr=False)
    quote_id: str | None = None
    #: Which of the service's accounts it came from, as in ``WebhookEndpoint.account``; empty when nobody can tell.
    account: str = ""


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """Where a service delivers its webhooks to, as far as the plugin knows.

    ``account`` tells the service's accounts apart (at most 64 characters, never a key), ``mode`` is the service's own
    word (test, live), ``id`` the service's name for the endpoint.
    """

    account: str
    mode: str
    id: str
    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class UpkeepRequest:
    """The connection to the service is to be looked after; ``roll_secrets``: somebody wants new webhook secrets."""

    roll_secrets: bool = False


@dataclass(frozen=True, slots=True)
class UpkeepReport:
    """What came of it: ``skipped`` when nothing had to be mended, and what the service said that was not delivered."""

    outcome: Outcome
    events: tuple[WebhookEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class ConnectionRequest:
    """Somebody wants to know whether the settings' keys work.

    ``business_units``: those of recent quotes, names (or the ids again) by id.
    """

    business_units: Mapping[str, str] = field(default_factory=dict)


#: How a key can stand: it works; it lacks a right; the service refused it; the service did not answer.
KEY_STATUSES = ("ok", "missing", "refused", "unreachable")
#: How a right can stand; ``unclear`` where it cannot be told without doing something, and never stops anybody.
RIGHT_STATUSES = ("ok", "missing", "unclear")


@dataclass(frozen=True, slots=True)
class RightReport:
    """One right that the settings need of a key: ``Customers``, ``Write``, as the service's own pages call it."""

    resource: str
    access: str
    status: Literal["ok", "missing", "unclear"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyReport:
    """How one key stands. ``label`` says which it is, ``last4`` are its last four characters, and no more of it."""

    label: str
    last4: str
    #: The service's own word: test, live.
    mode: str
    #: Tells the service's accounts apart, as in ``WebhookEndpoint.account``; never a key.
    account: str
    status: Literal["ok", "missing", "refused", "unreachable"]
    #: What is wrong, and what to do, such as which boxes to tick; ``code`` as in an error. Empty when nothing is.
    code: str = ""
    title: str = ""
    hint: str = ""
    rights: tuple[RightReport, ...] = ()


@dataclass(frozen=True, slots=True)
class ConnectionReport:
    """How each key of the settings stands; ``notes``: what else an admin should know, such as a unit without a key."""

    keys: tuple[KeyReport, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """Whether the plugin's service answers from here: after how many ms, or (``detail``) what stood in the way."""

    reachable: bool
    ms: int
    detail: str = ""
