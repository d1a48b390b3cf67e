"""The audit log: who did what, and to which fields. It never contains a field's value."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import uuid4

from sqlalchemy import Connection, RowMapping, select

from ..observability.actor import actor
from . import tables as t
from .pagination import newest_first


def note(
    db: Connection, workspace: str, action: str, subject: str, now: datetime, *, fields: Sequence[str] = ()
) -> None:
    """Record that the current actor performs an action, in the transaction of that action."""
    row = {"id": uuid4().hex, "workspace": workspace, "at": now, "actor": actor()[:255]}
    db.execute(t.audit.insert().values({**row, "action": action, "subject": subject[:255], "fields": list(fields)}))


def newest(db: Connection, workspace: str, *, limit: int, after: str | None = None) -> Sequence[RowMapping]:
    """Return a workspace's entries, newest first. Raises: InvalidInput for an unknown ``after``."""
    whose = select(t.audit).where(t.audit.c.workspace == workspace)
    return newest_first(db, whose, (t.audit.c.at, t.audit.c.id), after=after, limit=limit)
