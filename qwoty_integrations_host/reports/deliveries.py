"""Reports of webhook deliveries."""

from __future__ import annotations

from typing import Any

from ..store import webhooks
from ..store.database import Store
from ..store.workspaces import require_workspace


def list_deliveries(store: Store, workspace: str, *, limit: int = 50, **filters: Any) -> dict[str, Any]:
    """Report the newest deliveries as ``{"data", "has_more"}``; ``filters``: those of ``store.webhooks.newest``.

    One item per event (``result``: ``verified``), and one per day, plugin and reason of rejected webhooks
    (``refused``)::

        {"id", "result", "plugin", "type", "account", "received_at", "last_at", "times", "reason", "found", "kept",
         "run_id", "run_status"}

    Raises: NotFound, InvalidInput for an unknown ``after``.
    """
    with store.read() as db:
        require_workspace(db, workspace)
        rows = webhooks.newest(db, workspace, limit=limit + 1, **filters)
    data = [
        {
            **{name: row[name] for name in ("id", "plugin", "type", "account", "times", "reason")},
            "result": "refused" if row["reason"] else "verified",
            **{name: row[name].isoformat() for name in ("received_at", "last_at")},
            **{name: bool(row[name]) for name in ("found", "kept")},
            **{name: row[name] for name in ("run_id", "run_status")},
        }
        for row in rows[:limit]
    ]
    return {"data": data, "has_more": len(rows) > limit}
