"""How a workspace's platform is reached: what an admin set, and the secrets of it in clear."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from ..store import platforms
from ..store.database import Store
from ..vault import Vault

QWOTY = "qwoty"
#: Without a platform a workspace's quotes are pushed in full.
STANDALONE = "standalone"
DEFAULT_BASE_URL = "https://qwoty.app/api"
ACCEPTED = "quote.accepted"
TOKEN, SIGNING = "token", "signing/"

#: The form in which a platform is set; a JSON Schema like those of the plugins' settings.
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
        "accepted_event_types": {
            "type": "array",
            "items": {"type": "string", "minLength": 1, "maxLength": 255},
            "minItems": 1,
            "maxItems": 20,
            "default": [ACCEPTED],
        },
        "accepted_statuses": {
            "type": "array",
            "items": {"type": "string", "minLength": 1, "maxLength": 255},
            "minItems": 1,
            "maxItems": 20,
            "default": ["accepted", "won"],
        },
    },
    "required": ["platform"],
}


@dataclass(frozen=True, slots=True)
class PlatformConfiguration:
    """One workspace's platform. ``token`` in clear: never log or return it."""

    platform: str = STANDALONE
    base_url: str = DEFAULT_BASE_URL
    token: str = field(default="", repr=False)
    accepted_event_types: tuple[str, ...] = (ACCEPTED,)
    accepted_statuses: tuple[str, ...] = ("accepted", "won")

    @property
    def can_fetch(self) -> bool:
        """Whether quotes can be fetched there."""
        return self.platform == QWOTY


@dataclass(frozen=True, slots=True)
class Configurations:
    """Reads what is stored about the platforms."""

    store: Store
    vault: Vault

    def of(self, workspace: str) -> PlatformConfiguration:
        """Give a workspace's platform; the standalone one when none was set."""
        with self.store.read() as db:
            document = platforms.find(db, workspace)
            sealed = platforms.secrets(db, workspace, TOKEN)
        if document is None:
            return PlatformConfiguration()
        lists = {name: tuple(document[name]) for name in ("accepted_event_types", "accepted_statuses")}
        token = self._open(workspace, TOKEN, sealed[TOKEN]) if TOKEN in sealed else ""
        return PlatformConfiguration(document["platform"], document["base_url"], token, **lists)

    def signing_secrets(self, workspace: str) -> dict[str, dict[str, str]]:
        """The secrets with which the platform signs, by id: ``{"secret", "created_at"}``."""
        with self.store.read() as db:
            sealed = platforms.secrets(db, workspace, SIGNING)
        opened = {name: json.loads(self._open(workspace, name, blob)) for name, blob in sealed.items()}
        return {name.removeprefix(SIGNING): found for name, found in opened.items()}

    def _open(self, workspace: str, field: str, blob: str) -> str:
        return self.vault.open(blob, workspace, platforms.PLATFORM, field)
