"""Write requirements-hashed.txt: what the three distributions need at runtime, in the versions of constraints.txt.

Each requirement has the hashes of all its files, for every platform, so that a deployment installs what was looked at
and nothing else. Needs ``uv`` on the path and a package index; a test without network notices when the file is stale.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OURS = ("pyproject.toml", "plugins/slack/pyproject.toml", "plugins/stripe_invoice/pyproject.toml")
TARGET = ROOT / "requirements-hashed.txt"
HEADER = """\
# What the host and its plugins need at runtime, with the hashes of every file: docs/operations.md#deployments.
# Written by tools/write_requirements.py from the pyproject.toml files and constraints.txt; do not edit.
"""


def needed() -> list[str]:
    """What the distributions ask for, without each other."""
    projects = [tomllib.loads((ROOT / path).read_text("utf-8"))["project"] for path in OURS]
    own = {project["name"] for project in projects}
    asked = {line for project in projects for line in project["dependencies"]}
    return sorted(line for line in asked if re.split(r"[<>=!~;\[ ]", line)[0] not in own)


def main() -> None:
    command = ["uv", "pip", "compile", "-", "--constraint", str(ROOT / "constraints.txt"), "--generate-hashes"]
    command += [
        "--universal",
        "--python-version",
        "3.11",
        "--no-emit-index-url",
        "--no-header",
        "--no-annotate",
        "--quiet",
    ]
    try:
        found = subprocess.run(command, input="\n".join(needed()), capture_output=True, text=True, check=False)
    except FileNotFoundError:
        sys.exit("uv is needed: install it with pip, then call this again.")
    if found.returncode:
        sys.exit(found.stderr)
    TARGET.write_text(HEADER + found.stdout, encoding="utf-8")
    print(f"{TARGET.name}: {len(re.findall('(?m)^[a-z]', found.stdout))} requirements")


if __name__ == "__main__":
    main()
