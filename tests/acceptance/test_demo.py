"""`make demo` as a new user runs it. It checks its own figures and stops when one is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_demo_runs_to_its_end() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "demo.py"], capture_output=True, text=True, check=False, timeout=120
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Invoice 9102.00 EUR: equal to the signed quote, to the cent." in done.stdout
    assert "partially_paid: 2275.50 of 9102.00 EUR" in done.stdout
    assert "Where to look further" in done.stdout
