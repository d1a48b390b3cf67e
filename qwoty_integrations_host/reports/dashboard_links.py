"""Where a service shows what its ids name: asked of the plugin, for people who look at a run or a quote."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import IntegrationError
from ..plugins.contexts import Contexts
from ..plugins.manager import Plugins
from ..workspaces.settings import WorkspaceSettings


def service_links(
    plugins: Plugins,
    settings: WorkspaceSettings,
    contexts: Contexts,
    workspace: str,
    plugin: str,
    ids: Sequence[str],
) -> dict[str, str]:
    """Give https addresses by id; none for what the plugin does not know, or while it cannot say."""
    if not ids or not plugins.is_loaded(plugin) or not settings.is_configured(workspace, plugin):
        return {}
    try:
        found = plugins.service_links(
            plugin, contexts.make(workspace, plugin, settings.effective(workspace, plugin)), ids
        )
    except IntegrationError:  # a page without links is still a page
        return {}
    return {name: address for name, address in found.items() if address.startswith("https://")}
