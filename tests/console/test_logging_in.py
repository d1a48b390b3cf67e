"""Logging in: links, passwords and sessions, how long they last, and what they permit."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from werkzeug.test import Client

from console.conftest import PUBLIC, follow
from qwoty_integrations_host.web import sessions
from qwoty_integrations_host.web.app import create_app
from qwoty_integrations_host.workspaces import api_keys


def test_a_login_link_opens_the_console_once(people: Any) -> None:
    visitor = people(None)
    path = sessions.login_link(visitor.desk.host, "ws-1", "admin").removeprefix(PUBLIC)

    page = visitor.page(path)
    answer = visitor.post(path)
    again = people(None).post(path)

    assert f'<form method="post" action="{path}"' in page
    assert (answer.status_code, answer.location) == (303, "/console/")
    assert "HttpOnly; Path=/; SameSite=Lax" in answer.headers["Set-Cookie"]
    assert again.status_code == 403
    assert "does not work any more" in again.text


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("HEAD", {}),
        ("GET", {}),
        ("GET", {"Sec-Purpose": "prefetch"}),
        ("GET", {"User-Agent": "a mail scanner that follows every link"}),
        ("OPTIONS", {}),
        ("POST", {}),
        ("POST", {"Sec-Fetch-Site": "cross-site", "Origin": "https://elsewhere.example"}),
        ("POST", {"Sec-Fetch-Site": "none"}),
    ],
)
def test_requests_before_the_button_is_pressed_do_not_use_a_login_link_up(
    people: Any, method: str, headers: dict[str, str]
) -> None:
    visitor = people(None)
    path = sessions.login_link(visitor.desk.host, "ws-1", "admin").removeprefix(PUBLIC)

    for _ in range(3):
        answer = visitor.client.open(path, method=method, headers=headers)
        assert "Set-Cookie" not in answer.headers

    assert visitor.post(path).status_code == 303


def test_a_login_link_works_for_a_quarter_of_an_hour(people: Any) -> None:
    visitor = people(None)
    path = sessions.login_link(visitor.desk.host, "ws-1", "admin").removeprefix(PUBLIC)

    visitor.desk.clock.sleep(15 * 60)

    assert visitor.post(path).status_code == 403


def test_every_page_redirects_to_the_login_without_a_session(people: Any) -> None:
    visitor = people(None)

    for path in ("/console/", "/console/runs", "/console/quotes", "/console/audit", "/console/access", "/console/no"):
        assert (visitor.get(path).status_code, visitor.get(path).location) == (303, "/console/login")


def test_a_session_ends_after_twelve_hours(admin: Any) -> None:
    admin.desk.clock.sleep(timedelta(hours=12).total_seconds())

    assert admin.get("/console/").status_code == 303


def test_a_revoked_session_ends_at_once(admin: Any) -> None:
    host = admin.desk.host
    (open_one,) = sessions.list_open(host.store, host.clock, "ws-1")

    assert sessions.revoke(host.store, host.clock, "ws-1", open_one["id"]) == [open_one["id"]]
    assert admin.get("/console/").status_code == 303


def test_logging_out_ends_the_session(admin: Any) -> None:
    cookie = admin.client.get_cookie("qwoty_session").value

    admin.post("/console/logout")
    admin.client.set_cookie("qwoty_session", cookie)

    assert admin.get("/console/").status_code == 303


def test_a_viewer_looks_and_changes_nothing(people: Any) -> None:
    viewer = people("viewer")
    viewer.desk.enable()

    assert "Switch off" not in viewer.page("/console/integrations/recorder")
    assert viewer.post("/console/integrations/recorder/disable").status_code == 403
    assert viewer.desk.host.settings.is_enabled("ws-1", "recorder")


OURS, HTTPS = "http://127.0.0.1:8080", "https://console.example"


@pytest.mark.parametrize(
    ("public_url", "asked", "headers", "passes"),
    [
        (public_url, asked, headers, passes)
        for public_url, asked, own in (
            (OURS, OURS, OURS),
            (None, OURS, OURS),
            (HTTPS, HTTPS, HTTPS),
            # A proxy that terminates TLS, with and without a known public address, and one with another host name.
            (HTTPS, "http://console.example", HTTPS),
            (None, "http://console.example", HTTPS),
            (HTTPS, "http://inner:8080", HTTPS),
        )
        for headers, passes in (
            ({"Sec-Fetch-Site": "same-origin"}, True),
            ({"Sec-Fetch-Site": "same-origin", "Origin": own}, True),
            ({"Origin": own}, True),
            ({"Sec-Fetch-Site": "cross-site", "Origin": own}, False),
            ({"Sec-Fetch-Site": "same-site"}, False),
            ({"Sec-Fetch-Site": "none"}, False),
            ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, False),
            ({"Sec-Fetch-Site": "same-origin", "Origin": "file://"}, False),
            ({}, False),
            *(
                ({"Origin": origin}, False)
                for origin in (
                    "null",
                    "",
                    "file://",
                    "file:///",
                    "about:blank",
                    "data:",
                    "//",
                    "http://",
                    "https://:443",
                    "chrome-extension://abcdefghijklmnop",
                    own.replace("http", "moz-extension", 1),
                    own.partition("://")[2],
                    own + "1",
                    own + ".elsewhere.example",
                    "https://elsewhere.example",
                    "http://[",
                )
            ),
        )
    ],
)
def test_only_the_consoles_own_pages_change_something(
    desks: Any, public_url: str | None, asked: str, headers: dict[str, str], passes: bool
) -> None:
    desk = desks(public_url=public_url)
    client = Client(create_app(desk.host))

    answer = client.post("/console/language", base_url=asked, headers=headers, data={"language": "fr"})

    assert answer.status_code == (303 if passes else 403)


def test_a_page_over_plain_http_under_the_public_name_may_change_nothing(desks: Any) -> None:
    client = Client(create_app(desks(public_url=HTTPS).host))

    answer = client.post("/console/logout", base_url=HTTPS, headers={"Origin": HTTPS.replace("https", "http")})

    assert answer.status_code == 403


def test_over_https_the_cookie_is_bound_to_the_host(desks: Any) -> None:
    desk = desks(public_url="https://console.example")
    path = sessions.login_link(desk.host, "ws-1", "admin").removeprefix("https://console.example")

    answer = Client(create_app(desk.host)).post(path, headers={"Sec-Fetch-Site": "same-origin"})

    assert answer.headers["Set-Cookie"].startswith("__Host-qwoty_session=")
    assert "; Secure;" in answer.headers["Set-Cookie"]


def test_a_browser_may_load_nothing_but_the_consoles_own_files(admin: Any) -> None:
    answer = admin.get("/console/")

    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["Cache-Control"] == "no-store"


def test_logging_in_with_a_password_gives_its_role(people: Any) -> None:
    visitor = people(None)
    host = visitor.desk.host
    sessions.set_password(host.store, host.clock, "ws-1", "viewer", "a long enough one")

    wrong = visitor.post("/console/login", {"workspace": "ws-1", "password": "another long one"})
    right = visitor.post("/console/login", {"workspace": "ws-1", "password": "a long enough one"})

    assert (wrong.status_code, right.status_code) == (422, 303)
    assert "Viewer" in visitor.page("/console/")


def test_password_attempts_are_refused_uncompared_after_too_many_failures(
    people: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor, host = people(None), people(None).desk.host
    sessions.set_password(host.store, host.clock, "ws-1", "admin", "a long enough one")
    monkeypatch.setattr(sessions, "check_password_hash", lambda known, given: given == "a long enough one")
    guess = {"workspace": "ws-1", "password": "wrong"}

    answers = [visitor.post("/console/login", guess).status_code for _ in range(22)]
    right = visitor.post("/console/login", {**guess, "password": "a long enough one"})
    visitor.desk.clock.sleep(61)
    later = visitor.post("/console/login", {**guess, "password": "a long enough one"})

    assert answers[0] == 422 and answers[-1] == 429
    assert (right.status_code, later.status_code) == (429, 303)
    assert 0 < int(right.headers["Retry-After"]) <= 60


def test_wrong_passwords_from_one_address_do_not_lock_out_other_addresses(
    people: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = people(None)
    host = visitor.desk.host
    sessions.set_password(host.store, host.clock, "ws-1", "admin", "a long enough one")
    monkeypatch.setattr(sessions, "check_password_hash", lambda known, given: given == "a long enough one")
    guess = {"workspace": "ws-1", "password": "wrong"}
    client, headers = visitor.client, {"Sec-Fetch-Site": "same-origin"}
    there, elsewhere = {"REMOTE_ADDR": "203.0.113.7"}, {"REMOTE_ADDR": "203.0.113.8"}

    for _ in range(500):
        client.post("/console/login", data=guess, headers=headers, environ_base=there)
    right = {**guess, "password": "a long enough one"}
    answers = [
        client.post("/console/login", data=right, headers=headers, environ_base=one) for one in (there, elsewhere)
    ]

    assert [answer.status_code for answer in answers] == [429, 303]


def test_a_revoked_key_that_keeps_polling_locks_nobody_out(people: Any) -> None:
    visitor = people(None)
    host, client = visitor.desk.host, visitor.client
    keys = [api_keys.create(host.store, host.clock, "ws-1") for _ in range(2)]
    api_keys.revoke(host.store, host.clock, "ws-1", keys[0]["id"])
    sessions.set_password(host.store, host.clock, "ws-1", "admin", "a long enough one")

    def poll(key: str) -> int:
        visitor.desk.clock.sleep(1)
        return client.get("/v1/workspaces/ws-1/runs", headers={"Authorization": f"Bearer {key}"}).status_code

    polled = [poll(keys[0]["key"]) for _ in range(3 * 60)]

    assert set(polled) == {401, 429}
    assert poll(keys[1]["key"]) == 200
    follow(client, sessions.login_link(host, "ws-1", "admin"))
    password = {"workspace": "ws-1", "password": "a long enough one"}
    assert visitor.post("/console/login", password).status_code == 303
    # In turn, wrong links and passwords do not block an API key.
    for _ in range(30):
        visitor.post("/console/login/no-such-link")
        visitor.post("/console/login", {**password, "workspace": "ws-2"})
    assert visitor.post("/console/login/no-such-link").status_code == 429
    assert poll(keys[1]["key"]) == 200 and poll("qwh_wrong") == 401


def test_one_workspaces_session_shows_nothing_of_another(admin: Any) -> None:
    admin.desk.enable("ws-2")
    run = admin.desk.accept("ws-2", id="q-secret")

    assert "q-secret" not in admin.page("/console/runs") + admin.page("/console/quotes")
    for path in (f"/console/runs/{run['id']}", "/console/quotes/q-secret", "/console/send/q-secret"):
        assert admin.get(path).status_code == 404
    for act in ("retry", "undo", "dismiss"):
        assert admin.post(f"/console/runs/{run['id']}/{act}").status_code == 404


def test_only_digests_of_tokens_are_stored(admin: Any) -> None:
    cookie = admin.client.get_cookie("qwoty_session").value

    with admin.desk.host.store.read() as db:
        kept = [str(row) for table in ("sessions", "audit") for row in db.exec_driver_sql(f"SELECT * FROM {table}")]

    assert kept and not any(cookie in row for row in kept)


def test_a_reader_gets_the_language_of_the_browser_or_the_one_that_was_chosen(admin: Any) -> None:
    asked = admin.client.get("/console/runs", headers={"Accept-Language": "fr-CH,fr;q=0.9"})
    answer = admin.post("/console/language", {"language": "fr", "back": "/console/runs"})

    assert '<html lang="fr">' in asked.text
    assert answer.location == "/console/runs"
    assert '<html lang="fr">' in admin.page("/console/runs")


@pytest.mark.parametrize("back", ["https://elsewhere.example", "//elsewhere.example", "/console\\@elsewhere.example"])
def test_choosing_a_language_does_not_redirect_to_another_site(admin: Any, back: str) -> None:
    answer = admin.post("/console/language", {"language": "fr", "back": back})

    assert answer.location == "/console/login"
