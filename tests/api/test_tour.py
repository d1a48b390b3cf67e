"""The examples of docs/api.md, run unchanged."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.skipif(shutil.which("curl") is None, reason="the tour is told with curl")
def test_every_example_of_the_tour_works(bench: Any) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "api.md").read_text("utf-8"), re.DOTALL)
    script = "\n".join(["set -e", *blocks])
    told = script.count("curl -s ")
    for found, put in (
        ("qwoty-host serve &", "true"),
        ("http://127.0.0.1:8080", bench.url),
        ("curl -s ", "curl -sf "),
    ):
        assert found in script
        script = script.replace(found, put)
    own = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": own, "QWOTY_HOST_DATA_DIR": str(bench.host.config.data_dir), "no_proxy": "127.0.0.1"}

    done = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, told) == (0, 11), done.stdout + done.stderr
    bench.work()
    assert bench.quote("q-1")["invoice"]["status"] == "draft"
