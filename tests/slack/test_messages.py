"""The message about a signed quote."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from builders import the_example
from qwoty_integrations_host.contract.quote_document import load_quote
from qwoty_slack import wording
from qwoty_slack.message import file_name, message


def said(**changes: Any) -> dict[str, Any]:
    document = the_example(**changes)
    return message(load_quote(document, workspace_id="ws-1", received_at=datetime(2026, 3, 10, tzinfo=UTC)))


def texts(found: dict[str, Any]) -> str:
    return json.dumps(found["blocks"], ensure_ascii=False)


def test_a_signed_quote_is_announced_once_in_the_channel(desk: Any) -> None:
    run = desk.accept(dealroom_link="https://dealroom.example/abc")

    assert run["status"] == "succeeded"
    assert run["outcome"]["notes"] == [
        "The message is in the channel C0123ABC456.",
        "20260310-BuyerSARL.pdf is attached in the message's thread.",
    ]
    assert run["outcome"]["message"] == "https://acme.slack.com/archives/C0123ABC456/p1773134401000000"
    (posted,) = desk.slack.posted
    assert posted["text"] == (
        "Buyer SARL a signé le devis Q-2026-042 avec Lea Roux. Ponctuel, hors taxes: 7\u202f585,00\xa0€."
    )
    assert posted["metadata"]["event_type"] == "qwoty_quote"
    assert "<https://dealroom.example/abc|Ouvrir la deal room>" in texts(posted)
    (arguments,) = [found for method, found in desk.slack.calls if method == "chat.postMessage"]
    assert (arguments["parse"], arguments["link_names"], arguments["unfurl_links"]) == ("none", "false", "false")
    assert all(step["request_ids"] for step in run["steps"] if step["name"] in {"message", "document_share"})


@pytest.mark.parametrize(
    ("language", "sentence", "amount"),
    [
        ("en", "Buyer SARL has signed quote Q-2026-042 with Lea Roux.", "€7,585.00"),
        ("fr", "Buyer SARL a signé le devis Q-2026-042 avec Lea Roux.", "7\u202f585,00\xa0€"),
        ("de", "Buyer SARL hat das Angebot Q-2026-042 bei Lea Roux unterschrieben.", "7.585,00\xa0€"),
        ("it", "Buyer SARL ha firmato il preventivo Q-2026-042 con Lea Roux.", "7.585,00\xa0€"),
        ("pt", "Buyer SARL assinou o orçamento Q-2026-042 com Lea Roux.", "7\xa0585,00\xa0€"),
        ("es", "Buyer SARL ha firmado el presupuesto Q-2026-042 con Lea Roux.", "7.585,00\xa0€"),
        ("nl", "Buyer SARL has signed quote Q-2026-042 with Lea Roux.", "€7,585.00"),
    ],
)
def test_the_message_is_in_the_quotes_language(language: str, sentence: str, amount: str) -> None:
    found = said(language=language, owner={"first_name": "Lea", "last_name": "Roux"})

    assert found["text"].startswith(sentence)
    assert amount in texts(found)


def test_every_language_has_every_word() -> None:
    assert set(wording.MESSAGE) == {"en", "fr", "de", "it", "pt", "es"}
    assert {frozenset(known) for known in wording.MESSAGE.values()} == {frozenset(wording.MESSAGE["en"])}


@pytest.mark.parametrize("owner", [None, {}, {"first_name": " ", "email": "lea@seller.example"}])
def test_a_quote_without_an_owner_names_nobody(owner: Any) -> None:
    assert said(language="en", owner=owner)["text"].startswith("Buyer SARL has signed quote Q-2026-042. ")


def summary(net: str | None = None, mrr: Any = None) -> dict[str, Any]:
    one_off = net and {"net_amount": net, "tax_amount": "0", "total_amount": net}
    return {"one_off": one_off, "metrics": {"mrr": mrr}}


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        (summary("100.00", "150"), ["*One-off, net of tax*\n€100.00", "*Monthly recurring (MRR)*\n€150.00"]),
        (summary("0.00", "150"), ["*Monthly recurring (MRR)*\n€150.00"]),
        (summary("100.00", "0"), ["*One-off, net of tax*\n€100.00"]),
        (summary("0", "0.00"), []),
        (summary(), []),
        (None, []),
    ],
)
def test_amounts_that_are_zero_or_absent_are_left_out(given: Any, fields: list[str]) -> None:
    found = said(language="en", summary=given)

    assert [one["text"] for block in found["blocks"] for one in block.get("fields", [])] == fields


def test_amounts_have_the_decimals_of_their_currency() -> None:
    lines: dict[str, Any] = {"pricing_table": {"sections": []}, "discounts": []}

    assert "¥1,500" in texts(said(language="en", currency="JPY", summary=summary("1500"), **lines))
    assert "KWD1.250" in texts(said(language="en", currency="KWD", summary=summary("1.25"), **lines))


def test_names_become_neither_mentions_nor_links_nor_formatting() -> None:
    evil = "<!channel> & <@U123> *bold* <https://evil.example|click>"
    customer = {**the_example()["customer"], "name": evil}
    found = said(language="en", customer=customer, number="<!here>", owner={"first_name": "<!everyone>"})

    assert "<" not in found["text"] and "&lt;!channel&gt; &amp; &lt;@U123&gt;" in found["text"]
    for block in found["blocks"]:
        for part in [block.get("text"), *block.get("fields", []), *block.get("elements", [])]:
            if part and part["type"] == "mrkdwn":
                assert part["verbatim"] is True
                assert "!" not in part["text"] and "@" not in part["text"]


@pytest.mark.parametrize(
    "link",
    ["http://dealroom.example/a", "https://x.example/a|b>", "javascript:alert(1)", "https://", "https://a b", ""],
)
def test_an_address_without_https_becomes_no_link(link: str) -> None:
    assert "deal room" not in texts(said(language="en", dealroom_link=link))


def test_a_very_long_name_is_cut() -> None:
    customer = {**the_example()["customer"], "name": "Buyer " * 1000}

    assert max(len(block["text"]["text"]) for block in said(customer=customer)["blocks"] if "text" in block) < 700


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Buyer SARL", "20260310-BuyerSARL.pdf"),
        ("Société Générale & Cie/Fils", "20260310-SociétéGénéraleCieFils.pdf"),
        ("../../etc/passwd", "20260310-etcpasswd.pdf"),
        ("株式会社", "20260310-株式会社.pdf"),
        ("!!!", "20260310-Quote.pdf"),
    ],
)
def test_the_file_is_named_after_the_day_and_the_company(name: str, expected: str) -> None:
    document = the_example(customer={**the_example()["customer"], "name": name})

    assert (
        file_name(load_quote(document, workspace_id="ws-1", received_at=datetime(2026, 1, 1, tzinfo=UTC))) == expected
    )
