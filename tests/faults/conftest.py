"""A bench with a real mail server."""

from __future__ import annotations

from typing import Any

import pytest

from faults.story import Story
from mail_server import mailing_through


@pytest.fixture
def host_config(mail_server: Any) -> dict[str, Any]:
    return mailing_through(mail_server, "Seller <shop@seller.example>")


@pytest.fixture
def story(bench: Any, mail_server: Any, monkeypatch: pytest.MonkeyPatch) -> Story:
    return Story(bench, mail_server, monkeypatch)
