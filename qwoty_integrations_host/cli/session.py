"""What every command needs: opening the host, reading JSON files, and turning errors into exit codes."""

from __future__ import annotations

import getpass
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import click

from .advice import commands_for
from .progress import progress

if TYPE_CHECKING:
    from ..config import HostConfig
    from ..host import Host
    from ..plugins.manager import Plugins

#: Exit codes of commands; those of errors stand in ``errors``.
OK, NOT_DONE, REFUSED = 0, 1, 2

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON document.")
wait_option = click.option("--wait", is_flag=True, help="Wait until the run has ended.")
timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(0),
    default=120.0,
    show_default=True,
    metavar="S",
    help="Seconds to wait; the run goes on afterwards.",
)


@dataclass(frozen=True, slots=True)
class Session:
    """One invocation of the command line."""

    data_dir: str | None
    #: Whether a step still works in this process after the command is done; only the process's end stops it.
    left_working: ClassVar[bool] = False

    @contextmanager
    def host(
        self,
        *,
        runs: bool = False,
        begins: bool = False,
        log_level: str = "WARNING",
        patience: float = 5.0,
        jobs: int | None = None,
    ) -> Iterator[Host]:
        """Open the host for the block, with an engine when the command starts ``runs``.

        Only a command that ``begins`` creates a missing data directory. Every known error becomes a message on stderr
        and an exit code. ``patience``: how many seconds to wait for a running step at the end. ``jobs``: how many runs
        to work at a time, unless the environment decides.
        """
        from ..engine.no_engine import NoEngine
        from ..host import create_host
        from ..observability.actor import acting_as
        from ..observability.logs import set_up_logging

        set_up_logging(log_level)
        os.umask(0o077)  # files are readable by this user only
        with known_errors():
            config = self._config()
            if jobs is not None:
                config = replace(config, jobs=jobs)
            is_new = not config.holds_a_host
            if is_new and not begins:
                raise _nothing_there(config)
            host = create_host(config, engine=None if runs else NoEngine)
            if is_new:
                say(f"Made the data directory {config.data_dir}.")
            try:
                with acting_as(f"command line, {_operator()}"):
                    yield host
            finally:
                Session.left_working = not host.close(patience=patience)

    @contextmanager
    def plugins(self) -> Iterator[Plugins]:
        """Load the installed plugins for the block; this needs no data directory."""
        from ..clock import SystemClock
        from ..host import load_plugins
        from ..observability.logs import set_up_logging

        set_up_logging("WARNING")
        with known_errors():
            yield load_plugins(self._config(), SystemClock())

    def _config(self) -> HostConfig:
        from ..config import HostConfig, unknown_variables  # lazy: --help must not pay for it

        for unknown in unknown_variables():
            say(f"Warning: {unknown}")
        return HostConfig.from_environment(data_dir=self.data_dir)


def _nothing_there(config: HostConfig) -> Exception:
    """Return the error for a missing data directory."""
    from ..errors import ActionRefused

    return ActionRefused(
        f"There is no host's data in {config.data_dir}, and this command does not make any.",
        hint="Choose the data directory with --data-dir or QWOTY_HOST_DATA_DIR. "
        "`qwoty-host workspace add` makes a new one.",
        code="no_data_directory",
    )


@contextmanager
def known_errors() -> Iterator[None]:
    """Turn every error of the tree into a message on stderr and an exit code."""
    from ..errors import IntegrationError

    try:
        yield
    except IntegrationError as error:
        explain(error)
        raise SystemExit(error.exit_code) from None


def _operator() -> str:
    """Return the operating system's user name, if known."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user without a name, in a container
        return "unknown"


def explain(error: Any) -> None:
    """Print an error: its title, its fields, its hint with commands."""
    say(f"Error: {error.title}")
    for problem in getattr(error, "problems", ()):
        say(f"  {problem.dotted}: {problem.message}")
    if error.hint:
        say(f"  → {error.hint}")
        context = click.get_current_context(silent=True)
        for command in commands_for(error.hint, error.title, **(context.params if context else {})):
            say(f"    {command}")


def say(text: str) -> None:
    """Print a message to stderr."""
    click.echo(text, err=True)


def warn_no_recipients(workspace: str) -> None:
    """Warn that nobody receives the workspace's alerts."""
    say("Nobody is told when something needs a person.")
    say(f"  → qwoty-host alerts set {workspace} --mail ADDRESS")


def read_json(path: str) -> Any:
    """Read a JSON file (``-`` is stdin), numbers as Decimal. Raises: MalformedInput, click.UsageError."""
    from ..contract.exact_json import parse_json
    from ..errors import MalformedInput

    try:
        return parse_json(sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes())
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror}") from error
    except MalformedInput as error:
        where = "stdin" if path == "-" else path
        raise MalformedInput(f"{where}: {error.title}", hint=error.hint) from error


def quote_id_of(host: Host, workspace: str, name: str) -> str:
    """Return the id of a quote, named by id or number. Raises: ActionRefused when several have the number."""
    from ..reports import search

    return search.quote_id_of(host.store, workspace, name)


def work_and_wait(host: Host, run_ids: Sequence[str], *, timeout: float) -> bool:
    """Wait until the runs have ended, working them here unless another process does; return whether all have ended."""
    deadline = time.monotonic() + timeout
    done = host.wait_for(run_ids, timeout=0)
    try:
        with progress(host, run_ids) as show:
            while not done and (left := deadline - time.monotonic()) > 0:
                show()
                host.start_worker()
                done = host.wait_for(run_ids, timeout=min(0.5, left))
    except KeyboardInterrupt:
        _explain_interrupt(run_ids)
        raise SystemExit(NOT_DONE) from None
    for row in host.waiting(run_ids):
        say(f"Run {row.id} waits until {row.waits_until:%Y-%m-%d %H:%M} UTC: {row.error_title}")
        say("  → It goes on by itself while a worker is there. Retry the run to try at once.")
        say(f"    qwoty-host run retry {row.id}")
    if not done:
        say(f"Not done after {timeout:g} s; the run goes on when a worker is there. See: qwoty-host run list")
    return done


def _explain_interrupt(run_ids: Sequence[str]) -> None:
    """Tell that Ctrl-C ends the waiting only: the run is stored, and resumes at its last step."""
    say("\nStopped waiting. The run goes on while a worker is there: `qwoty-host serve`.")
    for run_id in run_ids:
        say(f"  → See: qwoty-host run show {run_id}")


def exit_code_of_runs(runs: Sequence[dict[str, Any]]) -> int:
    """Return 0 when every run succeeded or was skipped without an error, 2 for a refused request, else 1."""
    from ..quotes.run import ENDED_WELL, RunKind, RunStatus

    if any(run["kind"] == RunKind.INSTALLMENT and run["status"] == RunStatus.SKIPPED and run["error"] for run in runs):
        return REFUSED
    return OK if all(run["status"] in ENDED_WELL for run in runs) else NOT_DONE
