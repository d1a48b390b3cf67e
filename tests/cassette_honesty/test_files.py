"""The cassettes in the repository: each has its kind, its test and no secret, and lies in the folder of its kind."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import cassette_rules as rules
from cassette_honesty.conftest import ROOT, a_text, as_if_genuine
from qwoty_stripe_invoice import gateway

ALL = [*rules.cassettes(rules.SIMULATED), *rules.cassettes(rules.TEST_MODE)]


@pytest.mark.parametrize("path", ALL, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_cassette_is_of_its_folder_and_holds_no_secret(path: Path) -> None:
    text = path.read_text("utf-8")

    assert rules.problems(text, rules.kind_of(path)) == []
    # The API version that the plugin pins. When the plugin pins another one, record the cassettes again.
    assert f"api_version: {gateway.API_VERSION}\n" in text


def test_each_behavior_has_one_cassette() -> None:
    tests = (ROOT / "tests" / "stripe_invoice" / "test_cassettes.py").read_text("utf-8")
    behaviors = set(re.findall(r"^def test_(\w+)\(", tests, re.MULTILINE))

    assert {path.stem for path in rules.cassettes(rules.SIMULATED)} == behaviors
    assert {path.stem for path in rules.cassettes(rules.TEST_MODE)} <= behaviors
    assert 8 <= len(behaviors) <= 12


def test_the_folders_hold_only_cassettes() -> None:
    files = {path.relative_to(rules.FOLDER) for path in rules.FOLDER.rglob("*") if path.is_file()}
    known = {path.relative_to(rules.FOLDER) for path in ALL}

    assert files - known == {Path("README.md"), Path("stripe_test_mode/.gitkeep")}


def test_simulated_cassette_is_refused_among_the_genuine() -> None:
    found = rules.problems(a_text(), rules.TEST_MODE)

    assert "interaction 1: it is a simulated answer" in found
    assert "interaction 1: Stripe's answers come from stripe.com only" in found
    assert "it does not say that it is of kind stripe_test_mode" in found


def test_genuine_cassette_is_refused_among_the_simulated() -> None:
    genuine = as_if_genuine(a_text())

    assert rules.problems(genuine, rules.TEST_MODE) == []
    assert "interaction 1: a simulated answer carries X-Simulated" in rules.problems(genuine, rules.SIMULATED)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("req_[A-Za-z0-9]{14}", "req_short", "a Request-Id of req_ and 14 characters"),
        (r"      Date:\n      - .*\n", "", "carry Stripe-Version and Date"),
        (r"https://api\.stripe\.com", "https://api.stripe.example", "come from stripe.com only"),
        ('"livemode": false', '"livemode": true', "it comes from live mode"),
        (r"      Date:\n", "      Server:\n      - a-machine\n      Date:\n", "the header server was not scrubbed"),
        (r"name=Ana\+Diaz", "colour=red", "does not fit the SDK's types"),
        ('"object": "customer"', '"object": "customer", "colour": "red"', "fields that the SDK does not know"),
    ],
)
def test_an_almost_genuine_cassette_is_refused(old: str, new: str, problem: str) -> None:
    changed, times = re.subn(old, new, as_if_genuine(a_text()))

    found = rules.problems(changed, rules.TEST_MODE)

    assert times > 0
    assert any(problem in one for one in found), found


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (r"\A# .*\n", "", "it does not state what it is"),
        (r"    simulator_version: .*\n", "", "its provenance lacks one of"),
        ("req_sim_", "req_", "a simulated answer carries Request-Id"),
        (r"stripe-simulator\.invalid", "127.0.0.1:4242", "a simulated answer comes from"),
    ],
)
def test_a_simulated_cassette_that_is_not_marked_as_such_is_refused(old: str, new: str, problem: str) -> None:
    found = rules.problems(re.sub(old, new, a_text()), rules.SIMULATED)

    assert any(problem in one for one in found), found
