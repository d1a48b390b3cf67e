"""The background checks that API and console begin, so that no request waits for a service (ADR 0075).

Each function returns the id of an inquiry, whose result is in ``host.inquiries``. It returns None if no service has to
be called: then the work is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any

from .auth import the_host

#: Enough for ten mails in a row to a slow mail server.
_ALERTS_TEST_TIMEOUT = timedelta(minutes=5)


class InquiryKind(StrEnum):
    """The kinds of inquiries."""

    CONNECTION_TEST = "connection.test"
    INTEGRATION_ENABLE = "integration.enable"
    SETTINGS_SAVE = "settings.save"
    ALERTS_TEST = "alerts.test"


def test_connection(workspace: str, plugin: str) -> str:
    """Begin a connection test, or return the one that is running. Raises: as ``Connections.require_testable``."""
    host = the_host()
    host.connections.require_testable(workspace, plugin)

    def check(_proceed: object) -> None:
        host.connections.test(workspace, plugin)

    return host.inquiries.begin(workspace, InquiryKind.CONNECTION_TEST, plugin, check, once=True)


def enable_integration(workspace: str, plugin: str, *, anyway: bool) -> str | None:
    """Enable an integration after a connection test. Raises: as ``Connections.enable`` before its test."""
    host = the_host()
    if not host.connections.enabling_calls_service(workspace, plugin):
        host.connections.enable(workspace, plugin, anyway=anyway)
        return None

    def check(proceed: Any) -> None:
        host.connections.enable(workspace, plugin, anyway=anyway, proceed=proceed)

    return host.inquiries.begin(workspace, InquiryKind.INTEGRATION_ENABLE, plugin, check)


def save_settings(
    workspace: str, plugin: str, settings: Any, *, anyway: bool, typed: Mapping[str, Any] | None = None
) -> str | None:
    """Save settings. If the integration is enabled, test them first. Raises: as ``Connections.save`` before its test.

    ``typed``: the form's values without secrets, to show again.
    """
    host = the_host()
    if not host.connections.saving_calls_service(workspace, plugin, settings):
        host.connections.save(workspace, plugin, settings, anyway=anyway)
        return None

    def check(proceed: Any) -> None:
        host.connections.save(workspace, plugin, settings, anyway=anyway, proceed=proceed)

    return host.inquiries.begin(workspace, InquiryKind.SETTINGS_SAVE, plugin, check, typed=typed)


def test_alerts(workspace: str) -> str:
    """Send every recipient a test alert. Raises: as ``AlertRecipients.require``."""
    host = the_host()
    host.alert_recipients.require(workspace)

    def check(_proceed: object) -> Any:
        return host.alert_delivery.test(workspace)["data"]

    return host.inquiries.begin(workspace, InquiryKind.ALERTS_TEST, "", check, once=True, patience=_ALERTS_TEST_TIMEOUT)
