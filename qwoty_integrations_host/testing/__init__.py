"""The testing kit for plugin authors. Needs the extra ``testing``.

``PluginConformance`` checks a plugin against the contract; the fixtures of ``pytest_plugin`` run a plugin in a host.
The names are public like those of ``qwoty_integrations_host``. They are imported at their first use, because pytest
loads this package in every run.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cassettes import cassette_options, honest_replay
    from .conformance import PluginConformance
    from .network import no_network
    from .outbox import Outbox
    from .quotes import a_line, a_quote, loaded, vat
    from .workbench import Delivered, Workbench, Workspace

_HOMES = {
    "Delivered": "workbench",
    "Outbox": "outbox",
    "PluginConformance": "conformance",
    "Workbench": "workbench",
    "Workspace": "workbench",
    "a_line": "quotes",
    "a_quote": "quotes",
    "cassette_options": "cassettes",
    "honest_replay": "cassettes",
    "loaded": "quotes",
    "no_network": "network",
    "vat": "quotes",
}

__all__ = [
    "Delivered",
    "Outbox",
    "PluginConformance",
    "Workbench",
    "Workspace",
    "a_line",
    "a_quote",
    "cassette_options",
    "honest_replay",
    "loaded",
    "no_network",
    "vat",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
