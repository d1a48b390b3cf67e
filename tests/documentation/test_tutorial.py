"""The commands of the tutorial and the recipes, run in a real shell against the simulator over HTTP."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path

import pytest

from documentation.pages import ROOT, blocks, pages
from documentation.terminal import Command, commands, masked, typed

TUTORIAL = "tutorial.md"
RECIPES = [page for page in pages() if page.startswith("how-to/")]


def _commands(page: str) -> list[Command]:
    found = [block for block in blocks(page) if block.language == "console" and not block.reason]
    return [command for block in found for command in commands(block.text)]


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


# One test, because every process of pytest that ran a part would have to run all commands before it.
@pytest.mark.skipif(shutil.which("curl") is None, reason="the tutorial is told with curl")
def test_every_command_of_the_tutorial_and_the_recipes_prints_what_its_page_shows(tmp_path: Path) -> None:
    told = _typed_all(tmp_path)

    assert [f"{page}: {command.typed}\n→ {code}: {printed}" for page, command, code, printed in told if code] == []
    for page, command, _, printed in told:
        assert not command.printed or masked(printed) == masked(command.printed), f"{page}: {command.typed}"
    assert not (tmp_path / "demo").exists(), "the tutorial leaves something behind"
    assert any("1440.00 paid, 0.00 to be paid" in printed for page, _, _, printed in told if page == TUTORIAL)


def _typed_all(folder: Path) -> list[tuple[str, Command, int, str]]:
    """Page, command, exit code and output of each command. The recipes run before the tutorial's last section."""
    tutorial = _commands(TUTORIAL)
    farewell = next(index for index, command in enumerate(tutorial) if command.typed.startswith("kill "))
    recipes = [(page, command) for page in RECIPES for command in _commands(page)]
    listed = folder / "recipes.json"
    listed.write_text(json.dumps([command.typed for _, command in recipes]), "utf-8")
    typist = Command(f"python {ROOT}/tests/documentation/typist.py {listed}", "")
    web, stripe = _free_port(), _free_port()
    own = {".demo": str(folder / "demo"), ":8080": f":{web}", "port 8080": f"port {web}", "12111": str(stripe)}
    wanted = [_with(command, own) for command in [*tutorial[:farewell], typist, *tutorial[farewell:]]]

    answers = typed(wanted, folder, cwd=ROOT, env={"no_proxy": "127.0.0.1"})

    assert len(answers) == len(wanted), f"{wanted[len(answers)]} does not end, after {answers[-1:]}"
    code, printed = answers.pop(farewell)
    assert code == 0, printed
    found = [(TUTORIAL, command, *answer) for command, answer in zip(tutorial, answers, strict=True)]
    by_recipes = zip(recipes, json.loads(printed), strict=True)
    return found + [(page, command, code, text) for (page, command), (code, text) in by_recipes]


def test_the_tutorial_shows_the_output_of_nearly_all_its_commands() -> None:
    silent = ("export ", "mkdir ", "python -m", "qwoty-host serve", "LINK=", "kill ", "wait", "rm ")

    assert [c.typed for c in _commands(TUTORIAL) if not c.printed and not c.typed.startswith(silent)] == []


def test_masks_do_not_change_figures_and_words() -> None:
    assert masked("Paid 1440.00 of 1440.00 EUR.") == "Paid 1440.00 of 1440.00 EUR."
    assert masked("due 2026-03-10, in_D70TFVL5eC2a0ZMi 12 ms") == "due 2026-03-10, in_ID MS"


def test_commands_are_read_with_their_continuation_and_output() -> None:
    assert commands("$ a <<'X'\n> b\n> X\nout\n  put\n$ c\n") == [
        Command("a <<'X'\nb\nX", "out\n  put"),
        Command("c", ""),
    ]
