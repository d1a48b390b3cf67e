"""A secret that was replaced or removed does not open again, even if somebody writes it back into the table."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from qwoty_integrations_host.doctor import examine
from qwoty_integrations_host.errors import HostError
from qwoty_integrations_host.maintenance.key_rotation import give_versions, rotate
from qwoty_integrations_host.store import secrets
from qwoty_integrations_host.store import tables as t
from qwoty_integrations_host.vault import Vault

OLD, NEW = (base64.urlsafe_b64encode(bytes([n]) * 32).decode() for n in (1, 2))
TOKEN = "key_Plain1234567890"
PLACE = ("ws-1", "recorder", "settings/token")


def row_of(desk: Any) -> dict[str, Any]:
    """The row of the sealed secret; if there are two, the row of the optional secret."""
    with desk.host.store.read() as db:
        rows = db.execute(sa.select(t.secrets)).mappings().all()
    return dict(next(row for row in rows if len(rows) == 1 or row["field"] != "settings/token"))


def put_back(desk: Any, row: dict[str, Any]) -> None:
    with desk.host.store.write() as db:
        db.execute(t.secrets.delete().where(t.secrets.c.field == row["field"]))
        db.execute(t.secrets.insert().values(row))


def save_settings(desk: Any, secret: str | None) -> None:
    units = {} if secret is None else {"unit_tokens": {"bu": f"key_{secret}"}}
    desk.host.settings.save("ws-1", "recorder", {"token": TOKEN, **units})


def keep(desk: Any, secret: str | None) -> None:
    kept = desk.host.integrations.contexts.make("ws-1", "recorder", {}).secrets
    kept.forget("webhook") if secret is None else kept.set("webhook", secret)


def set_platform(desk: Any, token: str | None) -> None:
    if token is None:
        desk.host.platforms.remove("ws-1")
    else:
        desk.host.platforms.save("ws-1", {"platform": "qwoty", "base_url": "https://qwoty.example", "token": token})


def set_alerts(desk: Any, name: str | None) -> None:
    desk.host.alert_recipients.replace("ws-1", {"webhook_url": name and f"https://{name}.example"})


def deliver_alerts(desk: Any) -> Any:
    return desk.host.alert_recipients.show("ws-1")


KINDS: dict[str, tuple[Callable[[Any, str | None], None], Callable[[Any], Any]]] = {
    "settings": (save_settings, lambda desk: desk.host.settings.effective("ws-1", "recorder")),
    "kept by a plugin": (
        keep,
        lambda desk: desk.host.integrations.contexts.make("ws-1", "recorder", {}).secrets.get("webhook"),
    ),
    "a platform": (set_platform, lambda desk: desk.host.platforms.show("ws-1")),
    "alerts": (set_alerts, deliver_alerts),
}


@pytest.fixture(params=sorted(KINDS))
def kind(request: pytest.FixtureRequest) -> Any:
    return KINDS[request.param]


@pytest.mark.parametrize("after", ["replaced", "replaced twice", "removed", "removed and saved again"])
def test_an_older_secret_that_is_put_back_does_not_open(desk: Any, kind: Any, after: str) -> None:
    save, use = kind
    save(desk, "SecretOneabcdef")
    before = row_of(desk)
    for value in {
        "replaced": ["SecretTwoabcdef"],
        "replaced twice": ["SecretTwoabcdef", "SecretThreeabcdef"],
        "removed": [None],
        "removed and saved again": [None, "SecretTwoabcdef"],
    }[after]:
        save(desk, value)
    use(desk)
    put_back(desk, before)

    if after == "removed" and use == KINDS["a platform"][1]:
        set_platform_without_token(desk)
    with pytest.raises(HostError) as refused:
        use(desk)

    assert refused.value.code == "secret_moved"
    assert "older" in refused.value.title
    (finding,) = [one for one in examine(desk.host) if one.about == "key ring"]
    assert finding.state == "failed"


def set_platform_without_token(desk: Any) -> None:
    """Put back the earlier document as well."""
    with desk.host.store.write() as db:
        document = {"platform": "qwoty", "base_url": "https://qwoty.example"}
        row = {"workspace": "ws-1", "document": document, "updated_at": desk.clock.now()}
        db.execute(t.platforms.insert().values(row))


def test_saving_the_same_secret_again_makes_a_new_version(desk: Any) -> None:
    desk.enable()
    before = row_of(desk)
    desk.host.settings.save("ws-1", "recorder", {})
    assert row_of(desk)["blob"] != before["blob"]

    put_back(desk, before)

    with pytest.raises(HostError):
        desk.host.settings.effective("ws-1", "recorder")


def test_a_secret_sealed_with_an_old_key_does_not_open_after_a_change_of_key(desk: Any) -> None:
    desk.enable()
    before = row_of(desk)
    rotate(desk.host.config, desk.host.store, desk.host.vault)
    assert desk.host.settings.effective("ws-1", "recorder")["token"].startswith("key_")

    put_back(desk, before)

    with pytest.raises(HostError) as refused:
        desk.host.settings.effective("ws-1", "recorder")
    assert refused.value.code == "secret_moved", "the old key is still in the ring"


def test_a_backup_of_the_whole_database_opens(desk: Any) -> None:
    desk.enable()
    with desk.host.store.read() as db:
        backup = {table: db.execute(sa.select(table)).mappings().all() for table in (t.secrets, t.secret_versions)}
    desk.host.settings.save("ws-1", "recorder", {"token": "key_OfLater12345678"})
    with desk.host.store.write() as db:
        for table, rows in backup.items():
            db.execute(table.delete())
            db.execute(table.insert(), [dict(row) for row in rows])

    assert desk.host.settings.effective("ws-1", "recorder")["token"] != "key_OfLater12345678"


# -- beside an earlier release --------------------------------------------------------------------------


def sealed_before(key: str, clear: str) -> str:
    """Seal as releases without versions do: with a nonce that is random from its first byte on."""
    raw, nonce = base64.urlsafe_b64decode(key), b"\xa7" + os.urandom(11)
    body = AESGCM(raw).encrypt(nonce, clear.encode(), "|".join(PLACE).encode())
    (key_id,) = Vault([raw]).key_ids
    return f"v1.{key_id}.{base64.urlsafe_b64encode(nonce + body).decode()}"


def opened_before(key: str, blob: str) -> str:
    """Open as releases without versions do."""
    raw = base64.urlsafe_b64decode(blob.split(".")[2])
    clear = AESGCM(base64.urlsafe_b64decode(key)).decrypt(raw[:12], raw[12:], "|".join(PLACE).encode())
    return clear.decode()


def blob_is(desk: Any, blob: str) -> None:
    with desk.host.store.write() as db:
        db.execute(t.secrets.update().values(blob=blob))


@pytest.fixture
def upgraded(desks: Any) -> Any:
    """A host on the database of a release without versions, just after the upgrade."""
    desk = desks(keys=OLD)
    desk.enable()
    blob_is(desk, sealed_before(OLD, "key_OfBefore12345678"))
    with desk.host.store.write() as db:
        db.execute(t.secret_versions.delete())
        marker = {"workspace": "", "plugin": "", "field": "upgraded", "version": 0}
        db.execute(t.secret_versions.insert().values(marker))
    desk.host.close()
    return desks(keys=OLD)


def token(desk: Any) -> str:
    return str(desk.host.settings.effective("ws-1", "recorder")["token"])


def test_a_secret_sealed_by_an_earlier_release_opens_and_gets_a_version(upgraded: Any) -> None:
    assert token(upgraded) == "key_OfBefore12345678"
    with upgraded.host.store.read() as db:
        (row,) = secrets.all_sealed(db)
    assert row["version"] == 1
    assert Vault.has_version(row["blob"], 1)
    upgraded.clock.advance(25 * 3600)
    assert token(upgraded) == "key_OfBefore12345678"


def test_an_earlier_release_opens_a_secret_that_this_release_sealed(upgraded: Any) -> None:
    assert opened_before(OLD, row_of(upgraded)["blob"]) == "key_OfBefore12345678"
    upgraded.host.settings.save("ws-1", "recorder", {"token": "key_OfNow12345678"})
    assert opened_before(OLD, row_of(upgraded)["blob"]) == "key_OfNow12345678"


def test_a_secret_that_a_worker_of_the_earlier_release_writes_after_the_upgrade_is_accepted(upgraded: Any) -> None:
    blob_is(upgraded, sealed_before(OLD, "key_OfAWorker12345678"))
    assert token(upgraded) == "key_OfAWorker12345678"

    give_versions(upgraded.host.store, upgraded.host.vault)

    upgraded.clock.advance(25 * 3600)
    assert token(upgraded) == "key_OfAWorker12345678"


def test_a_secret_without_a_version_does_not_open_a_day_after_the_upgrade(upgraded: Any) -> None:
    upgraded.clock.advance(25 * 3600)
    blob_is(upgraded, sealed_before(OLD, "key_OfLongAgo12345678"))
    give_versions(upgraded.host.store, upgraded.host.vault)

    with pytest.raises(HostError) as refused:
        token(upgraded)

    assert refused.value.code == "secret_moved"


def test_a_secret_without_a_version_does_not_open_in_a_database_of_this_release(desks: Any) -> None:
    desk = desks(keys=OLD)
    desk.enable()
    blob_is(desk, sealed_before(OLD, "key_OfNobody12345678"))

    with pytest.raises(HostError):
        token(desk)


def test_a_damaged_secret_of_an_earlier_release_does_not_stop_the_start(desks: Any, upgraded: Any) -> None:
    blob_is(upgraded, sealed_before(OLD, "key_OfAWorker12345678")[:-6] + "AAAAAA")
    upgraded.host.close()

    assert desks(keys=OLD).host.settings.is_enabled("ws-1", "recorder")


def test_a_change_of_key_gives_versions_to_secrets_without_one(desks: Any, upgraded: Any) -> None:
    blob_is(upgraded, sealed_before(OLD, "key_OfAWorker12345678"))
    upgraded.host.close()
    desk = desks(keys=f"{NEW},{OLD}")

    rotate(desk.host.config, desk.host.store, desk.host.vault)

    desk.clock.advance(25 * 3600)
    assert token(desk) == "key_OfAWorker12345678"
