"""Fixtures for every test of My Integration; the host's own come with the extra ``testing``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from stand_in import Service, running_service


@pytest.fixture
def notes() -> Iterator[Service]:
    """The service, without notes."""
    with running_service() as running:
        yield running
