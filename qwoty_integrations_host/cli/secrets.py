"""``qwoty-host secrets …``"""

from __future__ import annotations

import click

from .output import print_json, table
from .session import Session, json_option, say


@click.group()
def secrets() -> None:
    """The keys that seal the stored secrets."""


@secrets.command("status")
@json_option
@click.pass_obj
def status(session: Session, as_json: bool) -> None:
    """List the key ring, newest key first, and how many secrets need each key."""
    with session.host() as host:
        from ..store.secrets import count_by_key

        with host.store.read() as db:
            needed = count_by_key(db)
        keys = [{"key_id": key_id, "secrets": needed.get(key_id, 0)} for key_id in host.vault.key_ids]
    if as_json:
        print_json({"data": keys, "has_more": False})
        return
    rows = [(key["key_id"], key["secrets"], "" if number else "seals from now on") for number, key in enumerate(keys)]
    click.echo(table(("key", "secrets", ""), rows, right=(1,)))


@secrets.command("rotate-key")
@json_option
@click.pass_obj
def rotate_key(session: Session, as_json: bool) -> None:
    """Seal every secret with a new key. The old keys stay in the ring: backups need them."""
    with session.host() as host:
        from ..maintenance.key_rotation import rotate

        done = rotate(host.config, host.store, host.vault)
    if as_json:
        print_json({"key_id": done.key_id, "resealed": done.resealed, "old_key_ids": list(done.old_key_ids)})
        return
    click.echo(f"Key {done.key_id} seals every secret now; sealed anew: {done.resealed}.")
    say("  → Restart the running processes. The old keys stay in the ring: backups made before need them.")
