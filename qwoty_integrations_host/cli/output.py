"""How results look on a terminal, and as JSON."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

import click

from .advice import commands_for

_MARKS = {
    "succeeded": ("✔", "green"),
    "skipped": ("–", "cyan"),
    "needs_attention": ("!", "yellow"),
    "failed": ("✘", "red"),
    "dismissed": ("–", "white"),
    "running": ("…", "blue"),
    "queued": ("…", "blue"),
    "retrying": ("↻", "yellow"),
    "waiting": ("↻", "yellow"),
}


class CommandsOwn:
    """Stdout for the command that writes its result there; what plugins print goes to stderr.

    A plugin is called, and imported, in threads of its own. What it prints must never stand in our JSON.
    """

    def __init__(self, result: TextIO, talk: TextIO) -> None:
        self._result, self._talk, self._command = result, talk, threading.get_ident()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._result if threading.get_ident() == self._command else self._talk, name)


@contextmanager
def own_stdout() -> Iterator[None]:
    """Keep stdout for this thread during the block."""
    before = sys.stdout
    sys.stdout = CommandsOwn(before, sys.stderr)
    try:
        yield
    finally:
        sys.stdout = before


def print_json(document: Any) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False, default=str))


def table(
    header: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Sequence[int] = (), rules: Sequence[int] = ()
) -> str:
    """Columns aligned, those in ``right`` to the right; a rule below the header and above the rows in ``rules``."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [list(header), *cells]) for i in range(len(header))]
    rule, lines = ["─" * width for width in widths], []
    for number in sorted(rules, reverse=True):
        cells.insert(number, rule)
    for row in [list(header), rule, *cells]:
        padded = (c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def mark(status: str, words: str = "") -> str:
    """A status as a symbol and its name, or other words: never by color alone."""
    symbol, color = _MARKS.get(status, ("·", "white"))
    return click.style(f"{symbol} {words or status}", fg=color)


def print_run(run: dict[str, Any]) -> None:
    """A run with its timeline, its figures, its notes, and what to do."""
    whose = f"quote {run['quote_id']}" if run["quote_id"] else f"workspace {run['workspace']}"
    click.echo(f"Run {run['id']}  {run['plugin']} · {run['kind']} · {whose}")
    until = f" until {minute(run['waits_until'])} UTC" if run["waits_until"] else ""
    click.echo(f"  {mark(run['status'], run['status'] + until)}")
    for step in run["steps"]:
        tries = f" ({step['attempts']} tries)" if step["attempts"] > 1 else ""
        click.echo(f"    {mark(step['status'])}  {step['name']}  {step['ms']} ms{tries}")
    _print_outcome(run["outcome"])
    if run["error"]:
        click.echo(f"  {run['error']['title']} [{run['error']['code']}]")
        if run["error"]["hint"]:
            click.echo(f"  → {run['error']['hint']}")
            known = {"run_id": run["id"], "workspace": run["workspace"], "plugin": run["plugin"]}
            for command in commands_for(run["error"]["hint"], **known):
                click.echo(f"    {command}")


def _print_outcome(outcome: dict[str, Any]) -> None:
    if outcome.get("invoice_id"):
        total = f"{outcome['total']} {outcome['currency']}" if outcome["total"] else ""
        click.echo(f"  Invoice {outcome['invoice_id']}: {outcome['payment_status']}, total {total}")
    link = outcome.get("payment_link")
    if link:
        click.echo(f"  Payment link for {link['amount']} {outcome['currency']}: {link['url']}")
    for note in outcome["notes"]:
        click.echo(f"  · {note}")


def print_installments(parts: Sequence[dict[str, Any]]) -> None:
    """The installments of a quote."""
    if not parts:
        click.echo("No installments.")
        return
    rows = [
        (
            part["number"],
            part["amount"],
            part["due_date"] or "–",
            part["status"],
            minute(part["mailed_at"]),
            part["url"] or _payment(part),
        )
        for part in parts
    ]
    click.echo(table(("no.", "amount", "due", "status", "mailed (UTC)", "link or payment"), rows, right=(0, 1)))


def minute(moment: str | None) -> str:
    """A time to the minute, as people read it."""
    return moment[:16].replace("T", " ") if moment else "–"


def _payment(part: dict[str, Any]) -> str:
    refunded = f", refunded {part['amount_refunded']}" if part["amount_refunded"] else ""
    return (part["payment_id"] or "") + refunded
