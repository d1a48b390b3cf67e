"""Every example runs, or says why not. An example that does not run still has valid commands and valid JSON."""

from __future__ import annotations

import hmac
import inspect
import json
import re
import shlex
import types
import typing
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import click
import pytest

import qwoty_integrations_host as host
from builders import loaded, the_example
from documentation.pages import ROOT, Block, blocks, pages
from qwoty_integrations_host.cli import main
from reference.hooks import all_hooks, example

BLOCKS = [block for page in pages() for block in blocks(page)]
#: The tests outside this folder that run the blocks of a page.
RUN_BY = {
    ("api.md", "sh"): "tests/api/test_tour.py",
    ("platform.md", "python"): "tests/platform/test_page.py",
    ("writing-a-plugin.md", "sh"): "tests/acceptance/test_wheels.py",
    ("writing-a-plugin.md", "python"): "tests/conformance/test_page.py",
    ("writing-a-plugin.md", "json"): "tests/conformance/test_page.py",
}
RUNNABLE = {"console", "sh", "python", "json"}


def _of(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language]


def test_every_code_block_has_a_known_language() -> None:
    assert {block.language for block in BLOCKS} <= RUNNABLE | {"", "text", "po"}


def test_every_example_runs_or_says_why_not() -> None:
    run_here = {"tutorial.md", "reference/hooks.md"}
    left = [
        str(block)
        for block in BLOCKS
        if block.language in RUNNABLE - {"json"}
        and not block.reason
        and not (block.page in run_here or block.page.startswith("how-to/"))
        and (block.page, block.language) not in RUN_BY
        and block.page != "reference/types.md"  # signatures
    ]

    assert left == [], "run it by a test, or put <!-- not run: why --> and an empty line before it"


@pytest.mark.parametrize(("page", "test"), [(page, test) for (page, _), test in RUN_BY.items()])
def test_the_named_test_runs_the_page(page: str, test: str) -> None:
    assert f'"{page}"' in (ROOT / test).read_text("utf-8")


@pytest.mark.parametrize("block", [one for one in _of("json") if (one.page, "json") not in RUN_BY], ids=str)
def test_every_json_example_is_valid(block: Block) -> None:
    json.loads(block.text)


@pytest.mark.parametrize("block", [*_of("console"), *_of("sh")], ids=str)
def test_every_command_in_an_example_exists(block: Block) -> None:
    text = re.sub(r"\\\n", " ", block.text)
    for words in re.findall(r"\bqwoty-host ([^|;&<>()\n]*)", text):
        _understood(shlex.split(words, comments=True))


def _understood(words: list[str]) -> None:
    """Raises: click.UsageError, if the command line would refuse the words."""
    command, context = typing.cast("click.Command", main), click.Context(main, info_name="qwoty-host")
    while isinstance(command, click.Group) and words:
        _, found, words = command.resolve_command(context, words)
        assert found is not None
        command, context = found, click.Context(found, info_name=found.name, parent=context)
    assert not isinstance(command, click.Group), "the example names a group, not a command"
    assert context.parent is not None
    command.make_context(command.name, list(words), parent=context.parent)


def test_an_unknown_option_in_an_example_is_noticed() -> None:
    with pytest.raises(click.UsageError):
        _understood(["run", "list", "--everything"])


# -- hooks --------------------------------------------------------------------------------------------------

HOOKS = {hook.__name__: hook for hook in all_hooks()}
EXAMPLES = [(name, example(hook)) for name, hook in HOOKS.items()]
NOW = datetime(2026, 3, 10, tzinfo=UTC)
#: The author's own functions, which the examples call and do not show.
AUTHORS_OWN: dict[str, Any] = {
    "can_list": lambda token: True,
    "ping": lambda url: 12,
    "greet": lambda name: None,
    "remind": lambda quote, number: None,
    "forget": lambda quote_id: None,
    "note": lambda quote_id, kind: None,
    "undelivered": lambda seen: {"until": "2", "events": [{"id": "e1", "type": "ping", "quote": "q-1"}]},
}


class _Kept(dict[str, Any]):
    def set(self, name: str, value: Any) -> None:
        self[name] = value


def _context() -> Any:
    settings = {"from_hour": 9, "to_hour": 8, "token": "key_1234", "reminders": "by_themselves"}
    step = lambda name, work: work(host.Attempt(1, 1, NOW))  # noqa: E731
    state = _Kept(endpoint={"id": "we_1", "url": "https://host.example/webhooks/x"})
    return types.SimpleNamespace(settings=settings, step=step, state=state, secrets={"secret": "s"})


def _given() -> dict[str, Any]:
    quote = loaded(the_example())
    return {
        "settings": _context().settings,
        "from_version": 1,
        "connection": host.ConnectionRequest(),
        "quote": quote,
        "installment": host.InstallmentRequest(quote, 1),
        "request": host.WebhookRequest("t", b"{}", {"X-Secret": "s"}),
        "event": host.WebhookEvent("1", "ping", {}, "q-1"),
        "ids": ["card_1"],
        "upkeep": host.UpkeepRequest(),
    }


@pytest.mark.parametrize(("name", "code"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_the_example_of_a_hook_returns_the_promised_type(name: str, code: str) -> None:
    place = {
        **{name: getattr(host, name) for name in host.__all__},
        **AUTHORS_OWN,
        "json": json,
        "hmac": hmac,
        "Decimal": Decimal,
    }
    exec(compile(code, name, "exec"), place)
    asked = {**_given(), "ctx": _context()}

    returned = place[name](**{argument: asked[argument] for argument in inspect.signature(place[name]).parameters})

    promised = typing.get_type_hints(HOOKS[name])["return"]
    assert isinstance(returned, _plain(promised)), f"{returned!r} is no {promised}"
    assert returned or promised is bool


def _plain(promised: Any) -> Any:
    """The class of a type without its parameters: ``Sequence`` for ``Sequence[…]``."""
    return promised if isinstance(promised, types.UnionType) else typing.get_origin(promised) or promised


def test_every_hook_has_an_example() -> None:
    assert {name for name, code in EXAMPLES if f"def {name}(" in code} == set(HOOKS)
