"""``make bench``: measures every subject and writes docs/performance.md; ``--only SUBJECT`` measures that one anew."""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from typing import Any

from . import calls, finding, growth, intake, latency, optimizations, planning, startup, throughput
from .machine import describe
from .page import PAGE, RESULTS, page

#: What is timed most finely comes first, while the machine is cool and its disk empty.
SUBJECTS = {
    "planning": planning.measure,
    "startup": startup.measure,
    "calls": calls.measure,
    "latency": latency.measure,
    "intake": intake.measure,
    "throughput": throughput.measure,
    "optimizations": optimizations.measure,
    "growth": growth.measure,
    "finding": finding.measure,
}


def main() -> None:
    given = _arguments()
    known: dict[str, Any] = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {"rows": {}}
    known["machine"] = describe()
    writes = given.write or not given.quick
    for subject in given.only or SUBJECTS:
        began = time.monotonic()
        print(f"{subject} … ", end="", flush=True)
        rows = SUBJECTS[subject](quick=given.quick)
        known["rows"][subject] = [row.as_dict() for row in rows]
        known.setdefault("quick", {})[subject] = given.quick
        known.get("notes", {}).pop(subject, None)
        missed = [row.key for row in rows if row.is_met is False]
        print(f"{time.monotonic() - began:.0f} s; missed: {', '.join(missed) or 'nothing'}", flush=True)
        if writes:  # each subject as it is done: the next one may not end well
            text = json.dumps(known, indent=1, sort_keys=True, ensure_ascii=False)
            RESULTS.write_text(text + "\n", encoding="utf-8")
            PAGE.write_text(page(known), encoding="utf-8")
    if not writes:
        sys.stdout.write("\n" + page(known))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description="Measure the host, side by side.")
    parser.add_argument("--only", choices=SUBJECTS, action="append", metavar="SUBJECT", help=", ".join(SUBJECTS))
    parser.add_argument("--quick", action="store_true", help="a few samples of each, printed and not written …")
    parser.add_argument("--write", action="store_true", help="… unless asked for; the page then says so")
    return parser.parse_args()


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # a PostgreSQL of the tests warns where a folder of the desktop is not set
    main()
