"""A workspace's integration: one plugin in one workspace, with the settings and the context for its hooks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..contract.context import HookContext
from ..errors import SettingsIncomplete
from ..plugins.contexts import Contexts
from ..plugins.manager import Plugins
from .settings import WorkspaceSettings


@dataclass(frozen=True, slots=True)
class Integrations:
    """The integrations of all workspaces of one host."""

    plugins: Plugins
    settings: WorkspaceSettings
    contexts: Contexts

    def of(self, workspace: str, plugin: str) -> Integration:
        """Return a plugin's integration, whether the plugin is installed and enabled or not."""
        return Integration(self, workspace, plugin)

    def enabled(self, workspace: str) -> list[Integration]:
        """Return a workspace's enabled integrations, sorted by plugin, including those whose plugin does not load."""
        return [self.of(workspace, plugin) for plugin in self.settings.enabled_plugins(workspace)]

    def enabled_everywhere(self) -> list[Integration]:
        """Return the enabled integrations of all workspaces."""
        return [self.of(*place) for place in self.settings.enabled_everywhere()]

    def loaded(self, workspace: str) -> list[Integration]:
        """Return a workspace's integrations of all loaded plugins, enabled or not."""
        return [self.of(workspace, plugin) for plugin in self.plugins.loaded()]


@dataclass(frozen=True, slots=True)
class Integration:
    """One plugin in one workspace."""

    among: Integrations
    workspace: str
    plugin: str

    @property
    def is_loaded(self) -> bool:
        """Whether the plugin can be called."""
        return self.among.plugins.is_loaded(self.plugin)

    @property
    def is_enabled(self) -> bool:
        """Whether the plugin may be called for this workspace."""
        return self.among.settings.is_enabled(self.workspace, self.plugin)

    @property
    def is_configured(self) -> bool:
        """Whether settings are stored, enabled or not."""
        return self.among.settings.is_configured(self.workspace, self.plugin)

    @property
    def unfit(self) -> SettingsIncomplete | None:
        """Why the stored settings do not fit the plugin's release; None if they fit, or there are none."""
        return self.among.settings.unfit(self.workspace, self.plugin)

    @property
    def settings(self) -> Mapping[str, Any]:
        """The effective settings, as the plugin's hooks get them. Raises: SettingsIncomplete, HostError."""
        return self.among.settings.effective(self.workspace, self.plugin)

    def supports(self, hook: str) -> bool:
        """Return whether the plugin is loaded and has this hook."""
        return self.among.plugins.implements(self.plugin, hook)

    def context(self, settings: Mapping[str, Any] | None = None, **run: Any) -> HookContext:
        """Return the context for a hook. ``run`` are further arguments of ``Contexts.make``, for a hook in a run.

        Raises: SettingsIncomplete, HostError, unless ``settings`` are given.
        """
        given = self.settings if settings is None else settings
        return self.among.contexts.make(self.workspace, self.plugin, given, **run)


class WithIntegrations:
    """The base of a class with ``integrations``: adds short names for the host's plugins, settings and contexts."""

    __slots__ = ()
    integrations: Integrations

    @property
    def plugins(self) -> Plugins:
        """The plugins of the host."""
        return self.integrations.plugins

    @property
    def settings(self) -> WorkspaceSettings:
        """The settings of the host's workspaces."""
        return self.integrations.settings

    @property
    def contexts(self) -> Contexts:
        """The factory of hook contexts."""
        return self.integrations.contexts
