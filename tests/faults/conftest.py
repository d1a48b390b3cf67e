"""A bench with a real mail server."""

from __future__ import annotations

from typing import Any

import pytest

from faults.story import Story


@pytest.fixture
def host_config(mail_server: Any) -> dict[str, Any]:
    return {"smtp_url": f"smtp://127.0.0.1:{mail_server.port}?tls=none", "mail_from": "Seller <shop@seller.example>"}


@pytest.fixture
def story(bench: Any, mail_server: Any, monkeypatch: pytest.MonkeyPatch) -> Story:
    return Story(bench, mail_server, monkeypatch)
