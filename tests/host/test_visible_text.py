"""Invisible characters in a name are spelled out: in the console, on a terminal and in mails."""

from __future__ import annotations

import email
import email.policy
import json
import re
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import Client

from builders import a_quote
from console.conftest import Person
from host.conftest import CommandLine
from qwoty_integrations_host import MailMessage
from qwoty_integrations_host.clock import SystemClock
from qwoty_integrations_host.contract.visible_text import escaped_in_json, visible
from qwoty_integrations_host.mail.message import build
from qwoty_integrations_host.web.app import create_app

SHOWN = {
    "Acme\u202egpj.exe": "Acme⟨U+202E⟩gpj.exe",
    "\u2066Acme\u2069": "⟨U+2066⟩Acme⟨U+2069⟩",
    "Ac\u200bme": "Ac⟨U+200B⟩me",
    "Ac\u200dme": "Ac⟨U+200D⟩me",
    "Ac\u200cme": "Ac⟨U+200C⟩me",
    "Ac\u00adme": "Ac⟨U+00AD⟩me",
    "\ufeffAcme": "⟨U+FEFF⟩Acme",
    "Acme\ufe0f": "Acme⟨U+FE0F⟩",
    "Ac\u034fme": "Ac⟨U+034F⟩me",
    "\u3164": "⟨U+3164⟩",
    "Acme\U000e0041": "Acme⟨U+E0041⟩",
    "Acme\u2028": "Acme⟨U+2028⟩",
    "Acme\x1b[2J": "Acme⟨U+001B⟩[2J",
    "Acme\rEmca": "Acme⟨U+000D⟩Emca",
    "Acme\x9b2J": "Acme⟨U+009B⟩2J",
    "\u200e\u200f\u061c": "⟨U+200E⟩⟨U+200F⟩⟨U+061C⟩",
    "\u0645\u200d\u200d\u0645": "\u0645⟨U+200D⟩⟨U+200D⟩\u0645",
}
AS_IT_IS = [
    "Société Générée & Fils", "Ελληνικά", "日本語", "عربي", "שלום", "می\u200cخواهم", "क्\u200dष", "👨\u200d👩\u200d👧", "❤\ufe0f", "❤\ufe0f\u200d🔥", "1\ufe0f⃣",
    "2\u202f275,50\xa0€", "a\tb\nc\r\nd", "e\u0301", "O\u2019Brien", "\u0600", "",
]  # fmt: skip


@pytest.mark.parametrize(("text", "shown"), SHOWN.items(), ids=map(ascii, SHOWN))
def test_invisible_characters_are_spelled_out(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert visible(shown) == shown


@pytest.mark.parametrize("text", AS_IT_IS, ids=ascii)
def test_visible_characters_stay_unchanged(text: str) -> None:
    assert visible(text) == text


@given(st.text(max_size=12))
def test_no_character_that_turns_the_direction_or_controls_a_terminal_remains(text: str) -> None:
    shown = visible(text)

    assert not any(
        unicodedata.bidirectional(letter) in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
        for letter in shown
    )
    assert {letter for letter in shown if unicodedata.category(letter) == "Cc"} <= {"\t", "\n", "\r"}


@given(st.text(max_size=12))
def test_escaped_json_keeps_its_meaning(text: str) -> None:
    assert json.loads(escaped_in_json(json.dumps([text], ensure_ascii=False))) == [text]


NAME, SEEN = "Evil\u202eCo\u200b", "Evil⟨U+202E⟩Co⟨U+200B⟩"


def named() -> dict[str, Any]:
    quote = a_quote(number=f"N-{NAME}")
    quote["customer"]["name"] = f"Customer {NAME}"
    quote["title"] = f"Title {NAME}"
    line_items = quote["pricing_table"]["sections"][0]["phases"][0]["line_items"]
    line_items[0]["product"]["name"] = f"Product {NAME}"
    return quote


def hidden(text: str) -> list[str]:
    return re.findall("[\u202e\u200b]", text)


@pytest.mark.parametrize("page", ["quotes", "quotes/q-7", "preview/q-7", "runs", "run"])
def test_the_console_spells_out_invisible_characters(desks: Any, page: str) -> None:
    desk = desks(public_url="http://localhost")
    desk.enable()
    desk.host.runs.acceptance.accept("ws-1", named())
    desk.work()
    person = Person(desk, Client(create_app(desk.host)))
    person.log_in()
    if page == "run":
        page = "runs/" + re.findall(r"/console/runs/([0-9a-f]{32})", person.page("/console/runs"))[0]

    html = person.page(f"/console/{page}")

    assert hidden(re.sub("<[^>]*>", "", html)) == []
    assert SEEN in html


def test_a_console_form_returns_the_original_characters(desks: Any) -> None:
    desk = desks(public_url="http://localhost")
    person = Person(desk, Client(create_app(desk.host)))
    person.log_in()

    assert 'value="a\u200bb"' in person.page("/console/quotes?search=a%E2%80%8Bb")


@pytest.mark.parametrize(
    "command", [["quote", "list", "ws-1"], ["quote", "show", "ws-1", "q-7"], ["preview", "ws-1"], ["run", "list"]]
)
def test_the_command_line_spells_out_invisible_characters(cli: CommandLine, command: list[str]) -> None:
    cli.ready()
    path = cli.file(named())
    assert cli("accept", "ws-1", path, "--wait").exit_code == 0

    found = cli(*command, *([path] if command[0] == "preview" else []))

    assert hidden(found.output) == []
    assert SEEN in found.output or command[0] in {"preview", "run"}


def test_json_from_the_command_line_holds_the_original_characters_as_escapes(cli: CommandLine) -> None:
    cli.ready()
    cli("accept", "ws-1", cli.file(named()))

    found = cli("quote", "list", "ws-1", "--json")

    assert hidden(found.stdout) == []
    assert json.loads(found.stdout)["data"][0]["number"] == f"N-{NAME}"


def test_an_error_of_the_command_line_spells_out_invisible_characters(cli: CommandLine) -> None:
    cli.ready()

    found = cli("quote", "show", "ws-1", NAME)

    assert found.exit_code == 5
    assert hidden(found.output) == [] and "\\u202e" in found.stderr


def test_every_part_of_a_mail_spells_out_invisible_characters() -> None:
    message = MailMessage(
        to="ana@buyer.example",
        subject=f"Quote {NAME}",
        text=f"Text {NAME}",
        html=f"<p>Html {NAME}</p>",
        from_name=f"From {NAME}",
    )
    raw = build(message, sender="shop@seller.example", message_id="<1@x>", now=SystemClock().now()).as_bytes()

    mail = email.message_from_bytes(raw, policy=email.policy.default)

    said = [
        str(mail["Subject"]),
        mail["From"].addresses[0].display_name,
        *(part.get_content() for part in mail.walk() if not part.is_multipart()),
    ]
    assert all(SEEN in text.replace(" ⟨", "⟨").replace("Co ", "Co") or SEEN in text for text in said), said
    assert hidden("".join(said)) == []
