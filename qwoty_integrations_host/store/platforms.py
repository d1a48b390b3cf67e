"""Where each workspace's quotes come from, and the sealed secrets of that connection."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from . import tables as t
from .upsert import put

#: The host's own name beside those of the plugins: of the runs that fetch quotes, and of these secrets.
PLATFORM = "platform"


def find(db: Connection, workspace: str) -> dict[str, Any] | None:
    """Give a workspace's platform document, without secrets, or None."""
    here = t.platforms.c.workspace == workspace
    found = db.execute(select(t.platforms.c.document).where(here)).scalar()
    return None if found is None else dict(found)


def save(db: Connection, workspace: str, document: Mapping[str, Any], now: datetime) -> None:
    """Save (or replace) the document."""
    put(db, t.platforms, {"workspace": workspace, "document": dict(document), "updated_at": now})


def remove(db: Connection, workspace: str) -> None:
    """Remove the document, if there is one."""
    db.execute(t.platforms.delete().where(t.platforms.c.workspace == workspace))


def secrets(db: Connection, workspace: str, prefix: str = "") -> dict[str, str]:
    """The sealed secrets by field, those whose field begins so."""
    wanted = select(t.secrets.c.field, t.secrets.c.blob).where(_owned(workspace))
    rows = db.execute(wanted.where(t.secrets.c.field.startswith(prefix)).order_by(t.secrets.c.field))
    return {row.field: row.blob for row in rows}


def save_secret(db: Connection, workspace: str, field: str, blob: str) -> None:
    """Save (or replace) one sealed secret."""
    put(db, t.secrets, {"workspace": workspace, "plugin": PLATFORM, "field": field, "blob": blob})


def remove_secret(db: Connection, workspace: str, field: str) -> bool:
    """Remove one secret; False when there is none."""
    gone = t.secrets.delete().where(_owned(workspace) & (t.secrets.c.field == field)).returning(t.secrets.c.field)
    return db.execute(gone).first() is not None


def _owned(workspace: str) -> ColumnElement[bool]:
    return (t.secrets.c.workspace == workspace) & (t.secrets.c.plugin == PLATFORM)
