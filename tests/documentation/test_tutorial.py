"""The tutorial and the recipes, typed into a real shell, against the simulator over HTTP."""

from __future__ import annotations

import json
import shutil
import socket
from typing import Any

import pytest

from documentation.pages import ROOT, blocks, pages
from documentation.terminal import Command, commands, masked, typed

TUTORIAL = "tutorial.md"
RECIPES = [page for page in pages() if page.startswith("how-to/")]

Told = dict[str, list[tuple[Command, int, str]]]


def _commands(page: str) -> list[Command]:
    found = [block for block in blocks(page) if block.language == "console" and not block.reason]
    return [command for block in found for command in commands(block.text)]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What each command printed, by page: the tutorial, the recipes where it ends, then its farewell."""
    if shutil.which("curl") is None or shutil.which("bash") is None:
        pytest.skip("the tutorial is told with bash and curl")
    folder = tmp_path_factory.mktemp("tutorial")
    place = folder / "demo"
    tutorial = _commands(TUTORIAL)
    farewell = next(index for index, command in enumerate(tutorial) if command.typed.startswith("kill "))
    recipes = [(page, command) for page in RECIPES for command in _commands(page)]
    listed = folder / "recipes.json"
    listed.write_text(json.dumps([command.typed for _, command in recipes]), "utf-8")
    typist = Command(f"python {ROOT}/tests/documentation/typist.py {listed}", "")
    wanted = [*tutorial[:farewell], typist, *tutorial[farewell:]]
    web, stripe = _free_port(), _free_port()
    own = {".demo": str(place), ":8080": f":{web}", "port 8080": f"port {web}", "12111": str(stripe)}

    answers = typed([_with(command, own) for command in wanted], folder, cwd=ROOT, env={"no_proxy": "127.0.0.1"})

    assert len(answers) == len(wanted), f"{wanted[len(answers)]} does not end, after {answers[-1:]}"
    assert not place.exists(), "the tutorial leaves something behind"
    code, printed = answers.pop(farewell)
    assert code == 0, printed
    found: Told = {TUTORIAL: [(command, *answer) for command, answer in zip(tutorial, answers, strict=True)]}
    for (page, command), answer in zip(recipes, json.loads(printed), strict=True):
        found.setdefault(page, []).append((command, *answer))
    return found


def _with(command: Command, own: dict[str, str]) -> Command:
    text = command.typed
    for said, put in own.items():
        text = text.replace(said, put)
    return Command(text, command.printed)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize("page", [TUTORIAL, *RECIPES])
def test_every_command_of_a_page_works(told: Told, page: str) -> None:
    assert [f"{c.typed}\n→ {code}: {printed}" for c, code, printed in told.get(page, []) if code] == []


@pytest.mark.parametrize("page", [TUTORIAL, *RECIPES])
def test_what_a_page_shows_is_what_its_commands_print(told: Told, page: str) -> None:
    shown = [(command, printed) for command, _, printed in told.get(page, []) if command.printed]

    for command, printed in shown:
        assert masked(printed) == masked(command.printed), command.typed


def test_the_tutorial_shows_what_nearly_all_of_its_commands_print() -> None:
    silent = ("export ", "mkdir ", "python -m", "qwoty-host serve", "LINK=", "kill ", "wait", "rm ")

    assert [c.typed for c in _commands(TUTORIAL) if not c.printed and not c.typed.startswith(silent)] == []


def test_the_invoice_of_the_tutorial_is_paid(told: Told) -> None:
    (shown,) = [printed for command, _, printed in told[TUTORIAL] if command.typed.startswith("qwoty-host quote show")]

    assert "Paid 1440.00 of 1440.00 EUR." in shown


def test_masks_leave_figures_and_words_alone() -> None:
    assert masked("Paid 1440.00 of 1440.00 EUR.") == "Paid 1440.00 of 1440.00 EUR."
    assert masked("due 2026-03-10, in_D70TFVL5eC2a0ZMi 12 ms") == "due 2026-03-10, in_ID MS"


def test_commands_are_read_with_their_continuation_and_output() -> None:
    assert commands("$ a <<'X'\n> b\n> X\nout\n  put\n$ c\n") == [
        Command("a <<'X'\nb\nX", "out\n  put"),
        Command("c", ""),
    ]
