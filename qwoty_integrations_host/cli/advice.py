"""The commands that do what a hint advises.

Pages and the API show hints, too, so a hint is a plain sentence; the command line puts the command below it.
"""

from __future__ import annotations

import re
from typing import Any

#: What a hint may advise, and the command for it. A name in braces is filled in where it is known.
DEEDS: dict[str, str] = {
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
#: What each step of a standing is on a command line; a step without one is done at the service or at the platform.
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
#: How commands name their arguments.
_NAMES = {"run_id": "RUN", "workspace": "WS", "workspace_id": "WS", "plugin": "PLUGIN"}
_RUN = re.compile(r"\brun ([0-9a-f]{32})\b", re.IGNORECASE)


def commands_for(hint: str, title: str = "", **known: Any) -> list[str]:
    """Give the commands for what a hint advises, in its order of the table.

    ``title`` may name another run; ``known``: arguments of the present command, such as ``workspace``.
    """
    facts = {"RUN": "RUN", "WS": "WS", "PLUGIN": "PLUGIN"}
    facts |= {_NAMES[name]: str(value) for name, value in known.items() if name in _NAMES and value}
    if named := _RUN.search(title):
        facts["RUN"] = named[1]
    found = (command for deed, command in DEEDS.items() if re.search(deed, hint))
    return [f"qwoty-host {command.format(**facts)}" for command in found]
