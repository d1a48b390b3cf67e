"""Discovery of plugins by entry point, their isolated loading, and the typed call of ONE plugin's hook.

Promises (plugin-host page): the host always starts; a blocked plugin is never imported; every plugin ends in
a visible status with a reason and the distribution to blame. Nothing else touches ``pm.hook``, which is
``Any`` to a type checker.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import EntryPoint, entry_points
from inspect import Parameter, signature
from typing import Any, Literal, cast

import pluggy
from jsonschema import Draft202012Validator

from . import hookspecs
from .context import HookContext
from .errors import IntegrationError, NotFound, PluginContractError, PluginLoadError
from .hook_types import (
    KEY_STATUSES,
    OUTCOMES,
    RIGHT_STATUSES,
    ConnectionReport,
    ConnectionRequest,
    InstallmentRequest,
    KeyReport,
    Manifest,
    Outcome,
    Preview,
    ServiceStatus,
    SettingsProblem,
    UpkeepReport,
    UpkeepRequest,
    WebhookEndpoint,
    WebhookEvent,
    WebhookRequest,
)
from .hookspecs import HOOK_API, PROJECT
from .quote import Quote
from .redaction import redact

GROUP = "qwoty_integrations"
#: The name of the host's own runs and secrets beside those of the plugins.
RESERVED = "platform"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PluginStatus:
    """What became of one entry point. ``origin`` is "distribution version"; ``reason`` is empty when loaded."""

    id: str
    distribution: str
    version: str
    state: Literal["loaded", "failed", "incompatible", "blocked"]
    reason: str = ""

    @property
    def origin(self) -> str:
        return f"{self.distribution} {self.version}"


class Plugins:
    """The plugins of one host."""

    def __init__(self, *, blocked: frozenset[str] = frozenset(), strict: bool = False) -> None:
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._manifests: dict[str, Manifest] = {}
        self.statuses = tuple(self._discover(blocked))
        broken = [status for status in self.statuses if status.state in {"failed", "incompatible"}]
        if strict and broken:
            names = "; ".join(f"{status.id} ({status.origin}): {status.reason}" for status in broken)
            raise PluginLoadError(f"Strict mode, and not every plugin loaded: {names}", broken)

    # -- questions -----------------------------------------------------------------------------

    def status(self, plugin_id: str) -> PluginStatus:
        """Give a plugin's status. Raises: NotFound."""
        for status in self.statuses:
            if status.id == plugin_id:
                return status
        raise NotFound(f"There is no plugin {plugin_id!r}.", hint="`qwoty-host plugin list` shows those installed.")

    def manifest(self, plugin_id: str) -> Manifest:
        """Give a loaded plugin's manifest. Raises: NotFound, with the reason when it is there but not loaded."""
        status = self.status(plugin_id)
        if plugin_id not in self._manifests:
            raise NotFound(f"The plugin {plugin_id!r} is {status.state}.", hint=status.reason)
        return self._manifests[plugin_id]

    def is_loaded(self, plugin_id: str) -> bool:
        """Whether the plugin can be called."""
        return plugin_id in self._manifests

    def loaded(self) -> tuple[str, ...]:
        """Ids of the loaded plugins, sorted."""
        return tuple(self._manifests)

    def implements(self, plugin_id: str, hook: str) -> bool:
        """Whether a loaded plugin has this hook."""
        return any(impl.plugin_name == plugin_id for impl in getattr(self._manager.hook, hook).get_hookimpls())

    # -- one typed method per hook ---------------------------------------------------------------

    def validate_settings(
        self, plugin_id: str, ctx: HookContext, settings: Mapping[str, Any]
    ) -> Sequence[SettingsProblem]:
        problems = cast(
            "Sequence[SettingsProblem]",
            self._call(plugin_id, "validate_settings", Sequence, [], ctx=ctx, settings=settings),
        )
        if not all(isinstance(problem, SettingsProblem) for problem in problems):
            raise self._contract(plugin_id, "validate_settings", "a list of SettingsProblem")
        return problems

    def check_connection(self, plugin_id: str, ctx: HookContext, connection: ConnectionRequest) -> ConnectionReport:
        found = self._call(plugin_id, "check_connection", ConnectionReport, None, ctx=ctx, connection=connection)
        report = cast("ConnectionReport", found)
        are_known = all(isinstance(key, KeyReport) and _is_known(key) for key in report.keys)
        if not are_known or not _is_json(asdict(report)):
            raise self._contract(plugin_id, "check_connection", "a ConnectionReport with KeyReports of known statuses")
        return report

    def service_status(self, plugin_id: str, ctx: HookContext) -> ServiceStatus:
        return cast("ServiceStatus", self._call(plugin_id, "service_status", ServiceStatus, None, ctx=ctx))

    def preview_quote(self, plugin_id: str, ctx: HookContext, quote: Quote) -> Preview | Outcome:
        either = (Preview, Outcome)
        return cast("Preview | Outcome", self._call(plugin_id, "preview_quote", either, None, ctx=ctx, quote=quote))

    def on_quote_accepted(self, plugin_id: str, ctx: HookContext, quote: Quote) -> Outcome:
        return self._outcome(plugin_id, "on_quote_accepted", ctx=ctx, quote=quote)

    def on_installment_due(self, plugin_id: str, ctx: HookContext, installment: InstallmentRequest) -> Outcome:
        return self._outcome(plugin_id, "on_installment_due", ctx=ctx, installment=installment)

    def undo_quote(self, plugin_id: str, ctx: HookContext, quote: Quote) -> Outcome:
        return self._outcome(plugin_id, "undo_quote", ctx=ctx, quote=quote)

    def sends_due_installments(self, plugin_id: str, ctx: HookContext) -> bool:
        return bool(self._call(plugin_id, "sends_due_installments", bool, False, ctx=ctx))

    def authenticate_webhook(self, plugin_id: str, ctx: HookContext, request: WebhookRequest) -> WebhookEvent:
        found = self._call(plugin_id, "authenticate_webhook", WebhookEvent, None, ctx=ctx, request=request)
        event = cast("WebhookEvent", found)
        if not _is_event(event):
            raise self._contract(plugin_id, "authenticate_webhook", "a WebhookEvent with an id and a type")
        return event

    def on_webhook(self, plugin_id: str, ctx: HookContext, event: WebhookEvent) -> Outcome:
        return self._outcome(plugin_id, "on_webhook", ctx=ctx, event=event)

    def webhook_endpoints(self, plugin_id: str, ctx: HookContext) -> Sequence[WebhookEndpoint]:
        found = cast("Sequence[WebhookEndpoint]", self._call(plugin_id, "webhook_endpoints", Sequence, [], ctx=ctx))
        if not all(isinstance(endpoint, WebhookEndpoint) for endpoint in found):
            raise self._contract(plugin_id, "webhook_endpoints", "a list of WebhookEndpoint")
        return found

    def service_links(self, plugin_id: str, ctx: HookContext, ids: Sequence[str]) -> Mapping[str, str]:
        found = cast("Mapping[str, str]", self._call(plugin_id, "service_links", Mapping, {}, ctx=ctx, ids=ids))
        if not all(isinstance(word, str) for pair in found.items() for word in pair):
            raise self._contract(plugin_id, "service_links", "addresses by id")
        return found

    def on_upkeep(self, plugin_id: str, ctx: HookContext, upkeep: UpkeepRequest) -> UpkeepReport:
        report = cast("UpkeepReport", self._call(plugin_id, "on_upkeep", UpkeepReport, None, ctx=ctx, upkeep=upkeep))
        is_outcome = isinstance(report.outcome, Outcome) and _is_well_formed(report.outcome)
        if not is_outcome or not all(_is_event(event) and _is_json(event.payload) for event in report.events):
            raise self._contract(plugin_id, "on_upkeep", "an UpkeepReport with an Outcome and JSON events")
        return report

    # -- how ---------------------------------------------------------------------------------------

    def _outcome(self, plugin_id: str, hook: str, **facts: Any) -> Outcome:
        outcome = cast("Outcome", self._call(plugin_id, hook, Outcome, None, **facts))
        if not _is_well_formed(outcome):
            raise self._contract(plugin_id, hook, "an Outcome with a known status, notes in words and a JSON result")
        return outcome

    def _call(self, plugin_id: str, hook: str, expected: Any, default: Any, **facts: Any) -> Any:
        if default is not None and not self.implements(plugin_id, hook):
            return default
        manager = self._manager
        others = [p for p in manager.get_plugins() if manager.get_name(p) != plugin_id]
        try:
            results = manager.subset_hook_caller(hook, others)(**facts)
        except IntegrationError:
            raise
        except (Exception, SystemExit) as error:
            log.exception("plugin.crashed", extra={"plugin": plugin_id, "hook": hook})
            raise PluginContractError(
                f"The integration {self.status(plugin_id).origin} has a bug: {hook} raised {type(error).__name__}.",
                hint="The traceback is in the host's log; report it to the integration's author.",
            ) from error
        if not results or not isinstance(results[0], expected):
            raise self._contract(plugin_id, hook, str(getattr(expected, "__name__", expected)))
        return results[0]

    def _contract(self, plugin_id: str, hook: str, expected: str) -> PluginContractError:
        return PluginContractError(
            f"The integration {self.status(plugin_id).origin} has a bug: {hook} did not return {expected}.",
            hint="Report it to the integration's author.",
        )

    def _discover(self, blocked: frozenset[str]) -> list[PluginStatus]:
        claims: defaultdict[str, list[EntryPoint]] = defaultdict(list)
        for point in entry_points(group=GROUP):
            claims[point.name].append(point)
        # Sorted, because the order in which a file system lists folders differs between machines.
        return [self._load(name, claims[name], blocked) for name in sorted(claims)]

    def _load(self, name: str, points: list[EntryPoint], blocked: frozenset[str]) -> PluginStatus:
        distribution, version = (" and ".join(part) for part in zip(*map(_origin, points), strict=True))
        if name in blocked:
            return PluginStatus(name, distribution, version, "blocked", "Blocked by QWOTY_PLUGINS_BLOCKED.")
        if name == RESERVED:
            return PluginStatus(name, distribution, version, "failed", "This id is the host's own.")
        if len(points) > 1:
            return PluginStatus(name, distribution, version, "failed", "Two distributions claim this id.")
        try:
            plugin = points[0].load()
            if getattr(plugin, "HOOK_API", None) != HOOK_API:
                reason = f"This host speaks hook API {HOOK_API}, the plugin {getattr(plugin, 'HOOK_API', None)}."
                return PluginStatus(name, distribution, version, "incompatible", reason)
            self._register(plugin, name)
        except (Exception, SystemExit) as error:  # not KeyboardInterrupt: that one is the operator
            if self._manager.has_plugin(name):
                self._manager.unregister(name=name)  # pluggy 1.6 leaves a half-registered plugin behind
            log.info("plugin.failed", exc_info=True, extra={"plugin": name})
            return PluginStatus(name, distribution, version, "failed", _summary(error))
        return PluginStatus(name, distribution, version, "loaded")

    def _register(self, plugin: Any, name: str) -> None:
        self._manager.register(plugin, name=name)
        _check_implementations(self._manager, plugin)
        others = [p for p in self._manager.get_plugins() if p is not plugin]
        manifests = self._manager.subset_hook_caller("integration_manifest", others)()
        if not manifests or not isinstance(manifests[0], Manifest):
            raise TypeError("integration_manifest must return a Manifest.")
        if manifests[0].id != name:
            raise ValueError(f"The manifest's id {manifests[0].id!r} is not the entry point's name {name!r}.")
        Draft202012Validator.check_schema(manifests[0].settings_schema)
        self._manifests[name] = manifests[0]


def _origin(point: EntryPoint) -> tuple[str, str]:
    try:
        metadata = point.dist.metadata if point.dist else None
    except (KeyError, TypeError):  # a half-removed distribution has no metadata
        metadata = None
    found = {} if metadata is None else {name: metadata[name] for name in ("Name", "Version") if name in metadata}
    return found.get("Name", "unknown"), found.get("Version", "unknown")


def _is_well_formed(outcome: Outcome) -> bool:
    words = (*outcome.notes, outcome.code, outcome.title, outcome.hint)
    is_known = outcome.status in OUTCOMES and all(isinstance(word, str) for word in words)
    return is_known and _is_json(outcome.result)


def _is_known(key: KeyReport) -> bool:
    return key.status in KEY_STATUSES and all(right.status in RIGHT_STATUSES for right in key.rights)


def _is_event(event: Any) -> bool:
    is_event = isinstance(event, WebhookEvent) and isinstance(event.id, str) and isinstance(event.type, str)
    return is_event and bool(event.id) and isinstance(event.account, str)


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def _check_implementations(manager: pluggy.PluginManager, plugin: Any) -> None:
    for caller in manager.get_hookcallers(plugin) or ():
        if not caller.has_spec():
            raise TypeError(f"There is no hook {caller.name!r}: is it misspelt?")
        for impl in caller.get_hookimpls():
            if impl.plugin is plugin:
                _check_implementation(caller.name, impl)


def _check_implementation(name: str, impl: pluggy.HookImpl) -> None:
    if impl.hookwrapper or impl.wrapper or impl.tryfirst or impl.trylast:
        raise TypeError(f"{name}: wrappers, tryfirst and trylast are not part of this contract.")
    # pluggy never passes an argument that has a default value: it would stay at its default for ever.
    if any(p.default is not Parameter.empty for p in signature(impl.function).parameters.values()):
        raise TypeError(f"{name}: an argument has a default value, so the host's value would never arrive.")


def _summary(error: BaseException) -> str:
    words = " ".join(str(error).split())
    return redact(f"{type(error).__name__}: {words}".rstrip(": "))[:300]
