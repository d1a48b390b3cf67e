"""Reports of installed plugins, and of a workspace's plugins."""

from __future__ import annotations

from typing import Any

from ..plugins.manager import Plugins
from ..store import settings
from ..store.database import Store
from ..store.workspaces import find_workspace


def plugin_report(plugins: Plugins, plugin_id: str) -> dict[str, Any]:
    """Report an installed plugin: whether it loaded, otherwise why not, and its manifest. Raises: NotFound."""
    status = plugins.status(plugin_id)
    manifest = plugins.manifest(plugin_id) if plugins.is_loaded(plugin_id) else None
    return {
        "id": status.id,
        "status": status.state,
        **{name: getattr(status, name) for name in ("reason", "distribution", "version")},
        "title": manifest and manifest.title,
        "description": manifest and manifest.description,
        "capabilities": sorted(manifest.capabilities) if manifest else [],
        "hooks": list(plugins.hooks(plugin_id)),
        "hook_api": manifest and manifest.hook_api,
        "settings_schema_id": manifest and manifest.settings_schema.get("$id"),
        "import_ms": status.import_ms,
        "hanging": [str(call) for call in plugins.calls.abandoned(plugin_id)],
    }


def workspace_report(store: Store, plugins: Plugins, workspace: str) -> dict[str, Any]:
    """Report a workspace and its plugins: ``{"id", "created_at", "timezone", "plugins"}``. Raises: NotFound."""
    with store.read() as db:
        row = find_workspace(db, workspace)
        enabled, configured = settings.enabled_plugins(db, workspace), settings.configured_plugins(db, workspace)
    installed = [
        {
            "id": status.id,
            "status": status.state,
            "enabled": status.id in enabled,
            "configured": status.id in configured,
        }
        for status in plugins.statuses
    ]
    head = {"id": row["id"], "created_at": row["created_at"].isoformat(), "timezone": row["timezone"]}
    return {**head, "plugins": installed}
