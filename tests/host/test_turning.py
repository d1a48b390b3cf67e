"""The stored course of a quote's state gives the same state at any moment as the facts do."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from host.test_standing import NOW, REACHED
from qwoty_integrations_host.quotes.expiry import change_by_time
from qwoty_integrations_host.quotes.standing import Facts, standing_of

DAYS = [NOW + timedelta(hours=hours) for hours in (-500, -60, -37, -36, -25, -12, -5, -4, 0, 4, 5, 6, 12, 500)]


@pytest.mark.parametrize("hours", [-11, 0, 13])
@pytest.mark.parametrize("facts", [facts for _, facts, _ in REACHED], ids=[state for state, _, _ in REACHED])
def test_a_stored_course_gives_the_same_state_as_the_facts_at_any_moment(facts: Facts, hours: int) -> None:
    zone = timezone(timedelta(hours=hours))
    known = Facts(**{name: getattr(facts, name) for name in facts.__dataclass_fields__ if name != "zone"}, zone=zone)
    course = change_by_time(known)

    def state_at(moment: datetime) -> str | None:
        at, on = course.turns_at, course.turns_on
        turned = (at is not None and at <= moment) or (on is not None and on <= moment.astimezone(zone).date())
        return course.turns_into if turned else course.state

    assert [state_at(moment) for moment in DAYS] == [standing_of(known, moment).state.name for moment in DAYS]


def test_an_expired_link_or_a_passed_day_changes_the_state() -> None:
    turns = {
        (course.state, course.turns_into) for _, facts, _ in REACHED if (course := change_by_time(facts)).turns_into
    }

    assert {("link_sent", "link_expired"), ("link_made", "link_expired"), ("open", "overdue")} <= turns
