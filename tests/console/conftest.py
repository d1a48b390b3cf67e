"""The console of a desk's host: a client over WSGI that keeps cookies."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from host.conftest import Desk, desk, desks, fakes  # noqa: F401 - fixtures
from qwoty_integrations_host.web.app import create_app
from qwoty_integrations_host.web.sessions import login_link

PUBLIC = "http://localhost"


def follow(client: Client, link: str) -> TestResponse:
    """Open a login link and press its button."""
    path = "/console/" + link.partition("/console/")[2]
    assert client.get(path).status_code == 200
    answer = client.post(path, headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 303, answer.text
    return answer


@dataclass
class Person:
    """A person who uses the console of ws-1."""

    desk: Any
    client: Client

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.client.get(path, headers={"Sec-Fetch-Site": "same-origin", **headers})

    def page(self, path: str, **headers: str) -> str:
        """Get a page, expect status 200, and return its text."""
        answer = self.get(path, **headers)
        assert answer.status_code == 200, answer.text
        return answer.text

    def post(self, path: str, form: dict[str, Any] | None = None, **headers: str) -> TestResponse:
        return self.client.post(path, data=form or {}, headers={"Sec-Fetch-Site": "same-origin", **headers})

    def log_in(self, role: str = "admin", workspace: str = "ws-1") -> None:
        follow(self.client, login_link(self.desk.host, workspace, role))


@pytest.fixture
def people(desks: Callable[..., Desk]) -> Callable[..., Person]:  # noqa: F811
    """A function that makes people: logged in with a role, or not logged in."""
    found = desks(public_url=PUBLIC)
    app = create_app(found.host)

    def make(role: str | None = "admin") -> Person:
        person = Person(found, Client(app))
        if role:
            person.log_in(role)
        return person

    return make


@pytest.fixture
def admin(people: Callable[..., Person]) -> Person:
    return people("admin")


def words(html: str) -> str:
    """The text of a page without its HTML tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).strip()
