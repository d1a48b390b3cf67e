"""Discovery: the entry point, loading, the manifest, and the hooks' signatures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.metadata import Distribution, EntryPoint, entry_points
from inspect import Parameter, signature
from pathlib import PurePosixPath
from typing import Any

from ...contract import hookspecs
from ...contract.hook_rules import PROJECT
from ...contract.hook_types import Manifest
from ...contract.hookspecs import HOOK_API
from ...plugins.manager import GROUP, Plugins
from ..nonconformity import not_checked, require, require_none
from .fixtures import ConformanceFixtures

#: The hooks of each capability.
_HOOKS_OF = {
    "quotes": ("on_quote_accepted",),
    "webhooks": ("authenticate_webhook", "on_webhook"),
    "installments": ("on_installment_due",),
}


class DiscoveryChecks(ConformanceFixtures):
    """From the entry point to the manifest."""

    def test_it_is_found_by_its_entry_point(self) -> None:
        points = [point for point in entry_points(group=GROUP) if point.name == self.plugin_id]

        require(
            points,
            f"No installed distribution has an entry point {self.plugin_id!r} in the group {GROUP!r}.",
            why="The host finds plugins by entry point, and by nothing else.",
            mend=f'Add `[project.entry-points."{GROUP}"]` with `{self.plugin_id} = "your_package.plugin"` to '
            "pyproject.toml, and install the distribution again: an entry point is written at installation.",
        )
        require(
            len(points) == 1,
            f"These distributions all claim the id {self.plugin_id!r}: {', '.join(map(_origin, points))}.",
            why="The host refuses both, since nobody could say which one a workspace has switched on.",
            mend="Rename the entry point of one of them, or uninstall the other.",
        )

    def test_what_is_installed_is_complete(self) -> None:
        point = self._point()
        files = _installed_files(point.dist)
        module = point.value.partition(":")[0].replace(".", "/")

        require(
            any(str(file) in {f"{module}.py", f"{module}/__init__.py"} for file in files),
            f"The installed distribution {_origin(point)} does not hold the module {point.value}.",
            why="It works from your checkout and from nowhere else.",
            mend="Let the build put the whole package into the wheel (with hatchling: "
            "`[tool.hatch.build.targets.wheel] packages`), and look into it: `unzip -l dist/*.whl`.",
        )
        tops = {PurePosixPath(file).parts[0] for file in files}
        foreign = sorted(tops & {"tests", "test", "docs", "examples"})
        require(
            not foreign,
            f"The installed distribution {_origin(point)} brings top-level folders of its own: {', '.join(foreign)}.",
            why="They are importable names of the whole environment, and collide with those of other distributions.",
            mend="Name the packages of the wheel in pyproject.toml.",
        )

    def test_it_loads(self) -> None:
        self._point()
        status = Plugins(blocked=self.others()).status(self.plugin_id)

        require(
            status.state == "loaded",
            f"{status.origin} does not load ({status.state}). {status.reason}",
            why="The host goes on without a plugin that does not load: its quotes wait, and somebody has to notice.",
            mend=f"Mend what the reason says; `python -c 'import {self._point().module}'` shows the whole traceback of "
            "a failing import.",
        )

    def test_it_speaks_the_hosts_hook_api(self) -> None:
        hook_api = getattr(self._module(), "HOOK_API", None)

        require(
            hook_api == HOOK_API,
            f"The plugin's module says HOOK_API = {hook_api!r}; this host speaks {HOOK_API}.",
            why="The number is how a host knows that it may call a plugin at all.",
            mend=f"Write `HOOK_API = {HOOK_API}` at the top of the plugin's module, once it keeps that contract.",
        )

    def test_its_hooks_are_those_of_the_contract(self) -> None:
        problems = [problem for name, impl in _implementations(self._module()) for problem in _wrong_with(name, impl)]

        require_none(
            problems,
            why="A misspelt hook is never called, a default value hides what the host passes, and the order of plugins "
            "is not part of the contract.",
            mend="Take name and arguments from docs/reference/hooks.md, without default values; a hook may "
            "leave arguments out. Decorate with a bare `@hookimpl`.",
        )

    def test_its_manifest_says_who_it_is(self, manifest: Manifest) -> None:
        dist = self._point().dist
        problems = [
            f"The manifest's {name} is empty." for name in ("title", "description") if not _has_text(manifest, name)
        ]
        if dist is not None and manifest.version != dist.version:
            problems.append(f"The manifest says version {manifest.version!r}, the distribution {dist.version!r}.")
        if manifest.hook_api != HOOK_API:
            problems.append(f"The manifest says hook_api {manifest.hook_api!r}, the host {HOOK_API}.")

        require_none(
            problems,
            why="People see title and description before they switch it on; the version is what they report a bug of.",
            mend="Say all of them in `integration_manifest`, and raise the version there with pyproject.toml's.",
        )

    def test_what_it_claims_it_implements(self, manifest: Manifest) -> None:
        plugins = Plugins(blocked=self.others())
        problems = []
        for capability, hooks in _HOOKS_OF.items():
            has = [plugins.implements(self.plugin_id, hook) for hook in hooks]
            if capability in manifest.capabilities and not all(has):
                problems.append(f"It claims {capability!r} and lacks one of {', '.join(hooks)}.")
            if capability not in manifest.capabilities and any(has):
                problems.append(f"It implements one of {', '.join(hooks)} and does not claim {capability!r}.")

        require_none(
            problems,
            why="Capabilities are what people choose by, and what this suite checks.",
            mend="Let the manifest's `capabilities` and the hooks agree.",
        )

    def _point(self) -> EntryPoint:
        points = [point for point in entry_points(group=GROUP) if point.name == self.plugin_id]
        return points[0] if points else not_checked("there is no such entry point; another check says so")

    def _module(self) -> Any:
        try:
            return self._point().load()
        except (Exception, SystemExit):  # noqa: BLE001 - a broken module may raise anything
            not_checked("the plugin's module cannot be imported; another check says why")


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown distribution"


def _has_text(manifest: Manifest, name: str) -> bool:
    return bool(str(getattr(manifest, name)).strip())


def _installed_files(dist: Distribution | None) -> list[str]:
    direct = json.loads((dist and dist.read_text("direct_url.json")) or "{}")
    if direct.get("dir_info", {}).get("editable"):
        not_checked("it is installed from its folder (editable); build the wheel and install that to check it")
    files = dist.files if dist else None
    if not files:
        not_checked("the installation has no list of its files")
    return [str(file) for file in files if not str(file).startswith("..") and ".dist-info" not in str(file)]


def _implementations(module: Any) -> Iterator[tuple[str, Any]]:
    for name in dir(module):
        if isinstance(getattr(getattr(module, name), f"{PROJECT}_impl", None), dict):
            yield name, getattr(module, name)


def _wrong_with(name: str, impl: Any) -> Iterator[str]:
    options = getattr(impl, f"{PROJECT}_impl")
    name = options.get("specname") or name
    spec = getattr(hookspecs, name, None)
    if not hasattr(spec, f"{PROJECT}_spec"):
        yield f"There is no hook {name!r}: is it misspelt?"
        return
    if any(options.get(kind) for kind in ("wrapper", "hookwrapper", "tryfirst", "trylast")):
        yield f"{name} is a wrapper, or wants to be first or last."
    known = signature(spec).parameters  # type: ignore[arg-type]
    for argument in signature(impl).parameters.values():
        if argument.name not in known:
            yield f"{name} asks for {argument.name!r}; the hook has {', '.join(known) or 'no arguments'}."
        if argument.default is not Parameter.empty:
            yield f"{name} gives {argument.name!r} a default value."
