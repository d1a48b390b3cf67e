"""Stored secrets: bound to their place, and readable only with the key, which is generated once."""

from __future__ import annotations

import base64
import os
import shlex
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwoty_integrations_host import Outcome
from qwoty_integrations_host.errors import HostError
from qwoty_integrations_host.maintenance.key_rotation import rotate
from qwoty_integrations_host.store.secrets import count_by_key
from qwoty_integrations_host.vault import Vault, load_vault

OLD, NEW = (base64.urlsafe_b64encode(bytes([n]) * 32).decode() for n in (1, 2))
PLACE = ("ws-1", "recorder", "settings/token")


def test_a_secret_opens_at_its_place_and_is_sealed_differently_each_time(tmp_path: Path) -> None:
    vault = load_vault(tmp_path, None)

    first, second = vault.seal("key_Ünicode", *PLACE), vault.seal("key_Ünicode", *PLACE)

    assert first != second
    assert "key_" not in first
    assert vault.open(first, *PLACE) == vault.open(second, *PLACE) == "key_Ünicode"


@pytest.mark.parametrize("place", [("ws-2", *PLACE[1:]), ("ws-1", "other", PLACE[2]), (*PLACE[:2], "settings/x")])
def test_a_secret_does_not_open_at_another_place(place: tuple[str, ...]) -> None:
    vault = Vault([bytes(32)])

    with pytest.raises(HostError) as refused:
        vault.open(vault.seal("key_Canary", *PLACE), *place)

    assert refused.value.code == "secret_moved"


@given(
    st.lists(st.text("ab|%", max_size=4), min_size=3, max_size=3),
    st.lists(st.text("ab|%", max_size=4), min_size=3, max_size=3),
)
def test_two_places_are_the_same_only_if_all_their_parts_are_equal(one: list[str], other: list[str]) -> None:
    vault = Vault([bytes(32)])
    blob = vault.seal("x", *one)

    if one == other:
        assert vault.open(blob, *other) == "x"
    else:
        with pytest.raises(HostError):
            vault.open(blob, *other)


@pytest.mark.parametrize("spoil", [lambda b: b[:-8], lambda b: b[:14], lambda b: "", lambda b: b[:-6] + "AAAAAA"])
def test_a_damaged_secret_is_an_error_of_the_host_not_a_crash(spoil: Any) -> None:
    vault = Vault([bytes(32)])

    with pytest.raises(HostError):
        vault.open(spoil(vault.seal("key_Canary", *PLACE)), *PLACE)


def test_a_missing_key_is_named_by_its_id() -> None:
    blob = load_vault(Path("unused"), OLD).seal("key_Canary", *PLACE)

    with pytest.raises(HostError) as refused:
        load_vault(Path("unused"), NEW).open(blob, *PLACE)

    assert refused.value.code == "key_missing"
    assert blob.split(".")[1] in refused.value.title
    assert "QWOTY_HOST_KEYS" in refused.value.hint


def test_keys_are_rotated_by_putting_the_new_one_first() -> None:
    old = load_vault(Path("unused"), OLD)
    both = load_vault(Path("unused"), f"{NEW},{OLD}")
    before = old.seal("before", *PLACE)

    after = both.seal("after", *PLACE)

    assert both.open(before, *PLACE) == "before"
    assert load_vault(Path("unused"), NEW).open(after, *PLACE) == "after"
    with pytest.raises(HostError):
        old.open(after, *PLACE)


def test_a_host_reads_old_settings_with_the_old_key_and_names_the_key_if_it_is_missing(desks: Any) -> None:
    desk = desks(keys=OLD)
    desk.enable()
    desk.host.close()

    desk = desks(keys=f"{NEW},{OLD}")
    assert desk.host.settings.effective("ws-1", "recorder")["token"].startswith("key_")
    desk.host.close()
    with pytest.raises(HostError) as refused:
        desks(keys=NEW).host.settings.effective("ws-1", "recorder")
    assert refused.value.code == "key_missing"


def test_a_start_without_a_needed_key_is_refused_and_names_the_key(desks: Any) -> None:
    desk = desks(keys=OLD)
    desk.enable()
    (key_id,) = desk.host.vault.key_ids
    desk.host.close()

    with pytest.raises(HostError) as refused:
        desks(keys=NEW)

    assert refused.value.code == "key_missing"
    assert key_id in refused.value.title
    assert OLD not in str(refused.value) and NEW not in str(refused.value)
    assert desks(keys=f"{NEW},{OLD}").host.settings.effective("ws-1", "recorder")["token"].startswith("key_")


# -- changing the key ---------------------------------------------------------------------------------------


def sealed_with(desk: Any) -> set[str]:
    with desk.host.store.read() as db:
        return set(count_by_key(db))


@pytest.fixture(params=["in a file", "in the environment"])
def ring(request: pytest.FixtureRequest, desks: Any) -> Any:
    """A host with secrets of settings and of a plugin, and a second key to change to."""
    in_file = request.param == "in a file"
    desk = desks(keys=None if in_file else OLD)
    desk.enable()
    desk.recorder.answers["on_quote_accepted"] = lambda ctx, _: ctx.secrets.set("kept", "whsec_kept") or Outcome.done()
    assert desk.accept()["status"] == "succeeded"
    if in_file:
        return desk
    desk.host.close()
    return desks(keys=f"{NEW},{OLD}")


def test_changing_the_key_seals_all_secrets_again_with_the_same_values(ring: Any) -> None:
    host = ring.host
    before, digest = sealed_with(ring), host.settings.digest({"a": 1})

    done = rotate(host.config, host.store, host.vault)

    assert done.resealed == 2
    assert sealed_with(ring) == {done.key_id}
    assert set(done.old_key_ids) == before
    assert host.settings.effective("ws-1", "recorder")["token"].startswith("key_")
    assert host.settings.digest({"a": 1}) == digest, "running runs keep the settings with which they began"


def test_a_second_change_of_key_finishes_one_that_was_interrupted(ring: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    host, seal, sealed = ring.host, Vault.seal, []

    def dying(self: Vault, clear: str, *place: str, version: int = 0) -> str:
        if sealed:
            raise KeyboardInterrupt
        sealed.append(place)
        return seal(self, clear, *place, version=version)

    monkeypatch.setattr(Vault, "seal", dying)
    with pytest.raises(KeyboardInterrupt):
        rotate(host.config, host.store, host.vault)
    monkeypatch.setattr(Vault, "seal", seal)
    assert len(sealed_with(ring)) == 2
    assert host.settings.effective("ws-1", "recorder")["token"].startswith("key_")

    done = rotate(host.config, host.store, host.vault)

    assert sealed_with(ring) == {done.key_id}


def test_a_running_process_reads_secrets_sealed_with_the_new_key(desk: Any) -> None:
    desk.enable()
    elsewhere = load_vault(desk.host.config.data_dir, None)

    rotate(desk.host.config, desk.host.store, elsewhere)

    assert desk.host.settings.effective("ws-1", "recorder")["token"].startswith("key_")


def test_simultaneous_changes_of_the_key_lose_no_key(desk: Any) -> None:
    desk.enable()
    config, store = desk.host.config, desk.host.store

    with ThreadPoolExecutor() as commands:
        done = list(commands.map(lambda _: rotate(config, store, load_vault(config.data_dir, None)), range(8)))

    ring = load_vault(config.data_dir, None)
    assert {one.key_id for one in done} <= set(ring.key_ids)
    assert len(ring.key_ids) == 9
    assert sealed_with(desk) <= set(ring.key_ids)


def test_a_change_of_key_is_refused_when_the_environment_holds_a_single_key(desks: Any) -> None:
    host = desks(keys=OLD).host

    with pytest.raises(HostError) as refused:
        rotate(host.config, host.store, host.vault)

    assert refused.value.code == "key_ring"


def test_the_key_file_is_for_its_owner_only_and_made_once(tmp_path: Path) -> None:
    blob = load_vault(tmp_path, None).seal("x", *PLACE)

    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o600
    assert load_vault(tmp_path, None).open(blob, *PLACE) == "x"
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]


@pytest.mark.parametrize("mode", ["0644", "0640", "0604", "0620", "0602", "0660", "0666", "0777", "0610"])
def test_a_key_file_that_others_can_read_stops_the_start_with_the_command_that_corrects_it(
    desks: Any, mode: str
) -> None:
    desk = desks()
    desk.enable()
    path = desk.host.config.data_dir / "keys"
    desk.host.close()
    path.chmod(int(mode, 8))

    with pytest.raises(HostError) as refused:
        desks()

    assert refused.value.code == "key_ring"
    command = refused.value.hint.partition("call: ")[2]
    assert command == f"chmod 600 {path}"
    subprocess.run(shlex.split(command), check=True)
    assert desks().host.settings.effective("ws-1", "recorder")["token"].startswith("key_")


@pytest.mark.parametrize("mode", ["0600", "0400"])
def test_a_key_file_for_its_owner_only_is_accepted(tmp_path: Path, mode: str) -> None:
    load_vault(tmp_path, None)
    (tmp_path / "keys").chmod(int(mode, 8))

    assert load_vault(tmp_path, None).key_ids


@pytest.mark.parametrize(
    ("owner", "mode", "taken"),
    [
        ("root", "0640", True),
        ("root", "0440", True),
        ("root", "0644", False),
        ("root", "0660", False),
        ("us", "0640", False),
    ],
)
def test_a_mounted_key_file_of_root_may_be_readable_by_the_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: str, mode: str, taken: bool
) -> None:
    load_vault(tmp_path, None)
    (tmp_path / "mounted").write_bytes((tmp_path / "keys").read_bytes())
    (tmp_path / "keys").unlink()
    (tmp_path / "keys").symlink_to("mounted")  # as Kubernetes does
    (tmp_path / "mounted").chmod(int(mode, 8))
    stat_of = Path.stat
    as_owned = {"root": 0, "us": 1000}[owner]
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(Path, "stat", lambda path, **how: _owned(stat_of(path, **how), as_owned))

    if taken:
        assert load_vault(tmp_path, None).key_ids
        return
    with pytest.raises(HostError) as refused:
        load_vault(tmp_path, None)
    assert f"chmod {'640' if owner == 'root' else '600'} " in refused.value.hint


def _owned(found: os.stat_result, uid: int) -> os.stat_result:
    """The status of the file with another owner; a real change of owner needs root."""
    return os.stat_result((*found[:4], uid, *found[5:]))


def test_a_ring_in_the_environment_needs_no_file(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("anything")
    (tmp_path / "keys").chmod(0o644)

    assert load_vault(tmp_path, NEW).key_ids


def test_simultaneous_first_starts_agree_on_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        vaults = list(pool.map(lambda _: load_vault(tmp_path, None), range(16)))

    assert len({repr(vault) for vault in vaults}) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]


def test_a_start_that_died_does_not_stop_the_next_one(tmp_path: Path) -> None:
    (tmp_path / f"keys.{os.getpid()}.new").write_bytes(b"")

    assert load_vault(tmp_path, None).open(load_vault(tmp_path, None).seal("x", *PLACE), *PLACE) == "x"


@pytest.mark.parametrize("keys", ["", ",", "short", "é", base64.b64encode(bytes(31)).decode(), f"{NEW},x"], ids=repr)
def test_an_invalid_key_ring_is_refused_without_repeating_it(tmp_path: Path, keys: str) -> None:
    with pytest.raises(HostError) as refused:
        load_vault(tmp_path, keys)

    assert refused.value.code == "key_ring"
    assert not keys or keys not in str(refused.value)


def test_without_its_key_file_a_database_with_secrets_is_refused_and_no_new_key_is_made(desks: Any) -> None:
    desk = desks()
    desk.enable()
    data_dir = desk.host.config.data_dir
    desk.host.close()
    (data_dir / "keys").rename(data_dir / "elsewhere")

    for _ in range(2):  # the first refusal must not let the second start succeed
        with pytest.raises(HostError) as refused:
            desks()
        assert refused.value.code == "key_missing"
        assert "keys" in refused.value.title and "backup" in str(refused.value.hint)
    assert not (data_dir / "keys").exists()

    (data_dir / "elsewhere").rename(data_dir / "keys")
    assert desks().host.settings.effective("ws-1", "recorder")["token"].startswith("key_")
