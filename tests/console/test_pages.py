"""What the pages show and do, without a browser."""

from __future__ import annotations

from typing import Any

from console.conftest import words


def test_every_page_is_there_before_anything_happened(admin: Any) -> None:
    for path in ("", "runs", "quotes", "webhooks", "audit", "access", "integrations/recorder"):
        assert "<h1>" in admin.page(f"/console/{path}")


def test_every_page_is_there_after_a_run(admin: Any) -> None:
    admin.desk.enable()
    run = admin.desk.accept(id="q-7", number="N-7")

    for path in ("", "runs", "quotes", "webhooks", "audit", "access", f"runs/{run['id']}", "quotes/q-7"):
        assert "<h1>" in admin.page(f"/console/{path}")


def test_a_plugin_that_failed_to_load_is_shown_with_its_reason(desks: Any) -> None:
    from werkzeug.test import Client

    from console.conftest import PUBLIC, Person
    from host_server import BROKEN
    from qwoty_integrations_host.web.app import create_app

    desk = desks(public_url=PUBLIC, plugins_blocked=BROKEN - {"import_error"} | {"stripe_invoice"})
    person = Person(desk, Client(create_app(desk.host)))
    person.log_in()

    said = words(person.page("/console/"))

    assert "import_error ✕ Failed to load" in said
    assert "No module named" in said
    assert "Blocked" in said
