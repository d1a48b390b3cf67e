"""The secrets that a plugin was handed, looked for in what it gives back: plain, quoted for an address, in base64."""

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

#: A shorter secret stands somewhere by chance, so it is not looked for.
TELLING = 8
#: With all of its backslashes, so that what is left of JSON is JSON.
_ESCAPED_BREAK = re.compile(r"(?<!\\)\\++[rn]")
_ESCAPED = re.compile("%[0-9A-F]{2}")


@dataclass(slots=True)
class KnownSecrets:
    """The secrets of one workspace that one plugin knows, by a name for people: ``settings.api_key``."""

    #: "distribution version" of the plugin, to blame for a leak.
    origin: str = ""
    #: Gives the secrets of the settings by name; asked when something is first looked at.
    settings: Callable[[], Mapping[str, str]] = dict
    #: What the plugin has put into ``ctx.secrets`` or got from there, by name.
    kept: dict[str, str] = field(default_factory=dict)
    _settings: Mapping[str, str] | None = None

    def refuse(self, given: Any, what: str) -> None:
        """Go on when a value holds none of them. Raises: PluginContractError, which names the secret."""
        self.refuse_json(json.dumps(given, default=_plain), what)

    def refuse_json(self, text: str, what: str) -> None:
        """The same for what is JSON already."""
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
        """Know one more from now on, and give it."""
        self.kept[name] = secret
        return secret

    def take_out_of(self, error: IntegrationError) -> None:
        """Take the secrets out of an error's words: a service may repeat what it was sent."""
        error.title, error.hint = (json.loads(self.taken_out(json.dumps(text))) for text in (error.title, error.hint))
        error.args = (error.title,)

    def taken_out(self, text: str) -> str:
        """Give a text of JSON without them; without its line breaks, too, where one was broken by them."""
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
        # Another thread may keep one meanwhile.
        yield from ((f"secrets.{name}", secret) for name, secret in list(self.kept.items()) if len(secret) >= TELLING)


@runtime_checkable
class _Knowing(Protocol):
    known: KnownSecrets


def secrets_known_to(ctx: Any) -> KnownSecrets:
    """Give the secrets that a hook knows by its context."""
    kept = getattr(ctx, "secrets", None)
    return kept.known if isinstance(kept, _Knowing) else KnownSecrets()


#: Those of the hook that this thread works in.
_at_work: ContextVar[KnownSecrets | None] = ContextVar("secrets_at_work", default=None)


@contextmanager
def at_work(known: KnownSecrets) -> Iterator[None]:
    """Let no line that is logged inside the block hold one of these secrets."""
    before = _at_work.set(known)
    try:
        yield
    finally:
        _at_work.reset(before)


def without_secrets_at_work(line: str) -> str:
    """Give a line of the log without the secrets of the hook that it is logged in."""
    known = _at_work.get()
    return line if known is None else known.taken_out(line)


def _in_one_line(text: str) -> str:
    """A text without line breaks, also those of JSON in JSON: base64 in mails and certificates is broken by them."""
    if "\\" in text:
        text = _ESCAPED_BREAK.sub("", text)
    return text.replace("\r", "").replace("\n", "")


@lru_cache(maxsize=1024)
def forms(secret: str) -> tuple[str, ...]:
    """The forms in which a secret is looked for, each as it stands in JSON."""
    quoted = {quote(secret), quote(secret, safe=""), quote_plus(secret)}
    lower = {_ESCAPED.sub(lambda found: found[0].lower(), text) for text in quoted}
    encoded = set(_in_base64(secret.encode()))
    escaped = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    found = {secret, *quoted, *lower, *encoded, *map(quote_plus, encoded), *escaped}
    return tuple(sorted(json.dumps(form)[1:-1] for form in found))


def _in_base64(secret: bytes) -> Iterator[str]:
    """What of a text in base64 is the secret's alone, at each of the three places where it may begin."""
    for before in range(3):
        text = base64.b64encode(bytes(before) + secret).decode()
        # A digit stands for six bits: the first ones and the last one may be a neighbour's, too.
        own = text[(before * 8 + 5) // 6 : (before + len(secret)) * 8 // 6]
        yield from (own, own.translate(str.maketrans("+/", "-_")))


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)
