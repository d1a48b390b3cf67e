"""The progress line on a terminal while a command waits; without a terminal there is none."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import click

if TYPE_CHECKING:
    from ..host import Host

_START_OF_LINE_AND_CLEAR = "\r\x1b[2K"


class Show(Protocol):
    """Updates the progress line; called periodically."""

    def __call__(self) -> None: ...


@contextmanager
def progress(host: Host, run_ids: Sequence[str]) -> Iterator[Show]:
    """Yield a function that shows the runs' present steps on stderr; the line is cleared after the block."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    began = time.monotonic()

    def show() -> None:
        line = f"{_at_work(host, run_ids)} · {time.monotonic() - began:.0f} s"
        click.echo(_START_OF_LINE_AND_CLEAR + line[: shutil.get_terminal_size().columns - 1], err=True, nl=False)

    try:
        yield show
    finally:
        click.echo(_START_OF_LINE_AND_CLEAR, err=True, nl=False)


def _at_work(host: Host, run_ids: Sequence[str]) -> str:
    from ..quotes.run import FINISHED
    from ..reports.runs import find_run

    runs = [find_run(host.store, run_id) for run_id in run_ids]
    ended = sum(run["status"] in FINISHED for run in runs)
    steps = [step["name"] for run in runs if run["status"] not in FINISHED for step in run["steps"][-1:]]
    whole = f"{ended} of {len(runs)} runs ended" if len(runs) > 1 else "Working"
    return f"{whole}: {steps[0]}" if steps else whole
