"""Creates, lists and revokes API keys, for the CLI and the API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import RowMapping

from ..clock import Clock
from ..errors import FieldProblem, InvalidInput
from ..store import api_keys as rows
from ..store import audit
from ..store.api_keys import SCOPES
from ..store.database import Store
from ..store.workspaces import require_workspace

_LONGEST_NAME = 100


def create(
    store: Store, clock: Clock, workspace: str, *, name: str | None = None, scopes: Sequence[str] = ()
) -> dict[str, Any]:
    """Create a key and return its report with ``key``, which is never shown again. Without ``scopes``, it has all.

    Raises: NotFound for the workspace, InvalidInput for an unknown scope or a name that is too long.
    """
    problems = [
        FieldProblem(("scopes", str(number)), f"Is none of {', '.join(SCOPES)}.")
        for number, scope in enumerate(scopes)
        if scope not in SCOPES
    ]
    if name is not None and len(name) > _LONGEST_NAME:
        problems.append(FieldProblem(("name",), f"Is longer than {_LONGEST_NAME} characters."))
    if problems:
        raise InvalidInput("The API key cannot be made so.", problems)
    wanted = [scope for scope in SCOPES if scope in scopes or not scopes]
    with store.write() as db:
        key = rows.create_api_key(db, workspace, clock.now(), name=name, scopes=wanted)
        made = rows.find(db, workspace, rows.id_of(key))
        audit.note(db, workspace, "api_key.made", made["id"], made["created_at"])
    return {**key_report(made), "key": key}


def list_keys(store: Store, workspace: str, *, limit: int = 50, after: str | None = None) -> dict[str, Any]:
    """Return a workspace's keys, newest first, as ``{"data", "has_more"}``. Raises: NotFound, InvalidInput."""
    with store.read() as db:
        require_workspace(db, workspace)
        found = rows.newest(db, workspace, limit=limit + 1, after=after)
    return {"data": [key_report(row) for row in found[:limit]], "has_more": len(found) > limit}


def revoke(store: Store, clock: Clock, workspace: str, key_id: str) -> dict[str, Any]:
    """Revoke a key for good and return its report; revoking it again changes nothing. Raises: NotFound."""
    now = clock.now()
    with store.write() as db:
        revoked = rows.revoke(db, workspace, key_id, now)
        audit.note(db, workspace, "api_key.revoked", key_id, now)
    return key_report(revoked)


def key_report(row: RowMapping) -> dict[str, Any]:
    """Return what is shown of a key. The host does not store the secret part, so it is never shown."""
    moments = {name: row[name].isoformat() if row[name] else None for name in ("last_used_at", "revoked_at")}
    created = row["created_at"].isoformat()
    scopes = list(rows.scopes_of(row))
    return {"id": row["id"], "name": row["name"], "scopes": scopes, "created_at": created, **moments}
