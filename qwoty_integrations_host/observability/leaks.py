"""Finds a plugin's secrets in what it returns or logs: plain, URL-quoted, or in base64."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field, is_dataclass
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable
from urllib.parse import quote, quote_plus

from ..errors import IntegrationError, PluginContractError

#: A shorter secret is not searched for, because it may occur by chance.
TELLING = 8
#: Includes all preceding backslashes, so that the rest stays valid JSON.
_ESCAPED_BREAK = re.compile(r"(?<!\\)\\++[rn]")
_ESCAPED = re.compile("%[0-9A-F]{2}")


@dataclass(slots=True)
class KnownSecrets:
    """The secrets that one plugin knows in one workspace, by a name for people: ``settings.api_key``."""

    #: "distribution version" of the plugin, for the error about a leak.
    origin: str = ""
    #: Returns the secrets of the settings by name; called on the first search.
    settings: Callable[[], Mapping[str, str]] = dict
    #: The secrets that the plugin has written to or read from ``ctx.secrets``, by name.
    kept: dict[str, str] = field(default_factory=dict)
    _settings: Mapping[str, str] | None = None

    def refuse(self, given: Any, what: str) -> None:
        """Refuse a value that contains one of them. Raises: PluginContractError, which names the secret."""
        self.refuse_json(json.dumps(given, default=_plain), what)

    def refuse_json(self, text: str, what: str) -> None:
        """Refuse a JSON text that contains one of them. Raises: PluginContractError, which names the secret."""
        looks = {text, _in_one_line(text)}
        name = next(
            (name for name, secret in self._all() if any(form in look for form in forms(secret) for look in looks)),
            None,
        )
        if name is not None:
            raise PluginContractError(
                f"The integration {self.origin} has a bug: {what} a secret: {name}.",
                hint="Nothing of it was stored. Report it to the integration's author.",
            )

    def keep(self, name: str, secret: str) -> str:
        """Add a secret and return it."""
        self.kept[name] = secret
        return secret

    def take_out_of(self, error: IntegrationError) -> None:
        """Remove the secrets from an error's texts, because a service may repeat what it was sent."""
        error.title, error.hint = (json.loads(self.taken_out(json.dumps(text))) for text in (error.title, error.hint))
        error.args = (error.title,)

    def taken_out(self, text: str) -> str:
        """Return a JSON text without them; also without line breaks, when a secret spans some."""
        text = self._without(text)
        if (line := _in_one_line(text)) != text and (left := self._without(line)) != line:
            return left
        return text

    def _without(self, text: str) -> str:
        for _, secret in self._all():
            for form in forms(secret):
                text = text.replace(form, "…")
        return text

    def _all(self) -> Iterator[tuple[str, str]]:
        if self._settings is None:
            self._settings = self.settings()
        yield from ((f"settings.{name}", secret) for name, secret in self._settings.items() if len(secret) >= TELLING)
        # A copy, because another thread may add one meanwhile.
        yield from ((f"secrets.{name}", secret) for name, secret in list(self.kept.items()) if len(secret) >= TELLING)


@runtime_checkable
class _HasKnownSecrets(Protocol):
    known: KnownSecrets


def secrets_known_to(ctx: Any) -> KnownSecrets:
    """Return the secrets that a hook knows by its context."""
    kept = getattr(ctx, "secrets", None)
    return kept.known if isinstance(kept, _HasKnownSecrets) else KnownSecrets()


#: The secrets of the hook that this thread runs.
_at_work: ContextVar[KnownSecrets | None] = ContextVar("secrets_at_work", default=None)


@contextmanager
def at_work(known: KnownSecrets) -> Iterator[None]:
    """Remove these secrets from every line that is logged inside the block."""
    before = _at_work.set(known)
    try:
        yield
    finally:
        _at_work.reset(before)


def without_secrets_at_work(line: str) -> str:
    """Return a line of the log without the secrets of the hook that logs it."""
    known = _at_work.get()
    return line if known is None else known.taken_out(line)


def _in_one_line(text: str) -> str:
    """Return a text without line breaks, also those of nested JSON: base64 in mails and certificates has them."""
    if "\\" in text:
        text = _ESCAPED_BREAK.sub("", text)
    return text.replace("\r", "").replace("\n", "")


@lru_cache(maxsize=1024)
def forms(secret: str) -> tuple[str, ...]:
    """Return the forms in which a secret is searched for, each as written in JSON."""
    quoted = {quote(secret), quote(secret, safe=""), quote_plus(secret)}
    lower = {_ESCAPED.sub(lambda found: found[0].lower(), text) for text in quoted}
    encoded = set(_in_base64(secret.encode()))
    escaped = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    found = {secret, *quoted, *lower, *encoded, *map(quote_plus, encoded), *escaped}
    return tuple(sorted(json.dumps(form)[1:-1] for form in found))


def _in_base64(secret: bytes) -> Iterator[str]:
    """Yield the base64 characters that depend on the secret alone, for each of its three possible alignments."""
    for before in range(3):
        text = base64.b64encode(bytes(before) + secret).decode()
        # A base64 digit has six bits: the first ones and the last one may also depend on neighbouring bytes.
        own = text[(before * 8 + 5) // 6 : (before + len(secret)) * 8 // 6]
        yield from (own, own.translate(str.maketrans("+/", "-_")))


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)
