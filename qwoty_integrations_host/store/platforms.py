"""Rows of the platforms that workspaces get their quotes from; the secrets are in ``secrets``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select

from . import tables as t
from .upsert import put

#: Used instead of a plugin's name in runs that fetch quotes, in a platform's known problem, and for its secrets.
PLATFORM = "platform"


# Every quote executes this. It is built once, because building costs more (docs/performance.md).
_DOCUMENT = select(t.platforms.c.document).filter_by(workspace=bindparam("workspace"))


def find(db: Connection, workspace: str) -> dict[str, Any] | None:
    """Return a workspace's platform document, which has no secrets; None if there is none."""
    found = db.execute(_DOCUMENT, {"workspace": workspace}).scalar()
    return None if found is None else dict(found)


def save(db: Connection, workspace: str, document: Mapping[str, Any], now: datetime) -> None:
    """Save (or replace) the document."""
    put(db, t.platforms, {"workspace": workspace, "document": dict(document), "updated_at": now})


def remove(db: Connection, workspace: str) -> None:
    """Remove the document, if there is one."""
    db.execute(t.platforms.delete().where(t.platforms.c.workspace == workspace))
