"""Encrypts secrets at rest: AES-256-GCM, each blob bound to its place, with keys that can be rotated.

A blob is ``v1.<key id>.<base64url(nonce + ciphertext)>``. The associated data is
``workspace|plugin|field``: a row copied to another workspace or field does not decrypt. The nonce begins with the
secret's version, which the database keeps beside it: an older blob of the same place does not open (ADR 0078).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import shlex
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .errors import HostError

#: A nonce is the version and eight random bytes. Blobs of earlier releases have only random bytes.
_NONCE_BYTES, _VERSION_BYTES = 12, 4


class Vault:
    """Encrypts and decrypts with a key ring, newest key first (each key 32 bytes).

    ``read_again`` returns the present ring, because another process may have added a key.
    """

    def __init__(self, keys: Sequence[bytes], read_again: Callable[[], Sequence[bytes]] | None = None) -> None:
        self._read_again = read_again
        self._takes_unversioned: Callable[[], bool] = lambda: False
        self._use(keys)

    def _use(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != 32 for key in keys):
            raise HostError(
                "The key ring needs at least one key of 32 bytes.",
                hint="Each key is 32 random bytes in base64.",
                code="key_ring",
            )
        self._ciphers = {_key_id(key): AESGCM(key) for key in keys}
        self._newest = _key_id(keys[0])
        self._digest_key = hashlib.sha256(b"digest" + keys[-1]).digest()

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Return the ids of the ring's keys, newest first."""
        return tuple(self._ciphers)

    @staticmethod
    def key_id_of(blob: str) -> str:
        """Return the id of the key with which a blob was sealed."""
        return f"{blob}..".split(".")[1]

    def holds(self, key_id: str) -> bool:
        """Whether the ring has this key."""
        if key_id not in self._ciphers:
            self.reload()
        return key_id in self._ciphers

    def reload(self) -> None:
        """Read the ring again, with the keys that were added since."""
        if self._read_again is not None:
            self._use(self._read_again())

    def fingerprint(self, text: str) -> str:
        """Return a keyed digest: equal texts have equal digests, and a short text cannot be guessed from it."""
        return hmac.new(self._digest_key, text.encode(), hashlib.sha256).hexdigest()

    def __repr__(self) -> str:
        return f"Vault(keys={sorted(self._ciphers)})"

    def take_unversioned(self, whether: Callable[[], bool]) -> None:
        """Also open blobs without a version while ``whether`` returns True: earlier releases still write them."""
        self._takes_unversioned = whether

    @property
    def takes_unversioned(self) -> bool:
        """Whether blobs without a version are opened at present."""
        return self._takes_unversioned()

    def seal(self, clear: str, *place: str, version: int = 0) -> str:
        """Encrypt ``clear`` for its place, e.g. ``seal(token, "acme", "crm", "api_token", version=3)``."""
        nonce = version.to_bytes(_VERSION_BYTES, "big") + os.urandom(_NONCE_BYTES - _VERSION_BYTES)
        sealed = self._ciphers[self._newest].encrypt(nonce, clear.encode(), _bind(place))
        return f"v1.{self._newest}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    @staticmethod
    def has_version(blob: str, version: int) -> bool:
        """Whether a blob was sealed as this version."""
        return _version_of(blob) == version

    def open(self, blob: str, *place: str, version: int = 0) -> str:
        """Decrypt a blob at its place; ``version`` is the newest one of that place.

        Raises: HostError when the key is missing, or the blob is of another place or of an older version.
        """
        _, key_id, body = f"{blob}..".split(".")[:3]
        if not self.holds(key_id):
            raise HostError(
                f"A stored secret was encrypted with key {key_id}, which the key ring does not hold.",
                hint="Add that key to QWOTY_HOST_KEYS or to the file keys in the data directory.",
                code="key_missing",
            )
        # Blobs of earlier releases begin with random bytes, which are hardly ever as small as a version.
        if (found := _version_of(blob)) != version and not (found > version and self._takes_unversioned()):
            raise HostError(
                "A stored secret is not the one that was saved last: an older one was put there, or it is damaged.",
                hint="Save that secret again, or restore the whole database from a backup.",
                code="secret_moved",
            )
        try:
            raw = base64.urlsafe_b64decode(body)
            return self._ciphers[key_id].decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _bind(place)).decode()
        except (InvalidTag, ValueError) as error:
            raise HostError(
                "A stored secret is damaged, or does not belong to its place.",
                hint="Save that secret again, or restore the database from a backup.",
                code="secret_moved",
            ) from error


def _version_of(blob: str) -> int:
    """Return the version in a blob's nonce; -1 for a text that is not a blob."""
    try:
        nonce = base64.urlsafe_b64decode(f"{blob}..".split(".")[2][:16])
    except ValueError:
        return -1
    return int.from_bytes(nonce[:_VERSION_BYTES], "big") if len(nonce) == _NONCE_BYTES else -1


def _key_id(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()[:8]


def _bind(place: Sequence[str]) -> bytes:
    return "|".join(part.replace("%", "%25").replace("|", "%7C") for part in place).encode()


def load_vault(data_dir: Path, keys: str | None) -> Vault:
    """Open the key ring: ``keys`` (from QWOTY_HOST_KEYS, newest first, comma-separated) or ``DIR/keys``.

    If the file does not exist, it is created with one new key, readable by its owner only.
    """
    path = data_dir / "keys"
    if keys is None and not has_key_file(data_dir):
        _make_key_file(path)
    if keys is not None:
        return Vault(_keys_in(keys.replace(",", "\n")))
    _refuse_open_file(path)
    return Vault(_keys_in(path.read_text()), lambda: _keys_in(path.read_text()))


def _refuse_open_file(path: Path) -> None:
    """Refuse a key ring that others on this machine can read or write. Raises: HostError.

    PostgreSQL has the same rule for its key: only the owner may read it. A file of root, as secrets are mounted into
    containers, may also be readable by a group, because that is how this process reads it.
    """
    if os.name != "posix":
        return
    found = path.stat()
    is_mounted = found.st_uid == 0 != os.geteuid()
    allowed = 0o640 if is_mounted else 0o600
    if stat.S_IMODE(found.st_mode) & 0o077 & ~allowed:
        raise HostError(
            f"Others on this machine can read or change the key ring {path}.",
            hint=f"Let {'root' if is_mounted else 'its owner'} call: chmod {allowed:o} {shlex.quote(str(path))}",
            code="key_ring",
        )


def _keys_in(text: str) -> list[bytes]:
    return [_decode(line.strip()) for line in text.splitlines() if line.strip()]


def has_key_file(data_dir: Path) -> bool:
    """Whether this data directory has a key ring of its own."""
    return (data_dir / "keys").exists()


def _new_line() -> bytes:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)) + b"\n"


def _make_key_file(path: Path) -> None:
    # Linked into place, so that two first starts at the same time agree on one key.
    with _written_aside(path, _new_line()) as draft, suppress(FileExistsError):
        os.link(draft, path)
    _keep_name(path)


def add_key_to_file(data_dir: Path) -> None:
    """Add a new key in front of those in ``DIR/keys``."""
    path = data_dir / "keys"
    with _written_aside(path, _new_line() + path.read_bytes()) as draft:
        draft.replace(path)
    _keep_name(path)


def _keep_name(path: Path) -> None:
    """Sync the directory, so that a power failure cannot lose a key that is already in use."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _written_aside(path: Path, content: bytes) -> Iterator[Path]:
    handle, name = tempfile.mkstemp(prefix="keys.", suffix=".new", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(handle)
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _decode(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text)
    except ValueError as error:
        raise HostError(
            "A key in the key ring is not base64.",
            hint="Each key is 32 random bytes in base64.",
            code="key_ring",
        ) from error
