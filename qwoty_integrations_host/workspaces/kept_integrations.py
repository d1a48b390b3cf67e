"""Keeps what a webhook's authentication reads, so that the next webhook at the same address need not read it again.

Whoever works from what is kept has to show, in the transaction that stores the result, that it is still so: that the
same rows are stored now (``is_current``). So an integration that was disabled, settings that were saved and a secret
that was replaced are seen at once, also when another process did it. A hook that works from what is kept can only read;
when it wants to change something, it is called again with everything read anew.

Secrets are kept sealed and opened for each call.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from sqlalchemy import Connection

from ..contract.context import HookContext, Json, Records, State
from ..contract.record import QuoteRecord
from ..errors import Interruption
from ..observability.leaks import KnownSecrets, secrets_known_to
from ..store import readings
from ..store import settings as table
from ..store.readings import Reading
from ..vault import Vault
from .integration import Integrations

#: The most addresses for which something is kept.
_MOST = 300


class AskAnew(Interruption):
    """A hook would change something because of what is kept; that may no longer be so."""


@dataclass(frozen=True, slots=True)
class Address:
    """A webhook's address."""

    workspace: str
    plugin: str
    token: str


@dataclass(frozen=True, slots=True, repr=False)
class Kept:
    """What is kept for an address.

    ``reading``: the rows that were read, among them the plugin's state of these ``names``. ``settings``: those made of
    the rows, valid and without secrets.
    """

    address: Address
    names: tuple[str, ...]
    reading: Reading
    settings: table.Saved

    def is_current(self, db: Connection) -> bool:
        """Whether the same is stored now."""
        return self.reading == readings.read(db, self.address.workspace, self.address.plugin, self.names)


class KeptIntegrations:
    """What one host keeps, in memory."""

    def __init__(self, integrations: Integrations) -> None:
        self._integrations = integrations
        self._store, self._vault = integrations.contexts.store, integrations.contexts.vault
        self._kept: dict[Address, Kept] = {}

    def find(self, address: Address) -> Kept | None:
        """Return what is kept for the address."""
        return self._kept.get(address)

    def forget(self, address: Address) -> None:
        """Keep nothing for the address."""
        self._kept.pop(address, None)

    def keep(self, address: Address, names: Collection[str]) -> None:
        """Read and keep what the address needs, with these values of the plugin's state.

        Call it after a webhook that was authentic: what strangers send must not fill the memory. Nothing is kept of an
        integration that is disabled, or whose settings or secrets are in the form of another release.
        """
        self.forget(address)
        workspace, plugin = address.workspace, address.plugin
        kept_names = tuple(sorted(names)[: readings.MOST_VALUES])
        with self._store.read() as db:
            found = readings.read(db, workspace, plugin, kept_names)
        if found is None or not all(self._vault.has_version(*sealed) for sealed in found.sealed.values()):
            return
        settings = self._integrations.settings.proven(workspace, plugin, found.saved)
        if settings is None:
            return
        while len(self._kept) >= _MOST:
            self._kept.pop(next(iter([*self._kept])), None)
        self._kept[address] = Kept(address, kept_names, found, settings)

    def read(self, workspace: str, plugin: str) -> Callable[[], Mapping[str, Any]] | None:
        """Return a loader of the settings as they are stored now, which opens the secrets; None if disabled."""
        with self._store.read() as db:
            found = readings.read(db, workspace, plugin)
        if found is None:
            return None
        return lambda: self._integrations.settings.opened(workspace, plugin, found.saved)

    def context(self, kept: Kept) -> HookContext:
        """Return the context of a hook that works from what is kept. Its calls raise AskAnew for any change."""
        workspace, plugin = kept.address.workspace, kept.address.plugin
        settings = self._integrations.settings.reopened(workspace, plugin, kept.settings)
        ctx = self._integrations.contexts.make(workspace, plugin, settings)
        return replace(
            ctx,
            state=_KeptState(kept, ctx.state),
            secrets=_KeptSecrets(kept, self._vault, secrets_known_to(ctx)),
            records=_KeptRecords(ctx.records),
            mail=_NotAtHand(),
            platform=_NotAtHand(),
            lock=_ask_anew,
            pace=_ask_anew,
        )


class NotedState:
    """A plugin's state, which notes the names that are read."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.names: set[str] = set()

    def get(self, name: str) -> Json:
        self.names.add(name)
        return self._state.get(name)

    def set(self, name: str, value: Json) -> None:
        self._state.set(name, value)

    def forget(self, name: str) -> None:
        self._state.forget(name)


class _KeptState:
    def __init__(self, kept: Kept, stored: State) -> None:
        self._kept, self._stored = kept, stored

    def get(self, name: str) -> Json:
        if name not in self._kept.names:
            return self._stored.get(name)
        # A copy, because the plugin may change what it gets.
        return deepcopy(self._kept.reading.state.get(name))

    def set(self, name: str, value: Json) -> None:
        raise AskAnew

    def forget(self, name: str) -> None:
        raise AskAnew


class _KeptSecrets:
    def __init__(self, kept: Kept, vault: Vault, known: KnownSecrets) -> None:
        self._kept, self._vault = kept, vault
        self.known = known

    def get(self, name: str) -> str | None:
        found = self._kept.reading.sealed.get(field := "kept/" + name)
        if found is None:
            return None
        blob, version = found
        place = (self._kept.address.workspace, self._kept.address.plugin, field)
        return self.known.keep(name, self._vault.open(blob, *place, version=version))

    def set(self, name: str, value: str) -> None:
        raise AskAnew

    def forget(self, name: str) -> None:
        raise AskAnew


class _KeptRecords:
    """The records as they are stored: they are not kept."""

    def __init__(self, stored: Records) -> None:
        self._stored = stored

    def get(self, quote_id: str) -> QuoteRecord | None:
        return self._stored.get(quote_id)

    def update(self, quote_id: str, change: Callable[[QuoteRecord | None], QuoteRecord]) -> QuoteRecord:
        raise AskAnew

    def awaiting_payment(self, *, after: str, limit: int) -> list[str]:
        return self._stored.awaiting_payment(after=after, limit=limit)


def _ask_anew(*_: Any, **_named: Any) -> NoReturn:
    raise AskAnew


class _NotAtHand:
    """The mailer and the platform: whatever is asked of them, it is more than reading."""

    send = save_external_id = quote_pdf = staticmethod(_ask_anew)
