"""Key rotation: puts a new key at the front of the key ring, and seals every secret with it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ..clock import Clock
from ..concurrency.file_lock import WorkerLock
from ..config import HostConfig
from ..errors import HostError
from ..store import secrets
from ..store.database import Store
from ..vault import Vault, add_key_to_file

log = logging.getLogger(__name__)

_WRITING_SECONDS = 30.0
#: How long workers of the previous release may run beside those of this one.
_UPGRADE_PERIOD = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Rotation:
    """The result of a rotation: the new key, how many secrets were sealed with it, and the old keys."""

    key_id: str
    resealed: int
    old_key_ids: tuple[str, ...]


def refuse_missing_keys(store: Store, vault: Vault) -> None:
    """Raises: HostError for a key that a stored secret needs and the key ring lacks."""
    with store.read() as db:
        needed = secrets.count_by_key(db)
    for key_id in needed:
        if not vault.holds(key_id):
            raise HostError(
                f"Stored secrets were sealed with key {key_id}, which the key ring does not hold.",
                hint="Add that key to QWOTY_HOST_KEYS or to the file keys in the data directory.",
                code="key_missing",
            )


def rotate(config: HostConfig, store: Store, vault: Vault) -> Rotation:
    """Seal every secret with a new key. After a crash every secret is still readable, and a second call finishes.

    A key ring in a file gets a new key here; QWOTY_HOST_KEYS already has it at its front.
    Raises: HostError when QWOTY_HOST_KEYS holds one key only, or a key is missing.
    """
    if config.keys is None:
        _add_key(config)
        vault.reload()
    elif len(vault.key_ids) == 1:
        raise HostError(
            "QWOTY_HOST_KEYS holds one key only: there is none to change to.",
            hint="Put a new one (32 random bytes in base64) and a comma in front of it everywhere, restart, repeat.",
            code="key_ring",
        )
    return reseal(store, vault)


def _add_key(config: HostConfig) -> None:
    # Locked: of two concurrent writers, the second would drop the first one's key, and with it the sealed secrets.
    writing = WorkerLock(config.data_dir, "open.lock")
    if not writing.acquire(patience=_WRITING_SECONDS):
        raise HostError(
            "Another command holds the data directory.", hint="Try again when it has ended.", code="key_ring"
        )
    try:
        add_key_to_file(config.data_dir)
    finally:
        writing.release()


def reseal(store: Store, vault: Vault) -> Rotation:
    """Seal every secret with the newest key."""
    newest, *old = vault.key_ids
    with store.read() as db:
        rows = [row for row in secrets.all_sealed(db) if vault.key_id_of(row["blob"]) != newest]
    for row in rows:
        with store.write() as db:
            secrets.reseal(db, vault, row["workspace"], row["plugin"], row["field"])
    return Rotation(newest, len(rows), tuple(old))


def take_up_unversioned(store: Store, vault: Vault, clock: Clock) -> None:
    """Upgrade a database of a release without secret versions; for a day, secrets without a version are still opened.

    During that day, workers of the old release may run beside this one, and write.
    """
    with store.read() as db:
        upgraded = secrets.upgraded_at(db)
    if upgraded is None:
        return
    now = int(clock.now().timestamp())
    if upgraded == 0:
        with store.write() as db:
            secrets.note_upgrade(db, now)
        upgraded = now
    until = datetime.fromtimestamp(upgraded, UTC) + _UPGRADE_PERIOD
    vault.take_unversioned(lambda: clock.now() < until)
    give_versions(store, vault)


def give_versions(store: Store, vault: Vault) -> None:
    """Give a version to every secret without one, while such secrets are still opened."""
    if not vault.takes_unversioned:
        return
    with store.read() as db:
        rows = [row for row in secrets.all_sealed(db) if not vault.has_version(row["blob"], row["version"])]
    for row in rows:
        try:
            with store.write() as db:
                secrets.reseal(db, vault, row["workspace"], row["plugin"], row["field"])
        except HostError as error:  # whoever uses the secret gets the same error
            facts = {"workspace": row["workspace"], "plugin": row["plugin"], "title": error.title}
            log.warning("secret.not_opened", extra=facts)
