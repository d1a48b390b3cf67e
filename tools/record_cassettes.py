"""Record the cassettes anew (tests/cassettes/README.md).

``make record``, with STRIPE_TEST_KEY in the environment, records from Stripe's test mode into
``tests/cassettes/stripe_test_mode/``. THIS HAS NEVER BEEN RUN AGAINST STRIPE: nobody on this project had a key so
far. What is tested are the refusals and the same tests against the simulator.

``--simulated`` records from the simulator into ``tests/cassettes/simulated/``; it needs no key.

Exit codes: 0 recorded and replayed; 1 a test failed; 2 refused, nothing was recorded.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BEHAVIORS, HONESTY = "tests/stripe_invoice/test_cassettes.py", "tests/cassette_honesty"

Run = Callable[[Sequence[str], Mapping[str, str]], int]


def main(arguments: Sequence[str] | None = None, env: Mapping[str, str] = os.environ, run: Run | None = None) -> int:
    """Record, then replay what was recorded and check it. Returns the exit code."""
    asked = _parsed(arguments)
    if not asked.simulated:
        # Checked again by the tests themselves, which also look at the first object that Stripe makes.
        refusal = _refusal(env)
        if refusal:
            print(refusal, file=sys.stderr)
            return 2
    without_key = {name: value for name, value in env.items() if not name.startswith("STRIPE_TEST_")}
    record = _recording(asked)
    code = (run or _run)(record, without_key if asked.simulated else env)
    if code:
        print("Not everything was recorded; `git diff tests/cassettes` shows what was.", file=sys.stderr)
        return code
    return (run or _run)([BEHAVIORS, HONESTY, "--stripe=cassette"], without_key)


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Record the cassettes anew, from Stripe's test mode by default.")
    parser.add_argument("--simulated", action="store_true", help="from the simulator; needs no key")
    parser.add_argument(
        "--pay-by-hand", action="store_true", help="from Stripe: show payment pages and wait until you have paid them"
    )
    return parser.parse_args(arguments)


def _refusal(env: Mapping[str, str]) -> str | None:
    sys.path.insert(0, str(ROOT / "tests"))
    try:
        from stripe_test_mode import RecordingRefused, require_test_key  # lazy: --simulated can do without
    finally:
        sys.path.remove(str(ROOT / "tests"))
    try:
        require_test_key(env)
    except RecordingRefused as refused:
        return str(refused)
    return None


def _recording(asked: argparse.Namespace) -> list[str]:
    if asked.simulated:
        return [BEHAVIORS, "--stripe=simulated", "--record-mode=rewrite"]
    by_hand = ["--pay-by-hand"] if asked.pay_by_hand else []
    # -x: what went wrong once with Stripe shall be looked at before more is sent.
    return [BEHAVIORS, "--stripe=live", "--record-mode=rewrite", "-x", "-rs", *by_hand]


def _run(arguments: Sequence[str], env: Mapping[str, str]) -> int:
    return subprocess.call([sys.executable, "-m", "pytest", *arguments], cwd=ROOT, env=dict(env))


if __name__ == "__main__":
    sys.exit(main())
