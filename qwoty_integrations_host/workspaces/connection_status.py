"""The states of a connection. The module imports nothing else, because every command loads it."""

from __future__ import annotations

from enum import StrEnum


class ConnectionStatus(StrEnum):
    """The states of an integration's connection to its service; ``Connections`` says what each means."""

    OK = "ok"
    NEEDS_ATTENTION = "needs_attention"
    UNREACHABLE = "unreachable"
    UNTESTED = "untested"
    SETTINGS_INCOMPLETE = "settings_incomplete"
