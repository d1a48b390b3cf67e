"""Sets, shows and removes a workspace's platform, and the secrets with which the platform signs its events."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from ..clock import Clock
from ..contract.settings_document import schema_problems, stripped, with_defaults
from ..errors import ActionRefused, FieldProblem, NotFound, SettingsError
from ..network.addresses import is_loopback
from ..platform.configuration import LISTS, QWOTY, SCHEMA, SIGNING, STANDALONE, TOKEN, Configurations
from ..platform.signatures import new_secret, require_secret
from ..redaction import masked
from ..store import audit, connections, secrets
from ..store import platforms as rows
from ..store.database import Store
from ..store.workspaces import lock_workspace, require_workspace
from ..vault import Vault

#: A rotation needs two secrets. If there are more than a few, people have forgotten to remove the old ones.
MOST_SIGNING_SECRETS = 5


@dataclass(frozen=True, slots=True)
class WorkspacePlatforms:
    """The platforms of all workspaces of one host."""

    store: Store
    vault: Vault
    clock: Clock
    configurations: Configurations
    #: Retries a workspace's failed fetches of quotes, and returns the ids of their runs.
    retry_fetches: Callable[[str], list[str]]

    def save(self, workspace: str, given: Any) -> dict[str, Any]:
        """Set a workspace's platform, and retry the quote fetches that need attention.

        A token that is left out or empty keeps its stored value. Return what ``show`` returns, and the ids of the
        retried runs as ``retried``. Raises: NotFound; InvalidInput when ``given`` is not an object; SettingsError with
        one problem per field. Then nothing has changed.
        """
        document = with_defaults(SCHEMA, stripped(given))
        token = document.pop("token", "") or ""
        with self.store.write() as db:
            require_workspace(db, workspace)
            before = self.configurations.of(workspace)
            moved = _origin(document["base_url"]) != _origin(before.base_url)
            kept = before.token if not token and not moved else token
            problems = [*schema_problems(SCHEMA, {**document, **({"token": kept} if kept else {})})]
            problems = problems or [*_problems(document, has_token=bool(kept), moved=moved and bool(before.token))]
            if problems:
                raise SettingsError("The platform's settings are not valid.", problems)
            rows.save(db, workspace, document, self.clock.now())
            self._keep_token(db, workspace, kept if document["platform"] == QWOTY else "")
            connections.forget_problem(db, workspace, rows.PLATFORM)
            audit.note(db, workspace, "platform.set", document["platform"], self.clock.now())
        retried = self.retry_fetches(workspace) if document["platform"] == QWOTY else []
        return {**self.show(workspace), "retried": retried}

    def show(self, workspace: str) -> dict[str, Any]:
        """Return ``{workspace, platform, base_url, token, signing_secrets}`` and the word lists named in ``LISTS``.

        A secret is shown only as set, with its last four characters. Raises: NotFound.
        """
        with self.store.read() as db:
            require_workspace(db, workspace)
        found = self.configurations.of(workspace)
        reached = {"base_url": found.base_url, "token": masked(found.token)} if found.can_fetch else {}
        return {
            "workspace": workspace,
            "platform": found.platform,
            "base_url": None,
            "token": {"set": False, "last4": ""},
            **reached,
            **{name: list(getattr(found, name)) for name in LISTS},
            "signing_secrets": self.signing_secrets(workspace),
        }

    def remove(self, workspace: str) -> dict[str, Any]:
        """Forget the platform's address and token, so that quotes must be sent in full. Signing secrets stay.

        Raises: NotFound.
        """
        with self.store.write() as db:
            require_workspace(db, workspace)
            rows.remove(db, workspace)
            self._keep_token(db, workspace, "")
            connections.forget_problem(db, workspace, rows.PLATFORM)
            audit.note(db, workspace, "platform.removed", "", self.clock.now())
        return self.show(workspace)

    def add_signing_secret(self, workspace: str, secret: str | None = None) -> dict[str, Any]:
        """Store a new signing secret, or one that the platform made. Return ``{"id", "secret"}``, this once only.

        Earlier secrets stay valid until they are removed. Raises: NotFound; InvalidInput; ActionRefused beyond five.
        """
        secret = new_secret() if secret is None else require_secret(secret.strip())
        secret_id = uuid4().hex[:8]
        sealed = {"secret": secret, "created_at": self.clock.now().isoformat(timespec="seconds")}
        with self.store.write() as db:
            require_workspace(db, workspace)
            lock_workspace(db, workspace)
            if len(secrets.of_plugin(db, workspace, rows.PLATFORM, SIGNING)) >= MOST_SIGNING_SECRETS:
                raise ActionRefused(
                    f"This workspace has {MOST_SIGNING_SECRETS} signing secrets.",
                    hint="Remove the oldest signing secret first.",
                )
            self._seal(db, workspace, SIGNING + secret_id, json.dumps(sealed))
            audit.note(db, workspace, "signing_secret.added", secret_id, self.clock.now())
        return {"id": secret_id, "secret": secret}

    def signing_secrets(self, workspace: str) -> list[dict[str, Any]]:
        """Return the signing secrets, oldest first, as ``{"id", "created_at", "last4"}``. Raises: NotFound."""
        with self.store.read() as db:
            require_workspace(db, workspace)
        found = self.configurations.signing_secrets(workspace)
        shown = [
            {"id": secret_id, "created_at": one["created_at"], "last4": masked(one["secret"])["last4"]}
            for secret_id, one in found.items()
        ]
        return sorted(shown, key=lambda one: (one["created_at"], one["id"]))

    def remove_signing_secret(self, workspace: str, secret_id: str) -> None:
        """Remove a signing secret, so that events signed with it are rejected. Raises: NotFound."""
        with self.store.write() as db:
            require_workspace(db, workspace)
            if not secrets.forget(db, workspace, rows.PLATFORM, SIGNING + secret_id):
                raise NotFound(
                    f"There is no signing secret {secret_id!r}.",
                    hint="The list of signing secrets shows those that are there.",
                )
            audit.note(db, workspace, "signing_secret.removed", secret_id, self.clock.now())

    def _keep_token(self, db: Any, workspace: str, token: str) -> None:
        if token:
            self._seal(db, workspace, TOKEN, token)
        else:
            secrets.forget(db, workspace, rows.PLATFORM, TOKEN)

    def _seal(self, db: Any, workspace: str, field: str, clear: str) -> None:
        secrets.put(db, self.vault, workspace, rows.PLATFORM, field, clear)


def _problems(document: Mapping[str, Any], *, has_token: bool, moved: bool) -> Iterator[FieldProblem]:
    if document["platform"] == STANDALONE:
        return
    if not _is_safe(document["base_url"]):
        yield FieldProblem(
            ("base_url",), "Must be an https address without user, query and fragment, such as https://qwoty.app/api."
        )
    if not has_token:
        # The token belongs to one address. It must never be sent to another one.
        again = "The base_url is another: give the token again." if moved else "This field is required."
        yield FieldProblem(("token",), again)


def _origin(address: Any) -> tuple[str, str] | None:
    try:
        parts = urlsplit(address if isinstance(address, str) else "")
    except ValueError:
        return None
    return parts.scheme, parts.netloc.lower()


def _is_safe(address: str) -> bool:
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    extra = parts.username is not None or parts.password is not None or parts.query or parts.fragment
    if not host or extra or not re.fullmatch(r"[!-~]+", address):
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
