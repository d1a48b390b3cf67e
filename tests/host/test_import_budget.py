"""Importing the host and its plugins must stay cheap, because every command does it."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "dbos",
    "email_validator",
    "stripe",
    "requests",
    "flask",
    "jsonschema",
    "marshmallow",
    "sqlalchemy",
    "structlog",
    "cryptography",
)
PROGRAM = f"""
import sys, time
began = time.perf_counter()
import qwoty_integrations_host as host
took = time.perf_counter() - began
assert all(hasattr(host, name) for name in host.__all__)
print(took, *[name for name in {HEAVY!r} if name in sys.modules])
"""


def test_the_public_names_are_imported_fast_and_without_heavy_modules() -> None:
    # The best of three: a busy machine makes an import slower, never faster.
    runs = [
        subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=30).stdout
        for _ in range(3)
    ]

    assert {tuple(run.split()[1:]) for run in runs} == {()}
    assert min(float(run.split()[0]) for run in runs) < 0.3


def test_the_command_line_imports_no_heavy_modules_before_a_command_runs() -> None:
    heavy = (*HEAVY, "flask_smorest", "alembic", "waitress")
    program = f"import sys, qwoty_integrations_host.cli; print([n for n in {heavy!r} if n in sys.modules])"

    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)

    assert found.stdout == "[]\n"


@pytest.mark.parametrize("module", ["qwoty_slack.plugin", "qwoty_stripe_invoice.plugin"])
def test_loading_a_plugin_imports_no_heavy_modules(module: str) -> None:
    heavy = (*HEAVY, "babel", "jinja2", "urllib3")
    program = f"import sys, {module} as plugin; plugin.integration_manifest(); print([n for n in {heavy!r} if n in sys.modules])"

    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)

    assert found.stdout == "[]\n"


@pytest.mark.parametrize("words", [["--help"], ["accept", "--help"], ["run", "--help"]], ids=" ".join)
def test_help_imports_no_heavy_modules(words: list[str]) -> None:
    program = f"""
import sys
from qwoty_integrations_host.cli import main
from qwoty_integrations_host.config import VARIABLES
try:
    main({words!r})
except SystemExit as end:
    assert end.code == 0
print([name for name in {(*HEAVY, "waitress")!r} if name in sys.modules], file=sys.stderr)
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=20)

    assert "Usage:" in found.stdout
    assert found.stderr.strip() == "[]"
