"""Dashboard URLs of remote ids, from the plugin's hook ``service_links``."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import IntegrationError
from ..plugins.contexts import Contexts
from ..plugins.manager import Plugins
from ..workspaces.settings import WorkspaceSettings


def dashboard_links(
    plugins: Plugins,
    settings: WorkspaceSettings,
    contexts: Contexts,
    workspace: str,
    plugin: str,
    ids: Sequence[str],
) -> dict[str, str]:
    """Return https URLs by id; an id that the plugin does not know has none, nor has any while the plugin fails."""
    if not ids or not plugins.is_loaded(plugin) or not settings.is_configured(workspace, plugin):
        return {}
    try:
        ctx = contexts.make(workspace, plugin, settings.effective(workspace, plugin))
        links = plugins.service_links(plugin, ctx, ids)
    except IntegrationError:  # pages work without links, too
        return {}
    return {name: url for name, url in links.items() if url.startswith("https://")}
