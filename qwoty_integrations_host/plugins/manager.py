"""Discovers plugins by entry point, loads each in isolation, and calls one plugin's hook with its types.

The host always starts, and never imports a blocked plugin. Every plugin gets a visible status with a reason and its
distribution. Nothing else uses ``pm.hook``, which is ``Any`` to a type checker.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import EntryPoint, distributions, entry_points
from inspect import Parameter, Signature, signature
from typing import Any, Concatenate, Generic, Literal, ParamSpec, Protocol, TypeVar, cast, runtime_checkable

import pluggy
from jsonschema import Draft202012Validator

from ..clock import Clock, SystemClock
from ..contract import hookspecs
from ..contract.hook_rules import PROJECT, HookRules, rules_of
from ..contract.hook_types import Manifest
from ..contract.hookspecs import HOOK_API
from ..errors import IntegrationError, NotFound, PluginContractError, PluginHangs, PluginLoadError
from ..observability.leaks import at_work, secrets_known_to
from ..observability.logs import log_context
from ..redaction import redact
from .deadlines import Calls, Deadlines, ProgramExit
from .trace import trace_hooks

GROUP = "qwoty_integrations"
#: The plugin id of the host's own runs and secrets.
RESERVED = "platform"
log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class PluginStatus:
    """The result of loading one entry point. ``origin`` is "distribution version"; ``reason`` is empty when loaded."""

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
class RunSteps(Protocol):
    """The steps of a run: the time of their last heartbeat, by ``time.monotonic``, and what to do between two."""

    last_heartbeat: float

    def meanwhile(self) -> None: ...


class HookMethod(Generic[P, R]):
    """A method of ``Plugins`` that calls one hook of one plugin: the plugin's id, then the arguments of the hook."""

    def __init__(self, hook: Callable[P, R]) -> None:
        self._hook = hook

    def __get__(self, plugins: Plugins, owner: type[Plugins]) -> Callable[Concatenate[str, P], R]:
        return partial(plugins.call, self._hook)


class Plugins:
    """The plugins of one host."""

    def __init__(
        self,
        *,
        blocked: frozenset[str] = frozenset(),
        strict: bool = False,
        trace: bool = False,
        clock: Clock | None = None,
        deadlines: Deadlines | None = None,
    ) -> None:
        self.calls = Calls(clock or SystemClock(), deadlines or Deadlines())
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
        """Return a plugin's status. Raises: NotFound."""
        for status in self.statuses:
            if status.id == plugin_id:
                return status
        raise NotFound(
            f"There is no plugin {plugin_id!r}.", hint="The list of integrations shows those that are installed."
        )

    def manifest(self, plugin_id: str) -> Manifest:
        """Return a loaded plugin's manifest. Raises: NotFound, with the reason why it is not loaded."""
        status = self.status(plugin_id)
        if plugin_id not in self._manifests:
            raise NotFound(f"The plugin {plugin_id!r} is {status.state}.", hint=status.reason)
        return self._manifests[plugin_id]

    def is_loaded(self, plugin_id: str) -> bool:
        """Whether the plugin can be called."""
        return plugin_id in self._manifests

    def loaded(self) -> tuple[str, ...]:
        """Return the ids of the loaded plugins, sorted."""
        return tuple(self._manifests)

    def makers(self) -> tuple[str, ...]:
        """Return the ids of the loaded plugins that create invoices, sorted."""
        return tuple(one for one, manifest in self._manifests.items() if "invoices" in manifest.capabilities)

    def implements(self, plugin_id: str, hook: str) -> bool:
        """Whether a loaded plugin has this hook."""
        return any(impl.plugin_name == plugin_id for impl in getattr(self._manager.hook, hook).get_hookimpls())

    def hooks(self, plugin_id: str) -> tuple[str, ...]:
        """Return the names of a loaded plugin's hooks, sorted; empty for a plugin that is not loaded."""
        plugin = self._manager.get_plugin(plugin_id)
        return tuple(sorted(caller.name for caller in self._manager.get_hookcallers(plugin) or ()))

    def shadowed(self) -> list[str]:
        """Return the plugin distributions that are shadowed by another version earlier on the path."""
        seen = {status.distribution: status.version for status in self.statuses}
        found = []
        for each in distributions():
            points = [point for point in each.entry_points if point.group == GROUP]
            name = each.metadata["Name"] if points and each.metadata else None
            if name in seen and each.version != seen[name]:
                found.append(f"{name} {each.version}")
        return sorted(set(found))

    # -- calls: one method per hook, with the types of its spec ------------------------------------

    validate_settings = HookMethod(hookspecs.validate_settings)
    migrate_settings = HookMethod(hookspecs.migrate_settings)
    check_connection = HookMethod(hookspecs.check_connection)
    service_status = HookMethod(hookspecs.service_status)
    preview_quote = HookMethod(hookspecs.preview_quote)
    on_quote_accepted = HookMethod(hookspecs.on_quote_accepted)
    on_installment_due = HookMethod(hookspecs.on_installment_due)
    undo_quote = HookMethod(hookspecs.undo_quote)
    on_quote_cancelled = HookMethod(hookspecs.on_quote_cancelled)
    void_invoice = HookMethod(hookspecs.void_invoice)
    sends_due_installments = HookMethod(hookspecs.sends_due_installments)
    authenticate_webhook = HookMethod(hookspecs.authenticate_webhook)
    on_webhook = HookMethod(hookspecs.on_webhook)
    service_links = HookMethod(hookspecs.service_links)
    webhook_endpoints = HookMethod(hookspecs.webhook_endpoints)
    on_upkeep = HookMethod(hookspecs.on_upkeep)

    def call(self, hook: Callable[P, R], plugin_id: str, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call one plugin's hook and return its checked result, or the default when the plugin has no such hook.

        Raises: IntegrationError as the hook did; PluginContractError for a result or an error that is not allowed;
        PluginHangs when the hook misses its deadline.
        """
        if not self.implements(plugin_id, hook.__name__):
            with suppress(NotImplementedError):
                return hook(*args, **kwargs)
        facts = _signature_of(hook).bind(*args, **kwargs).arguments
        return cast("R", self._call(plugin_id, hook.__name__, rules_of(hook), facts))

    def _call(self, plugin_id: str, name: str, rules: HookRules, facts: dict[str, Any]) -> Any:
        origin, steps = self.status(plugin_id).origin, getattr(facts["ctx"], "step", None)
        watch: dict[str, Any] = {}
        # The first question is cheap, and the answer outside a run.
        if hasattr(steps, "last_heartbeat") and isinstance(steps, RunSteps):
            watch = {"last_heartbeat": lambda: steps.last_heartbeat, "meanwhile": steps.meanwhile}
        known = secrets_known_to(facts["ctx"])
        with log_context(plugin=plugin_id, hook=name, distribution=origin), at_work(known):
            try:
                caller, seconds = self._caller(plugin_id, name, facts), self.calls.deadlines.of(rules.deadline)
                if rules.is_frequent:
                    watch["kept_for"] = plugin_id, facts["ctx"].workspace
                results = self.calls.make(plugin_id, name, origin, caller, seconds=seconds, **watch)
            except IntegrationError as error:
                if not isinstance(getattr(error, "hint", None), str):  # a subclass that does not call our __init__
                    raise self._bug(origin, name, error) from error
                raise
            except Exception as error:
                log.exception("plugin.crashed", extra={"plugin": plugin_id, "hook": name})
                raise self._bug(origin, name, error) from error
            if not results or not rules.result.is_valid(results[0]):
                raise PluginContractError(
                    f"The integration {origin} has a bug: {name} did not return {rules.result.description}.",
                    hint="Report it to the integration's author.",
                )
            if not rules.may_hold_secrets:
                known.refuse(results[0], f"{name} gives back")
        return results[0]

    def _caller(self, plugin_id: str, hook: str, facts: Mapping[str, Any]) -> Callable[[], Any]:
        manager = self._manager
        others = [p for p in manager.get_plugins() if manager.get_name(p) != plugin_id]
        return partial(manager.subset_hook_caller(hook, others), **facts)

    @staticmethod
    def _bug(origin: str, hook: str, error: Exception) -> PluginContractError:
        raised = error.__cause__ if isinstance(error, ProgramExit) else error
        return PluginContractError(
            f"The integration {origin} has a bug: {hook} raised {type(raised).__name__}.",
            hint="The traceback is in the host's log; report it to the integration's author.",
        )

    def _discover(self, blocked: frozenset[str]) -> list[PluginStatus]:
        claims: defaultdict[str, list[EntryPoint]] = defaultdict(list)
        for point in entry_points(group=GROUP):
            claims[point.name].append(point)
        # Sorted, because file systems list folders in different orders.
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
                name, "its import", f"{distribution} {version}", points[0].load, seconds=self.calls.deadlines.load
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
        hook, rules = hookspecs.integration_manifest.__name__, rules_of(hookspecs.integration_manifest)
        seconds = self.calls.deadlines.of(rules.deadline)
        manifests = self.calls.make(name, hook, origin, self._caller(name, hook, {}), seconds=seconds)
        if not manifests or not rules.result.is_valid(manifests[0]):
            raise TypeError(f"{hook} must return {rules.result.description}.")
        if manifests[0].id != name:
            raise ValueError(f"The manifest's id {manifests[0].id!r} is not the entry point's name {name!r}.")
        Draft202012Validator.check_schema(manifests[0].settings_schema)
        self._manifests[name] = manifests[0]


@cache
def _signature_of(hook: Callable[..., Any]) -> Signature:
    return signature(hook)


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
    # pluggy never passes a value for an argument that has a default.
    if any(p.default is not Parameter.empty for p in signature(impl.function).parameters.values()):
        raise TypeError(f"{name}: an argument has a default value, so the host's value would never arrive.")


def _summary(error: BaseException) -> str:
    if isinstance(error, PluginHangs):
        return error.title
    raised = error.__cause__ if isinstance(error, ProgramExit) and error.__cause__ else error
    try:
        words = " ".join(str(raised).split())
    except Exception:  # noqa: BLE001 - its text is the plugin's code, too
        words = "(its text cannot be read)"
    return redact(f"{type(raised).__name__}: {words}".rstrip(": "))[:300]
