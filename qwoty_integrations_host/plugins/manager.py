"""Discovery of plugins by entry point, their isolated loading, and the typed call of ONE plugin's hook.

Promises (plugin-host page): the host always starts; a blocked plugin is never imported; every plugin ends in
a visible status with a reason and the distribution to blame. Nothing else touches ``pm.hook``, which is
``Any`` to a type checker.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint, distributions, entry_points
from inspect import Parameter, signature
from typing import Any, Literal, Protocol, cast, runtime_checkable

import pluggy
from jsonschema import Draft202012Validator

from ..clock import Clock, SystemClock
from ..contract import hookspecs
from ..contract.context import HookContext
from ..contract.hook_types import (
    ConnectionReport,
    ConnectionRequest,
    InstallmentRequest,
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
from ..contract.hookspecs import HOOK_API, PROJECT
from ..contract.quote import Quote
from ..errors import IntegrationError, NotFound, PluginContractError, PluginHangs, PluginLoadError
from ..observability.leaks import at_work, secrets_known_to
from ..observability.logs import about
from ..redaction import redact
from . import results as answers
from .deadlines import Calls, Escaped, Patience
from .trace import trace_hooks

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
    #: How long its import took.
    import_ms: int = 0

    @property
    def origin(self) -> str:
        return f"{self.distribution} {self.version}"


@runtime_checkable
class Audible(Protocol):
    """Steps of which it is known when they last gave a sign of life, by ``time.monotonic``."""

    heard: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What a hook is to answer: how to tell, in words, within how many seconds, and what no implementation means."""

    is_right: Callable[[Any], bool]
    words: str
    default: Any = None
    #: Whether it may hold the secrets that the hook was handed: only where it goes to nobody else.
    may_hold_secrets: bool = False
    within: Literal["answer", "service", "run"] = "answer"


_OUTCOME = Answer(
    answers.is_outcome,
    "an Outcome with a known status, notes in words and a JSON result, all of sensible length",
    within="run",
)


class Plugins:
    """The plugins of one host."""

    def __init__(
        self,
        *,
        blocked: frozenset[str] = frozenset(),
        strict: bool = False,
        trace: bool = False,
        clock: Clock | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.calls = Calls(clock or SystemClock(), patience or Patience())
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)
        if trace:
            trace_hooks(self._manager)
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
        raise NotFound(
            f"There is no plugin {plugin_id!r}.", hint="The list of integrations shows those that are installed."
        )

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

    def makers(self) -> tuple[str, ...]:
        """Ids of the loaded plugins that make invoices, sorted."""
        return tuple(one for one, manifest in self._manifests.items() if "invoices" in manifest.capabilities)

    def implements(self, plugin_id: str, hook: str) -> bool:
        """Whether a loaded plugin has this hook."""
        return any(impl.plugin_name == plugin_id for impl in getattr(self._manager.hook, hook).get_hookimpls())

    def hooks(self, plugin_id: str) -> tuple[str, ...]:
        """The hooks that a loaded plugin has, sorted; none for one that is not loaded."""
        plugin = self._manager.get_plugin(plugin_id)
        return tuple(sorted(caller.name for caller in self._manager.get_hookcallers(plugin) or ()))

    def shadowed(self) -> list[str]:
        """The copies of plugins' distributions that are never seen, since another one comes before them on the path."""
        seen = {status.distribution: status.version for status in self.statuses}
        found = []
        for each in distributions():
            points = [point for point in each.entry_points if point.group == GROUP]
            name = each.metadata["Name"] if points and each.metadata else None
            if name in seen and each.version != seen[name]:
                found.append(f"{name} {each.version}")
        return sorted(set(found))

    # -- one typed method per hook ---------------------------------------------------------------

    def validate_settings(
        self, plugin_id: str, ctx: HookContext, settings: Mapping[str, Any]
    ) -> Sequence[SettingsProblem]:
        answer = Answer(answers.are_problems, "a list of SettingsProblem", default=())
        found = self._call(plugin_id, "validate_settings", answer, ctx=ctx, settings=settings)
        return cast("Sequence[SettingsProblem]", found)

    def migrate_settings(
        self, plugin_id: str, ctx: HookContext, settings: Mapping[str, Any], from_version: int
    ) -> Mapping[str, Any]:
        answer = Answer(answers.is_settings, "a dict of settings by name", default=settings, may_hold_secrets=True)
        found = self._call(plugin_id, "migrate_settings", answer, ctx=ctx, settings=settings, from_version=from_version)
        return cast("Mapping[str, Any]", found)

    def check_connection(self, plugin_id: str, ctx: HookContext, connection: ConnectionRequest) -> ConnectionReport:
        words = "a ConnectionReport with KeyReports of known statuses"
        answer = Answer(answers.is_connection, words, within="service")
        found = self._call(plugin_id, "check_connection", answer, ctx=ctx, connection=connection)
        return cast("ConnectionReport", found)

    def service_status(self, plugin_id: str, ctx: HookContext) -> ServiceStatus:
        answer = Answer(answers.is_service, "a ServiceStatus", within="service")
        return cast("ServiceStatus", self._call(plugin_id, "service_status", answer, ctx=ctx))

    def preview_quote(self, plugin_id: str, ctx: HookContext, quote: Quote) -> Preview | Outcome:
        answer = Answer(answers.is_preview, "a Preview with Decimal amounts, or an Outcome")
        return cast("Preview | Outcome", self._call(plugin_id, "preview_quote", answer, ctx=ctx, quote=quote))

    def on_quote_accepted(self, plugin_id: str, ctx: HookContext, quote: Quote) -> Outcome:
        return cast("Outcome", self._call(plugin_id, "on_quote_accepted", _OUTCOME, ctx=ctx, quote=quote))

    def on_installment_due(self, plugin_id: str, ctx: HookContext, installment: InstallmentRequest) -> Outcome:
        found = self._call(plugin_id, "on_installment_due", _OUTCOME, ctx=ctx, installment=installment)
        return cast("Outcome", found)

    def undo_quote(self, plugin_id: str, ctx: HookContext, quote: Quote) -> Outcome:
        return cast("Outcome", self._call(plugin_id, "undo_quote", _OUTCOME, ctx=ctx, quote=quote))

    def on_quote_cancelled(self, plugin_id: str, ctx: HookContext, quote: Quote) -> Outcome:
        return cast("Outcome", self._call(plugin_id, "on_quote_cancelled", _OUTCOME, ctx=ctx, quote=quote))

    def void_invoice(self, plugin_id: str, ctx: HookContext, quote: Quote) -> Outcome:
        return cast("Outcome", self._call(plugin_id, "void_invoice", _OUTCOME, ctx=ctx, quote=quote))

    def sends_due_installments(self, plugin_id: str, ctx: HookContext) -> bool:
        answer = Answer(lambda found: isinstance(found, bool), "True or False", default=False)
        return bool(self._call(plugin_id, "sends_due_installments", answer, ctx=ctx))

    def authenticate_webhook(self, plugin_id: str, ctx: HookContext, request: WebhookRequest) -> WebhookEvent:
        answer = Answer(answers.is_event, "a WebhookEvent with an id and a type", may_hold_secrets=True)
        return cast("WebhookEvent", self._call(plugin_id, "authenticate_webhook", answer, ctx=ctx, request=request))

    def on_webhook(self, plugin_id: str, ctx: HookContext, event: WebhookEvent) -> Outcome:
        return cast("Outcome", self._call(plugin_id, "on_webhook", _OUTCOME, ctx=ctx, event=event))

    def webhook_endpoints(self, plugin_id: str, ctx: HookContext) -> Sequence[WebhookEndpoint]:
        answer = Answer(answers.are_endpoints, "a list of WebhookEndpoint", default=())
        return cast("Sequence[WebhookEndpoint]", self._call(plugin_id, "webhook_endpoints", answer, ctx=ctx))

    def service_links(self, plugin_id: str, ctx: HookContext, ids: Sequence[str]) -> Mapping[str, str]:
        answer = Answer(answers.are_links, "a dict of addresses by id", default={})
        return cast("Mapping[str, str]", self._call(plugin_id, "service_links", answer, ctx=ctx, ids=ids))

    def on_upkeep(self, plugin_id: str, ctx: HookContext, upkeep: UpkeepRequest) -> UpkeepReport:
        answer = Answer(answers.is_upkeep, "an UpkeepReport with an Outcome and JSON events", within="run")
        return cast("UpkeepReport", self._call(plugin_id, "on_upkeep", answer, ctx=ctx, upkeep=upkeep))

    # -- how ---------------------------------------------------------------------------------------

    def _call(self, plugin_id: str, hook: str, answer: Answer, **facts: Any) -> Any:
        """Call one plugin's hook and give what it answers.

        Raises: IntegrationError as the hook did, PluginContractError for whatever else came back, PluginHangs.
        """
        if answer.default is not None and not self.implements(plugin_id, hook):
            return answer.default
        origin, steps = self.status(plugin_id).origin, getattr(facts["ctx"], "step", None)
        heard = (lambda: steps.heard) if isinstance(steps, Audible) else None
        known = secrets_known_to(facts["ctx"])
        with about(plugin=plugin_id, hook=hook, distribution=origin), at_work(known):
            try:
                ask, patience = self._caller(plugin_id, hook, facts), getattr(self.calls.patience, answer.within)
                results = self.calls.make(plugin_id, hook, origin, ask, patience=patience, heard=heard)
            except IntegrationError as error:
                if not isinstance(getattr(error, "hint", None), str):  # a class of its own that forgot ours
                    raise self._bug(origin, hook, error) from error
                raise
            except Exception as error:
                log.exception("plugin.crashed", extra={"plugin": plugin_id, "hook": hook})
                raise self._bug(origin, hook, error) from error
            if not results or not answer.is_right(results[0]):
                raise PluginContractError(
                    f"The integration {origin} has a bug: {hook} did not return {answer.words}.",
                    hint="Report it to the integration's author.",
                )
            if not answer.may_hold_secrets:
                known.refuse(results[0], f"{hook} gives back")
        return results[0]

    def _caller(self, plugin_id: str, hook: str, facts: Mapping[str, Any]) -> Callable[[], Any]:
        manager = self._manager
        others = [p for p in manager.get_plugins() if manager.get_name(p) != plugin_id]
        return partial(manager.subset_hook_caller(hook, others), **facts)

    @staticmethod
    def _bug(origin: str, hook: str, error: Exception) -> PluginContractError:
        raised = error.__cause__ if isinstance(error, Escaped) else error
        return PluginContractError(
            f"The integration {origin} has a bug: {hook} raised {type(raised).__name__}.",
            hint="The traceback is in the host's log; report it to the integration's author.",
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
        began = time.perf_counter()
        try:
            plugin = self.calls.make(
                name, "its import", f"{distribution} {version}", points[0].load, patience=self.calls.patience.load
            )
            ms = round((time.perf_counter() - began) * 1000)
            if getattr(plugin, "HOOK_API", None) != HOOK_API:
                reason = f"This host speaks hook API {HOOK_API}, the plugin {getattr(plugin, 'HOOK_API', None)}."
                return PluginStatus(name, distribution, version, "incompatible", reason)
            self._register(plugin, name, f"{distribution} {version}")
        except Exception as error:
            if self._manager.has_plugin(name):
                self._manager.unregister(name=name)  # pluggy 1.6 leaves a half-registered plugin behind
            log.info("plugin.failed", exc_info=True, extra={"plugin": name})
            return PluginStatus(name, distribution, version, "failed", _summary(error))
        return PluginStatus(name, distribution, version, "loaded", import_ms=ms)

    def _register(self, plugin: Any, name: str, origin: str) -> None:
        self._manager.register(plugin, name=name)
        _check_implementations(self._manager, plugin)
        ask = self._caller(name, "integration_manifest", {})
        manifests = self.calls.make(name, "integration_manifest", origin, ask, patience=self.calls.patience.answer)
        if not manifests or not answers.is_manifest(manifests[0]):
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
    if isinstance(error, PluginHangs):
        return error.title
    raised = error.__cause__ if isinstance(error, Escaped) and error.__cause__ else error
    try:
        words = " ".join(str(raised).split())
    except Exception:  # noqa: BLE001 - its text is the plugin's code, too
        words = "(its text cannot be read)"
    return redact(f"{type(raised).__name__}: {words}".rstrip(": "))[:300]
