"""The standalone platform: quotes are pushed in full, and this host stores their external ids."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TypeVar

from ..contract.quote import Contact, ExternalIds, LineItem, Phase, Quote, Section, Tax
from ..store import external_ids
from ..store.database import Store

Holder = TypeVar("Holder", Contact, Tax)


class StandalonePlatform:
    """Implements ``context.Platform`` for one workspace."""

    def __init__(self, store: Store, workspace: str) -> None:
        self._store, self._workspace = store, workspace

    def save_external_id(self, kind: str, entity_id: str, value: str, *, slot: str = "accounting") -> None:
        with self._store.write() as db:
            external_ids.save(db, self._workspace, kind, entity_id, slot, value)

    def with_saved_ids(self, quote: Quote, kinds: Collection[str] = ("contact", "tax")) -> Quote:
        """Return the quote with the saved ids of these kinds where the document has none."""
        with self._store.read() as db:
            saved = external_ids.of_entities(db, self._workspace, quote.entity_ids)
        contacts, taxes = (saved.get(kind, {}) if kind in kinds else {} for kind in ("contact", "tax"))
        if not contacts and not taxes:
            return quote
        people = tuple(_with_id(contact, contacts.get(contact.id)) for contact in quote.customer.contacts)
        return replace(
            quote,
            customer=replace(quote.customer, contacts=people),
            sections=tuple(_section(section, taxes) for section in quote.sections),
        )


def _section(section: Section, taxes: dict[str, str]) -> Section:
    return replace(section, phases=tuple(_phase(phase, taxes) for phase in section.phases))


def _phase(phase: Phase, taxes: dict[str, str]) -> Phase:
    return replace(phase, line_items=tuple(_line(line, taxes) for line in phase.line_items))


def _line(line: LineItem, taxes: dict[str, str]) -> LineItem:
    return replace(line, taxes=tuple(_with_id(tax, taxes.get(tax.entity_id or "")) for tax in line.taxes))


def _with_id(holder: Holder, saved: str | None) -> Holder:
    if saved is None or holder.external_ids.accounting:
        return holder
    ids = ExternalIds(holder.external_ids.crm, holder.external_ids.erp, saved)
    return replace(holder, external_ids=ids)
