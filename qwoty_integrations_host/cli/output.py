"""The output of commands: text for a terminal, and JSON."""

from __future__ import annotations

import json
import re
import shlex
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

import click

from ..contract.visible_text import escaped_in_json, visible
from ..run_status import RunStatus
from .advice import STEP_COMMANDS, commands_for

_MARKS = {
    RunStatus.SUCCEEDED: ("✔", "green"),
    RunStatus.SKIPPED: ("–", "cyan"),
    RunStatus.NEEDS_ATTENTION: ("!", "yellow"),
    RunStatus.FAILED: ("✘", "red"),
    RunStatus.DISMISSED: ("–", "white"),
    RunStatus.RUNNING: ("…", "blue"),
    RunStatus.QUEUED: ("…", "blue"),
    "retrying": ("↻", "yellow"),
    RunStatus.WAITING: ("↻", "yellow"),
}
#: The escape sequences that commands write themselves: colors, and clearing the line of the progress.
_OWN_SEQUENCES = re.compile("(\x1b\\[[0-9;]{0,5}m|\r\x1b\\[2K)")


class CommandStdout:
    """Stdout for the command's own thread; what plugins print in their threads goes to stderr.

    So a plugin's output never mixes with the command's JSON. In the command's output, invisible characters and escape
    sequences are spelled out, since names come from others.
    """

    def __init__(self, result: TextIO, talk: TextIO) -> None:
        self._result, self._talk, self._command = result, talk, threading.get_ident()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._result if threading.get_ident() == self._command else self._talk, name)

    def write(self, text: str) -> int:
        """Write to stdout or stderr, by the thread."""
        if threading.get_ident() != self._command:
            return self._talk.write(text)
        return self._result.write(_with_visible_text(text))


class CommandStderr:
    """Stderr, in which invisible characters and escape sequences are spelled out, too."""

    def __init__(self, talk: TextIO) -> None:
        self._talk = talk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._talk, name)

    def write(self, text: str) -> int:
        """Write the text with visible characters only."""
        return self._talk.write(_with_visible_text(text))


def _with_visible_text(text: str) -> str:
    parts = _OWN_SEQUENCES.split(text)
    # Every second part is an escape sequence of our own.
    return "".join(part if number % 2 else visible(part) for number, part in enumerate(parts))


@contextmanager
def own_stdout() -> Iterator[None]:
    """Reserve stdout for this thread during the block."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = CommandStdout(*before), CommandStderr(before[1])
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def print_json(document: Any) -> None:
    """Print one JSON document."""
    click.echo(escaped_in_json(json.dumps(document, indent=2, ensure_ascii=False, default=str)))


def table(
    header: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Sequence[int] = (), rules: Sequence[int] = ()
) -> str:
    """Return aligned columns, those in ``right`` to the right; a line below the header and above the rows ``rules``."""
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
    """Return a status as a colored symbol with its name, or with another label."""
    symbol, color = _MARKS.get(status, ("·", "white"))
    return click.style(f"{symbol} {words or status}", fg=color)


def print_run(run: dict[str, Any]) -> None:
    """Print a run with its steps, figures, notes, and what to do."""
    whose = f"quote {run['quote_id']}" if run["quote_id"] else f"workspace {run['workspace']}"
    click.echo(f"Run {run['id']}  {run['plugin']} · {run['kind']} · {whose}")
    until = f" until {minute(run['waits_until'])} UTC" if run["waits_until"] else ""
    # A run that is skipped with an error lacks something that a person can add.
    tone = RunStatus.NEEDS_ATTENTION if run["status"] == RunStatus.SKIPPED and run["error"] else run["status"]
    click.echo(f"  {mark(tone, run['status'] + until)}")
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
    """Print the installments of a quote."""
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
    """Format a time to the minute."""
    return moment[:16].replace("T", " ") if moment else "–"


#: The status that marks each tone of a standing.
TONES = {
    "good": RunStatus.SUCCEEDED,
    "busy": RunStatus.RUNNING,
    "attention": RunStatus.NEEDS_ATTENTION,
    "bad": RunStatus.FAILED,
    "quiet": RunStatus.SKIPPED,
}


def print_quote(workspace: str, report: dict[str, Any]) -> None:
    """Print a quote: standing, next steps, figures, installments, and a line for each run."""
    standing = report["standing"]
    click.echo(f"Quote {report['number'] or 'not fetched'} · id {report['quote_id']}")
    click.echo(f"  {mark(TONES[standing['tone']], standing_text(standing))}")
    if standing["hint"]:
        click.echo(f"  → {standing['hint']}")
    for step in standing["steps"]:
        quote_id = shlex.quote(report["quote_id"])
        name = "dismiss_quote" if step["step"] == "dismiss" and report["without_invoice"] else step["step"]
        command = STEP_COMMANDS.get(name, "").format(
            **{**standing, "plugin": standing["plugin"] or "PLUGIN"}, workspace=workspace, quote_id=quote_id
        )
        click.echo(f"  → {step['label']}{f': {command}' if command else '.'}")
    _print_stops(report)
    _print_figures(report)
    if report["installments"]:
        print_installments(report["installments"])
    for run in report["runs"]:
        what = f"{run['plugin']} · {run['kind']} · {minute(run['created_at'])} UTC"
        click.echo(f"  Run {run['id']}  {mark(run['status'])}  {what}")


def standing_text(standing: dict[str, Any]) -> str:
    """Return a standing's label and sentence; the sentence alone when it begins with the label."""
    label, sentence = standing["label"], standing["sentence"]
    return str(sentence) if sentence.startswith(label) else f"{label}: {sentence}"


def _print_stops(report: dict[str, Any]) -> None:
    if cancelled := report["cancelled"]:
        how = "" if cancelled["how"] == "request" else f" ({cancelled['how']})"
        why = f": {cancelled['reason']}" if cancelled["reason"] else ""
        click.echo(f"  Cancelled on {minute(cancelled['at'])} UTC by {cancelled['by']}{how}{why}")
    for undone in report["undone"]:
        click.echo(f"  {undone['plugin']}: undone on {minute(undone['at'])} UTC by {undone['by']} ({undone['how']})")
    if cancelled or report["undone"]:
        click.echo("  Nothing more is made of it or sent. Accepted again, it begins anew.")


def _print_figures(report: dict[str, Any]) -> None:
    invoice, currency = report["invoice"], report["currency"]
    if invoice is None:
        return
    signed = f" (signed: {report['signed_total']})" if report["total_differs"] else ""
    names = {
        "paid": "amount_paid",
        f"of it settled outside {invoice['service'] or 'the service'}": "amount_paid_outside",
        "to be paid": "amount_remaining",
        "overpaid": "amount_overpaid",
    }
    amounts = [f"{report[name]} {word}" for word, name in names.items() if report[name] is not None]
    total = f"{report['total']} {currency}" if report["total"] is not None else "an amount that is not known"
    details = f": {', '.join(amounts)}" if amounts else ""
    click.echo(f"  Invoice {invoice['number'] or invoice['id']} over {total}{signed}{details}.")


def _payment(part: dict[str, Any]) -> str:
    refunded = f", refunded {part['amount_refunded']}" if part["amount_refunded"] else ""
    return (part["payment_id"] or "") + refunded
