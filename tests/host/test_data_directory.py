"""What a command does when the data directory is missing, empty, damaged or in use."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from builders import a_quote
from host.conftest import CommandLine, refused
from qwoty_integrations_host.cli import main
from qwoty_integrations_host.store import database


def test_a_file_that_is_no_database_is_reported_without_a_traceback(cli: CommandLine) -> None:
    folder = cli.folder / "data"
    folder.mkdir()
    (folder / "host.sqlite3").write_bytes(b"this is no database, and long enough to be noticed" * 20)

    assert "cannot be opened" in refused(cli("run", "list"), 1)


def test_a_locked_database_is_reported_without_a_traceback(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    cli.ready()
    with closing(sqlite3.connect(cli.folder / "data" / "host.sqlite3")) as other:
        other.execute("BEGIN IMMEDIATE")
        for words in (("accept", "ws-1", cli.file(a_quote())), ("run", "list"), ("workspace", "add", "ws-2")):
            assert "database is locked" in refused(cli(*words), 1)


def _commands(group: Any, *names: str) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, *names, name)
        else:
            yield (*names, name)


#: The commands that may make a data directory, and those that need none.
_BEGIN, _NEED_NONE = {("serve",), ("worker",), ("workspace", "add")}, {"plugin"}


@pytest.mark.parametrize(
    "words",
    sorted(words for words in _commands(main) if words not in _BEGIN and words[0] not in _NEED_NONE),
    ids=" ".join,
)
def test_only_commands_that_start_something_make_a_data_directory(cli: CommandLine, words: tuple[str, ...]) -> None:
    command: Any = main
    for word in words:
        command = command.commands[word]
    given = {"--timezone": "UTC", "--reason": "x", "--file": cli.file({}), "--webhook-url": "https://x.example"}
    needed = [one for one in command.params if one.required]
    arguments = [cli.file({}) if one.name == "path" else "x" for one in needed if one.param_type_name == "argument"]
    options = [
        word
        for one in needed
        for name in one.opts[:1]
        if name.startswith("--")
        for word in (name, given.get(name, "x"))
    ]
    if words in {("run", "retry"), ("admin", "revoke")}:
        arguments.append("x")

    said = refused(cli(*words, *arguments, *options), 2)

    assert f"There is no host's data in {cli.folder / 'data'}" in said
    assert "QWOTY_HOST_DATA_DIR" in said and "workspace add" in said
    assert not (cli.folder / "data").exists()


def test_an_empty_folder_is_refused_and_the_advised_command_fills_it(cli: CommandLine) -> None:
    (cli.folder / "data").mkdir()
    refused(cli("run", "list"), 2)
    assert list((cli.folder / "data").iterdir()) == []

    first, second = cli("workspace", "add", "ws-1"), cli("workspace", "add", "ws-1")

    assert f"Made the data directory {cli.folder / 'data'}." in first.stderr
    assert "Made" not in second.stderr and cli("run", "list").exit_code == 0


def test_installed_plugins_are_listed_without_a_data_directory(cli: CommandLine) -> None:
    assert cli.ok("plugin", "list")["data"] and cli.ok("plugin", "show", "recorder")["status"] == "loaded"
    assert not (cli.folder / "data").exists()
