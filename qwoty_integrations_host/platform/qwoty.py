"""Qwoty as a platform: a quote fetched and made canonical, ids written back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..errors import IntegrationError, NeedsAttention, RetryableError
from .configuration import PlatformConfiguration
from .qwoty_client import QwotyClient
from .qwoty_quotes import canonical, contacts_without_ids, id_of

#: Each is one call, and only one contact is billed.
_MOST_CONTACTS = 10


@dataclass(frozen=True, slots=True)
class Fetched:
    """A quote's canonical document, and what a person should know of how it came about."""

    document: dict[str, Any]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QwotyPlatform:
    """Qwoty for one workspace."""

    client: QwotyClient
    configuration: PlatformConfiguration

    def fetch(self, quote_id: str, *, accepted_at: datetime) -> Fetched:
        """Fetch a quote, accepted or cancelled, and those of its contacts whose external ids it leaves out.

        ``accepted_at`` counts where Qwoty does not say. Raises: CredentialsError, NeedsAttention, RetryableError.
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
        """The address of a quote's PDF, signed just now; None when it has none. Raises: as ``fetch``."""
        link = self.client.quote(quote_id).get("pdf_link")
        return link if isinstance(link, str) and link else None

    def save_external_id(self, kind: str, entity_id: str, value: str, *, slot: str) -> None:
        """Write an id to a contact. Raises: as ``fetch``."""
        self.client.change_contact(entity_id, {f"id_{slot}": value})

    def has_place_for(self, kind: str) -> bool:
        """Whether Qwoty documents a place for the ids of this kind."""
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
                # Its ids are hints alone: the invoice does not depend on them.
                notes.append(f"Contact {contact_id} could not be looked up in Qwoty: {error.title}")
        return contacts, tuple(notes)
