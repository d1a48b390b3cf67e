"""The generated pages match the code and are complete. The tests compare them with the running host, not the generator."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from prometheus_client.parser import text_string_to_metric_families
from werkzeug.test import Client

import qwoty_integrations_host
from documentation.pages import DOCS, ROOT, read
from host.conftest import Desk, desk, desks, fakes  # noqa: F401 - fixtures
from qwoty_integrations_host import errors
from qwoty_integrations_host.cli import main
from qwoty_integrations_host.contract import hookspecs
from qwoty_integrations_host.quotes.run import RunStatus
from qwoty_integrations_host.web.app import create_app
from qwoty_stripe_invoice.settings import settings_schema
from reference import PAGES
from reference.layers import host_layers
from write_schemas import openapi


@pytest.mark.parametrize("path", list(PAGES))
def test_a_generated_page_equals_the_code(path: str) -> None:
    assert (DOCS / path).read_text("utf-8") == PAGES[path](), "run `make docs`"


def test_the_reference_holds_only_generated_pages() -> None:
    there = {f"reference/{path.name}" for path in (DOCS / "reference").iterdir()}

    assert there - set(PAGES) == {"reference/index.md"}


def test_every_hook_is_in_the_reference_with_its_signature() -> None:
    hooks = [
        hook
        for _, hook in inspect.getmembers(hookspecs, inspect.isfunction)
        if hasattr(hook, "qwoty_integrations_spec")
    ]
    signatures = [hook.__name__ + str(inspect.signature(hook)).replace("'", "") for hook in hooks]

    assert [signature for signature in signatures if signature not in read("reference/hooks.md")] == []


def test_every_public_name_is_in_the_reference() -> None:
    text = read("reference/types.md") + read("reference/errors.md") + read("reference/hooks.md")

    assert [name for name in qwoty_integrations_host.__all__ if not re.search(rf"\b{name}\b", text)] == []


def test_every_setting_of_every_plugin_is_in_the_reference() -> None:
    text = read("reference/settings.md")

    assert [name for name in settings_schema()["properties"] if f"| `{name}` |" not in text] == []
    shipped = [path.parent.parent.name for path in (ROOT / "plugins").glob("*/*/settings.schema.json")]
    assert [plugin for plugin in shipped if f"Id: `{plugin}`" not in text] == []


def test_every_command_is_in_the_reference_with_all_its_options() -> None:
    text = read("reference/cli.md")
    sections = {part.partition("\n")[0]: part for part in text.split("\n## ")[1:]}
    missing = [
        f"{name} {option}"
        for name, command in _commands(main)
        for option in ["", *(word for param in command.params for word in param.opts if word.startswith("--"))]
        if option not in sections.get(name, "-")
    ]

    assert missing == []


def _commands(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def test_every_error_and_every_code_in_the_source_is_in_the_reference() -> None:
    text = read("reference/errors.md")
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)]
    codes: set[str] = set()
    for source in _sources():
        codes |= set(re.findall(r'\bcode="([a-z_]+)"', source))
        codes |= set(re.findall(r'needs_attention\(\s*"([a-z_]+)"', source))

    assert [kind.__name__ for kind in kinds if f"| `{kind.__name__}` |" not in text] == []
    assert sorted(code for code in codes if f"`{code}`" not in text) == []


def test_every_metric_that_the_host_shows_is_in_the_reference(desk: Desk) -> None:  # noqa: F811
    text = read("reference/metrics.md")
    shown = Client(create_app(desk.host)).get("/metrics").text
    ours = [family.name for family in text_string_to_metric_families(shown) if family.name.startswith("qwoty_")]

    assert len(ours) > 10
    assert [name for name in ours if f"| `{name}` |" not in text] == []


def test_every_route_of_the_api_is_in_the_reference() -> None:
    text = read("reference/http-api.md")
    routes = [
        f"{method.upper()} {path}"
        for path, found in openapi()["paths"].items()
        for method in found
        if method != "parameters"
    ]

    assert [route for route in routes if f"\n{route}\n" not in text] == []


def test_every_audit_log_and_alert_event_is_in_the_reference() -> None:
    text = read("reference/events.md")
    found: set[str] = set()
    for source in _sources():
        found |= set(re.findall(r'\blog\.\w+\(\s*"([a-z_.]+)"', source))
        found |= set(re.findall(r'audit\.note\([^"]*"([a-z_.]+)"', source))

    assert len(found) > 20
    assert sorted(event for event in found if f"`{event}`" not in text) == []


def test_every_environment_variable_is_in_the_reference() -> None:
    text = read("reference/environment.md")
    found: set[str] = set()
    for source in _sources():
        found |= set(re.findall(r"QWOTY_(?:HOST|STRIPE|PLUGINS)_[A-Z_]*[A-Z]", source))

    assert sorted(name for name in found if f"| `{name}` |" not in text) == []


def _sources() -> Iterator[str]:
    for folder in ("qwoty_integrations_host", "plugins"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.read_text("utf-8")


def test_the_diagram_of_a_runs_life_has_every_state() -> None:
    picture = Path(DOCS / "pictures" / "life-of-a-run.svg").read_text("utf-8")
    page = read("explanation.md")

    assert [status for status in RunStatus if f">{status}</text>" not in picture or f"`{status}`" not in page] == []


def test_the_diagram_of_the_layers_has_every_module_once() -> None:
    named = [name for layer in host_layers() for name in layer]
    package = ROOT / "qwoty_integrations_host"
    there = {path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}

    assert len(named) == len(set(named))
    assert there - set(named) == {"__init__", "testing"} & there
