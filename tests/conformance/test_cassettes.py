"""Recorded traffic in the tests of authors: no secret is written, and a replay that differs fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.conftest import TEMPLATE_TESTS

CONFTEST = r"""
import pytest
from qwoty_integrations_host.testing import cassette_options, honest_replay
from stand_in import running_service


@pytest.fixture(scope="module")
def vcr_config():
    return cassette_options(stand_in="http://notes.invalid", secrets=[r"tok_\w+"])


@pytest.fixture(autouse=True)
def honest(vcr, pytestconfig):
    with honest_replay(vcr, recording=pytestconfig.getoption("--record-mode") not in {None, "none"}):
        yield


@pytest.fixture
def notes():
    with running_service() as running:
        yield running
"""
ASKS = """
import pytest, requests
from stand_in import TOKEN

@pytest.mark.vcr
def test_a_note_is_written(notes):
    headers = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": "k1"}
    for reference in %r:
        answer = requests.post(f"{notes.address}/notes", json={"reference": reference, "text": TOKEN}, headers=headers)
        assert answer.json()["id"] == "note_1"
"""


@pytest.fixture
def author(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """An author's folder of tests with one recorded cassette."""
    monkeypatch.syspath_prepend(str(TEMPLATE_TESTS))
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test_notes=ASKS % ["q-1"])
    pytester.inline_run("--record-mode=once", "-p", "no:xdist", "-p", "no:cacheprovider").assertoutcome(passed=1)
    return pytester


def test_a_recording_holds_no_secret_and_no_port(author: pytest.Pytester) -> None:
    (cassette,) = Path(author.path).rglob("*.yaml")
    text = cassette.read_text("utf-8")

    assert "tok_" not in text
    assert "127.0.0.1" not in text
    assert "Authorization" not in text
    assert {"http://notes.invalid/notes", "REDACTED", "k1"} <= set(text.replace('"', " ").split()) | {"REDACTED", "k1"}
    assert "k1" in text


@pytest.mark.parametrize(
    ("references", "said"),
    [
        (["q-1"], None),
        (["q-2"], "Asked for, but not in the cassette: POST /notes"),
        ([], "In the cassette, but never asked for: 1 of 1 requests."),
    ],
)
def test_a_replay_that_differs_from_the_recording_fails(
    author: pytest.Pytester, references: list[str], said: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    author.makepyfile(test_notes=ASKS % references)
    capsys.readouterr()

    done = author.inline_run("--record-mode=none", "-p", "no:xdist", "-p", "no:cacheprovider")

    assert (done.ret == 0) == (said is None)
    assert said is None or said in capsys.readouterr().out
