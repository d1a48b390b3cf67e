"""The command line: usage, words and options of every command, as ``--help`` shows them."""

from __future__ import annotations

from collections.abc import Iterator

import click

from qwoty_integrations_host.cli import main, session
from qwoty_integrations_host.errors import NotFound, SettingsError

from . import markdown as md
from .notes import note

PROGRAM = "qwoty-host"
EXITS = (
    (session.OK, "done, or rightly skipped"),
    (
        session.NOT_DONE,
        "not done: needs attention, failed, waits, or not finished in time; a key is refused or lacks a permission; "
        "somebody could not be told",
    ),
    (session.REFUSED, "usage, or input that was refused"),
    (SettingsError.exit_code, "invalid settings"),
    (NotFound.exit_code, "nothing found"),
)


def page() -> str:
    found = list(all_commands())
    rows = [(f"[`{name}`](#{_anchor(name)})", command.get_short_help_str(200)) for name, command, _ in found]
    return md.page(
        "Reference: command line",
        "Every command that prints a result takes `--json`. Data goes to stdout, messages to stderr.",
        md.table(("Command", "What it does"), rows),
        "## Exit codes",
        md.table(("Code", "Meaning"), [(str(code), meaning) for code, meaning in EXITS]),
        *(block for name, command, context in found for block in _command(name, command, context)),
    )


def all_commands() -> Iterator[tuple[str, click.Command, click.Context]]:
    """Every command that does something, by its words, sorted."""
    yield from _below(main, click.Context(main, info_name=PROGRAM, terminal_width=100))


def _below(group: click.Group, context: click.Context) -> Iterator[tuple[str, click.Command, click.Context]]:
    for name in sorted(group.commands):
        command = group.commands[name]
        inner = click.Context(command, info_name=name, parent=context, terminal_width=100)
        if isinstance(command, click.Group):
            yield from _below(command, inner)
        elif not command.hidden:
            yield inner.command_path.removeprefix(f"{PROGRAM} "), command, inner


def _anchor(name: str) -> str:
    return name.replace(" ", "-")


def _command(name: str, command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"## {name}"
    yield md.fence("text", command.get_usage(context).removeprefix("Usage: "))
    yield md.words(command.help)
    yield note("commands", name)
    records = [record for param in command.get_params(context) if (record := param.get_help_record(context))]
    options = [(md.code(shape), meaning) for shape, meaning in records if meaning and "--help" not in shape]
    if options:
        yield md.table(("Option", "Meaning"), options)
