"""``qwoty-host doctor``"""

from __future__ import annotations

from dataclasses import asdict

import click

from ..run_status import RunStatus
from .advice import commands_for
from .output import mark, print_json
from .session import NOT_DONE, OK, Session, json_option

#: The run status that has the mark of each state of a finding.
_SHOWN_AS = {"ok": RunStatus.SUCCEEDED, "warning": RunStatus.NEEDS_ATTENTION, "failed": RunStatus.FAILED}


@click.command()
@json_option
@click.pass_obj
def doctor(session: Session, as_json: bool) -> None:
    """Look whether everything is there that this host needs; exit code 1 when something fails."""
    with session.host() as host:
        from ..doctor import examine

        findings = examine(host)
    if as_json:
        print_json({"data": [asdict(finding) for finding in findings], "has_more": False})
    else:
        for finding in findings:
            click.echo(f"{mark(_SHOWN_AS[finding.state], finding.about)}  {finding.detail}")
            if finding.hint:
                click.echo(f"    → {finding.hint}")
                for command in commands_for(finding.hint):
                    click.echo(f"      {command}")
    raise SystemExit(NOT_DONE if any(finding.state == "failed" for finding in findings) else OK)
