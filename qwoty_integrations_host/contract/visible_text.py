"""Makes invisible characters visible, so that people see every character of a name.

A right-to-left override can disguise the end of a name, and a zero-width space makes two customers look like one.
Stored texts and texts for services stay unchanged; only people see ``⟨U+202E⟩``.
"""

from __future__ import annotations

import re

#: Controls except tab and line break, Unicode's format and default-ignorable characters, zero-width spaces and fillers,
#: and lone surrogates; without the visible ones among them (Arabic number signs).
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u2800\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]|\r(?!\n)"
)
_JOINERS, _STYLES = "\u200c\u200d", "\ufe0e\ufe0f"


def visible(text: str) -> str:
    """Return the text with its invisible characters spelt out."""
    return _INVISIBLE.sub(_spelt, text)


def escaped_in_json(document: str) -> str:
    """Return JSON text with invisible characters written as JSON escapes, which keeps its meaning."""
    return _INVISIBLE.sub(_escaped, document)


def _spelt(found: re.Match[str]) -> str:
    return found[0] if _belongs_there(found) else f"⟨U+{ord(found[0]):04X}⟩"


def _escaped(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))


def _belongs_there(found: re.Match[str]) -> bool:
    """Whether the character belongs there: a joiner in a script that needs it or in an emoji, a symbol's style."""
    before, after = found.string[: found.start()][-1:], found.string[found.end() :][:1]
    if found[0] in _JOINERS:
        joins = before in _STYLES or not _INVISIBLE.match(before)
        return joins and before >= "\u0590" and after >= "\u0590" and not _INVISIBLE.match(after)
    return found[0] in _STYLES and (before >= "\u2030" or before in "0123456789#*©®") and before != ""
