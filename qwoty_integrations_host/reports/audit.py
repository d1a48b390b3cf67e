"""Reports of the audit log."""

from __future__ import annotations

from typing import Any

from ..store import audit
from ..store.database import Store
from ..store.workspaces import require_workspace


def list_audit(store: Store, workspace: str, *, limit: int = 50, after: str | None = None) -> dict[str, Any]:
    """Report the newest entries as ``{"data": [{"id", "at", "actor", "action", "subject", "fields"}], "has_more"}``.

    Raises: NotFound, InvalidInput for an unknown ``after``.
    """
    with store.read() as db:
        require_workspace(db, workspace)
        rows = audit.newest(db, workspace, limit=limit + 1, after=after)
    names = ("id", "actor", "action", "subject", "fields")
    data = [{"at": row["at"].isoformat(), **{name: row[name] for name in names}} for row in rows[:limit]]
    return {"data": data, "has_more": len(rows) > limit}
