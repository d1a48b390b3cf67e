"""The settings form: its defaults, its compulsory fields, and messages that never repeat a value."""

from __future__ import annotations

from typing import Any

import pytest

from builders import KEY, LIVE
from qwoty_integrations_host.errors import SettingsError
from qwoty_stripe_invoice.settings import StripeSettings, settings_schema

UNITS = {"token_scope": "business_unit"}
OTHER = f"rk_{LIVE}_51SimulatedKey0002"
BOTH = {"send_invoice_email": True, "send_payment_link": True}


def problems(bench: Any, given: Any) -> dict[str, str]:
    with pytest.raises(SettingsError) as refused:
        bench.host.settings.validate("stripe_invoice", given)
    return {problem.dotted: problem.message for problem in refused.value.problems}


def accepted(bench: Any, given: Any) -> dict[str, Any]:
    return dict(bench.host.settings.validate("stripe_invoice", given))


def test_the_defaults_are_those_of_the_description(bench: Any) -> None:
    assert accepted(bench, {"workspace_api_token": KEY}) == {
        "token_scope": "workspace",
        "workspace_api_token": KEY,
        "invoice_status": "draft",
        "send_invoice_email": False,
        "send_payment_link": False,
        "payment_method": "stripe_default",
        "send_next_installments": "manual",
        "void_on_cancel": False,
        "exact_tax": True,
        "rounding_line": True,
    }


def test_the_settings_are_the_described_ones_and_three_of_our_own() -> None:
    assert list(settings_schema()["properties"]) == [
        "token_scope",
        "workspace_api_token",
        "business_unit_api_tokens",
        "invoice_status",
        "send_invoice_email",
        "send_payment_link",
        "payment_method",
        "send_next_installments",
        "void_on_cancel",
        "exact_tax",
        "rounding_line",
    ]


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, "workspace_api_token"),
        ({"token_scope": "workspace"}, "workspace_api_token"),
        ({"token_scope": "workspace", "business_unit_api_tokens": {"bu_1": KEY}}, "workspace_api_token"),
        (UNITS, "business_unit_api_tokens"),
        (UNITS | {"workspace_api_token": KEY}, "business_unit_api_tokens"),
    ],
)
def test_only_the_key_that_the_scope_needs_is_compulsory(bench: Any, given: dict[str, Any], missing: str) -> None:
    assert problems(bench, given) == {missing: "This field is required."}


@pytest.mark.parametrize(
    "given",
    [
        {"workspace_api_token": KEY},
        {"workspace_api_token": OTHER},
        {"workspace_api_token": "rk_test_abcdefgh"},
        {"workspace_api_token": f"sk_{LIVE}_abcdefgh"},
        {"workspace_api_token": f"  {KEY}\n"},
        UNITS | {"business_unit_api_tokens": {"bu_1": KEY}},
        UNITS | {"business_unit_api_tokens": {"bu_1": KEY, "7d1f0c1e-5a55": OTHER}},
        UNITS | {"business_unit_api_tokens": {"bu_1": KEY}, "workspace_api_token": KEY},
        {"workspace_api_token": KEY, "business_unit_api_tokens": {"bu_1": KEY}},
    ],
)
def test_keys_of_every_kind_are_accepted(bench: Any, given: dict[str, Any]) -> None:
    assert accepted(bench, given)["token_scope"] in {"workspace", "business_unit"}


BAD_KEYS = [
    "pk_test_51SimulatedKey0001",
    "sk_test_$",
    "sk_test_short",
    "SK_TEST_51SimulatedKey",
    "whsec_51SimulatedKey",
]
BAD_KEYS += ["sk_prod_51SimulatedKey", "sk_test_51Simulated Key", "sk_test_51Simulated-Key", "x" + KEY, KEY + "\nX"]


@pytest.mark.parametrize("key", BAD_KEYS)
def test_a_value_that_is_no_secret_key_is_refused_without_repeating_it(bench: Any, key: str) -> None:
    for given in ({"workspace_api_token": key}, UNITS | {"business_unit_api_tokens": {"bu_1": KEY, "bu_2": key}}):
        found = problems(bench, given)

        assert list(found) in (["workspace_api_token"], ["business_unit_api_tokens.bu_2"])
        assert all(key not in text and "51Simulated" not in text for text in found.values())


@pytest.mark.parametrize("place", ["token", "unit", "name"])
def test_a_trailing_newline_that_a_pattern_lets_through_is_refused_by_the_plugin(bench: Any, place: str) -> None:
    document = {
        "token": {"workspace_api_token": KEY + "\n"},
        "unit": {"business_unit_api_tokens": {"bu_1": KEY + "\n"}},
        "name": {"business_unit_api_tokens": {"bu_1\n": KEY}},
    }[place]
    status = {"invoice_status": "draft", "send_invoice_email": False, "send_payment_link": False}

    found = bench.host.plugins.validate_settings("stripe_invoice", None, status | document)

    assert len(found) == 1
    assert KEY not in repr(found)


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"token_scope": "everyone"}, "token_scope"),
        ({"token_scope": None}, "token_scope"),
        ({"invoice_status": "sent"}, "invoice_status"),
        ({"invoice_status": "OPEN"}, "invoice_status"),
        ({"payment_method": "card"}, "payment_method"),
        ({"send_invoice_email": "true"}, "send_invoice_email"),
        ({"send_payment_link": 1}, "send_payment_link"),
        ({"workspace_api_token": 5}, "workspace_api_token"),
        (UNITS | {"business_unit_api_tokens": []}, "business_unit_api_tokens"),
        (UNITS | {"business_unit_api_tokens": {"bu_1": 5}}, "business_unit_api_tokens.bu_1"),
        ({"colour": "sk_test_51SecretInUnknown"}, "colour"),
    ],
)
def test_a_wrong_value_is_refused_at_its_field_without_repeating_it(
    bench: Any, given: dict[str, Any], where: str
) -> None:
    found = problems(bench, {"workspace_api_token": KEY, **given})

    assert where in found
    assert not any(word in text for text in found.values() for word in ("everyone", "SecretInUnknown", "OPEN"))


@pytest.mark.parametrize("name", ["sk_test_51SecretAsName1 ", "two words", "x" * 65])
def test_a_business_unit_id_of_the_wrong_form_is_refused_without_repeating_it(bench: Any, name: str) -> None:
    name = name if name.endswith("x") else name.replace("1 ", "1 2")

    found = problems(bench, UNITS | {"business_unit_api_tokens": {name: KEY}})

    assert list(found) == ["business_unit_api_tokens.row 1"]
    assert name not in repr(found)


def test_an_empty_map_is_refused(bench: Any) -> None:
    assert list(problems(bench, UNITS | {"business_unit_api_tokens": {}})) == ["business_unit_api_tokens"]


def test_both_ways_of_sending_are_refused_on_both_fields_while_open(bench: Any) -> None:
    found = problems(bench, {"workspace_api_token": KEY, "invoice_status": "open", **BOTH})

    assert list(found) == ["send_invoice_email", "send_payment_link"]
    assert all("Only one way of sending" in text for text in found.values())


def test_both_ways_of_sending_are_valid_while_draft(bench: Any) -> None:
    assert accepted(bench, {"workspace_api_token": KEY, **BOTH})["invoice_status"] == "draft"


@pytest.mark.parametrize(
    ("settings", "delivery"),
    [
        ({}, "none"),
        (BOTH, "none"),
        ({"invoice_status": "open"}, "none"),
        ({"invoice_status": "open", "send_invoice_email": True}, "email"),
        ({"invoice_status": "open", "send_payment_link": True}, "link"),
    ],
)
def test_the_delivery_follows_from_the_settings(bench: Any, settings: dict[str, Any], delivery: str) -> None:
    assert StripeSettings.of(accepted(bench, {"workspace_api_token": KEY, **settings})).delivery == delivery


def test_a_key_does_not_show_in_the_settings_repr(bench: Any) -> None:
    found = StripeSettings.of(
        accepted(bench, UNITS | {"workspace_api_token": KEY, "business_unit_api_tokens": {"b": OTHER}})
    )

    assert KEY not in repr(found)
    assert OTHER not in repr(found)


def test_secrets_are_marked_so_that_the_host_hides_them(bench: Any) -> None:
    bench.enable(token_scope="business_unit", business_unit_api_tokens={"bu_1": OTHER})

    shown = bench.host.settings.show("ws-1", "stripe_invoice")

    assert KEY not in repr(shown)
    assert OTHER not in repr(shown)
    assert "bu_1" in shown["settings"]["business_unit_api_tokens"]


@pytest.mark.parametrize("key", ["sk_test_abc", f"rk_{LIVE}_1234567"])
def test_a_truncated_key_is_refused_as_too_short(bench: Any, key: str) -> None:
    says = "This key is too short: copy the whole key from the Stripe Dashboard."

    assert problems(bench, {"workspace_api_token": key}) == {"workspace_api_token": says}
    assert problems(bench, {**UNITS, "business_unit_api_tokens": {"bu_1": key}}) == {
        "business_unit_api_tokens.bu_1": says
    }


def test_the_refusal_of_a_value_that_is_no_key_says_how_a_key_begins(bench: Any) -> None:
    (says,) = problems(bench, {"workspace_api_token": "abc"}).values()

    assert says.startswith("Enter a Stripe secret key: it starts with sk_test_")
