"""The console as people use it: a browser that keeps cookies, over WSGI; and a desk behind it."""

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
    """Somebody in front of the console of ws-1."""

    desk: Any
    client: Client

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.client.get(path, headers={"Sec-Fetch-Site": "same-origin", **headers})

    def page(self, path: str, **headers: str) -> str:
        """The text of a page that is there."""
        answer = self.get(path, **headers)
        assert answer.status_code == 200, answer.text
        return answer.text

    def post(self, path: str, form: dict[str, Any] | None = None, **headers: str) -> TestResponse:
        return self.client.post(path, data=form or {}, headers={"Sec-Fetch-Site": "same-origin", **headers})

    def log_in(self, role: str = "admin", workspace: str = "ws-1") -> None:
        follow(self.client, login_link(self.desk.host, workspace, role))


@pytest.fixture
def people(desks: Callable[..., Desk]) -> Callable[..., Person]:  # noqa: F811
    """People with a role, or not logged in at all."""
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
    """What is read on a page, without its marks."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).strip()
