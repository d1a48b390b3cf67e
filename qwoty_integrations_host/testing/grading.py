"""Grades an installed distribution: the conformance suite in a process of its own, and a verdict in words.

A process, because a broken plugin may do anything: leave it, hang it, or keep what it imported.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution, entry_points
from pathlib import Path
from typing import Any

from ..errors import NotFound
from ..plugins.manager import GROUP
from ..redaction import redacted

#: Seconds after which a suite is given up.
PATIENCE = 600.0
RESULTS = ("passed", "failed", "not_checked", "not_claimed")


@dataclass(frozen=True, slots=True)
class Check:
    """How one check ended; ``what`` is wrong or missing, ``why`` and ``mend`` only where it failed."""

    plugin: str
    check: str
    result: str
    what: str = ""
    why: str = ""
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Grade:
    """The verdict over a distribution."""

    distribution: str
    version: str
    checks: tuple[Check, ...]

    @property
    def grade(self) -> str:
        """``conformant``; ``conformant with remarks`` when something could not be checked; ``not conformant``."""
        if self.counts["failed"] or not self.counts["passed"]:
            return "not conformant"
        return "conformant with remarks" if self.counts["not_checked"] else "conformant"

    @property
    def counts(self) -> dict[str, int]:
        """How many checks ended how; what a plugin does not claim counts for nothing."""
        found = Counter(check.result for check in self.checks)
        return {result: found[result] for result in RESULTS}

    def document(self) -> dict[str, Any]:
        """Give the verdict as JSON: ``{"distribution", "version", "grade", "counts", "checks"}``."""
        head = {"distribution": self.distribution, "version": self.version, "grade": self.grade, "counts": self.counts}
        shown: dict[str, Any] = redacted({**head, "checks": [asdict(check) for check in self.checks]})
        return shown


def grade(name: str, tests: Path | None = None) -> Grade:
    """Run the suite over every plugin of an installed distribution: the author's test classes, or derived settings.

    Raises: NotFound when no distribution of that name is installed.
    """
    try:
        found = distribution(name)
    except PackageNotFoundError as error:
        raise NotFound(
            f"No distribution called {name!r} is installed beside this host.",
            hint=_instead(name),
        ) from error
    plugins = sorted({point.name for point in found.entry_points if point.group == GROUP})
    checks = [_no_plugin(name)] if not plugins else _checked(plugins, tests)
    return Grade(found.name, _version(found), tuple(checks))


def _instead(name: str) -> str:
    """What to check instead: somebody may have given the plugin's id."""
    for point in entry_points(group=GROUP, name=name):
        if point.dist is not None:
            return f"That is a plugin's id: `qwoty-host plugin check {point.dist.name}` checks its distribution."
    return "`pip list` shows the names; install its wheel first."


def _no_plugin(name: str) -> Check:
    return Check(
        "",
        "it is found by its entry point",
        "failed",
        f"{name} has no entry point in the group {GROUP!r}.",
        "The host finds plugins by entry point, and by nothing else.",
        f'Add `[project.entry-points."{GROUP}"]` to its pyproject.toml, and install it again.',
    )


def _checked(plugins: Sequence[str], tests: Path | None) -> list[Check]:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        report = folder / "report.jsonl"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "qwoty_integrations_host.testing.reporting"]
        command += ["-p", "no:cacheprovider", f"--conformance-report={report}"]
        if tests is None:
            (folder / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n", "utf-8")
            (folder / "test_derived.py").write_text(_suites(plugins), "utf-8")
            command += ["-c", str(folder / "pytest.ini"), "--rootdir", str(folder), str(folder / "test_derived.py")]
        else:
            command.append(str(tests))
        said = _run(command, folder)
        lines = report.read_text("utf-8").splitlines() if report.exists() else []
    checks = [Check(**json.loads(line)) for line in lines]
    found = [check for check in checks if check.plugin in plugins]
    ended = {plugin for plugin in plugins if any(check.plugin == plugin for check in found)}
    return [*found, *(_did_not_run(plugin, said) for plugin in plugins if plugin not in ended), *_cut_short(said)]


def _suites(plugins: Sequence[str]) -> str:
    suites = [
        f"class Test{number}(DerivedConformance):\n    plugin_id = {plugin!r}\n"
        for number, plugin in enumerate(plugins, start=1)
    ]
    return "\n\n".join(["from qwoty_integrations_host.testing.derived import DerivedConformance\n", *suites])


@dataclass(frozen=True, slots=True)
class _Said:
    """What became of the process: ``code`` is None when it was given up."""

    code: int | None
    text: str


def _run(command: Sequence[str], scratch: Path) -> _Said:
    env = {**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": str(scratch / "hypothesis")}
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter, and files of ours or those that were asked for
            command, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return _Said(None, f"it did not end within {PATIENCE:g} s")
    return _Said(done.returncode, next(iter((done.stdout + done.stderr).strip().splitlines()[-1:]), "without a word"))


def _did_not_run(plugin: str, said: _Said) -> Check:
    return Check(
        plugin,
        "the suite runs",
        "failed",
        f"No conformance check of {plugin!r} ran: {said.text}",
        "Nothing is known of a plugin that was not looked at.",
        "Is there a subclass of PluginConformance with this plugin_id among the tests that were given?",
    )


def _cut_short(said: _Said) -> list[Check]:
    """Pytest ends with 0 or 1 when every test was run, and 5 when there was none."""
    if said.code in {0, 1, 5}:
        return []
    why = "What came after is not known."
    mend = "Run the tests with pytest, and see where it stops."
    return [Check("", "the suite ends", "failed", f"The suite was cut short: {said.text}", why, mend)]


def _version(found: Distribution) -> str:
    return str(found.version)
