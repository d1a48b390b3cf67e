"""Rows of alerts, and of each workspace's alert recipients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select

from . import tables as t
from .upsert import insert_or_ignore

#: The plugin and field of the webhook's secret. The plugin is empty, so it differs from every real plugin's name.
SECRET = ("", "alerts/webhook_secret")


def document(db: Connection, workspace: str) -> dict[str, Any]:
    """Return a workspace's stored document of recipients, or ``{}`` if none is stored. It may list no recipient."""
    wanted = select(t.alert_targets.c.document).where(t.alert_targets.c.workspace == workspace)
    return db.execute(wanted).scalar() or {}


def recipients(db: Connection, workspace: str) -> dict[str, Any] | None:
    """Return the recipients of a workspace; None if there are none."""
    found = document(db, workspace)
    return found if _names_anybody(found) else None


def all_recipients(db: Connection) -> dict[str, dict[str, Any]]:
    """Return the recipients by workspace, for all workspaces that have any."""
    rows = db.execute(select(t.alert_targets))
    return {row.workspace: row.document for row in rows if _names_anybody(row.document)}


def _names_anybody(document: Mapping[str, Any]) -> bool:
    return bool(document.get("mails") or document.get("webhook_url"))


def save_recipients(db: Connection, workspace: str, document: Mapping[str, Any], now: datetime) -> None:
    """Replace the recipients of a workspace."""
    db.execute(t.alert_targets.delete().where(t.alert_targets.c.workspace == workspace))
    row = {"workspace": workspace, "document": dict(document), "updated_at": now}
    db.execute(t.alert_targets.insert().values(row))


def add(db: Connection, row: Mapping[str, Any]) -> bool:
    """Store an alert; return False if the workspace has one about the same subject."""
    return insert_or_ignore(db, t.alerts, row)


def is_stored(db: Connection, workspace: str, subject: str) -> bool:
    """Whether the workspace has an alert about this subject."""
    here = (t.alerts.c.workspace == workspace) & (t.alerts.c.subject == subject)
    return db.execute(select(t.alerts.c.subject).where(here)).first() is not None


def waiting_workspaces(db: Connection, *, tries: int) -> Sequence[str]:
    """Return the workspaces with alerts that ``undelivered`` returns, sorted."""
    wanted = select(t.alerts.c.workspace).where(t.IS_UNDELIVERED, t.alerts.c.tries < tries).distinct()
    return db.execute(wanted.order_by(t.alerts.c.workspace)).scalars().all()


def undelivered(db: Connection, workspace: str, *, tries: int) -> Sequence[RowMapping]:
    """Return the alerts that have not reached every recipient and have had fewer tries than ``tries``, oldest first."""
    wanted = select(t.alerts).where(t.alerts.c.workspace == workspace, t.IS_UNDELIVERED, t.alerts.c.tries < tries)
    return db.execute(wanted.order_by(t.alerts.c.created_at, t.alerts.c.subject)).mappings().all()


def newest(db: Connection, workspace: str, *, limit: int) -> Sequence[RowMapping]:
    """Return the newest alerts of a workspace."""
    wanted = select(t.alerts).where(t.alerts.c.workspace == workspace)
    newest_first = (t.alerts.c.created_at.desc(), t.alerts.c.subject.desc())
    return db.execute(wanted.order_by(*newest_first).limit(limit)).mappings().all()


def count_undelivered(db: Connection, workspace: str, *, tries: int) -> int:
    """Return how many alerts of a workspace are not delivered and have had fewer tries than ``tries``."""
    waiting = select(func.count()).select_from(t.alerts).where(t.alerts.c.workspace == workspace)
    return int(db.execute(waiting.where(t.IS_UNDELIVERED, t.alerts.c.tries < tries)).scalar_one())


def change(db: Connection, workspace: str, subject: str, **values: Any) -> None:
    """Update columns of one alert."""
    here = (t.alerts.c.workspace == workspace) & (t.alerts.c.subject == subject)
    db.execute(t.alerts.update().where(here).values(**values))
