"""Finds the platform of a workspace, and writes back to it what runs give it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from ..concurrency.rate_limits import RateLimits
from ..contract.quote import Quote
from ..errors import IntegrationError, RetryableError
from ..store import external_ids, runs
from ..store.database import Store
from . import pdf
from .configuration import Configurations
from .qwoty import QwotyPlatform
from .qwoty_client import REQUESTS_PER_SECOND, QwotyClient
from .standalone import StandalonePlatform


@dataclass(frozen=True, slots=True)
class PlatformResolver:
    """Finds the platform of each workspace."""

    store: Store
    configurations: Configurations
    rate_limits: RateLimits
    #: Whether PDFs of quotes may come from private addresses.
    private_pdfs: bool = False
    #: Whether a platform may have a private address.
    private_platforms: bool = False

    def qwoty(self, workspace: str) -> QwotyPlatform | None:
        """Return the workspace's Qwoty, or None when its quotes are pushed in full."""
        found = self.configurations.of(workspace)
        if not found.can_fetch:
            return None
        acquire = partial(self._acquire, f"qwoty/{workspace}")
        client = QwotyClient(found.base_url, found.token, acquire, allow_private=self.private_platforms)
        return QwotyPlatform(client, found)

    def _acquire(self, name: str) -> None:
        self.rate_limits.acquire(name, REQUESTS_PER_SECOND)
        self.store.confirm()

    def of_run(self, workspace: str, run_id: str | None) -> RunPlatform:
        """Return the ``ctx.platform`` of a hook."""
        return RunPlatform(self, workspace, run_id)

    def with_saved_ids(self, workspace: str, quote: Quote) -> Quote:
        """Return the quote with the ids that this host stores because the platform has no field for them."""
        qwoty = self.qwoty(workspace)
        kinds = [kind for kind in ("contact", "tax") if qwoty is None or not qwoty.has_place_for(kind)]
        return StandalonePlatform(self.store, workspace).with_saved_ids(quote, kinds)


@dataclass(frozen=True, slots=True)
class RunPlatform:
    """Implements ``context.Platform``: this host stores every id, and writes it to a platform that has a field for it.

    When the platform refuses an id, the run gets a note and goes on; no invoice depends on it. An outage repeats the
    step.
    """

    platforms: PlatformResolver
    workspace: str
    run_id: str | None

    def save_external_id(self, kind: str, entity_id: str, value: str, *, slot: str = "accounting") -> None:
        store, qwoty = self.platforms.store, self.platforms.qwoty(self.workspace)
        has_place = qwoty is not None and qwoty.has_place_for(kind)
        if qwoty is not None and not has_place:
            with store.write() as db:
                if not external_ids.has_any(db, self.workspace, kind, slot):
                    self._note(db, kind, f"Qwoty has no place for the ids of a {kind}: they are kept by this host.")
        StandalonePlatform(store, self.workspace).save_external_id(kind, entity_id, value, slot=slot)
        if qwoty is None or not has_place:
            return
        refused = None
        try:
            qwoty.save_external_id(kind, entity_id, value, slot=slot)
        except RetryableError:
            raise
        except IntegrationError as error:
            refused = f"The id of {kind} {entity_id} was not saved in Qwoty, and is kept here: {error.title}"
        with store.write() as db:
            self._note(db, f"{kind}/{entity_id}/{slot}", refused)

    def quote_pdf(self, quote: Quote) -> bytes | None:
        # The link in the quote expires, perhaps before a retry; the platform signs a new one.
        qwoty = self.platforms.qwoty(self.workspace)
        link = (qwoty.pdf_link(quote.id) if qwoty else None) or quote.pdf_link
        return pdf.fetch(link, allow_private=self.platforms.private_pdfs) if link else None

    def _note(self, db: Connection, about: str, note: str | None) -> None:
        if self.run_id is not None:
            runs.say(db, self.run_id, about, note)
