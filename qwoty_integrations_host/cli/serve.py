"""``qwoty-host serve``: the web application and the worker in one process."""

from __future__ import annotations

import signal
from types import FrameType

import click

from .session import NOT_DONE, Session, say


@click.command()
@click.option("--host", "address", default="127.0.0.1", show_default=True, metavar="H")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), metavar="N")
@click.pass_obj
def serve(session: Session, address: str, port: int) -> None:
    """Serve the HTTP side and work the runs, until stopped."""
    with session.host(runs=True, log_level="INFO", patience=60.0) as host:
        from waitress.server import create_server  # type: ignore[import-untyped]

        from ..web.app import create_app

        # A short-lived `accept --wait` may hold the lock just now; another `serve` holds it for good.
        if not host.start_worker():
            say("Another process works the runs of this data directory; waiting a moment for it to end …")
        if not host.start_worker(patience=15.0):
            say(f"Error: another process works the runs of {host.config.data_dir}.")
            say("  → Stop it first, or choose another --data-dir.")
            raise SystemExit(NOT_DONE)
        try:
            server = create_server(create_app(host), host=address, port=port, threads=8, ident="qwoty")
        except (OSError, ValueError) as error:
            say(f"Error: cannot listen on {address}:{port}: {getattr(error, 'strerror', None) or error}")
            raise SystemExit(NOT_DONE) from None

        def stop(_signal: int, _frame: FrameType | None) -> None:
            raise KeyboardInterrupt

        signal.signal(signal.SIGTERM, stop)
        host.schedule.start()
        say(f"Listening on http://{address}:{server.effective_port}  (data: {host.config.data_dir})")
        if host.config.public_url is None:
            say("QWOTY_HOST_PUBLIC_URL is not set: payment links cannot be offered.")
        try:
            server.run()
        except KeyboardInterrupt:
            pass
        finally:
            say("Stopping: letting running work end.")
            server.close()
