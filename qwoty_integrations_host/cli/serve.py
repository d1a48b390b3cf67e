"""``qwoty-host serve`` and ``qwoty-host worker``: the long-running processes."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from ..config import MOST_JOBS
from .session import NOT_DONE, Session, say
from .worker_processes import WorkerProcesses

if TYPE_CHECKING:
    from ..host import Host


#: How many seconds a stopping process waits for a running step.
_PATIENCE = 60.0


@contextmanager
def _without_gc() -> Iterator[Callable[[], None]]:
    """Disable garbage collection until the yielded function is called, which also exempts the objects of the start.

    During the start it would take a tenth of a second and find nothing: imported objects stay (docs/performance.md).
    """

    def started() -> None:
        gc.freeze()
        gc.enable()

    gc.disable()
    try:
        yield started
    finally:
        gc.enable()


_jobs = click.option(
    "--jobs",
    type=click.IntRange(1, MOST_JOBS),
    metavar="N",
    help="How many runs a worker works at a time; QWOTY_HOST_JOBS unless given.",
)


@click.command()
@click.option("--host", "address", default="127.0.0.1", show_default=True, metavar="H")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), metavar="N")
@click.option("--no-worker", is_flag=True, help="The HTTP side alone: other processes work the runs.")
@click.option("--workers", type=click.IntRange(1), metavar="N", help="Work the runs in N processes (PostgreSQL only).")
@_jobs
@click.pass_obj
def serve(session: Session, address: str, port: int, no_worker: bool, workers: int | None, jobs: int | None) -> None:
    """Serve the HTTP side and work the runs, until stopped."""
    if no_worker and workers:
        raise click.UsageError("--no-worker and --workers exclude each other.")
    with _without_gc() as started, session.host(**_long_running(jobs)) as host:
        from ..web.app import create_app
        from ..web.server import create_server

        processes = _worker_processes(host, workers) if workers else None
        works_here = not no_worker and processes is None
        if works_here:
            _start_working(host)
        try:
            server = create_server(create_app(host), address, port)
        except (OSError, ValueError) as error:
            say(f"Error: cannot listen on {address}:{port}: {getattr(error, 'strerror', None) or error}")
            raise SystemExit(NOT_DONE) from None
        if works_here:
            host.schedule.start()
        say(f"Listening on http://{address}:{server.effective_port}  ({_where(host)})")
        if host.config.public_url is None:
            say("QWOTY_HOST_PUBLIC_URL is not set: payment links cannot be offered.")
        _interrupt_on_sigterm()
        started()
        try:
            if processes is not None:
                processes.start()
            server.run()
        except KeyboardInterrupt:
            pass
        finally:
            say("Stopping: letting running work end.")
            server.close()
            if processes is not None:
                processes.stop(patience=_PATIENCE + 10.0)


@click.command()
@click.option("--metrics-port", type=click.IntRange(0, 65535), metavar="N", help="Serve /metrics of this process.")
@click.option("--metrics-host", default="127.0.0.1", show_default=True, metavar="H")
@click.option("--stop-with-stdin", is_flag=True, help="Stop when standard input ends, as the process that holds it.")
@_jobs
@click.pass_obj
def worker(
    session: Session, metrics_port: int | None, metrics_host: str, stop_with_stdin: bool, jobs: int | None
) -> None:
    """Work the runs, without the HTTP side, until stopped. On PostgreSQL any number of them share the work."""
    with _without_gc() as started, session.host(**_long_running(jobs)) as host:
        _interrupt_on_sigterm()
        if stop_with_stdin:
            threading.Thread(target=_stop_with_stdin, name="stdin", daemon=True).start()
        _start_working(host)
        host.schedule.start()
        if metrics_port is not None:
            _serve_metrics(host, metrics_host, metrics_port)
        say(f"Working  ({_where(host)})")
        started()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            say("Stopping: letting running work end.")


def _long_running(jobs: int | None) -> dict[str, Any]:
    return {"runs": True, "begins": True, "log_level": "INFO", "patience": _PATIENCE, "jobs": jobs}


def _worker_processes(host: Host, count: int) -> WorkerProcesses:
    if not host.config.is_shared:
        say("Error: --workers needs PostgreSQL, because one process at a time works a SQLite data directory.")
        say("  → Set QWOTY_HOST_DATABASE_URL, or leave --workers out.")
        raise SystemExit(NOT_DONE)
    return WorkerProcesses(count, data_dir=str(host.config.data_dir), jobs=host.config.jobs)


def _stop_with_stdin() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _start_working(host: Host) -> None:
    # A short-lived `accept --wait` may hold the lock for a moment; another `serve` holds it until it stops.
    if host.start_worker():
        return
    say("Another process works the runs of this data directory; waiting a moment for it to end …")
    if not host.start_worker(patience=15.0):
        say(f"Error: another process works the runs of {host.config.data_dir}.")
        say("  → Stop it first, or choose another --data-dir.")
        raise SystemExit(NOT_DONE)


def _serve_metrics(host: Host, address: str, port: int) -> None:
    from prometheus_client import start_http_server

    from ..reports.metrics import registry

    try:
        server, _ = start_http_server(port, address, registry(host.store, host.plugins, host.clock))
    except OSError as error:
        say(f"Error: cannot listen on {address}:{port}: {error.strerror}")
        raise SystemExit(NOT_DONE) from None
    say(f"Metrics on http://{address}:{server.server_port}/metrics")


def _where(host: Host) -> str:
    return "data: PostgreSQL" if host.config.is_shared else f"data: {host.config.data_dir}"


def _interrupt_on_sigterm() -> None:
    def stop(_signal: int, _frame: FrameType | None) -> None:
        # A second signal must not interrupt the orderly stop: a supervisor may send one to each process of a group.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
