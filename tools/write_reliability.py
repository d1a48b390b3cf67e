"""Writes docs/reliability.md from what the crash tests and the fault matrix have found out: ``make crash``."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from storm.breakages import BREAKAGES
from storm.kept import KEPT

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "tests" / "crash" / "results.json"
STORMS = ROOT / "tests" / "storm" / "results.json"
PAGE = ROOT / "docs" / "reliability.md"
DATABASES = ("SQLite", "PostgreSQL")
#: How the boundaries are told apart for people: the first that fits.
SUBJECTS = (
    ("/v1/workspaces", "answers to the platform"),
    ("answering", "answers to webhooks"),
    ("/v1/", "requests to Stripe"),
    ("/pdf/", "requests for the invoice's PDF"),
    ("/files/", "requests for the invoice's PDF"),
    ("commit of", "commits"),
    ("mail", "mails"),
    ("saving", "ids saved on the platform"),
)

TOP = """\
# Reliability: what was killed and broken, and what came of it

Written by `make crash` from its results; do not edit. A test compares this page with the code: it fails for a
boundary that was found and not killed, and for a fault without a result.

**How.** A real host runs in a process of its own against the Stripe simulator over HTTP. The harness watches
everything by which the process touches the outside, and calls each such moment a **boundary**: before a request to
Stripe, after Stripe has done it and before the answer is read, and after the answer; before and after each commit
that changes something, ours and the engine's; around each mail (with SMTP also each unread answer of the server),
each id saved on the platform, each answer to the platform or to a webhook. No list names the boundaries: a run of the
flow without an accident finds them. For each boundary the harness restores the start of the flow, kills the process
there and starts a new one; clients without an answer send their request again. Nobody does anything else by hand. In
the end the harness demands one customer, one tax rate for each rate, one invoice with the right lines and the signed
total, at most one payable link, one attached payment for each paid installment, one mail for each link, each id saved
once, and success of every run.

Every second boundary is killed by `kill -9`, the others by `os._exit`; on the other database the other way round. The
harness does not count the renewals of a worker's lease, which come by the clock, nor the note of an API key's last
use, which comes after the answer. The name of a commit leaves out its entry in the audit log. The flow itself starts
what the clock would start (upkeep).

**The one exception.** When a process dies after it asked an SMTP server to take a mail and before it recorded that,
nobody can know whether the mail left. The run then needs attention (`mail_unsure`), the host sends no second mail by
itself, and `run retry` sends it. The harness demands exactly this.

Nothing here was run against Stripe itself.
"""


#: Flows that touch the outside otherwise since the whole of `make crash` ran; empty again when it has.
COUNTED_BEFORE: tuple[str, ...] = (
    "accept, payment link",
    "accept, payment link by SMTP",
    "accept, e-mail by Stripe",
    "the link is paid",
    "a webhook closes a link",
    "next installment",
    "upkeep: a missed payment, and the webhook secret rolled",
    "retry of a refused run",
    "a corrected quote",
    "undo of a draft",
)
_COUNTED_BEFORE = """\
**Not counted again.** These flows have fewer boundaries than when this was measured, since a step's end waits for the
next transaction (ADR 0082): {flows}. With every commit the tests kill two of their boundaries and demand the same end;
they did not kill each. The two faults of a kept connection were added on 1 December 2026, and nothing else was counted
again for them.
"""


CRASHES = """\
## Killed at every boundary

On SQLite the host is restarted; so it is on PostgreSQL where a command works by itself or several runs come at once.
Otherwise there are **two workers** on PostgreSQL: one dies, and the other takes its work over; the time is that from
the death to the other worker's first boundary. The HTTP process is killed on SQLite, and not with two workers. (Eight
hosts at a time shared the cores during the measurement.)

"""


STORMS_HOW = """\
## Storms

One death at one place says little about many accidents at once. A **storm** (`tests/storm/`, `make storm`) draws a
world from a seed: one to four quotes, one or two contacts, one to three workers and two HTTP sides on one database,
an account that accepts computed taxes or refuses them; and a schedule of events at boundaries. All processes run in
one and switch at boundaries only, so a seed always gives the same storm. Stripe is the simulator, the database a real
SQLite, for some storms a PostgreSQL; the engine's part (which worker has a job, which step is recorded) is simulated.

Then the storm calms: delayed messages arrive, time goes on, the host's schedule runs, and everything must end by
itself. A checker that knows what was signed, and not how an invoice is planned, demands: one customer for each
contact; at most one live invoice for each quote, and one if the quote is accepted and nothing needs a person; the
signed total and tax; each paid link attached once; at most one payable link; one mail for each link, unless a person
retried after `mail_unsure`; no mail after the end of a quote; a true state; no endless run. Then people retry the
runs that need them, and the checker checks again.

`make storm SEEDS=1-5000` plays these, `make storm SEED=4711` shows one, `RESUME=1` adds the result to this page. The
tool prints a failing seed and shrinks it to its shortest schedule. Each commit meets 2,000 new storms.

**What no storm tries**: a worker that sleeps for more than 23 hours exactly between its last check and the first byte
of its request. No check can notice that, and Stripe forgets the request's idempotency key after a day. Storms found
that such a sleep makes a second customer (seeds 11539 and 700223608827).
"""


def page(results: Mapping[str, Mapping[str, Any]], storms: Mapping[str, Any]) -> str:
    """The page as Markdown; the results as tests/crash/report.py and tests/storm/results.py keep them."""
    deaths = [*results["crashes"].values(), *results["take-overs"].values()]
    before = [_COUNTED_BEFORE.format(flows="; ".join(COUNTED_BEFORE))] if COUNTED_BEFORE else []
    parts = [TOP, *before, _machine(results), _crashes(results), _subjects(deaths)]
    parts += [_sleepers(results["sleepers"])] if "sleepers" in results else []
    parts += [_pairs(results["pairs"]), _faults(results["fault"]), _fleet(results["fleet"]), _storms(storms)]
    return "\n".join(parts)


def _machine(results: Mapping[str, Any]) -> str:
    deaths = sum(_total(one["killed"]) for kind in ("crashes", "take-overs") for one in results[kind].values())
    pairs = sum(one["pairs"] for one in results["pairs"].values())
    faults = sum(one["places"] for one in results["fault"].values())
    found = results["machine"]
    return (
        f"**{deaths} deaths at one boundary each, {pairs} pairs of deaths, {faults} faults: nothing lost, nothing "
        f"doubled.** Measured on {found['day']} with Python {found['python']} on {found['cores']} cores.\n"
    )


def _crashes(results: Mapping[str, Mapping[str, Any]]) -> str:
    found, taken_over = results["crashes"], results["take-overs"]
    names = dict.fromkeys(one["name"] for one in found.values())
    rows = []
    for name in names:
        where = [found.get(f"{name} · SQLite"), found.get(f"{name} · PostgreSQL"), taken_over.get(name)]
        slowest = f"{taken_over[name]['slowest']:.1f} s" if name in taken_over else "–"
        rows.append([name, *(cell for one in where for cell in _killed(one)), slowest])
    heads = [
        "Flow",
        "SQLite: found",
        "killed",
        "PostgreSQL: found",
        "killed",
        "two workers: found",
        "killed",
        "slowest",
    ]
    return CRASHES + _table(heads, rows)


def _killed(one: Mapping[str, Any] | None) -> list[str]:
    return ["–", "–"] if one is None else [str(_total(one["found"])), str(_total(one["killed"]))]


def _subjects(deaths: Iterable[Mapping[str, Any]]) -> str:
    counts: Counter[str] = Counter()
    for one in deaths:
        for what, times in one["killed"].items():
            counts[next(words for part, words in SUBJECTS if part in what)] += times
    rows = [[words, str(times)] for words, times in counts.most_common()]
    return "What the process was about to do, or had just done:\n\n" + _table(["Boundaries at", "killed"], rows)


def _sleepers(found: Mapping[str, Any]) -> str:
    rows = [[one["name"], str(_total(one["found"])), str(_total(one["slept"]))] for one in found.values()]
    text = (
        "## Asleep at every boundary\n\nOne of two workers on PostgreSQL is frozen there (SIGSTOP) and cut off from "
        "the database; the other takes its work over and finishes; then the first one wakes. It writes nothing more, "
        "here or at Stripe, and sends no second mail "
        "([ADR 0002](adr/0002-engine.md)).\n\n"
    )
    return text + _table(["Flow", "found", "slept"], rows)


def _pairs(found: Mapping[str, Any]) -> str:
    rows = [[one["name"], one["database"], str(one["pairs"])] for one in found.values()]
    text = (
        "## Killed twice\n\nAt some boundaries of each flow, which differ with every commit. The process that recovers "
        "dies, too, at a place that differs from pair to pair. A third one finishes.\n\n"
    )
    return text + _table(["Flow", "Database", "pairs of deaths"], rows)


def _faults(found: Mapping[str, Any]) -> str:
    rows = [[name, str(one["places"]), one["result"]] for name, one in found.items()]
    text = "## Faults\n\nEach fault strikes at every place where it can; the harness demands the same end.\n\n"
    return text + _table(["Fault", "places", "What comes of it"], rows)


def _fleet(found: Mapping[str, Any]) -> str:
    rows = [[str(value) for value in one.values()] for one in found.values()]
    heads = list(next(iter(found.values()), {}))
    return "## A fleet under load\n\n" + _table(heads, rows)


def _storms(found: Mapping[str, Any]) -> str:
    heads = ["Code of commit", "seeds", "storms", "on PostgreSQL", "boundaries", "a second", "with faults"]
    rows = [
        [
            commit,
            ", ".join(f"{first:,}–{last:,}" for first, last in one["seeds"]),
            f"{one['storms']:,}",
            f"{one['on_postgresql']:,}",
            f"{one['boundaries']:,}",
            f"{one['storms'] / one['seconds']:.1f}",
            str(len(one["failed"])),
        ]
        for commit, one in found["commits"].items()
    ]
    met = f"{len(found['reached'])} boundaries by name, {len(found['kinds'])} kinds of events"
    pairs = f"{len(found['pairs'])} of {len(found['kinds']) ** 2} ordered pairs of kinds"
    kinds = [[kind, f"{times:,}"] for kind, times in found["kinds"].items()]
    return "\n".join(
        [
            STORMS_HOW + _table(heads, rows),
            f"Met: {met}, {pairs}.\n",
            _table(["What happened", "times"], kinds),
            f"**Found by storms, and fixed**, each kept as a test ({len(KEPT)}):\n",
            "".join(f"- {what}\n" for what in KEPT),
            "**Planted, and found** within 5,000 seeds, which shows that the checker sees:\n",
            "".join(f"- {what}\n" for what in BREAKAGES),
        ]
    )


def _total(counts: Mapping[str, int]) -> int:
    return sum(counts.values())


def _table(heads: list[str], rows: Iterable[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


if __name__ == "__main__":
    PAGE.write_text(page(*(json.loads(file.read_text("utf-8")) for file in (RESULTS, STORMS))), encoding="utf-8")
    print(f"Written: {PAGE.relative_to(ROOT)}")
