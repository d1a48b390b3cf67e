"""Dashboard URLs of remote ids, from the plugin's hook ``service_links``."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import IntegrationError
from ..workspaces.integration import Integration


def dashboard_links(integration: Integration, ids: Sequence[str]) -> dict[str, str]:
    """Return https URLs by id; an id that the plugin does not know has none, nor has any while the plugin fails."""
    if not ids or not integration.is_loaded or not integration.is_configured:
        return {}
    try:
        links = integration.among.plugins.service_links(integration.plugin, integration.context(), ids)
    except IntegrationError:  # pages work without links, too
        return {}
    return {name: url for name, url in links.items() if url.startswith("https://")}
