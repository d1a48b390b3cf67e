"""The built wheels in an empty environment: exactly what a user installs, without other files of the checkout.

The tests also try what an author of plugins gets: the conformance suite over every plugin, and the template's tests.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = sorted(folder.name for folder in (ROOT / "plugins").iterdir() if (folder / "pyproject.toml").exists())


def _run(*command: str | Path, **kwargs: object) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **kwargs)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return str(done.stdout)


def _build(project: Path, into: Path) -> Path:
    _run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", into, project)
    return max(into.glob("*.whl"), key=lambda wheel: wheel.stat().st_mtime_ns)


def _name(project: Path) -> str:
    return str(tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]["name"])


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("wheels")
    projects = [ROOT, *(ROOT / "plugins" / name for name in PLUGINS), ROOT / "tools" / "stripe_simulator"]
    return {_name(project): _build(project, folder) for project in projects}


@dataclass(frozen=True)
class Environment:
    """A virtual environment that contains only the installed wheels and their requirements."""

    bin: Path

    def install(self, *what: str | Path) -> None:
        pip = ("-m", "pip", "--disable-pip-version-check", "install", "-q", "-c", ROOT / "constraints.txt")
        _run(self.bin / "python", *pip, *what)

    def run(self, program: str, *arguments: str | Path, cwd: Path) -> str:
        path = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        env = {**os.environ, "PATH": path, "PIP_CONSTRAINT": str(ROOT / "constraints.txt")}
        return _run(shutil.which(program, path=path) or program, *arguments, cwd=cwd, env=env)

    def plugins(self, cwd: Path) -> dict[str, tuple[str, str]]:
        listed = json.loads(self.run("qwoty-host", "--data-dir", cwd / "data", "plugin", "list", "--json", cwd=cwd))
        return {one["id"]: (one["status"], one["distribution"]) for one in listed["data"]}

    def grade(self, distribution: str, *options: str | Path, cwd: Path) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            self.run("qwoty-host", "plugin", "check", distribution, *options, "--json", cwd=cwd)
        )
        return found


@pytest.fixture(scope="module")
def environment(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The host's wheel alone, with its extra for authors."""
    folder = tmp_path_factory.mktemp("environment")
    _run(sys.executable, "-m", "venv", folder)
    found = Environment(folder / "bin")
    found.install(f"qwoty-integrations-host[testing] @ {wheels['qwoty-integrations-host'].as_uri()}")
    return found


def test_the_wheels_hold_code_schemas_and_entry_points_and_nothing_else(wheels: dict[str, Path]) -> None:
    host = set(zipfile.ZipFile(wheels["qwoty-integrations-host"]).namelist())
    plugin = set(zipfile.ZipFile(wheels["qwoty-stripe-invoice"]).namelist())

    assert "qwoty_integrations_host/schemas/quote.v1.json" in host
    assert "qwoty_integrations_host/web/templates/payment.html" in host
    assert "qwoty_integrations_host/scaffold/template/pyproject.toml" in host
    console = "qwoty_integrations_host/web/console"
    assert {f"{console}/static/htmx.min.js", f"{console}/static/NOTICE", f"{console}/translations/fr.po"} <= host
    assert {"qwoty_stripe_invoice/settings.schema.json", "qwoty_stripe_invoice/templates/payment_link.html"} <= plugin
    slack = set(zipfile.ZipFile(wheels["qwoty-slack"]).namelist())
    assert {"qwoty_slack/settings.schema.json", "qwoty_slack/py.typed"} <= slack
    tops = {name.split("/")[0] for name in host | plugin | slack}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "qwoty_integrations_host",
        "qwoty_slack",
        "qwoty_stripe_invoice",
    }


@pytest.mark.timeout(900)
def test_every_plugin_built_as_a_wheel_is_conformant_and_a_new_plugin_passes_its_tests(
    wheels: dict[str, Path], environment: Environment, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    # One test, because creating the environment takes half a minute and each worker of pytest would create its own.
    with subtests.test("the host alone has no plugin"):
        assert environment.plugins(tmp_path) == {}

    environment.install(*(wheel for name, wheel in wheels.items() if name != "qwoty-integrations-host"))
    with subtests.test("installing their wheels is all it takes"):
        found = environment.plugins(tmp_path)
        assert found == {name: ("loaded", _name(ROOT / "plugins" / name)) for name in PLUGINS}

    for plugin in PLUGINS:
        with subtests.test("a plugin is conformant", plugin=plugin):
            folder = ROOT / "plugins" / plugin
            verdict = environment.grade(_name(folder), "--tests", folder / "tests", cwd=tmp_path)
            assert [check for check in verdict["checks"] if check["result"] == "failed"] == []
            assert verdict["grade"] == "conformant"

    with subtests.test("the commands of docs/writing-a-plugin.md work, and end with a conformant plugin"):
        blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "writing-a-plugin.md").read_text("utf-8"), re.DOTALL)
        said = environment.run("bash", "-c", "\n".join(["set -e", *blocks]), cwd=tmp_path)
        assert " passed" in said
        assert "qwoty-acme-chat 0.1.0 is conformant\n" in said
