"""Signed quotes that have no invoice although nothing works on them: how many there are, and running them.

They are never run by themselves: they may be old, and somebody may have invoiced them by hand.
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
    """The quotes without an invoice of one host; why each has none stands with the quote."""

    store: Store
    plugins: Plugins
    runs: Runs

    def count(self, workspace: str, plugin: str | None = None) -> int:
        """How many there are in a workspace; with a plugin, how many of them it would run. Raises: NotFound."""
        with self.store.read() as db:
            require_workspace(db, workspace)
            return quotes.count_without_invoice(db, workspace, self._only(plugin))

    def waiting(self, workspace: str, plugin: str | None = None) -> Sequence[RowMapping]:
        """The same quotes, oldest first, by ``id`` and ``received_at``."""
        with self.store.read() as db:
            return quotes.without_invoice(db, workspace, self._only(plugin))

    def run_all(self, workspace: str, plugin: str | None = None) -> list[str]:
        """Run each, oldest first, by one plugin or by all that are enabled; give the runs' ids.

        Raises: NotFound; ActionRefused when the plugin, or every one, is switched off.
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
        """One that makes no invoices is given only what nobody was given."""
        return None if plugin is None or plugin in self.plugins.makers() else NO_INTEGRATION
