"""What the API and the console ask services for: begun by a request, which waits for nobody (ADR 0075).

Each gives the id of an inquiry, whose end ``host.inquiries`` knows; None where nobody had to be asked and all is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from .auth import the_host

#: Of each inquiry, what it does.
CONNECTION, ENABLE, SAVE, ALERTS = "connection.test", "integration.enable", "settings.save", "alerts.test"
#: Ten mails one after the other, to a mail server that takes its time with each.
_TELLING = timedelta(minutes=5)


def test(workspace: str, plugin: str) -> str:
    """Test a connection; one test at a time is enough. Raises: as ``Connections.test`` before it asks."""
    host = the_host()
    host.connections.require_testable(workspace, plugin)

    def ask(_proceed: object) -> None:
        host.connections.test(workspace, plugin)

    return host.inquiries.begin(workspace, CONNECTION, plugin, ask, once=True)


def enable(workspace: str, plugin: str, *, anyway: bool) -> str | None:
    """Switch an integration on, after a test. Raises: as ``Connections.enable`` before it asks."""
    host = the_host()
    if not host.connections.asks_to_enable(workspace, plugin):
        host.connections.enable(workspace, plugin, anyway=anyway)
        return None
    return host.inquiries.begin(
        workspace,
        ENABLE,
        plugin,
        lambda proceed: _nothing(host.connections.enable(workspace, plugin, anyway=anyway, proceed=proceed)),
    )


def save(
    workspace: str, plugin: str, given: Any, *, anyway: bool, typed: Mapping[str, Any] | None = None
) -> str | None:
    """Save settings; those of an integration that is on after a test. Raises: as ``Connections.save`` before it asks.

    ``typed``: what the form may show again, without secrets.
    """
    host = the_host()
    if not host.connections.asks_to_save(workspace, plugin, given):
        host.connections.save(workspace, plugin, given, anyway=anyway)
        return None
    return host.inquiries.begin(
        workspace,
        SAVE,
        plugin,
        lambda proceed: _nothing(host.connections.save(workspace, plugin, given, anyway=anyway, proceed=proceed)),
        typed=typed,
    )


def tell(workspace: str) -> str:
    """Tell everybody a test. Raises: as ``Alerts.test`` before it tells anybody."""
    host = the_host()
    host.alerts.require_somebody(workspace)
    return host.inquiries.begin(
        workspace, ALERTS, "", lambda _: host.alerts.test(workspace)["data"], once=True, patience=_TELLING
    )


def _nothing(_shown: Mapping[str, Any]) -> None:
    """Settings and connection are shown as they are when somebody looks."""
