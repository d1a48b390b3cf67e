"""Rows of settings and their sealed secrets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from . import tables as t
from .upsert import put

_PREFIX = "settings/"


def load(db: Connection, workspace: str, plugin: str) -> tuple[dict[str, Any], dict[str, str]] | None:
    """Give (document without secrets, sealed secrets by field), or None."""
    here = (t.settings.c.workspace == workspace) & (t.settings.c.plugin == plugin)
    row = db.execute(select(t.settings).where(here)).mappings().first()
    if row is None:
        return None
    owned = (t.secrets.c.workspace == workspace) & (t.secrets.c.plugin == plugin)
    sealed = db.execute(select(t.secrets).where(owned & t.secrets.c.field.startswith(_PREFIX))).mappings()
    return row["document"], {s["field"].removeprefix(_PREFIX): s["blob"] for s in sealed}


def enabled(db: Connection, workspace: str, plugin: str) -> bool:
    """Whether the switch is on."""
    here = (t.settings.c.workspace == workspace) & (t.settings.c.plugin == plugin)
    return bool(db.execute(select(t.settings.c.enabled).where(here)).scalar())


def enabled_plugins(db: Connection, workspace: str) -> tuple[str, ...]:
    """Plugins whose switch is on, sorted."""
    here = (t.settings.c.workspace == workspace) & t.settings.c.enabled
    return tuple(db.execute(select(t.settings.c.plugin).where(here).order_by(t.settings.c.plugin)).scalars())


def configured_plugins(db: Connection, workspace: str) -> tuple[str, ...]:
    """Plugins with stored settings, switched on or not, sorted."""
    here = t.settings.c.workspace == workspace
    return tuple(db.execute(select(t.settings.c.plugin).where(here).order_by(t.settings.c.plugin)).scalars())


def enabled_everywhere(db: Connection) -> list[tuple[str, str]]:
    """Every (workspace, plugin) whose switch is on, sorted."""
    place = (t.settings.c.workspace, t.settings.c.plugin)
    return [(row[0], row[1]) for row in db.execute(select(*place).where(t.settings.c.enabled).order_by(*place))]


def replace(
    db: Connection,
    workspace: str,
    plugin: str,
    document: Mapping[str, Any],
    sealed: Mapping[str, str],
    now: datetime,
) -> None:
    """Replace document and secrets together; the switch stays as it is."""
    place = {"workspace": workspace, "plugin": plugin}
    switch = enabled(db, workspace, plugin)
    put(db, t.settings, {**place, "document": dict(document), "enabled": switch, "updated_at": now})
    owned = (t.secrets.c.workspace == workspace) & (t.secrets.c.plugin == plugin)
    db.execute(t.secrets.delete().where(owned & t.secrets.c.field.startswith(_PREFIX)))
    for field, blob in sealed.items():
        db.execute(t.secrets.insert().values({**place, "field": _PREFIX + field, "blob": blob}))


def switch(db: Connection, workspace: str, plugin: str, *, on: bool) -> None:
    """Turn the switch on or off; nothing happens without stored settings."""
    here = (t.settings.c.workspace == workspace) & (t.settings.c.plugin == plugin)
    db.execute(t.settings.update().where(here).values(enabled=on))
