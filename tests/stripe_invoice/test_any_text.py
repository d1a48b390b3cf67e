"""A quote with any accepted text in its ids and names gets the right invoice and is found again."""

from __future__ import annotations

from itertools import count
from typing import Any
from urllib.parse import quote as escaped

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from werkzeug.test import Client

from builders import KEY, LINK, a_quote, the_example
from console.conftest import follow
from qwoty_integrations_host import Attempt, PermanentError
from qwoty_integrations_host.web.app import create_app
from qwoty_integrations_host.web.sessions import login_link
from qwoty_integrations_host.workspaces import api_keys
from qwoty_stripe_invoice.gateway import Gateway, _short

LINE = ("pricing_table", "sections", 0, "phases", 0, "line_items", 0)
#: The places of a quote that hold an id, and those that hold a name.
IDS = [
    ("number",), ("business_unit", "id"), ("customer", "id"), ("customer", "contacts", 0, "id"),
    ("pricing_table", "sections", 0, "id"), ("pricing_table", "sections", 0, "phases", 0, "id"),
    (*LINE, "id"), (*LINE, "product", "product_id"), (*LINE, "taxes", 0, "id"), (*LINE, "taxes", 0, "api_name"),
    (*LINE, "taxes", 0, "external_ids", "accounting"), (*LINE, "discount", "id"), ("discounts", 0, "id"),
    ("payment_terms", "installments", 0, "id"), ("customer", "external_ids", "crm"),
    ("customer", "contacts", 0, "external_ids", "accounting"),
]  # fmt: skip
NAMES = [
    ("title",), ("business_unit", "name"), ("customer", "name"), ("customer", "contacts", 0, "first_name"),
    ("customer", "contacts", 0, "last_name"), ("customer", "contacts", 0, "phone"), ("pricing_table", "sections", 0, "name"),
    ("pricing_table", "sections", 0, "phases", 0, "name"), (*LINE, "product", "name"),
    (*LINE, "product", "unit_of_measure"), (*LINE, "taxes", 0, "name"), (*LINE, "discount", "label"),
    ("discounts", 0, "label"), ("payment_terms", "name"), ("payment_terms", "api_name"),
    ("payment_terms", "installments", 0, "name"), ("payment_terms", "installments", 0, "custom_text"),
    *(("customer", "billing_address", part) for part in ("line1", "line2", "city", "state", "postal_code")),
]  # fmt: skip
letters = st.characters(exclude_categories=("Cs", "Cc"))
#: Without the id of the example's second line, which has to stay unique.
ids = st.text(letters, min_size=1, max_size=255).filter(lambda text: text.strip() not in {"", ".", "..", "item_002"})
names = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=300).filter(
    lambda text: any(letter.isprintable() and not letter.isspace() for letter in text)
)
#: Texts that break careless code.
TRAPS = ["é", "日本", "💶", "a/b", "/a", "a//b", "a/", "a?b#c", "50%", "%2F", "{0}", "{name}", "a'b\\", '"', "a[b]", "<b>", "a|b",
         "cus_é", "cus_../x", "a\u2028b", "\u202ea", "-x", "a b", "x" * 255, "日" * 255, "&amp;", "discount", "a:b", "\u00a0a",
         "rounding", "cash", "discount:1", "a:discount", "a/installments", "a%2Finstallments"]  # fmt: skip


def put(document: dict[str, Any], way: tuple[Any, ...], value: Any) -> None:
    *parts, last = way
    place: Any = document
    for part in parts:
        if isinstance(place, dict) and place.get(part) is None:
            place[part] = {}
        place = place[part]
    place[last] = value


def quotes_with(texts: st.SearchStrategy[str], names: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    ways = dict.fromkeys(IDS, texts) | dict.fromkeys(NAMES, names)
    return st.fixed_dictionaries({("id",): texts}, optional=ways)


def examples(number: int) -> Any:
    return settings(
        max_examples=number,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )


_numbers = count(1)


@pytest.mark.parametrize("settings_given", [{"invoice_status": "open"}, LINK], ids=["open", "link"])
@given(quotes_with(st.sampled_from(TRAPS) | ids, st.sampled_from(TRAPS) | names))
@example(dict.fromkeys([("id",), *IDS, *NAMES], "日本 é/💶"))
@example(dict.fromkeys([("id",), *IDS, *NAMES], "x" * 255))
@examples(12)
def test_a_quote_with_any_text_in_its_ids_and_names_gets_the_right_invoice(
    bench: Any, settings_given: dict[str, Any], texts: dict[tuple[Any, ...], str]
) -> None:
    bench.stripe.reset()
    document = the_example()
    for way, text in texts.items():
        put(document, way, text)
    document["id"] = f"{document['id'][:240]}{next(_numbers)}"
    bench.enable(**settings_given)

    run = bench.accept(document)

    assert run["status"] == "succeeded", run
    (made,) = bench.stripe.objects("invoices")
    assert (made["total"], made["status"]) == (910200, "open")
    assert bench.quote(document["id"].strip())["total"] == "9102.00"


@given(st.sampled_from(TRAPS) | ids)
@example("a/installments")
@example("a%2Finstallments/send")
@examples(30)
def test_a_quote_with_any_id_is_shown_by_api_and_console(bench: Any, text: str) -> None:
    quote_id = bench.host.runs.acceptance.accept("ws-1", a_quote(id=f"{text[:250]}")).quote_id
    key = api_keys.create(bench.host.store, bench.host.clock, "ws-1")["key"]
    client = Client(create_app(bench.host))
    bearer = {"Authorization": f"Bearer {key}"}
    path = f"/v1/workspaces/ws-1/quotes/{escaped(quote_id, safe='')}"

    assert client.get(path, headers=bearer).json["quote_id"] == quote_id
    assert client.get(f"{path}/installments", headers=bearer).status_code == 200
    follow(client, login_link(bench.host, "ws-1", "admin"))
    assert client.get(f"/console/quotes/{escaped(quote_id, safe='')}").status_code == 200


@given(ids | names | st.sampled_from(TRAPS))
@examples(200)
def test_the_entity_in_an_idempotency_key_is_printable_ascii_of_80_at_most(text: str) -> None:
    assert _short(text).isascii()
    assert len(_short(text)) <= 80
    assert all(" " <= letter <= "~" for letter in _short(text))


@pytest.mark.parametrize("entity", ["q-1", "", "in_1:item_001", "a b/c?d", "x" * 80])
def test_a_plain_id_stays_as_it_is_in_the_idempotency_key(entity: str) -> None:
    assert _short(entity) == entity


# -- requests that cannot be sent ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "base", ["stripe.example", "http://stripe..example", "http://127.0.0.1:99999", "ftp://127.0.0.1"]
)
def test_a_malformed_api_address_fails_the_run_and_is_no_outage(
    bench: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, base: str
) -> None:
    bench.enable(invoice_status="open")
    with monkeypatch.context() as patch:
        patch.setenv("QWOTY_STRIPE_API_BASE", base)
        run = bench.accept(the_example())

    assert (run["status"], run["error"]["code"]) == ("failed", "request_unsent")
    assert "stripe.request_unsent" in caplog.text and "Traceback" in caplog.text
    assert KEY not in caplog.text
    assert bench.retry(run["id"])["status"] == "succeeded"
    assert len(bench.stripe.objects("invoices")) == 1


def test_a_header_that_cannot_be_encoded_fails_the_request_and_is_no_outage(
    bench: Any, caplog: pytest.LogCaptureFixture
) -> None:
    stripe = Gateway(KEY, workspace="日本", pace=lambda _, **__: None)
    attempt = Attempt(number=1, key=1, first_started_at=bench.clock.now())

    with pytest.raises(PermanentError) as failed:
        stripe.write(attempt, "cus", "c-1", {}, lambda v1, p, o: v1.customers.create(params=p, options=o))

    assert (failed.value.code, failed.value.answered) == ("request_unsent", False)
    assert "UnicodeEncodeError" in caplog.text
