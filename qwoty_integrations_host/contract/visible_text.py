"""Characters that nobody sees, shown as what they are: a name must not read otherwise than it is written.

A right-to-left override lets a name end as another one, and a blank of no width makes two customers of one name. What
is stored and sent to services stays as it was given; only people are shown ``⟨U+202E⟩``.
"""

from __future__ import annotations

import re

#: Controls but tab and line break, what Unicode calls format characters and default-ignorable, and blanks of no width
#: or of a script's filler; those that are seen (Arabic number signs) are none. Halves of characters are no text at all.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u2800\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]|\r(?!\n)"
)
_JOINERS, _STYLES = "\u200c\u200d", "\ufe0e\ufe0f"


def visible(text: str) -> str:
    """The text, with what is not seen in it spelt out."""
    return _INVISIBLE.sub(_spelt, text)


def escaped_in_json(document: str) -> str:
    """JSON text with the same left to its own escapes: it reads as what it is, and means what it meant."""
    return _INVISIBLE.sub(_escaped, document)


def _spelt(found: re.Match[str]) -> str:
    return found[0] if _belongs_there(found) else f"⟨U+{ord(found[0]):04X}⟩"


def _escaped(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))


def _belongs_there(found: re.Match[str]) -> bool:
    """Joiners inside the scripts that need them, and in emoji; the style of a symbol behind it."""
    before, after = found.string[: found.start()][-1:], found.string[found.end() :][:1]
    if found[0] in _JOINERS:
        joins = before in _STYLES or not _INVISIBLE.match(before)
        return joins and before >= "\u0590" and after >= "\u0590" and not _INVISIBLE.match(after)
    return found[0] in _STYLES and (before >= "\u2030" or before in "0123456789#*©®") and before != ""
