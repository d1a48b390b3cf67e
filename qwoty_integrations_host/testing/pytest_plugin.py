"""The host's pytest plugin: fixtures for a plugin's tests. Pytest loads it by entry point in every run.

Heavy modules are imported when a test uses a fixture. A test folder may override ``host_config``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ..clock import ManualClock, SystemClock

if TYPE_CHECKING:
    from ..contract.hook_types import WebhookRequest
    from ..host import Host
    from .outbox import Outbox
    from .workbench import Delivered, Workbench, Workspace


@pytest.fixture
def clock() -> ManualClock:
    """The host's clock: it starts at the present time, and moves by sleeping or ``clock.advance(seconds)``."""
    return ManualClock(SystemClock().now())


@pytest.fixture
def host_config() -> Mapping[str, Any]:
    """The host's configuration beyond the defaults (fields of HostConfig); override it in a module or a folder."""
    return {}


@pytest.fixture
def workbench(tmp_path: Path, clock: ManualClock, host_config: Mapping[str, Any]) -> Iterator[Workbench]:
    """A running host with two workspaces, and the actions of a test."""
    from .workbench import open_workbench  # noqa: PLC0415 - lazy: every pytest run loads this module

    with open_workbench(tmp_path / "host", clock, **host_config) as bench:
        yield bench


@pytest.fixture
def host(workbench: Workbench) -> Host:
    """The host, with SQLite in the test's folder; it works runs when a quote is accepted or a webhook is delivered."""
    return workbench.host


@pytest.fixture
def workspace(workbench: Workbench) -> Workspace:
    """The workspace ``ws-1``: ``workspace.enable("my_plugin", token="…")``."""
    from .workbench import Workspace  # noqa: PLC0415 - lazy, as above

    return Workspace("ws-1", workbench)


@pytest.fixture
def accept_quote(workbench: Workbench) -> Callable[..., dict[str, Any]]:
    """Accept a quote and report its run: ``accept_quote(id="q-1", language="fr")``, or a whole document."""
    from .quotes import a_quote  # noqa: PLC0415 - lazy, as above

    def accept(
        document: dict[str, Any] | None = None,
        *,
        workspace: str = "ws-1",
        plugin: str | None = None,
        **changes: Any,
    ) -> dict[str, Any]:
        quote = a_quote(**changes) if document is None else {**document, **changes}
        return workbench.accept(quote, workspace, plugin=plugin)

    return accept


@pytest.fixture
def deliver_webhook(workbench: Workbench) -> Callable[..., Delivered]:
    """Post a webhook of a plugin's service: ``deliver_webhook("my_plugin", WebhookRequest(token, body, headers))``."""

    def deliver(plugin: str, request: WebhookRequest, *, workspace: str = "ws-1") -> Delivered:
        return workbench.deliver(plugin, request, workspace)

    return deliver


@pytest.fixture
def outbox(workbench: Workbench) -> Outbox:
    """The sent mails: ``outbox.mails`` are EmailMessages, oldest first."""
    return workbench.outbox
