"""``qwoty-host preview``: the plan and the signed quote as a table."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..run_status import RunStatus
from .output import mark, print_json, table
from .session import NOT_DONE, Session, json_option, read_json, say

if TYPE_CHECKING:
    from ..host import Host

#: The table shortens descriptions to this; the JSON has them in full.
_WIDTH = 40


@click.command()
@click.argument("workspace", metavar="WS")
@click.argument("quote", metavar="QUOTE")
@json_option
@click.pass_obj
def preview(session: Session, workspace: str, quote: str, as_json: bool) -> None:
    """Show what would be made of a quote, for whom, and what a run would stop at. No network, nothing is written.

    Exit code 1 when a run would not end well. QUOTE is a JSON file (- is stdin), or the number or id of a quote that
    is here.
    """
    with session.host() as host:
        from ..reports.previews import preview as preview_document

        document = _document(host, workspace, quote)
        report = preview_document(workspace, document, host.integrations)
    if not report["previews"]:
        say("No enabled integration can preview quotes for this workspace.")
    if as_json:
        print_json(report)
    else:
        for plan in report["previews"]:
            _print_plan(plan)
    if not report["ends_well"]:
        raise SystemExit(NOT_DONE)


def _document(host: Host, workspace: str, quote: str) -> Any:
    if quote == "-" or quote.endswith(".json") or Path(quote).is_file():
        return read_json(quote)
    from ..reports.search import stored_document

    return stored_document(host.store, workspace, quote)


def _print_plan(plan: dict[str, Any]) -> None:
    switch = "" if plan["enabled"] else " (not switched on)"
    is_planned, verdict = plan["status"] == "planned", plan.get("verdict", "")
    click.echo(f"{plan['plugin']}, in {plan['currency']}{switch}:" if is_planned else f"{plan['plugin']}{switch}:")
    if is_planned:
        _print_lines(plan)
        click.echo()
    if verdict:
        click.echo(_wrapped(mark(RunStatus.SUCCEEDED if plan["ends_well"] else RunStatus.NEEDS_ATTENTION, verdict)))
    elif not is_planned:
        click.echo(f"  {mark(plan['status'])}")
    _print_sentences(plan.get("differences", ()))
    for problem in plan["problems"]:
        _print_problem(problem, verdict)
    _print_installments(plan.get("installments", []))
    _print_whom(plan)
    if is_planned and plan["notes"]:
        click.echo("\n  Notes")
    _print_sentences(plan["notes"])


def _print_problem(problem: dict[str, Any], verdict: str) -> None:
    if problem["title"] not in verdict:
        click.echo(_wrapped(mark(RunStatus.NEEDS_ATTENTION, problem["title"])))
    if problem["hint"]:
        click.echo(_wrapped(f"→ {problem['hint']}"))


def _print_whom(plan: dict[str, Any]) -> None:
    billed, mailed, customer = plan.get("billed"), plan.get("mailed"), plan.get("customer")
    if billed:
        parts = dict.fromkeys(billed[name] for name in ("name", "company", "email", "address") if billed[name])
        click.echo()
        click.echo(_wrapped("Billed: " + ", ".join(parts)))
    if mailed:
        click.echo(_wrapped(f"Mailed: {mailed}"))
    if customer:
        click.echo("  Customer: the first of these that is there")
        for number, place in enumerate(customer, start=1):
            click.echo(_wrapped(f"{number}. {place}"))


def _print_lines(plan: dict[str, Any]) -> None:
    lines = [row for line in plan["lines"] for row in _rows(line)]
    sums = [
        ("The invoice", plan["subtotal"], "", plan["tax"], plan["total"]),
        ("The signed quote", plan["signed_net"] or "", "", plan["signed_tax"] or "", plan["signed_total"]),
    ]
    header = ("line", "net", "tax", "", "total")
    _print_table(table(header, [*lines, *sums], right=(1, 3, 4), rules=(len(lines),)))


def _rows(line: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the line's row, and one row for each tax after the first."""
    taxes = [(f"{tax['name']} {tax['percentage']} %", tax["amount"]) for tax in line["taxes"]] or [("", "")]
    yield (_cut(line["description"]), line["amount"], *taxes[0], line["total"])
    for name, amount in taxes[1:]:
        yield ("", "", name, amount, "")


def _cut(text: str) -> str:
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1].rstrip() + "…"


def _print_installments(parts: list[dict[str, Any]]) -> None:
    if parts:
        rows = [(part["number"], part["amount"], part["due_date"] or "on request") for part in parts]
        click.echo()
        _print_table(table(("installment", "amount", "due"), rows, right=(0, 1)))


def _print_table(text: str) -> None:
    click.echo("\n".join(f"  {line}" for line in text.splitlines()))


def _print_sentences(sentences: Iterable[str]) -> None:
    for sentence in sentences:
        click.echo(_wrapped(f"· {sentence}"))


def _wrapped(text: str) -> str:
    """Wrap a text between words at the terminal's width."""
    width = max(shutil.get_terminal_size().columns, _WIDTH)
    return click.wrap_text(text, width=width, initial_indent="  ", subsequent_indent="    ")
