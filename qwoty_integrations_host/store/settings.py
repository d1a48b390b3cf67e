"""Rows of settings and their sealed secrets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select

from ..vault import Vault
from . import secrets
from . import tables as t
from .secrets import Sealed
from .upsert import put

_PREFIX = "settings/"
# Every webhook and every attempt asks these: built once, since that costs more than to ask (docs/performance.md).
_PLACE: dict[str, Any] = {"workspace": bindparam("workspace"), "plugin": bindparam("plugin")}
_ROW = select(t.settings.c.document, t.settings.c.enabled).filter_by(**_PLACE)


def load(db: Connection, workspace: str, plugin: str) -> tuple[dict[str, Any], dict[str, Sealed]] | None:
    """Give (document without secrets, sealed secrets by field), or None."""
    row = db.execute(_ROW, {"workspace": workspace, "plugin": plugin}).first()
    return None if row is None else (row.document, secrets.of_plugin(db, workspace, plugin, _PREFIX))


def load_enabled(db: Connection, workspace: str, plugin: str) -> tuple[dict[str, Any], dict[str, Sealed]] | None:
    """Give the same, but None also where the switch is off."""
    row = db.execute(_ROW, {"workspace": workspace, "plugin": plugin}).first()
    if row is None or not row.enabled:
        return None
    return row.document, secrets.of_plugin(db, workspace, plugin, _PREFIX)


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
    vault: Vault,
    workspace: str,
    plugin: str,
    document: Mapping[str, Any],
    clear: Mapping[str, str],
    now: datetime,
) -> None:
    """Replace document and secrets (in clear, by field) together; the switch stays as it is."""
    place = {"workspace": workspace, "plugin": plugin}
    switch = enabled(db, workspace, plugin)
    put(db, t.settings, {**place, "document": dict(document), "enabled": switch, "updated_at": now})
    for field in secrets.of_plugin(db, workspace, plugin, _PREFIX).keys() - clear.keys():
        secrets.forget(db, workspace, plugin, _PREFIX + field)
    for field, secret in clear.items():
        secrets.put(db, vault, workspace, plugin, _PREFIX + field, secret)


def switch(db: Connection, workspace: str, plugin: str, *, on: bool) -> None:
    """Turn the switch on or off; nothing happens without stored settings."""
    here = (t.settings.c.workspace == workspace) & (t.settings.c.plugin == plugin)
    db.execute(t.settings.update().where(here).values(enabled=on))
