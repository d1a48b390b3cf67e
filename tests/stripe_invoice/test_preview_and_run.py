"""A run ends as its preview says: whom it bills and mails, which customer it uses, and where it stops."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from builders import EMAIL, KEY, LINK, OPEN, a_line, a_quote
from console.conftest import Person, words
from qwoty_integrations_host.reports.previews import preview

NOBODY = {"id": "c-1", "full_name": "Ana Diaz", "email": None}
NO_ADDRESS = {"id": "c-1", "full_name": "Ana Diaz", "email": "ana at buyer"}
UNITS = {"token_scope": "business_unit", "business_unit_api_tokens": {"bu_1": KEY}, "workspace_api_token": None}
OFF = {"summary": {"one_off": {"net_amount": "100.00", "tax_amount": "20.00", "total_amount": "121.00"}}}
SMALL = a_line("l1", "0.49", taxes=[])


def of_customer(quote: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**quote, "customer": {**quote["customer"], **changes}}


def previewed(bench: Any, quote: dict[str, Any]) -> dict[str, Any]:
    host = bench.host
    (found,) = preview("ws-1", quote, host.integrations)["previews"]
    return found


@pytest.mark.parametrize(
    ("quote", "settings", "ends", "codes"),
    [
        pytest.param(a_quote(), {}, "succeeded", [], id="a draft"),
        pytest.param(a_quote(), OPEN, "succeeded", [], id="final"),
        pytest.param(a_quote(), EMAIL, "succeeded", [], id="by e-mail"),
        pytest.param(a_quote(installments=2), LINK, "succeeded", [], id="by link"),
        pytest.param(a_quote(), LINK, "succeeded", [], id="by link without terms"),
        pytest.param(a_quote(contact=NOBODY), {}, "succeeded", [], id="a draft for nobody's mailbox"),
        pytest.param(a_quote(contact=NOBODY), EMAIL, "needs_attention", ["email_missing"], id="no e-mail address"),
        pytest.param(
            a_quote(contact=NO_ADDRESS, installments=2), LINK, "needs_attention", ["email_invalid"], id="a bad one"
        ),
        pytest.param(of_customer(a_quote(), contacts=[]), {}, "needs_attention", ["contact_missing"], id="no contact"),
        pytest.param(a_quote(**OFF), OPEN, "needs_attention", ["totals_differ"], id="another total"),
        pytest.param(a_quote(summary=None), OPEN, "needs_attention", ["total_missing"], id="no total"),
        pytest.param(a_quote(SMALL), OPEN, "needs_attention", ["amount_too_small"], id="too small"),
        pytest.param(a_quote(SMALL), {}, "succeeded", [], id="too small, but a draft"),
        pytest.param(a_quote(a_line("l1", "-5.00")), {}, "needs_attention", ["total_negative"], id="a negative total"),
        pytest.param(
            a_quote(business_unit={"id": "bu_2"}), UNITS, "skipped", ["business_unit_without_key"], id="a unit, no key"
        ),
        pytest.param(a_quote(business_unit=None), UNITS, "skipped", ["business_unit_unknown"], id="no unit"),
        pytest.param(a_quote(business_unit={"id": "bu_1"}), UNITS, "succeeded", [], id="a unit with a key"),
        pytest.param(
            of_customer(a_quote(a_line("l1", "-5.00"), business_unit={"id": "bu_2"}), contacts=[]),
            {**UNITS, **OPEN},
            "skipped",
            ["business_unit_without_key", "total_negative", "contact_missing"],
            id="everything at once",
        ),
    ],
)
def test_a_run_ends_as_its_preview_says(
    bench: Any, quote: dict[str, Any], settings: dict[str, Any], ends: str, codes: list[str]
) -> None:
    bench.enable(**settings)

    found = previewed(bench, quote)
    asked_of_stripe = len(bench.stripe.requests)
    run = bench.accept(quote)

    assert asked_of_stripe == 0
    assert [problem["code"] for problem in found["problems"]] == codes
    assert (found["ends"], found["ends_well"]) == (ends, not codes)
    assert all(problem["hint"] for problem in found["problems"])
    assert run["status"] == ends
    # A run stops at the first problem. A preview shows all of them.
    assert run["error"] is None or run["error"]["code"] == codes[0]


def test_the_preview_says_that_a_link_without_a_public_address_stops(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.enable(**LINK)
    contexts = type(bench.host.integrations.contexts)
    make = contexts.make

    def without_address(self: Any, *args: Any, **more: Any) -> Any:
        from dataclasses import replace

        return replace(make(self, *args, **more), public_url=None)

    monkeypatch.setattr(contexts, "make", without_address)

    found, run = previewed(bench, a_quote(installments=2)), bench.accept(a_quote(installments=2))

    assert found["problems"][0]["code"] == run["error"]["code"] == "public_url_missing"


@pytest.mark.parametrize(
    ("settings", "quote", "mailed"),
    [
        ({}, a_quote(), "Nothing would be mailed: the invoice stays a draft."),
        (OPEN, a_quote(), "Nothing would be mailed: no way of sending is set."),
        (
            EMAIL,
            a_quote(),
            "Stripe would e-mail the invoice to ana@buyer.example. In test mode Stripe sends no e-mail.",
        ),
        (
            LINK,
            a_quote(),
            "Nothing would be mailed: the quote has no payment terms, so no link is made and the invoice ",
        ),
        (
            LINK,
            a_quote(installments=2),
            "A payment link for installment 1 of 2 would be mailed to ana@buyer.example, with the invoice.",
        ),
        (LINK, a_quote(a_line("l1", "0.00"), installments=2), "Nothing would be mailed: nothing is to be paid."),
    ],
)
def test_the_preview_names_the_recipients_that_the_run_mails(
    bench: Any, settings: dict[str, Any], quote: dict[str, Any], mailed: str
) -> None:
    bench.enable(**settings)

    assert previewed(bench, quote)["mailed"].startswith(mailed)
    assert bench.accept(quote)["status"] == "succeeded"
    by_stripe = any(path.endswith("/send") for path in bench.posts())
    assert (bool(bench.mails()), by_stripe) == (mailed.startswith("A payment link"), mailed.startswith("Stripe would"))


def test_the_preview_names_the_contact_that_the_run_bills(bench: Any) -> None:
    bench.enable()

    billed = previewed(bench, a_quote())["billed"]
    bench.accept(a_quote())

    (there,) = bench.stripe.objects("customers")
    assert billed == {
        "name": there["name"],
        "company": there["business_name"],
        "email": there["email"],
        "address": "2 rue B, Lyon, 69001, FR",
    }


def test_a_missing_address_is_noted_in_the_preview_and_does_not_stop_the_run(bench: Any) -> None:
    bench.enable()

    found = previewed(bench, of_customer(a_quote(), billing_address=None))

    assert (found["billed"]["address"], found["ends"]) == ("", "succeeded")
    assert found["notes"][0].startswith("The quote names no address of the customer")


SAVED = "The Stripe customer {}, which is saved for contact 'c-1', unless it is gone or another company's."
MADE = "The Stripe customer that was made for contact 'c-1'."
BY_EMAIL = "The oldest Stripe customer with the e-mail address ana@buyer.example, unless it is another company's."
NEW = "A new Stripe customer."


def _new(bench: Any, v1: Any) -> str:
    return NEW


def _saved(bench: Any, v1: Any) -> str:
    bench.accept(a_quote(id="q-before"))
    (there,) = bench.stripe.objects("customers")
    return SAVED.format(there["id"])


def _by_email(bench: Any, v1: Any) -> str:
    v1.customers.create({"email": "ana@buyer.example"})
    return BY_EMAIL


def _made_for_the_contact(bench: Any, v1: Any) -> str:
    v1.customers.create({"metadata": {"qwoty_workspace": "ws-1", "qwoty_contact": "c-1"}})
    bench.stripe.clock.advance(120)
    return MADE


@pytest.mark.parametrize("given", [_new, _by_email, _made_for_the_contact, _saved])
def test_the_preview_names_the_first_place_that_knows_the_customer(
    bench: Any, v1: Any, given: Callable[[Any, Any], str]
) -> None:
    bench.enable()
    place = given(bench, v1)
    before = {customer["id"] for customer in bench.stripe.objects("customers")}

    places = previewed(bench, a_quote())["customer"]
    run = bench.accept(a_quote())

    assert places == [*([place] if given is _saved else []), MADE, BY_EMAIL, NEW]
    assert (run["outcome"]["customer_id"] in before) == (place != NEW)


def test_command_line_api_and_page_show_the_same_preview(
    bench: Any,
    command: Any,
    call: Any,
    admin: Person,
) -> None:
    bench.enable(**EMAIL)
    quote = a_quote(contact=NO_ADDRESS)

    by_command = command("preview", "ws-1", "-", given=quote)
    by_json = command("preview", "ws-1", "-", "--json", given=quote)
    by_api = call("POST", "/quotes/preview", quote)
    run = bench.accept(quote)
    page = words(admin.page(f"/console/preview/{quote['id']}"))

    assert (by_command.exit_code, by_json.exit_code, by_api.status_code) == (1, 1, 200)
    assert json.loads(by_json.stdout) == by_api.json
    (plan,) = by_api.json["previews"]
    (problem,) = plan["problems"]
    assert (problem["code"], problem["title"]) == (run["error"]["code"], run["error"]["title"])
    for said in (problem["title"], problem["hint"], "Ana Diaz"):
        assert said in page.replace("&#39;", "'")
        assert said in " ".join(by_command.stdout.split())
    assert "/console/preview/" in admin.page(f"/console/quotes/{quote['id']}")
    bench.host.settings.disable("ws-1", "stripe_invoice")
    assert "No integration of this workspace" in admin.page(f"/console/preview/{quote['id']}")
