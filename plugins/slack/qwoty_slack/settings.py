"""The plugin's settings, typed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from qwoty_integrations_host import SettingsProblem

_CHANNEL_ID = re.compile(r"[CG][A-Z0-9]{8,}")


@cache
def settings_schema() -> Mapping[str, Any]:
    """Return the JSON Schema that is shipped with this module."""
    schema: Mapping[str, Any] = json.loads((files(__package__) / "settings.schema.json").read_text("utf-8"))
    return schema


@dataclass(frozen=True, slots=True)
class SlackSettings:
    """Validated settings."""

    token: str = field(repr=False)
    message_channel: str
    document_send: bool

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> SlackSettings:
        """Read the settings that the host passes, with defaults filled in."""
        return cls(settings["token"], settings["message_channel"], settings["document_send"])

    @property
    def channel_id(self) -> str | None:
        """The channel's id; None if the settings have its name, with which Slack can post but not read."""
        return self.message_channel if _CHANNEL_ID.fullmatch(self.message_channel) else None


def problems(settings: Mapping[str, Any]) -> list[SettingsProblem]:
    """Return the problems that the schema misses: in its patterns, Python's ``$`` allows a newline at the end."""
    schema = settings_schema()["properties"]
    return [
        SettingsProblem((name,), schema[name]["x-error"]["pattern"])
        for name in ("token", "message_channel")
        if settings[name].endswith("\n")
    ]
