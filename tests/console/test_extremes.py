"""Extreme values in addresses and forms: the console answers each with a page, and never crashes."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from click.testing import CliRunner
from werkzeug.test import Client

from qwoty_integrations_host.cli import main
from qwoty_integrations_host.web.app import create_app
from qwoty_integrations_host.workspaces import api_keys
from qwoty_integrations_host.workspaces.workspace import set_timezone

DAYS = ["0001-01-01", "1-1-1", "9999-12-31", "9999-W52-7", "10000-01-01", "-0001-01-01", "2026-02-30", "20260101",
        "99991231", "２０２６-01-01", "\ud800", "x" * 5000, "NaN", "0", "1e400", "9" * 400]  # fmt: skip
NUMBERS = [
    "0",
    "-1",
    "9" * 4299,
    "9" * 5000,
    "1e400",
    "NaN",
    "inf",
    "²",
    "٣",
    "1_0",
    " 1 ",
    "0x1",
    "2147483648",
    str(2**63),
    "x" * 5000,
]
TEXTS = [
    "\r\n",
    "a\r\nSet-Cookie: x=y",
    "\x0b",
    "\x1b[2J",
    "\u2028",
    "\u202e",
    "\ud800",
    "%",
    "_",
    "'\"`;--",
    "😀" * 500,
    "x" * 5000,
    "../..",
    "a" * 70000,
]


@pytest.mark.parametrize("path", ["/console/runs", "/console/quotes"])
@pytest.mark.parametrize("zone", [None, "Pacific/Kiritimati", "Etc/GMT+12"])
def test_any_day_in_an_address_gets_a_page(admin: Any, path: str, zone: str | None) -> None:
    admin.desk.enable()
    admin.desk.accept()
    set_timezone(admin.desk.host.store, admin.desk.host.clock, "ws-1", zone)
    asked = [f"{name}={quote(day, errors='surrogatepass')}" for day in DAYS for name in ("since", "until")]
    asked += [f"since={one}&until={one}" for one in ("0001-01-01", "9999-12-31")]

    answers = {query: admin.get(f"{path}?{query}").status_code for query in asked}

    assert {query: status for query, status in answers.items() if status != 200} == {}


@pytest.mark.parametrize(
    "path",
    ["/console/runs?status=", "/console/runs?quote=", "/console/runs?plugin=", "/console/runs?after=", "/console/quotes?search=",
     "/console/quotes?status=", "/console/quotes?after=", "/console/webhooks?after=", "/console/webhooks?result=",
     "/console/audit?after=", "/console/?done=", "/console/alerts?done=", "/console/quotes/q-7/run?plugin="],
)  # fmt: skip
def test_any_text_in_an_address_gets_a_page(admin: Any, path: str) -> None:
    admin.desk.enable()
    admin.desk.accept()

    answers = {text: admin.get(path + quote(text, errors="surrogatepass")[:8000]).status_code for text in TEXTS + DAYS}

    assert {text[:40]: status for text, status in answers.items() if status not in {200, 404, 422, 400, 405}} == {}


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/console/send/q-7", "number"),
        ("/console/alerts", "silent_after_hours"),
        ("/console/alerts", "webhook_url"),
        ("/console/alerts/people", "mail"),
        ("/console/timezone", "timezone"),
        ("/console/language", "language"),
        ("/console/access/keys", "name"),
        ("/console/dismiss/q-7", "reason"),
        ("/console/cancel/q-7", "reason"),
        ("/console/integrations/recorder", "ratio"),
        ("/console/integrations/recorder", "token"),
        *(("/console/integrations/recorder", f"unit_tokens.{n}.key") for n in ("0", "²", "-1", "9" * 5000, "x")),
        ("/console/login", "workspace"),
        ("/console/login", "password"),
    ],
)
def test_any_value_in_a_form_gets_a_page(admin: Any, path: str, field: str) -> None:
    admin.desk.enable()
    admin.desk.accept()

    sent = [
        {"language": "en", "mail": "a@b.example", field: value.encode("utf-8", "surrogatepass")}
        for value in NUMBERS + TEXTS
    ]
    answers = {str(form[field])[:40]: admin.post(path, form).status_code for form in sent}

    assert {value: status for value, status in answers.items() if status >= 500 or status == 404} == {}


BACKS = {
    "/console/runs": "/console/runs",
    "/console/runs?status=failed": "/console/runs?status=failed",
    "/console": "/console",
    "/console/quotes/é b": "/console/quotes/%C3%A9%20b",
    "/console/quotes/a..b": "/console/quotes/a..b",
    "/console/quotes/a%0D%0Ab": "/console/quotes/a%0D%0Ab",
    **dict.fromkeys(
        [
            "", "/console\r\nSet-Cookie: stolen=1", "/console\n", "/console\r", "//evil.example", "/console\\@evil.example",
            "/consoleevil", "/console@evil.example", "https://evil.example/console", "/console/../../evil",
            "/console/%2e%2E/evil", "/console/.%2e/evil", "/console\u2028x", "/console/\x85", "/console\tx", "/console/\x7f",
            "javascript:1", " /console", "/console/..",
        ],
        "/console/login",
    ),
}  # fmt: skip


@pytest.mark.parametrize("header", ["Location", "HX-Redirect"])
def test_back_leads_to_a_page_of_the_console_only(admin: Any, header: str) -> None:
    asked = {"HX-Request": "true"} if header == "HX-Redirect" else {}

    answers = {back: admin.post("/console/language", {"language": "fr", "back": back}, **asked) for back in BACKS}

    assert {back: answer.headers.get(header) for back, answer in answers.items()} == BACKS
    assert {len(answer.headers.getlist("Set-Cookie")) for answer in answers.values()} == {1}


def test_half_a_character_in_back_causes_no_crash(admin: Any) -> None:
    answer = admin.post("/console/language", {"language": "fr", "back": b"/console/\xed\xa0\x80"})

    assert answer.status_code == 303
    assert answer.headers["Location"].isascii()


# -- the API and the command line -------------------------------------------------------------------


def test_any_day_and_number_gets_an_answer_of_the_api(admin: Any) -> None:
    host = admin.desk.host
    key = api_keys.create(host.store, host.clock, "ws-1")["key"]
    admin.desk.enable()
    admin.desk.accept()
    client = Client(create_app(host))
    asked = [f"quotes?{name}={quote(day, errors='surrogatepass')}" for day in DAYS for name in ("from", "until")]
    for number in NUMBERS:
        asked += [f"{path}?limit={quote(number)}" for path in ("quotes", "runs", "api-keys", "webhooks/deliveries")]
    asked += [f"quotes?search={quote(text, errors='surrogatepass')[:8000]}" for text in TEXTS]

    statuses = {
        path: client.get(f"/v1/workspaces/ws-1/{path}", headers={"Authorization": f"Bearer {key}"}).status_code
        for path in asked
    }

    assert {path: status for path, status in statuses.items() if status not in {200, 400, 422}} == {}
    assert statuses["quotes?until=9999-12-31"] == statuses["quotes?from=0001-01-01"] == 200
    for number in (10**400, -1, 1e300, "²"):
        answer = client.post(
            "/v1/workspaces/ws-1/quotes/q-7/installments/send",
            json={"number": number},
            headers={"Authorization": f"Bearer {key}"},
        )
        assert answer.status_code in {409, 422}, number


@pytest.mark.parametrize(
    "line",
    [
        *(
            ["quote", "list", "ws-1", name, day]
            for name in ("--from", "--until")
            for day in DAYS
            if "\ud800" not in day
        ),
        *(["quote", "list", "ws-1", "--limit", number] for number in NUMBERS),
        *(["installment", "send", "ws-1", "q-7", "--number", number] for number in NUMBERS),
        *(["quote", "list", "ws-1", "--search", text] for text in TEXTS if "\ud800" not in text),
    ],
    ids=lambda line: ascii(" ".join(line))[:60],
)
def test_any_day_and_number_gets_an_answer_of_the_command_line(one_folder: Path, line: list[str]) -> None:
    found = CliRunner().invoke(main, line, env={"QWOTY_HOST_DATA_DIR": str(one_folder)})

    assert found.exit_code in {0, 2, 5}, found.output
    assert found.exception is None or isinstance(found.exception, SystemExit)


@pytest.fixture(scope="module")
def one_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "data"
    assert (
        CliRunner().invoke(main, ["workspace", "add", "ws-1"], env={"QWOTY_HOST_DATA_DIR": str(folder)}).exit_code == 0
    )
    return folder
