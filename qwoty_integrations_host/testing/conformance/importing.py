"""Importing a plugin is cheap and has no side effects: every command imports it, even where it is disabled."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache
from importlib.metadata import distribution, entry_points, packages_distributions, requires
from typing import Any

from ...plugins.manager import GROUP
from ..nonconformity import Nonconformity, not_checked, require, require_none
from .fixtures import ConformanceFixtures

#: The CPU time in seconds that importing the plugin's module may take, beyond the host's public names.
BUDGET = 0.25
_CLIENTS = ("requests", "urllib3", "httpx", "aiohttp", "http.client")
#: Runs in a fresh interpreter: imports the module named in argv, and prints the import's cost and side effects.
_PROGRAM = """
import collections, json, os, sys, time
import qwoty_integrations_host
before, met = set(sys.modules), {"sockets": [], "written": [], "environment": []}
root = sys.argv[1].partition(".")[0]

def watch(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.bind"):
        met["sockets"].append(event)
    if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+") and ".pyc" not in str(args[0]):
        met["written"].append(str(args[0]))

class Environment(type(os.environ)):
    def __getitem__(self, name):
        frame = sys._getframe(1)
        while frame and frame.f_globals.get("__name__") in ("os", "collections.abc"):
            frame = frame.f_back
        if frame and frame.f_globals.get("__name__", "").partition(".")[0] == root:
            met["environment"].append(name)
        return super().__getitem__(name)
    def __contains__(self, name):
        try:
            self[name]
        except KeyError:
            return False
        return True

os.environ.__class__ = Environment
sys.addaudithook(watch)
began = time.process_time()
__import__(sys.argv[1])
took = time.process_time() - began
print("\\n" + json.dumps({"took": took, "modules": sorted(set(sys.modules) - before), **met}))
"""


class ImportChecks(ConformanceFixtures):
    """Checks on one import in a fresh interpreter."""

    def test_importing_it_is_cheap(self) -> None:
        # The best of three: a busy machine makes an import slower, never faster.
        took = min(self._import(number)["took"] for number in range(3))

        require(
            took < BUDGET,
            f"Importing the plugin's module takes {took * 1000:.0f} ms of processor time; {BUDGET * 1000:.0f} are "
            "allowed.",
            why="Every command of the host imports every plugin, also where no workspace has switched it on.",
            mend="Import what is slow inside the hook that needs it. `python -X importtime -c 'import …'` shows it.",
        )

    def test_importing_it_imports_no_sdk_and_no_http_client(self) -> None:
        modules = self._import()["modules"]
        heavy = {*_CLIENTS, *_names_of_dependencies(self._dist())}

        require_none(
            [f"Importing the plugin's module imports {name}." for name in sorted(heavy & set(modules))],
            why="SDKs are slow to import, and what they do at import happens to every workspace.",
            mend="Import it in the one module that speaks to the service, and that module inside the hooks.",
        )

    def test_importing_it_touches_nothing(self) -> None:
        met = self._import()
        problems = [f"Importing the plugin's module uses the network ({event})." for event in met["sockets"]]
        problems += [f"Importing the plugin's module writes the file {path}." for path in met["written"]]
        problems += [f"Importing the plugin's module reads {name} from the environment." for name in met["environment"]]

        require_none(
            problems,
            why="A plugin is loaded to be listed, too; what it read then stays for every workspace and every test.",
            mend="Do it in the hook, where the settings of the workspace are known.",
        )

    def _dist(self) -> str | None:
        points = [point for point in entry_points(group=GROUP) if point.name == self.plugin_id]
        return points[0].dist.name if points and points[0].dist else None

    def _import(self, number: int = 0) -> dict[str, Any]:
        points = [point for point in entry_points(group=GROUP) if point.name == self.plugin_id]
        if not points:
            not_checked("there is no such entry point; another check says so")
        return _imported(points[0].module, tuple(sys.path), number)


@cache
def _imported(module: str, path: tuple[str, ...], number: int) -> dict[str, Any]:
    program = f"import sys; sys.path[:] = {list(path)!r}\n{_PROGRAM}"
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter, with the entry point's module
            [sys.executable, "-c", program, module], capture_output=True, text=True, timeout=60, check=True
        )
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        why, what = "A module that waits at import stops every command of the host.", "does not end within a minute"
    except (subprocess.CalledProcessError, ValueError, IndexError) as error:
        last = (getattr(error, "stderr", None) or "it ended without a word").strip().splitlines()[-1]
        why, what = "The host goes on without it, and its quotes wait.", f"fails: {last}"
    else:
        return result
    raise Nonconformity(
        f"Importing {module} {what}", why=why, mend=f"Let `python -c 'import {module}'` end without an error."
    )


def _names_of_dependencies(name: str | None) -> set[str]:
    """Return the import names of the distribution's requirements, except the host's."""
    if name is None:
        return set()
    required = {_normalized(text) for text in requires(name) or () if "extra ==" not in text}
    required -= {_normalized("qwoty-integrations-host"), _normalized(distribution(name).name)}
    return {top for top, dists in packages_distributions().items() if required & set(map(_normalized, dists))}


def _normalized(requirement: str) -> str:
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    return re.sub(r"[-_.]+", "-", name.group()).lower() if name else ""
