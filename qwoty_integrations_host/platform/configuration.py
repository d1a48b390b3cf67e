"""A workspace's platform: its settings, with secrets in clear."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..contract.document_fields import normalized_status
from ..store import platforms, secrets
from ..store.database import Store
from ..vault import Vault

QWOTY = "qwoty"
#: The default platform: quotes are pushed in full.
STANDALONE = "standalone"
DEFAULT_BASE_URL = "https://qwoty.app/api"
ACCEPTED = "quote.accepted"
#: The default events and statuses that mean the end of a quote.
CANCELLED_EVENTS = ("quote.canceled", "quote.cancelled", "quote.expired", "quote.lost")
CANCELLED_STATUSES = ("canceled", "cancelled", "expired", "lost")
#: The meaning of events and statuses.
LISTS = ("accepted_event_types", "accepted_statuses", "cancelled_event_types", "cancelled_statuses")
TOKEN, SIGNING = "token", "signing/"


def _words(default: Sequence[str]) -> dict[str, Any]:
    words = {"type": "string", "minLength": 1, "maxLength": 255}
    return {"type": "array", "items": words, "minItems": 1, "maxItems": 20, "default": list(default)}


#: The JSON Schema of a platform's settings, like those of the plugins.
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "platform": {"type": "string", "enum": [QWOTY, STANDALONE]},
        "base_url": {"type": "string", "maxLength": 255, "default": DEFAULT_BASE_URL},
        "token": {
            "type": "string",
            "writeOnly": True,
            "pattern": "^[!-~]{8,500}$",
            "x-error": {"pattern": "8 to 500 characters without blanks."},
        },
        "accepted_event_types": _words([ACCEPTED]),
        "accepted_statuses": _words(["accepted", "won"]),
        "cancelled_event_types": _words(CANCELLED_EVENTS),
        "cancelled_statuses": _words(CANCELLED_STATUSES),
    },
    "required": ["platform"],
}


@dataclass(frozen=True, slots=True)
class PlatformConfiguration:
    """One workspace's platform. Never log or return ``token``: it is in clear."""

    platform: str = STANDALONE
    base_url: str = DEFAULT_BASE_URL
    token: str = field(default="", repr=False)
    accepted_event_types: tuple[str, ...] = (ACCEPTED,)
    accepted_statuses: tuple[str, ...] = ("accepted", "won")
    cancelled_event_types: tuple[str, ...] = CANCELLED_EVENTS
    cancelled_statuses: tuple[str, ...] = CANCELLED_STATUSES

    def means_cancelled(self, status: Any) -> bool:
        """Whether a quote with this status is cancelled."""
        return isinstance(status, str) and normalized_status(status) in map(normalized_status, self.cancelled_statuses)

    @property
    def can_fetch(self) -> bool:
        """Whether quotes can be fetched from it."""
        return self.platform == QWOTY


@dataclass(frozen=True, slots=True)
class Configurations:
    """Reads the stored settings of platforms."""

    store: Store
    vault: Vault

    def of(self, workspace: str) -> PlatformConfiguration:
        """Return a workspace's platform; the standalone one by default."""
        with self.store.read() as db:
            document = platforms.find(db, workspace)
            if document is None:
                return PlatformConfiguration()
            token = secrets.get(db, self.vault, workspace, platforms.PLATFORM, TOKEN)
        # Settings of earlier releases lack newer lists.
        lists = {name: tuple(document[name]) for name in LISTS if name in document}
        return PlatformConfiguration(document["platform"], document["base_url"], token or "", **lists)

    def signing_secrets(self, workspace: str) -> dict[str, dict[str, str]]:
        """Return the secrets with which the platform signs, by id: ``{"secret", "created_at"}``."""
        with self.store.read() as db:
            sealed = secrets.of_plugin(db, workspace, platforms.PLATFORM, SIGNING)
        return {name: json.loads(self._open(workspace, SIGNING + name, found)) for name, found in sealed.items()}

    def _open(self, workspace: str, field: str, found: secrets.Sealed) -> str:
        blob, version = found
        return self.vault.open(blob, workspace, platforms.PLATFORM, field, version=version)
