"""A desk whose host is called over WSGI, with a key."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from host.conftest import Desk, desk, desks, fakes  # noqa: F401 - fixtures
from qwoty_integrations_host.web.app import create_app
from qwoty_integrations_host.workspaces import api_keys


@dataclass
class Caller:
    """Somebody with a key, and the host's application."""

    desk: Desk
    client: Client
    key: str = ""

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> TestResponse:
        """Send JSON (bytes go as they are); a path that begins with ``/ws`` is below ``/v1/workspaces``."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.key:
            given = {"Authorization": f"Bearer {self.key}", **given}
        address = f"/v1/workspaces{path}" if path.startswith("/ws-") else path
        return self.client.open(address, method=method, data=data, headers=given)

    def get(self, path: str, **headers: str) -> Any:
        """The JSON of a page that is there."""
        answer = self.call("GET", path, **headers)
        assert answer.status_code == 200, answer.text
        return answer.json

    def post(self, path: str, body: Any = None, **headers: str) -> TestResponse:
        return self.call("POST", path, body, **headers)


@pytest.fixture
def callers(desk: Desk) -> Callable[..., Caller]:  # noqa: F811
    """Callers with the scopes that a test wants."""
    client = Client(create_app(desk.host))

    def make(*scopes: str, workspace: str = "ws-1") -> Caller:
        made = api_keys.create(desk.host.store, desk.host.clock, workspace, scopes=scopes)
        return Caller(desk, client, made["key"])

    return make


@pytest.fixture
def caller(callers: Callable[..., Caller]) -> Caller:
    """A caller who may do everything in ws-1, where the recorder is switched on."""
    found = callers()
    found.desk.enable()
    return found


@pytest.fixture
def callers_of() -> Callable[[Any], Caller]:
    """A caller of the host of another workbench, who may do everything in ws-1."""

    def make(host: Any) -> Caller:
        key = api_keys.create(host.store, host.clock, "ws-1")["key"]
        return Caller(None, Client(create_app(host)), key)  # type: ignore[arg-type]

    return make
