"""Redaction: everything with the form of a secret is cut, anywhere in a text, also in its JSON form."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from qwoty_integrations_host.redaction import redact
from written_log import written_log

CANARY = "sk_test_CanaryABCDEFGH0123456789"
TEXTS = [
    f"{CANARY} first",
    f"a line\n{CANARY}",
    f"a\r{CANARY}",
    f"a\ttab\t{CANARY}",
    f"clé{CANARY}",
    f"😀{CANARY}",
    f"Bearer {CANARY}",
    f'"{CANARY}"',
    f"key={CANARY}\nand qwh_0a1b2c3d_CanaryABCDEFGH",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_secret_is_redacted_wherever_it_begins(text: str) -> None:
    assert "Canary" not in redact(text)
    assert "Canary" not in redact(json.dumps(text))
    assert "Canary" not in redact(json.dumps(text, ensure_ascii=False))


# In two parts, so that a search for keys in this repository does not find them.
@pytest.mark.parametrize("text", ["tas" + "k_live_streaming", "ris" + "k_test_results", "plain words"])
def test_text_that_only_resembles_a_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_a_secret_that_begins_a_line_of_an_error_is_not_logged(monkeypatch: Any) -> None:
    with written_log(monkeypatch) as written:
        logging.getLogger("qwoty_integrations_host").error("x", exc_info=ValueError(f"refused:\n{CANARY}"))

        assert "refused" in written() and "Canary" not in written()
