"""Rows of workspaces, which are the tenants of a host."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, RowMapping, bindparam, select

from ..errors import FieldProblem, InvalidInput, NotFound
from . import tables as t
from .upsert import insert_or_ignore

_EXISTS = select(t.workspaces.c.id).filter_by(id=bindparam("id"))
_TIMEZONE = select(t.workspaces.c.timezone).filter_by(id=bindparam("id"))
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def add_workspace(db: Connection, workspace: str, now: datetime) -> bool:
    """Add a workspace; return False if it exists. Raises: InvalidInput for an id that does not fit into a URL."""
    if not _ID.fullmatch(workspace):
        raise InvalidInput(
            "This is not a workspace id.", [FieldProblem(("id",), "Letters, digits, - and _; at most 64.")]
        )
    return insert_or_ignore(db, t.workspaces, {"id": workspace, "created_at": now})


def all_ids(db: Connection) -> list[str]:
    """Return the ids of all workspaces, sorted."""
    return list(db.execute(select(t.workspaces.c.id).order_by(t.workspaces.c.id)).scalars())


def workspace_exists(db: Connection, workspace: str) -> bool:
    """Whether the workspace exists."""
    return db.execute(_EXISTS, {"id": workspace}).first() is not None


def require_workspace(db: Connection, workspace: str) -> None:
    """Check that the workspace exists. Raises: NotFound."""
    if not workspace_exists(db, workspace):
        raise NotFound(
            f"There is no workspace {workspace!r}.", hint="Is its id right? The host's operator adds a workspace."
        )


def find_workspace(db: Connection, workspace: str) -> RowMapping:
    """Return one workspace. Raises: NotFound."""
    require_workspace(db, workspace)
    return db.execute(select(t.workspaces).where(t.workspaces.c.id == workspace)).mappings().one()


def set_timezone(db: Connection, workspace: str, name: str | None) -> None:
    """Set the IANA name of a workspace's time zone; None removes it."""
    db.execute(t.workspaces.update().where(t.workspaces.c.id == workspace).values(timezone=name))


def timezone_of(db: Connection, workspace: str) -> ZoneInfo | None:
    """Return the workspace's time zone; None if it is not set."""
    name = db.execute(_TIMEZONE, {"id": workspace}).scalar()
    return ZoneInfo(name) if name else None


def lock_workspace(db: Connection, workspace: str) -> None:
    """Lock the workspace's row until the transaction ends, for a decision about the whole workspace.

    Quotes can still be added meanwhile.
    """
    here = t.workspaces.c.id == workspace
    db.execute(select(t.workspaces.c.id).where(here).with_for_update(key_share=True))
