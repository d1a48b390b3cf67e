"""Counts and runs the signed quotes that have no invoice although all their runs have ended.

The host never runs them by itself: they may be old, and somebody may have invoiced them by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import RowMapping

from ..errors import ActionRefused
from ..plugins.manager import Plugins
from ..quotes.without_invoice import NO_INTEGRATION
from ..store import quotes
from ..store.database import Store
from ..store.workspaces import require_workspace
from .requests import Runs


@dataclass(frozen=True, slots=True)
class Uninvoiced:
    """The quotes without an invoice of one host. Each quote's row says why it has none."""

    store: Store
    plugins: Plugins
    runs: Runs

    def count(self, workspace: str, plugin: str | None = None) -> int:
        """Return how many a workspace has; with a plugin, how many of them it would run. Raises: NotFound."""
        with self.store.read() as db:
            require_workspace(db, workspace)
            return quotes.count_without_invoice(db, workspace, self._only(plugin))

    def waiting(self, workspace: str, plugin: str | None = None) -> Sequence[RowMapping]:
        """Return ``id`` and ``received_at`` of the same quotes, oldest first."""
        with self.store.read() as db:
            return quotes.without_invoice(db, workspace, self._only(plugin))

    def run_all(self, workspace: str, plugin: str | None = None) -> list[str]:
        """Run each quote, oldest first, by one plugin or by all that are enabled; return the runs' ids.

        Raises: NotFound; ActionRefused when the plugin, or every plugin, is switched off.
        """
        with self.store.read() as db:
            require_workspace(db, workspace)
        self.runs.takers(workspace, plugin)
        begun: list[str] = []
        for quote in self.waiting(workspace, plugin):
            with suppress(ActionRefused):  # somebody else has run it meanwhile
                begun += self.runs.run_quote(workspace, quote.id, plugin)
        return begun

    def _only(self, plugin: str | None) -> str | None:
        """Return the cause of the quotes that a plugin would run, or None for all causes.

        A plugin that makes no invoices gets only the quotes that no plugin got.
        """
        return None if plugin is None or plugin in self.plugins.makers() else NO_INTEGRATION
