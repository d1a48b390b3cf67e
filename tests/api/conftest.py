"""The HTTP API of a desk's host: requests over WSGI, with an API key."""

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
    """A client of the API with a key."""

    desk: Desk
    client: Client
    key: str = ""

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> TestResponse:
        """Send JSON, or bytes unchanged. A path that begins with ``/ws-`` is below ``/v1/workspaces``."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.key:
            given = {"Authorization": f"Bearer {self.key}", **given}
        address = f"/v1/workspaces{path}" if path.startswith("/ws-") else path
        return self.client.open(address, method=method, data=data, headers=given)

    def get(self, path: str, **headers: str) -> Any:
        """Get a path, expect status 200, and return the JSON."""
        answer = self.call("GET", path, **headers)
        assert answer.status_code == 200, answer.text
        return answer.json

    def post(self, path: str, body: Any = None, **headers: str) -> TestResponse:
        return self.call("POST", path, body, **headers)


@pytest.fixture
def callers(desk: Desk) -> Callable[..., Caller]:  # noqa: F811
    """A function that makes callers with given scopes."""
    client = Client(create_app(desk.host))

    def make(*scopes: str, workspace: str = "ws-1") -> Caller:
        made = api_keys.create(desk.host.store, desk.host.clock, workspace, scopes=scopes)
        return Caller(desk, client, made["key"])

    return make


@pytest.fixture
def caller(callers: Callable[..., Caller]) -> Caller:
    """A caller with every scope in ws-1, where the recorder is enabled."""
    found = callers()
    found.desk.enable()
    return found


@pytest.fixture
def callers_of() -> Callable[[Any], Caller]:
    """A function that makes a caller of any host, with every scope in ws-1."""

    def make(host: Any) -> Caller:
        key = api_keys.create(host.store, host.clock, "ws-1")["key"]
        return Caller(None, Client(create_app(host)), key)  # type: ignore[arg-type]

    return make
