"""Authorization: the tests call every route of the application, so that none can be forgotten."""

from __future__ import annotations

import re
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from werkzeug.test import Client

from builders import a_quote
from qwoty_integrations_host.config import HostConfig
from qwoty_integrations_host.errors import HostError
from qwoty_integrations_host.host import Host
from qwoty_integrations_host.store.api_keys import SCOPES
from qwoty_integrations_host.web import rate_limit
from qwoty_integrations_host.web.app import create_app

#: Routes that anybody may read.
OPEN = {"/v1/openapi.json"}
#: POST routes that a read key may call.
ASKING = {"/v1/workspaces/{workspace}/quotes/preview"}
#: GET routes that need more than a read key.
ADMINS_READ = {"/v1/workspaces/{workspace}/api-keys"}
FILL = {"workspace": "ws-1", "plugin": "recorder"}


def routes(host: Host, workspace: str = "ws-1") -> list[tuple[str, str, str]]:
    """Each route below /v1: (method, rule in OpenAPI's form, address)."""
    app = create_app(host)
    line = app.url_map.bind("localhost")
    found = []
    for rule in app.url_map.iter_rules():
        shape = re.sub(r"<(?:id:)?(\w+)>", r"{\1}", rule.rule)
        if shape.startswith("/v1/") and shape not in OPEN:
            filled = {name: {**FILL, "workspace": workspace}.get(name, "some") for name in rule.arguments}
            address = line.build(rule.endpoint, filled, method=next(iter(rule.methods or {"GET"})))
            found += [(method, shape, address) for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})]
    assert len(found) >= 20, "the walk finds the routes"
    return found


def test_the_description_has_exactly_the_routes_of_the_application(callers: Any) -> None:
    nobody = callers()
    nobody.key = ""
    described = nobody.get("/v1/openapi.json")
    operations = {(method.upper(), path) for path, found in described["paths"].items() for method in found}

    assert {(m, p) for m, p in operations if m != "PARAMETERS"} == {(m, s) for m, s, _ in routes(nobody.desk.host)}
    assert described["openapi"] == "3.1.0"


def test_without_a_key_no_route_answers_and_nothing_changes(callers: Any) -> None:
    nobody = callers()
    nobody.key = ""

    found = [(m, shape, nobody.call(m, address)) for m, shape, address in routes(nobody.desk.host)]

    assert [(m, shape, a.status_code) for m, shape, a in found if a.status_code != 401] == []
    assert {a.mimetype for _, _, a in found} == {"application/problem+json"}


@pytest.mark.parametrize("workspace", ["ws-1", "unknown"])
def test_every_route_of_a_workspace_answers_404_to_a_key_of_another_workspace(callers: Any, workspace: str) -> None:
    stranger = callers(workspace="ws-2")

    found = [
        (m, shape, stranger.call(m, address))
        for m, shape, address in routes(stranger.desk.host, workspace)
        if "{workspace}" in shape
    ]

    assert [(m, shape, a.status_code) for m, shape, a in found if a.status_code != 404] == []
    titles = {a.json["title"] for _, _, a in found}
    assert titles == {f"There is no workspace {workspace!r} for this API key."}


def test_a_read_key_reaches_no_route_that_changes_something(callers: Any) -> None:
    reader = callers("read")
    walk = routes(reader.desk.host)

    refused = {(m, shape) for m, shape, address in walk if reader.call(m, address).status_code == 403}

    writes = {(m, shape) for m, shape, _ in walk if m != "GET" and shape not in ASKING}
    assert refused == writes | {("GET", shape) for shape in ADMINS_READ}


def test_a_write_key_can_neither_read_nor_change_settings(callers: Any) -> None:
    platform = callers("write")
    platform.desk.enable()

    assert platform.post("/ws-1/quotes/accepted", a_quote()).status_code == 202
    refused = platform.call("GET", "/ws-1/quotes")
    assert (refused.status_code, refused.json["detail"]) == (403, "This API key lacks the scope 'read'.")
    assert platform.call("PUT", "/ws-1/plugins/recorder/settings", {}).status_code == 403


def test_a_key_of_an_earlier_release_has_every_scope(caller: Any) -> None:
    with caller.desk.host.store.write() as db:
        db.exec_driver_sql("UPDATE api_keys SET scopes = NULL")

    assert caller.get("/ws-1/api-keys")["data"][0]["scopes"] == list(SCOPES)


def test_a_revoked_key_is_refused(caller: Any, callers: Any) -> None:
    other = callers()
    key_id = other.key.split("_")[1]

    revoked = caller.call("DELETE", f"/ws-1/api-keys/{key_id}")
    again = caller.call("DELETE", f"/ws-1/api-keys/{key_id}")

    assert other.call("GET", "/ws-1").status_code == 401
    assert revoked.json["revoked_at"] and again.json == revoked.json
    assert caller.call("DELETE", "/ws-1/api-keys/00000000").status_code == 404


def test_a_key_created_over_http_is_shown_once_and_has_no_more_scopes_than_its_creator(
    caller: Any, callers: Any
) -> None:
    admin = callers("read", "admin")
    admin.desk.clock.advance(1)

    made = admin.post("/ws-1/api-keys", {"name": "The CPQ", "scopes": ["read"]})

    assert made.status_code == 201
    key = made.json["key"]
    listed = caller.get("/ws-1/api-keys")["data"][0]
    assert {**listed, "key": key} == made.json and key.startswith(f"qwh_{listed['id']}_")
    admin.key, mine = key, admin.key
    assert admin.get("/ws-1")["id"] == "ws-1"
    admin.key = mine
    assert admin.post("/ws-1/api-keys", {}).json["scopes"] == ["read", "admin"]
    assert admin.post("/ws-1/api-keys", {"scopes": ["write"]}).status_code == 403


def test_the_last_use_of_a_key_is_recorded_to_five_minutes(caller: Any) -> None:
    def last_used() -> Any:
        return caller.get("/ws-1/api-keys")["data"][0]["last_used_at"]

    first = caller.desk.clock.now()
    assert last_used() is None, "the use is recorded after the answer"
    caller.desk.clock.advance(60)
    assert last_used() == first.isoformat()
    caller.desk.clock.advance(240)
    assert last_used() == first.isoformat()
    assert last_used() == (first + timedelta(minutes=5)).isoformat()


def test_many_wrong_keys_from_one_address_are_429_while_a_right_one_still_passes(caller: Any) -> None:
    right, caller.key = caller.key, caller.key[:-4] + "0000"
    wrong = [caller.call("GET", "/ws-1") for _ in range(21)]

    assert [answer.status_code for answer in wrong] == [401] * 20 + [429]
    assert wrong[-1].mimetype == "application/problem+json"
    assert 0 < int(wrong[-1].headers["Retry-After"]) <= 60
    assert caller.call("GET", "/ws-1", Authorization=f"Bearer {right}").status_code == 200
    caller.desk.clock.advance(60)
    assert caller.call("GET", "/ws-1").status_code == 401


def test_the_host_remembers_a_limited_number_of_client_addresses(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "_MOST_COUNTERS", 3)
    failures = rate_limit.AuthFailures(desk.clock)

    for number in range(10):
        failures.record(rate_limit.Credential.API_KEY, f"192.0.2.{number}")

    assert [place for _, place in failures._counters] == ["192.0.2.7", "192.0.2.8", "192.0.2.9"]


# -- the client's address: of the connection, or the one that a trusted proxy names --------------------------

PROXY, OUTER, CLIENT, LIAR = "10.0.0.4", "10.0.1.9", "203.0.113.7", "198.51.100.1"


@pytest.mark.parametrize(
    ("peer", "headers", "counted"),
    [
        (CLIENT, {}, CLIENT),
        # A header from a client that is no trusted proxy has no effect.
        (CLIENT, {"X-Forwarded-For": LIAR}, CLIENT),
        (CLIENT, {"Forwarded": f"for={LIAR}"}, CLIENT),
        (CLIENT, {"X-Forwarded-For": f"{LIAR}, {PROXY}"}, CLIENT),
        # A trusted proxy appends the address of its own client; what that client claimed stands further left.
        (PROXY, {"X-Forwarded-For": CLIENT}, CLIENT),
        (PROXY, {"X-Forwarded-For": f"{LIAR}, {CLIENT}"}, CLIENT),
        (PROXY, {"X-Forwarded-For": f"{LIAR}, {CLIENT}, {OUTER}"}, CLIENT),
        (PROXY, {"X-Forwarded-For": f"{CLIENT}:51234"}, CLIENT),
        (PROXY, {"Forwarded": f"for={CLIENT};proto=https;by={PROXY}"}, CLIENT),
        (PROXY, {"Forwarded": f'For={LIAR}, for="{CLIENT}:51234";host=h, for={OUTER}'}, CLIENT),
        (f"::ffff:{PROXY}", {"X-Forwarded-For": CLIENT}, CLIENT),
        (PROXY, {"X-Forwarded-For": "2001:db8:1:2:3::4"}, "2001:db8:1:2::/64"),
        (PROXY, {"Forwarded": 'for="[2001:db8:1:2::9]:4711"'}, "2001:db8:1:2::/64"),
        (PROXY, {"X-Forwarded-For": f"{OUTER}, {OUTER}"}, OUTER),
        # A trusted proxy that names no client counts as the client.
        (PROXY, {}, PROXY),
        (PROXY, {"X-Forwarded-For": "unknown"}, PROXY),
        (PROXY, {"X-Forwarded-For": f"{LIAR}, unknown, {OUTER}"}, OUTER),
        (PROXY, {"Forwarded": "for=_hidden"}, PROXY),
        (PROXY, {"Forwarded": "proto=https"}, PROXY),
        (PROXY, {"Forwarded": ';;,,="['}, PROXY),
        # The client sent one of the two headers, and nobody knows which.
        (PROXY, {"X-Forwarded-For": CLIENT, "Forwarded": f"for={LIAR}"}, PROXY),
    ],
)
def test_the_client_address_is_the_peer_or_the_one_that_a_trusted_proxy_names(
    desks: Any, peer: str, headers: dict[str, str], counted: str
) -> None:
    desk = desks(trusted_proxies=(ip_network(PROXY), ip_network("10.0.1.0/24")))
    app = create_app(desk.host)
    given = {"Authorization": "Bearer qwh_wrong", **headers}

    answer = Client(app).get("/v1/workspaces", headers=given, environ_base={"REMOTE_ADDR": peer})

    assert answer.status_code == 401
    assert list(app.extensions["qwoty_auth_failures"]._counters) == [(rate_limit.Credential.API_KEY, counted)]


def test_forwarding_headers_are_ignored_without_a_trusted_proxy(desk: Any) -> None:
    app = create_app(desk.host)

    for number in range(21):
        headers = {"Authorization": "Bearer qwh_wrong", "X-Forwarded-For": f"192.0.2.{number}"}
        answer = Client(app).get("/v1/workspaces", headers=headers, environ_base={"REMOTE_ADDR": CLIENT})

    assert answer.status_code == 429


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("", ()),
        ("10.0.0.4", ("10.0.0.4/32",)),
        (" 10.0.0.0/24 , ::1,", ("10.0.0.0/24", "::1/128")),
        # An IPv4-mapped IPv6 address counts as its IPv4 address.
        ("::ffff:10.0.0.1", ("10.0.0.1/32",)),
        ("::ffff:10.0.1.0/120", ("10.0.1.0/24",)),
        # A network with more than the IPv4-mapped addresses stays IPv6.
        ("::/0", ("::/0",)),
    ],
)
def test_trusted_proxies_are_addresses_and_networks(given: str, found: tuple[str, ...]) -> None:
    config = HostConfig.from_environment({"QWOTY_HOST_TRUSTED_PROXIES": given})

    assert tuple(map(str, config.trusted_proxies)) == found


@pytest.mark.parametrize("given", ["1", "proxy.example", "10.0.0.4/24", "10.0.0.4;10.0.0.5", "*"])
def test_an_invalid_proxy_address_is_refused_with_the_name_of_its_variable(given: str) -> None:
    with pytest.raises(HostError, match="QWOTY_HOST_TRUSTED_PROXIES"):
        HostConfig.from_environment({"QWOTY_HOST_TRUSTED_PROXIES": given})
