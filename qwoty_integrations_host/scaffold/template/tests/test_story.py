"""The behavior of My Integration, tested with the host's fixtures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from stand_in import TOKEN, Service

from qwoty_integrations_host.testing import Workspace


@pytest.fixture
def enabled(workspace: Workspace, notes: Service) -> Workspace:
    """The workspace with the integration enabled."""
    workspace.enable("my_integration", address=notes.address, token=TOKEN)
    return workspace


def test_an_accepted_quote_becomes_a_note(
    enabled: Workspace, notes: Service, accept_quote: Callable[..., dict[str, Any]]
) -> None:
    run = accept_quote(id="q-1", number="Q-1")

    assert run["status"] == "succeeded"
    assert [note["text"] for note in notes.about("q-1")] == ["Buyer SARL accepted quote Q-1 over 120.00 EUR."]


def test_a_refused_token_needs_a_person(
    enabled: Workspace, notes: Service, accept_quote: Callable[..., dict[str, Any]]
) -> None:
    notes.refused_tokens.add(TOKEN)

    run = accept_quote(id="q-1")

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "key_refused")
    assert notes.notes == []


def test_an_outage_is_waited_for(
    enabled: Workspace, notes: Service, accept_quote: Callable[..., dict[str, Any]]
) -> None:
    notes.status = 503

    run = accept_quote(id="q-1")

    assert run["status"] == "waiting"
