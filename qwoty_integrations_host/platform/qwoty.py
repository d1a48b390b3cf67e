"""Qwoty as a platform: fetches canonical quotes and writes external ids back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..errors import IntegrationError, NeedsAttention, RetryableError
from .configuration import PlatformConfiguration
from .qwoty_client import QwotyClient
from .qwoty_quotes import canonical, contacts_without_ids, id_of

#: Contacts to fetch at most: each takes one call, and only one contact is billed.
_MOST_CONTACTS = 10


@dataclass(frozen=True, slots=True)
class Fetched:
    """A quote's canonical document, with notes for people on how it was fetched."""

    document: dict[str, Any]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QwotyPlatform:
    """Qwoty for one workspace."""

    client: QwotyClient
    configuration: PlatformConfiguration

    def fetch(self, quote_id: str, *, accepted_at: datetime) -> Fetched:
        """Return an accepted or cancelled quote, completed by those contacts whose external ids it leaves out.

        ``accepted_at`` is the default when Qwoty sends none. Raises: CredentialsError, NeedsAttention, RetryableError.
        """
        found = self.client.quote(quote_id)
        if id_of(found) != quote_id:
            raise NeedsAttention(
                "Qwoty answered with another quote.", hint="Retry the run; else ask Qwoty.", code="platform_answer"
            )
        contacts, notes = self._contacts(found)
        accepted = self.configuration.accepted_statuses
        document = canonical(found, contacts, accepted_statuses=accepted, accepted_at=accepted_at)
        if document["status"] != "accepted" and not self.configuration.means_cancelled(document["status"]):
            raise NeedsAttention(
                "Qwoty says that this quote is not accepted.",
                hint="If Qwoty has another word for it, have the host's operator add it to the accepted statuses in "
                "the platform's settings, then retry the run.",
                code="quote_not_accepted",
            )
        return Fetched(document, notes)

    def pdf_link(self, quote_id: str) -> str | None:
        """Return a freshly signed address of a quote's PDF, or None when it has none. Raises: as ``fetch``."""
        link = self.client.quote(quote_id).get("pdf_link")
        return link if isinstance(link, str) and link else None

    def save_external_id(self, kind: str, entity_id: str, value: str, *, slot: str) -> None:
        """Save an external id on a contact. Raises: as ``fetch``."""
        self.client.change_contact(entity_id, {f"id_{slot}": value})

    def has_place_for(self, kind: str) -> bool:
        """Whether Qwoty documents a field for the ids of this kind."""
        return kind == "contact"

    def _contacts(self, found: dict[str, Any]) -> tuple[dict[str, dict[str, Any]], tuple[str, ...]]:
        contacts: dict[str, dict[str, Any]] = {}
        notes: list[str] = []
        for contact_id in contacts_without_ids(found)[:_MOST_CONTACTS]:
            try:
                contact = self.client.contact(contact_id)
                contacts |= {contact_id: contact} if id_of(contact) == contact_id else {}
            except RetryableError:
                raise
            except IntegrationError as error:
                # The external ids are only hints; the invoice does not depend on them.
                notes.append(f"Contact {contact_id} could not be looked up in Qwoty: {error.title}")
        return contacts, tuple(notes)
