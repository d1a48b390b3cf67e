"""Runs ``qwoty-host`` commands in one process, because a new process for each is too slow.

``python typist.py COMMANDS.json`` prints ``[[exit code, output], …]``. A command may get its stdin from
``echo "…" | qwoty-host …``; nothing else of a shell is understood.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

from click.testing import CliRunner

from qwoty_integrations_host.cli import main

_LINE = re.compile(r'(?:echo "(?P<given>[^"]*)" \| )?qwoty-host (?P<words>[^|;&<>$`\n]+)')


def type_it(line: str) -> tuple[int, str]:
    """The exit code of one command, and its output on both streams."""
    found = _LINE.fullmatch(line)
    if found is None:
        return 127, "this is more of a shell than the typist understands"
    done = CliRunner().invoke(main, shlex.split(found["words"]), input=f"{found['given'] or ''}\n")
    return done.exit_code, done.output + (repr(done.exception) if done.exit_code and not done.output else "")


if __name__ == "__main__":
    print(json.dumps([type_it(line) for line in json.loads(Path(sys.argv[1]).read_text("utf-8"))]))
