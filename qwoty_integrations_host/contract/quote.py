"""The canonical quote: every plugin gets a quote in this form, whatever form the platform has sent.

Money, quantities and percentages are ``Decimal``; money is in **major** units. Unknown fields are ignored and missing
optional ones are ``None``, because the platform adds fields between its releases.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class ExternalIds:
    """The ids that other systems have for a contact, a customer or a tax."""

    crm: str | None = None
    erp: str | None = None
    accounting: str | None = None


@dataclass(frozen=True, slots=True)
class Address:
    """A postal address. ``country`` is as written; ``country_code`` is its ISO 3166-1 alpha-2 code, if known."""

    line1: str | None = None
    line2: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None
    country_code: str | None = None


@dataclass(frozen=True, slots=True)
class Contact:
    """A person at the customer. ``role`` is an open list: billing, signer, buyer, legal, …"""

    id: str
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: str | None = None
    role: tuple[str, ...] = ()
    external_ids: ExternalIds = ExternalIds()

    @property
    def full_name(self) -> str:
        """First and last name, without stray blanks."""
        return " ".join(part.strip() for part in (self.first_name, self.last_name) if part and part.strip())


@dataclass(frozen=True, slots=True)
class Customer:
    """The buying organization (``company``) or person (``individual``)."""

    id: str
    name: str
    type: str = "company"
    external_ids: ExternalIds = ExternalIds()
    billing_address: Address | None = None
    contacts: tuple[Contact, ...] = ()


@dataclass(frozen=True, slots=True)
class BusinessUnit:
    """The selling brand or legal entity inside the workspace."""

    id: str
    name: str | None = None
    address: Address | None = None


@dataclass(frozen=True, slots=True)
class Owner:
    """The sales person."""

    id: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True)
class Tax:
    """A tax on a line: a percentage (``rate`` 20 = 20 %) or a fixed ``amount`` in major units.

    ``country`` is an ISO 3166-1 alpha-2 code; for an unknown country, it is the text as written. ``type`` is Qwoty's
    word: VAT, GST, Sales tax or Custom.
    """

    id: str | None = None
    api_name: str | None = None
    name: str | None = None
    rate: Decimal | None = None
    is_percentage: bool = True
    amount: Decimal | None = None
    country: str | None = None
    state: str | None = None
    jurisdiction: str | None = None
    type: str | None = None
    external_ids: ExternalIds = ExternalIds()

    @property
    def entity_id(self) -> str | None:
        """The id under which a tax's external id is stored: its own, else its API name."""
        return self.id or self.api_name


@dataclass(frozen=True, slots=True)
class Discount:
    """A discount by ``percentage`` or ``amount``. ``amount`` is its sum in major units, or None when it is not stated.

    A quote that an earlier release stored may have any ``type``, or none.
    """

    id: str | None = None
    label: str | None = None
    type: str | None = None
    value: Decimal | None = None
    amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Amounts:
    """A line's money in major units: gross - discount = net."""

    gross: Decimal
    discount: Decimal
    net: Decimal


@dataclass(frozen=True, slots=True)
class Product:
    """The product of a line."""

    name: str
    product_id: str | None = None
    unit_of_measure: str | None = None


@dataclass(frozen=True, slots=True)
class Pricing:
    """The price of a line: of one unit if ``model`` is ``per_unit``, of the whole line if it is ``flat``."""

    model: str
    list_price: Decimal | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class LineItem:
    """One product on the quote. The platform's own ``amounts`` take precedence over quantity times price."""

    id: str
    product: Product
    quantity: Decimal
    pricing: Pricing
    rank: int | None = None
    amounts: Amounts | None = None
    discount: Discount | None = None
    taxes: tuple[Tax, ...] = ()
    #: Whether the line is optional. ``selected`` says whether the customer chose it; None if that is not stated.
    optional: bool = False
    selected: bool | None = None

    @property
    def is_chosen(self) -> bool:
        """Whether the customer buys the line. An optional line is bought only if the quote says that it is selected."""
        return not self.optional or bool(self.selected)


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of a section."""

    line_items: tuple[LineItem, ...]
    id: str | None = None
    name: str | None = None
    rank: int | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """``product`` (or ``standard``) sections are sold once; ``plan`` sections are subscriptions."""

    type: str
    phases: tuple[Phase, ...]
    id: str | None = None
    name: str | None = None
    rank: int | None = None

    @property
    def line_items(self) -> tuple[LineItem, ...]:
        """The section's lines, phase after phase."""
        return tuple(line for phase in self.phases for line in phase.line_items)


@dataclass(frozen=True, slots=True)
class Installment:
    """One part of the payment terms; ``percentage`` of the total."""

    percentage: Decimal
    id: str | None = None
    name: str | None = None
    term: str | None = None
    custom_text: str | None = None
    order_number: int | None = None


@dataclass(frozen=True, slots=True)
class PaymentTerms:
    """The agreed installments, in their order; the percentages sum to exactly 100."""

    installments: tuple[Installment, ...]
    name: str | None = None
    api_name: str | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """The signed figures in major units: net + tax = total."""

    net_amount: Decimal
    tax_amount: Decimal
    total_amount: Decimal


@dataclass(frozen=True, slots=True)
class Quote:
    """An accepted quote. Sections, phases and lines are in the order of their rank."""

    id: str
    number: str
    status: str
    workspace_id: str
    accepted_at: datetime
    currency: str
    customer: Customer
    sections: tuple[Section, ...]
    language: str = "en"
    title: str | None = None
    owner: Owner | None = None
    business_unit: BusinessUnit | None = None
    discounts: tuple[Discount, ...] = ()
    payment_terms: PaymentTerms | None = None
    #: The one-off totals that the customer signed; None if the platform did not send enough of them.
    totals: Totals | None = None
    #: Monthly recurring revenue in major units; None when the platform did not send it.
    mrr: Decimal | None = None
    prices_hidden: bool = False
    #: The link to the quote for people; None if the platform sent no link, or one that is not stored.
    dealroom_link: str | None = field(default=None, repr=False)
    #: The signed PDF's address, if the platform sent it with the quote; `ctx.platform.quote_pdf` fetches the PDF.
    pdf_link: str | None = field(default=None, repr=False)
    #: The time zone in which its days begin: the workspace's, else the UTC offset of its acceptance, else UTC.
    timezone: tzinfo = UTC
    #: An id of this acceptance, chosen by the host. A corrected quote gets another version, unless its invoice is final
    #: and only contacts, language or owner have changed.
    version: str = ""

    @property
    def accepted_on(self) -> date:
        """The day of acceptance, in ``timezone``."""
        return self.accepted_at.astimezone(self.timezone).date()

    def is_as_signed(self, other: Quote) -> bool:
        """Whether both have the same signed content. Contacts, language and owner are not signed."""
        return _as_signed(self) == _as_signed(other)

    def unsigned_changes(self, other: Quote) -> tuple[str, ...]:
        """Return which unsigned parts differ in the other quote: ``contacts``, ``language``, ``owner``.

        Of the owner only the e-mail address counts, because nothing else of the owner is used.
        """
        return tuple(name for name, said in _unsigned(self).items() if said != _unsigned(other)[name])

    @property
    def entity_ids(self) -> set[str]:
        """The ids of the contacts and taxes, under which external ids are stored."""
        taxes = (tax for section in self.sections for line in section.line_items for tax in line.taxes)
        return {contact.id for contact in self.customer.contacts} | {tax.entity_id for tax in taxes if tax.entity_id}

    @property
    def billing_contact(self) -> Contact | None:
        """The contact who is billed, among those with an e-mail address if there are any.

        It is the first with the role billing, else signer, else buyer, else the first of all.
        """
        people = self.customer.contacts
        reachable = [person for person in people if person.email] or list(people)
        by_role = (person for role in ("billing", "signer", "buyer") for person in reachable if role in person.role)
        return next(by_role, reachable[0] if reachable else None)

    @property
    def installments(self) -> tuple[Installment, ...]:
        """The installments in their order; empty without payment terms."""
        return self.payment_terms.installments if self.payment_terms else ()


def _as_signed(quote: Quote) -> Quote:
    """Return the quote without its unsigned parts, and without the parts that may differ when it is delivered again."""
    customer = replace(quote.customer, contacts=(), external_ids=ExternalIds())
    sections = tuple(_without_tax_ids(section) for section in quote.sections)
    epoch = datetime.fromtimestamp(0, UTC)
    said = replace(quote, customer=customer, sections=sections, accepted_at=epoch, language="", owner=None)
    # The recurring revenue is a sum of lines, and the lines are compared.
    return replace(said, pdf_link=None, dealroom_link=None, mrr=None, title=None, timezone=UTC, version="")


def _unsigned(quote: Quote) -> dict[str, object]:
    contacts = tuple(replace(contact, external_ids=ExternalIds()) for contact in quote.customer.contacts)
    email = quote.owner.email if quote.owner else None
    return {"contacts": contacts, "language": quote.language, "owner": email or None}


def _without_tax_ids(section: Section) -> Section:
    def line(item: LineItem) -> LineItem:
        return replace(item, taxes=tuple(replace(tax, external_ids=ExternalIds()) for tax in item.taxes))

    phases = (replace(phase, line_items=tuple(map(line, phase.line_items))) for phase in section.phases)
    return replace(section, phases=tuple(phases))
