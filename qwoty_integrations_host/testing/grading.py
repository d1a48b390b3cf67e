"""Grades an installed distribution: runs the conformance suite in a separate process, and returns the verdict.

A broken plugin may exit or hang its process, or change global state: so it gets a process of its own.
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

#: The timeout of a suite, in seconds.
PATIENCE = 600.0
RESULTS = ("passed", "failed", "not_checked", "not_claimed")


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check: ``what`` is wrong or missing; if it failed also ``why`` it matters, and ``mend``."""

    plugin: str
    check: str
    result: str
    what: str = ""
    why: str = ""
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Grade:
    """The verdict on a distribution."""

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
        """The number of checks by result."""
        counter = Counter(check.result for check in self.checks)
        return {result: counter[result] for result in RESULTS}

    def document(self) -> dict[str, Any]:
        """Return the verdict as JSON: ``{"distribution", "version", "grade", "counts", "checks"}``, without secrets."""
        head = {"distribution": self.distribution, "version": self.version, "grade": self.grade, "counts": self.counts}
        document: dict[str, Any] = redacted({**head, "checks": [asdict(check) for check in self.checks]})
        return document


def grade(name: str, tests: Path | None = None) -> Grade:
    """Run the suite for every plugin of an installed distribution, with the author's tests or with derived settings.

    Raises: NotFound when no distribution of that name is installed.
    """
    try:
        dist = distribution(name)
    except PackageNotFoundError as error:
        raise NotFound(
            f"No distribution called {name!r} is installed beside this host.",
            hint=_hint(name),
        ) from error
    plugins = sorted({point.name for point in dist.entry_points if point.group == GROUP})
    checks = [_no_plugin(name)] if not plugins else _checked(plugins, tests)
    return Grade(dist.name, _version(dist), tuple(checks))


def _hint(name: str) -> str:
    """Return the hint for an unknown distribution; the name may be a plugin's id."""
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
        result = _run(command, folder)
        lines = report.read_text("utf-8").splitlines() if report.exists() else []
    checks = [check for check in (Check(**json.loads(line)) for line in lines) if check.plugin in plugins]
    checked = {check.plugin for check in checks}
    missing = [_did_not_run(plugin, result) for plugin in plugins if plugin not in checked]
    return [*checks, *missing, *_cut_short(result)]


def _suites(plugins: Sequence[str]) -> str:
    suites = [
        f"class Test{number}(DerivedConformance):\n    plugin_id = {plugin!r}\n"
        for number, plugin in enumerate(plugins, start=1)
    ]
    return "\n\n".join(["from qwoty_integrations_host.testing.derived import DerivedConformance\n", *suites])


@dataclass(frozen=True, slots=True)
class _ProcessResult:
    """The exit code (None after a timeout) and the last line of the suite's process."""

    code: int | None
    text: str


def _run(command: Sequence[str], scratch: Path) -> _ProcessResult:
    env = {**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": str(scratch / "hypothesis")}
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter, with our own files or the given tests
            command, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return _ProcessResult(None, f"it did not end within {PATIENCE:g} s")
    last_line = next(iter((done.stdout + done.stderr).strip().splitlines()[-1:]), "without a word")
    return _ProcessResult(done.returncode, last_line)


def _did_not_run(plugin: str, result: _ProcessResult) -> Check:
    return Check(
        plugin,
        "the suite runs",
        "failed",
        f"No conformance check of {plugin!r} ran: {result.text}",
        "Nothing is known of a plugin that was not looked at.",
        "Is there a subclass of PluginConformance with this plugin_id among the tests that were given?",
    )


def _cut_short(result: _ProcessResult) -> list[Check]:
    """Return a failed check unless pytest ended with 0 or 1 (all tests ran), or 5 (there were none)."""
    if result.code in {0, 1, 5}:
        return []
    why = "What came after is not known."
    mend = "Run the tests with pytest, and see where it stops."
    return [Check("", "the suite ends", "failed", f"The suite was cut short: {result.text}", why, mend)]


def _version(dist: Distribution) -> str:
    return str(dist.version)
