"""Every refusal has a hint, its advice is possible, and only the command line shows commands."""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tools"))

from console.conftest import admin, people, words  # noqa: E402
from host.conftest import desk, desks, fakes  # noqa: E402
from qwoty_integrations_host import NeedsAttention, errors  # noqa: E402
from qwoty_integrations_host.cli import main  # noqa: E402
from qwoty_integrations_host.cli.advice import COMMANDS, commands_for  # noqa: E402
from qwoty_integrations_host.web import problems  # noqa: E402
from qwoty_integrations_host.web.app import create_app  # noqa: E402
from qwoty_integrations_host.web.console.access_control import handle_integration_error  # noqa: E402
from reference import environment  # noqa: E402
from reference.errors import all_codes  # noqa: E402
from reference.source import argument, calls, text_of, trees  # noqa: E402

__all__ = ["admin", "desk", "desks", "fakes", "people"]

KINDS = {n: k for n, k in vars(errors).items() if inspect.isclass(k) and issubclass(k, errors.IntegrationError)}
#: Errors that need no hint: the run waits, a machine gets the answer, or the caller catches it.
ADVISE_NOBODY = {"RetryableError", "WebhookRejected", "IntegrationError", "PluginLoadError"}
#: Modules whose messages only a person at the command line or the author of a plugin reads.
OF_THE_COMMAND_LINE = ("cli/", "doctor.py", "host.py", "store/opening.py", "scaffold/", "testing/")
COMMAND = re.compile(r"qwoty-host|`[a-z]+( [a-z-]+)+`|(?<![\w-])--[a-z]{3,}")
#: Commands outside hints for a person with a terminal, such as those in alerts; and the name of the engine.
BESIDE = (
    "qwoty-host run show …",
    "qwoty-host quote show … …",
    "qwoty-host …",
    "qwoty-host webhook status …",
    "qwoty-host settings show … …",
    "qwoty-host",
)


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path, tree in trees():
        inside = path.removeprefix("qwoty_integrations_host/")
        if not inside.startswith(OF_THE_COMMAND_LINE):
            yield path, tree


def refusals() -> Iterator[tuple[str, ast.Call]]:
    """Every call that creates a refusal, or says that a person is needed."""
    for path, tree in modules():
        for name, call in calls(tree):
            kind = name.rpartition(".")[2]
            if kind == "needs_attention" or (kind in KINDS and kind not in ADVISE_NOBODY):
                yield f"{path}:{call.lineno} {kind}", call


def has_advice(place: str, call: ast.Call) -> bool:
    """Whether a refusal has a hint or, for input, a message for each wrong field."""
    hint = argument(call, -1, "hint")
    of_fields = place.endswith(("InvalidInput", "SettingsError")) and argument(call, 1, "problems") is not None
    return of_fields or (hint is not None and text_of(hint) != "")


def test_every_refusal_has_a_hint() -> None:
    found = list(refusals())

    assert len(found) > 100, "the search finds refusals"
    assert [place for place, call in found if not has_advice(place, call)] == []


def test_no_text_outside_the_command_line_holds_a_command() -> None:
    shown = [
        (path, text)
        for path, tree in modules()
        for node in _spoken(tree)
        if (text := text_of(node)) and COMMAND.search(text) and text not in BESIDE
    ]

    assert shown == []


def _spoken(tree: ast.Module) -> Iterator[ast.expr]:
    """The string literals except docstrings, comments of schemas, and parts of other literals."""
    aside: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            aside.add(id(node.value))
        if isinstance(node, ast.JoinedStr):
            aside |= {id(inner) for inner in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in aside:
            yield node


@pytest.mark.parametrize("pattern", ["*.po", "*.html"])
def test_no_page_and_no_translation_holds_a_command(pattern: str) -> None:
    files = [*ROOT.glob(f"qwoty_integrations_host/**/{pattern}"), *ROOT.glob(f"plugins/*/qwoty_*/**/{pattern}")]

    assert files
    assert [str(file) for file in files if "qwoty-host" in file.read_text("utf-8")] == []


def test_no_answer_of_the_api_and_no_page_of_an_error_holds_a_command(admin: Any) -> None:
    app = create_app(admin.desk.host)
    # A data directory that cannot be used stops the host before it has a page or an API.
    codes = [found for found in all_codes() if found.hint and found.code not in {"data_dir", "no_data_directory"}]

    assert len(codes) > 60
    for found in codes:
        error = NeedsAttention(found.title or "It stopped.", hint=found.hint, code=found.code)
        with app.test_request_context("/console/", headers={"Accept-Language": "fr"}):
            assert not COMMAND.search(problems.integration_error_response(error).get_data(as_text=True)), found
            assert not COMMAND.search(words(handle_integration_error(error).get_data(as_text=True))), found


def test_the_description_of_the_api_holds_no_command(admin: Any) -> None:
    assert "qwoty-host" not in json.dumps(admin.get("/v1/openapi.json").json)


# -- the advice is possible --------------------------------------------------------------------------------


def leaves(command: click.Command, name: str = "") -> Iterator[str]:
    if isinstance(command, click.Group):
        for word, inner in command.commands.items():
            yield from leaves(inner, f"{name} {word}".strip())
    else:
        yield name


def test_each_action_has_an_existing_command() -> None:
    known = set(leaves(main))

    there_is_none = [c for c in COMMANDS.values() if not any(f"{c} ".startswith(f"{one} ") for one in known)]

    assert there_is_none == []


def test_each_action_is_advised_in_some_hint() -> None:
    said = [text for _, tree in modules() for node in _spoken(tree) if (text := text_of(node))]

    assert [pattern for pattern in COMMANDS if not any(re.search(pattern, text) for text in said)] == []


#: Actions that everybody with a key or a session can do, with the address in the API.
FOR_EVERYBODY = {
    r"[Rr]etry (the|that) run": "/v1/workspaces/{workspace}/runs/{run_id}/retry",
    r"[Dd]ismiss (the run|its run|that run|it)\b": "/v1/workspaces/{workspace}/runs/{run_id}/dismiss",
    r"list of runs": "/v1/workspaces/{workspace}/runs",
    r"list of integrations": "/v1/plugins",
    r"list of API keys": "/v1/workspaces/{workspace}/api-keys",
    r"[Ss]ave its settings|in the (integration's )?settings\b": (
        "/v1/workspaces/{workspace}/plugins/{plugin}/settings"
    ),
    r"[Tt]est (the connection|again)": "/v1/workspaces/{workspace}/plugins/{plugin}/connection/test",
    r"[Ss]witch (it|the integration) on": "/v1/workspaces/{workspace}/plugins/{plugin}/enable",
    r"[Ee]nter whom to tell": "/v1/workspaces/{workspace}/alerts",
}
#: Actions of the host's operator: the hint says so, or only a person with a terminal reads it.
FOR_THE_OPERATOR = {
    r"list of sessions",
    r"list of signing secrets",
    r"[Rr]emove the oldest signing secret",
    r"platform's settings|operator set the platform",
    r"operator adds a workspace",
}


def test_each_advised_action_is_possible_for_the_reader_of_the_hint(admin: Any) -> None:
    addresses = set(admin.get("/v1/openapi.json").json["paths"])

    assert {*FOR_EVERYBODY, *FOR_THE_OPERATOR} == set(COMMANDS)
    assert set(FOR_EVERYBODY.values()) <= addresses


def test_each_variable_that_a_hint_names_is_read_by_the_host() -> None:
    hints = {text for _, call in refusals() if (text := text_of(argument(call, -1, "hint")))}
    named = {name for hint in hints for name in re.findall(r"QWOTY_[A-Z_]*[A-Z]", hint)}

    assert named
    assert named <= set(re.findall(r"QWOTY_[A-Z_]*[A-Z]", environment.page()))


@pytest.mark.parametrize(
    ("hint", "known", "commands"),
    [
        ("Compare them, then retry the run.", {"run_id": "ab"}, ["run retry ab"]),
        ("Retry the run, or dismiss it.", {}, ["run retry RUN", "run dismiss RUN --reason TEXT"]),
        ("Enter whom to tell first.", {"workspace": "acme"}, ["alerts set acme --mail ADDRESS"]),
        ("Save its settings first.", {"workspace": "a", "plugin": "p"}, ["settings set a p --file F"]),
        ("Look at the invoice in the Stripe Dashboard.", {"run_id": "ab"}, []),
    ],
)
def test_the_command_line_adds_the_commands(hint: str, known: dict[str, str], commands: list[str]) -> None:
    assert commands_for(hint, **known) == [f"qwoty-host {command}" for command in commands]


def test_the_command_retries_the_run_that_the_title_names() -> None:
    title = f"An installment of this quote is being sent by run {'a' * 32}."

    found = commands_for("It waits: … Retry that run to try at once.", title, workspace="acme")

    assert found == [f"qwoty-host run retry {'a' * 32}"]
