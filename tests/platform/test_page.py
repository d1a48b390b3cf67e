"""docs/platform.md: its examples work, and its table equals the schema."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from qwoty_integrations_host.platform.configuration import SCHEMA
from qwoty_stand_in import QwotyStandIn, completed

PAGE = (Path(__file__).parents[2] / "docs" / "platform.md").read_text("utf-8")


def test_the_printed_example_of_signing_works(bench: Any, sender: Any, qwoty: QwotyStandIn) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    qwoty.put(completed(id="q-1"))

    address = f"{bench.url}/v1/workspaces/ws-1/events"
    told = subprocess.run(
        [sys.executable, "-c", example, sender.secret, address], capture_output=True, text=True, check=True
    )
    bench.work()

    assert '"status":"queued"' in told.stdout
    assert bench.quote("q-1")["runs"][0]["status"] == "succeeded"


def test_every_field_of_a_platform_is_in_the_table() -> None:
    assert [name for name in SCHEMA["properties"] if f"| `{name}` |" not in PAGE] == []
