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

Written by `make crash` from its results; do not edit. A test compares this page with the code: a boundary that is found
and was not killed, or a fault without a result, fails.

**How.** A real host runs in a process of its own against the Stripe simulator over HTTP. The harness watches everything
by which the process touches the outside, and calls each such moment a **boundary**: before a request to Stripe, when
Stripe has done it and the answer is unread, and after it; before and after each commit that changes something, ours and
the engine's; around each mail (with SMTP also each unread answer of the server), each id saved on the platform, each
answer to the platform or to a webhook. Nobody lists them; a run of the flow without any accident finds them. Then, once
for each, everything is put back to where the flow began, the process dies there, a new one is started, and whoever got
no answer asks again, as clients do. Nothing else is done by hand. In the end there must be one customer, one tax rate
for each rate, one invoice with the right lines and the signed total, one payable link at most, one attached payment for
each paid installment, one mail for each link, each id saved once, and every run has succeeded.

Every second boundary is killed by `kill -9`, the others by `os._exit`; on the other database the other way round.
A worker's beats of its lease are not counted, since they come by the clock, nor is the note
of when an API key was last used, which comes after the answer. A commit is not named by its entry in the audit log.
What the clock would begin (upkeep), the flow begins.

**The one exception.** When a process dies after an SMTP server was asked to take a mail and before that is written
down, nobody can know whether the mail left. The run then needs attention (`mail_unsure`), no second mail goes out by
itself, and `run retry` sends it. The harness demands exactly this.

Nothing here was run against Stripe itself.
"""


#: Flows that touch the outside otherwise since the whole of `make crash` ran; empty again when it has.
COUNTED_BEFORE = (
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
**Not counted anew.** These flows have other boundaries since this was measured, a read or a name of a commit: {flows}.
With every commit two of their boundaries are killed, and must end as demanded; not each of them was.
"""


CRASHES = """\
## Killed at every boundary

On SQLite, and on PostgreSQL where a command works by itself or several runs come at once, the host is started again.
On PostgreSQL, where one worker works what somebody else asks for, there are **two workers**: one dies, the other takes
its work over; the time runs from the death to the other one's first boundary. The process that takes the requests there
is not killed; on SQLite it is. (Eight hosts at a time shared the cores while this was measured.)

"""


STORMS_HOW = """\
## Storms

What kills one host at one place says little of many accidents at once. A **storm** (`tests/storm/`, `make storm`) draws
a world from a seed: one to four quotes, one or two contacts, one to three workers and two HTTP sides on one database,
an account that takes computed taxes or refuses them; and a schedule of what happens at which boundary. All processes
are played in one, and change places at boundaries only, so a seed always gives the same storm. Stripe is the simulator,
the database a real SQLite, for a share of them a PostgreSQL; the engine's side of it (which worker has a job, which
step is recorded) is played.

Then it calms: what was delayed arrives, time goes on, the host's clockwork turns, and everything must come to its end
by itself. A checker that knows what was signed, not how an invoice is planned, demands: one customer for each contact,
one live invoice at most for each quote, and one where it is accepted and nothing asks for a person; the signed total
and tax; each paid link attached once; one payable link at most; one mail for each link, unless a person asked again
after `mail_unsure`; no mail after the end of a quote; a state that is true; no run without an end. Then people retry
what asks for them, and it looks again.

`make storm SEEDS=1-5000` plays these, `make storm SEED=4711` shows one, `RESUME=1` adds the result to this page's. A
seed that fails is printed, and shrunk to its shortest schedule. Each commit meets 2,000 storms that nobody has met
before.

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
    return "What was about to happen, or just had:\n\n" + _table(["Boundaries at", "killed"], rows)


def _sleepers(found: Mapping[str, Any]) -> str:
    rows = [[one["name"], str(_total(one["found"])), str(_total(one["slept"]))] for one in found.values()]
    text = (
        "## Asleep at every boundary\n\nOf two workers on PostgreSQL one is frozen there (SIGSTOP) and cut off from "
        "the database; the other takes its work over and finishes; then the first one wakes. It writes nothing more, "
        "here or at Stripe, and sends no second mail "
        "([ADR 0002](adr/0002-engine.md)).\n\n"
    )
    return text + _table(["Flow", "found", "slept"], rows)


def _pairs(found: Mapping[str, Any]) -> str:
    rows = [[one["name"], one["database"], str(one["pairs"])] for one in found.values()]
    text = (
        "## Killed twice\n\nAt some boundaries of each flow, others with every commit; and the process that recovers "
        "dies, too, at a place on its way back that differs from pair to pair. A third one finishes.\n\n"
    )
    return text + _table(["Flow", "Database", "pairs of deaths"], rows)


def _faults(found: Mapping[str, Any]) -> str:
    rows = [[name, str(one["places"]), one["result"]] for name, one in found.items()]
    text = "## Faults\n\nEach at every place where it can strike; the same is demanded in the end.\n\n"
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
            f"**Found by storms, and mended**, each kept as a test ({len(KEPT)}):\n",
            "".join(f"- {what}\n" for what in KEPT),
            "**Planted, and found** within 5,000 seeds, so that the checker is known to see:\n",
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
