"""A host that is killed anywhere and started again finishes by itself, and creates nothing twice.

It is killed by ``os._exit`` or kill -9. Without ``--deaths=all`` each test tries a few of the boundaries that it finds,
and others with each commit.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from itertools import dropwhile
from typing import Any

import pytest

from crash.child import Death, Sleep
from crash.deaths import Ward
from crash.flows import FLOWS, Flow
from crash.report import ROOT, by_kind, chosen, results, turn

sys.path.insert(0, str(ROOT / "tools"))
from write_reliability import COUNTED_BEFORE

Admit = Callable[[Flow, str], Ward]
Note = Callable[[str, Any], None]
#: On PostgreSQL, the flows that one worker does alone are tested with a second worker instead.
ALONE = [(flow, "SQLite") for flow in FLOWS] + [(flow, "PostgreSQL") for flow in FLOWS if not flow.is_one_workers]
pytestmark = pytest.mark.timeout(7200)


@pytest.mark.parametrize(("flow", "database"), ALONE, ids=[f"{flow.name}-{database}" for flow, database in ALONE])
def test_a_host_that_died_at_any_boundary_finishes_by_itself(
    flow: Flow, database: str, admit: Admit, wanted: str, record_property: Note
) -> None:
    ward = admit(flow, database)
    boundaries = ward.boundaries()
    dying = chosen(boundaries, wanted)

    for boundary in dying:
        # Alternate the two ways to die, and swap them on the other database.
        ward.die(Death(boundary, kill=(boundaries.index(boundary) + (database == "SQLite")) % 2 == 0))

    place = {"name": flow.name, "database": database}
    record_property("crashes", {**place, "found": by_kind(boundaries), "killed": by_kind(dying)})
    _is_what_the_page_says("crashes", f"{flow.name} · {database}", flow, boundaries, wanted)


@pytest.mark.parametrize("database", ["SQLite", "PostgreSQL"])
def test_a_second_death_on_the_way_back_from_the_first_changes_nothing(
    flow_in_turn: Flow, database: str, admit: Admit, wanted: str, record_property: Note
) -> None:
    ward = admit(flow_in_turn, database)
    boundaries = ward.boundaries()
    died = 0

    # There are a hundred thousand pairs, so test some of each flow, and others with each commit.
    for number, boundary in enumerate(chosen(boundaries, "4" if wanted == "all" else wanted), turn()):
        left = len(boundaries) - boundaries.index(boundary)
        died += ward.die_twice(Death(boundary), Death(1 + number * 7 % left, kill=True))

    record_property("pairs", {"name": flow_in_turn.name, "database": database, "pairs": died})


def test_another_worker_takes_over_within_five_seconds(
    workers_flow_in_turn: Flow, admit: Admit, wanted: str, record_property: Note
) -> None:
    ward = admit(workers_flow_in_turn, "PostgreSQL")
    boundaries = ward.boundaries_of_worker()
    dying = chosen(boundaries, wanted)

    seconds = [ward.hand_over(Death(boundary, kill=number % 2 == 0)) for number, boundary in enumerate(dying)]

    assert max(seconds) < 5.0
    found = {"name": workers_flow_in_turn.name, "found": by_kind(boundaries), "killed": by_kind(dying)}
    record_property("take-overs", {**found, "slowest": round(max(seconds), 1)})
    _is_what_the_page_says("take-overs", workers_flow_in_turn.name, workers_flow_in_turn, boundaries, wanted)


def test_a_worker_that_sleeps_through_its_take_over_does_nothing_more(
    workers_flow_in_turn: Flow, admit: Admit, wanted: str, record_property: Note
) -> None:
    ward = admit(workers_flow_in_turn, "PostgreSQL")
    # Begin where the worker holds the quote: before that, it does nothing for the run.
    boundaries = [*dropwhile(lambda boundary: "holds" not in boundary, ward.boundaries_of_worker())]
    sleeping = chosen(boundaries, wanted)

    written = {boundary: found for boundary in sleeping if (found := ward.sleep(Sleep(boundary)))}

    assert written == {}
    found = {"name": workers_flow_in_turn.name, "found": by_kind(boundaries), "slept": by_kind(sleeping)}
    record_property("sleepers", found)


def test_a_worker_that_sleeps_while_the_mail_server_looks_at_the_recipient_sends_no_second_mail(admit: Admit) -> None:
    (flow,) = (flow for flow in FLOWS if flow.smtp)
    ward = admit(flow, "PostgreSQL")
    # The server's answers are its greeting and those to EHLO, MAIL and RCPT.
    at_the_recipient = Sleep("mail server's answer unread #4")

    assert ward.sleep(at_the_recipient) == []


def _is_what_the_page_says(kind: str, title: str, flow: Flow, boundaries: Sequence[str], wanted: str) -> None:
    """Check that the host was killed at each boundary that is found now when the page was written."""
    if wanted == "all" or flow.name in COUNTED_BEFORE:
        return
    found, killed = by_kind(boundaries), results()[kind][title]["killed"]
    if flow.several_runs:
        found, killed = dict.fromkeys(found, 1), dict.fromkeys(killed, 1)
    assert found == killed, "make crash: docs/reliability.md is out of date"
