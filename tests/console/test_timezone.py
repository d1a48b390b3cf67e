"""The time zone of a workspace in the console: set on the first page, and used for every time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from qwoty_integrations_host.workspaces.workspace import set_timezone


def set_it(admin: Any, name: str, **headers: str) -> Any:
    return admin.post("/console/timezone", {"timezone": name}, **headers)


def test_the_time_zone_is_set_and_each_time_shows_its_offset(admin: Any) -> None:
    admin.desk.clock.advance((datetime(2030, 7, 1, 22, 30, tzinfo=UTC) - admin.desk.clock.now()).total_seconds())
    admin.desk.enable()
    admin.log_in()
    admin.desk.accept()
    before = admin.page("/console/runs")

    answer = set_it(admin, " Europe/Paris ")
    after = admin.page("/console/runs")

    assert answer.status_code == 303
    assert "1 Jul 2030, 22:30 UTC<" in before and "All times are UTC." in before
    assert "2 Jul 2030, 00:30 UTC+2<" in after and "All times are in Europe/Paris." in after
    assert 'value="Europe/Paris"' in admin.page("/console/?done=saved") and "Workspace set" in admin.page(
        "/console/audit"
    )


def test_an_unknown_time_zone_is_reported_at_its_field(admin: Any) -> None:
    answer = set_it(admin, "Europe/Pari", **{"Accept-Language": "fr"})

    assert answer.status_code == 422
    assert 'value="Europe/Pari"' in answer.text and 'aria-invalid="true"' in answer.text
    assert "Le plus proche est Europe/Paris." in answer.text


def test_an_empty_field_removes_the_time_zone(admin: Any) -> None:
    set_it(admin, "Europe/Paris")

    assert set_it(admin, "").status_code == 303
    assert "All times are UTC." in admin.page("/console/")


def test_a_viewer_sees_the_time_zone_and_cannot_change_it(people: Any) -> None:
    viewer = people("viewer")

    assert set_it(viewer, "Europe/Paris").status_code == 403
    assert " disabled>" in viewer.page("/console/")


def test_runs_are_filtered_by_days_in_the_workspaces_time_zone(admin: Any) -> None:
    admin.desk.enable()
    admin.desk.clock.advance((datetime(2030, 7, 1, 22, 30, tzinfo=UTC) - admin.desk.clock.now()).total_seconds())
    admin.desk.accept(number="N-1")
    admin.log_in()
    set_timezone(admin.desk.host.store, admin.desk.clock, "ws-1", "Europe/Paris")

    assert "<strong>N-1</strong>" in admin.page("/console/runs?since=2030-07-02")
    assert "<strong>N-1</strong>" not in admin.page("/console/runs?until=2030-07-01")
