"""``qwoty-host admin``: giving people access to the console, and revoking it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from werkzeug.test import Client

from console.conftest import follow
from qwoty_integrations_host.cli import main
from qwoty_integrations_host.config import HostConfig
from qwoty_integrations_host.engine.no_engine import NoEngine
from qwoty_integrations_host.host import create_host
from qwoty_integrations_host.web.app import create_app


@pytest.fixture
def qwoty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command line on a data directory with the workspace acme."""
    monkeypatch.setenv("QWOTY_HOST_PUBLIC_URL", "http://localhost")

    def call(*arguments: str, typed: str = "") -> Result:
        return CliRunner().invoke(main, ["--data-dir", str(tmp_path / "data"), *arguments], input=typed)

    assert call("workspace", "add", "acme").exit_code == 0
    return call


@pytest.fixture
def browser(tmp_path: Path, qwoty: Any) -> Any:
    """A browser on the console of the same data directory."""
    host = create_host(HostConfig(data_dir=tmp_path / "data", public_url="http://localhost"), engine=NoEngine)
    yield Client(create_app(host))
    host.close()


def test_a_link_logs_in_and_the_session_can_be_revoked(qwoty: Any, browser: Any) -> None:
    made = qwoty("admin", "login-link", "acme", "--role", "viewer")
    link = made.stdout.strip()

    entered = follow(browser, link)
    (session,) = json.loads(qwoty("admin", "sessions", "acme", "--json").stdout)["data"]
    inside = browser.get("/console/").status_code
    revoked = qwoty("admin", "revoke", "acme", session["id"])

    assert link.startswith("http://localhost/console/login/") and "15 minutes" in made.stderr
    assert (entered.status_code, inside, session["role"]) == (303, 200, "viewer")
    assert revoked.exit_code == 0
    assert browser.get("/console/").status_code == 303
    assert qwoty("admin", "revoke", "acme", session["id"]).exit_code == 5


def test_a_link_needs_an_address_and_a_workspace(qwoty: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = qwoty("admin", "login-link", "nobody")
    monkeypatch.delenv("QWOTY_HOST_PUBLIC_URL")
    nowhere = qwoty("admin", "login-link", "acme")

    assert unknown.exit_code == 5
    assert nowhere.exit_code == 1 and "QWOTY_HOST_PUBLIC_URL" in nowhere.stderr


def test_a_password_is_read_from_stdin_and_can_be_removed(qwoty: Any, browser: Any) -> None:
    def tried() -> int:
        form, here = {"workspace": "acme", "password": "correct horse battery"}, {"Sec-Fetch-Site": "same-origin"}
        return int(browser.post("/console/login", data=form, headers=here).status_code)

    short = qwoty("admin", "set-password", "acme", typed="short\n")
    long = qwoty("admin", "set-password", "acme", typed="correct horse battery\n")
    with_it = tried()
    empty = qwoty("admin", "set-password", "acme", typed="\n")
    after_empty = tried()
    removed = qwoty("admin", "set-password", "acme", "--remove")

    assert short.exit_code == 2 and "short\n" not in short.output
    assert long.exit_code == 0 and "horse" not in long.output
    assert empty.exit_code == 2 and "No password was given, so nothing was changed." in empty.stderr
    assert removed.exit_code == 0
    assert (with_it, after_empty, tried()) == (303, 303, 422)


def test_the_audit_log_names_the_user_of_the_command_line(qwoty: Any, browser: Any) -> None:
    follow(browser, qwoty("admin", "login-link", "acme").stdout.strip())

    assert "command line, " in browser.get("/console/audit").text
