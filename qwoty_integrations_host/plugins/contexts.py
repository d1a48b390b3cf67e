"""Makes the context of a hook, for one workspace and one plugin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from ..clock import Clock
from ..concurrency.locks import Locks
from ..concurrency.rate_limits import RateLimits
from ..contract.context import Attempt, HookContext, Json, Steps
from ..contract.settings_document import secrets_by_name
from ..mail.mailer import RecordedMailer
from ..mail.transports import Transport
from ..observability.leaks import KnownSecrets
from ..platform.resolver import PlatformResolver
from ..store.database import Store
from ..store.plugin_storage import PluginRecords, PluginSecrets, PluginState
from ..vault import Vault
from .manager import Plugins


def no_steps(name: str, work: Callable[[Attempt], Json]) -> Json:
    """Raise RuntimeError: the ``ctx.step`` of a hook that is called outside a run."""
    raise RuntimeError(f"The step {name!r} was asked for outside a run.")


@dataclass(frozen=True, slots=True)
class Contexts:
    """Makes hook contexts for one host."""

    store: Store
    vault: Vault
    clock: Clock
    transport: Transport
    locks: Locks
    rate_limits: RateLimits
    platforms: PlatformResolver
    public_url: str | None
    plugins: Plugins
    #: The values of ``ctx.secrets`` that plugins have read or written here, by workspace and plugin, then by name.
    kept: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict, repr=False)

    def make(
        self,
        workspace: str,
        plugin: str,
        settings: Mapping[str, Any],
        *,
        step: Steps = no_steps,
        quote_id: str = "",
        run_id: str | None = None,
    ) -> HookContext:
        place = (workspace, plugin)
        known = self._known(workspace, plugin, settings)
        return HookContext(
            workspace=workspace,
            plugin=plugin,
            settings=settings,
            clock=self.clock,
            log=structlog.get_logger("qwoty").bind(workspace=workspace, plugin=plugin, run_id=run_id),
            platform=self.platforms.of_run(workspace, run_id),
            mail=RecordedMailer(self.store, self.transport, self.clock, *place, quote_id),
            state=PluginState(self.store, *place, known),
            secrets=PluginSecrets(self.store, self.vault, *place, known),
            records=PluginRecords(self.store, *place, known),
            step=step,
            lock=lambda name: self.locks.hold("/".join((*place, name))),
            pace=lambda name, *, per_second: self.rate_limits.acquire(f"{plugin}/{name}", per_second),
            run_id=run_id,
            public_url=self.public_url,
        )

    def _known(self, workspace: str, plugin: str, settings: Mapping[str, Any]) -> KnownSecrets:
        """Return the secrets that the plugin's results must not hold."""
        kept = self.kept.setdefault((workspace, plugin), {})
        if not self.plugins.is_loaded(plugin):
            return KnownSecrets(kept=kept)
        schema = self.plugins.manifest(plugin).settings_schema
        return KnownSecrets(self.plugins.status(plugin).origin, lambda: secrets_by_name(schema, settings), kept)
