"""Sets the properties of a workspace: its time zone."""

from __future__ import annotations

from ..clock import Clock
from ..contract.timezones import find_timezone
from ..store import audit
from ..store import workspaces as table
from ..store.database import Store


def set_timezone(store: Store, clock: Clock, workspace: str, name: str | None) -> None:
    """Set a workspace's time zone by its IANA name. With None, each quote's own UTC offset counts.

    Raises: NotFound for the workspace, InvalidInput for the name.
    """
    zone = find_timezone(name) if name is not None else None
    with store.write() as db:
        table.require_workspace(db, workspace)
        table.set_timezone(db, workspace, zone.key if zone else None)
        audit.note(db, workspace, "workspace.set", workspace, clock.now(), fields=("timezone",))
