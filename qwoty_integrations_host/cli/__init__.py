"""The command line ``qwoty-host``: thin commands over the host's functions.

Data goes to stdout, messages to stderr. Exit codes: 0 ok, 1 not done, 2 usage or refused input, 3 invalid
settings, 5 not found. Commands import heavy modules when they run, so that ``--help`` is fast.
"""

from __future__ import annotations

import os
import sys

import click

from . import (
    admin,
    alerts,
    connections,
    doctor,
    installments,
    invoices,
    platform,
    plugins,
    preview,
    prune,
    quotes,
    runs,
    secrets,
    serve,
    settings,
    webhooks,
    workspaces,
)
from .output import own_stdout
from .session import Session


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--data-dir",
    envvar="QWOTY_HOST_DATA_DIR",
    metavar="DIR",
    help="Where everything lives (default: qwoty-data). Also QWOTY_HOST_DATA_DIR.",
)
@click.version_option(package_name="qwoty-integrations-host")
@click.pass_context
def main(ctx: click.Context, data_dir: str | None) -> None:
    """Run integrations on accepted Qwoty quotes."""
    ctx.with_resource(own_stdout())
    ctx.obj = Session(data_dir)


def entry() -> None:
    """Run the command line as a program."""
    try:
        main()
    except SystemExit as end:
        if not Session.left_working:
            raise
        # A step still waits for a slow service. Exiting is safe, since the next start resumes the step; waiting for it
        # would exceed --timeout.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else 1)


for command in (
    plugins.plugin,
    workspaces.workspace,
    workspaces.apikey,
    platform.platform,
    settings.settings,
    settings.enable,
    settings.disable,
    connections.test_connection,
    preview.preview,
    quotes.accept,
    quotes.quote,
    runs.run,
    installments.installment,
    invoices.invoice,
    webhooks.webhook,
    alerts.alerts,
    serve.serve,
    serve.worker,
    prune.prune,
    secrets.secrets,
    doctor.doctor,
    admin.admin,
):
    main.add_command(command)
