"""The commands for what a hint advises.

A hint is a plain sentence, since the console and the API show it, too; the command line adds the command below it.
"""

from __future__ import annotations

import re
from typing import Any

#: The commands by what a hint says. A name in braces is filled in where it is known.
COMMANDS: dict[str, str] = {
    r"[Rr]etry (the|that) run": "run retry {RUN}",
    r"[Dd]ismiss (the run|its run|that run|it)\b": "run dismiss {RUN} --reason TEXT",
    r"list of runs": "run list",
    r"list of integrations": "plugin list",
    r"list of API keys": "apikey list {WS}",
    r"list of sessions": "admin sessions {WS}",
    r"list of signing secrets": "platform signing-secret list {WS}",
    r"[Rr]emove the oldest signing secret": "platform signing-secret remove {WS} ID",
    r"platform's settings|operator set the platform": "platform set {WS}",
    r"[Ss]ave its settings|in the (integration's )?settings\b": "settings set {WS} {PLUGIN} --file F",
    r"[Tt]est (the connection|again)": "test-connection {WS} {PLUGIN}",
    r"[Ss]witch (it|the integration) on": "enable {WS} {PLUGIN}",
    r"operator adds a workspace": "workspace add ID",
    r"[Ee]nter whom to tell": "alerts set {WS} --mail ADDRESS",
}
#: The commands of a standing's next steps; a step without a command is done at the service or at the platform.
STEP_COMMANDS = {
    "retry": "qwoty-host run retry {run_id}",
    "dismiss": "qwoty-host run dismiss {run_id} --reason TEXT",
    "dismiss_quote": "qwoty-host quote dismiss --reason TEXT -- {workspace} {quote_id}",
    "run": "qwoty-host quote run -- {workspace} {quote_id}",
    "enable": "qwoty-host enable {workspace} {plugin}",
    "settings": "qwoty-host settings set {workspace} {plugin} --file F",
    "send": "qwoty-host installment send --number {installment} -- {workspace} {quote_id}",
    "void": "qwoty-host invoice void -- {workspace} {quote_id}",
}
#: The placeholders of the commands' arguments.
_PLACEHOLDERS = {"run_id": "RUN", "workspace": "WS", "workspace_id": "WS", "plugin": "PLUGIN"}
_RUN = re.compile(r"\brun ([0-9a-f]{32})\b", re.IGNORECASE)


def commands_for(hint: str, title: str = "", **known: Any) -> list[str]:
    """Return the commands for what a hint advises, in the order of ``COMMANDS``.

    ``title`` may name another run; ``known``: arguments of the present command, such as ``workspace``.
    """
    values = {"RUN": "RUN", "WS": "WS", "PLUGIN": "PLUGIN"}
    values |= {_PLACEHOLDERS[name]: str(value) for name, value in known.items() if name in _PLACEHOLDERS and value}
    if named := _RUN.search(title):
        values["RUN"] = named[1]
    commands = (command for pattern, command in COMMANDS.items() if re.search(pattern, hint))
    return [f"qwoty-host {command.format(**values)}" for command in commands]
