"""What a hook may answer: the shape and the size of each answer, checked before the host does anything with it.

A plugin may answer whatever Python can hold: a sequence without an end, a text of a gigabyte, a mapping that holds
itself. So lists are lists or tuples, texts and documents have a longest, and nothing is walked before it was measured.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from ..contract.hook_types import (
    KEY_STATUSES,
    OUTCOMES,
    RIGHT_STATUSES,
    ConnectionReport,
    KeyReport,
    Manifest,
    Outcome,
    Preview,
    PreviewLine,
    PreviewProblem,
    PreviewRecipient,
    PreviewTax,
    RightReport,
    ServiceStatus,
    SettingsProblem,
    UpkeepReport,
    WebhookEndpoint,
    WebhookEvent,
)

#: Of an answer's list; characters of a sentence and of a name; characters of a document as JSON.
MOST, LONGEST_SENTENCE, LONGEST_NAME, LONGEST_DOCUMENT = 10_000, 2_000, 255, 1_000_000
#: What no database keeps, as JSON writes it; and in a text, where half a character is no more welcome.
_HOLLOW = ("\\u0000",)
_UNKEPT = re.compile("[\0\ud800-\udfff]")


def as_recorded(value: Any, look: Callable[[str], None] = lambda _: None) -> Any:
    """Give a step's result as it will be handed to a replay; ``look``: what looks at it as JSON.

    Raises: whatever ``look`` does; TypeError, ValueError, RecursionError for what is no JSON, or too much of it.
    """
    text = json.dumps(value, allow_nan=False)
    if len(text) > LONGEST_DOCUMENT:
        raise ValueError(f"A step's result is at most {LONGEST_DOCUMENT} characters of JSON.")
    look(text)
    return json.loads(text)


def is_document(value: Any) -> bool:
    """Whether it is JSON that every database keeps, and not too much of it."""
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return len(text) <= LONGEST_DOCUMENT and not any(sign in text for sign in _HOLLOW)


def is_settings(found: Any) -> bool:
    """Whether it is settings by name."""
    return isinstance(found, dict) and all(map(is_name, found)) and is_document(found)


def is_outcome(found: Any) -> bool:
    """Whether it is an Outcome that can be kept and shown."""
    if not isinstance(found, Outcome) or found.status not in OUTCOMES:
        return False
    sentences = is_list_of(str, found.notes) and all(map(is_sentence, (*found.notes, found.title, found.hint)))
    return sentences and is_name(found.code) and isinstance(found.result, Mapping) and is_document(found.result)


def is_event(found: Any) -> bool:
    """Whether it is a WebhookEvent with an id and a type."""
    if not isinstance(found, WebhookEvent):
        return False
    names = (found.id, found.type, found.account, found.quote_id or "")
    return all(map(is_name, names)) and bool(found.id)


def is_upkeep(found: Any) -> bool:
    """Whether it is an UpkeepReport whose events can be stored."""
    if not isinstance(found, UpkeepReport) or not is_outcome(found.outcome):
        return False
    return is_list_of(WebhookEvent, found.events) and all(is_event(e) and is_document(e.payload) for e in found.events)


def is_connection(found: Any) -> bool:
    """Whether it is a ConnectionReport with KeyReports of known statuses."""
    if not isinstance(found, ConnectionReport) or not is_list_of(KeyReport, found.keys):
        return False
    if not is_list_of(str, found.notes) or not all(_is_known(key) for key in found.keys):
        return False
    return is_document(asdict(found))


def _is_known(key: KeyReport) -> bool:
    texts = (key.label, key.last4, key.mode, key.account, key.code, key.title, key.hint)
    rights = is_list_of(RightReport, key.rights) and all(right.status in RIGHT_STATUSES for right in key.rights)
    return rights and key.status in KEY_STATUSES and all(map(is_sentence, texts))


def is_service(found: Any) -> bool:
    """Whether it is a ServiceStatus that can be shown."""
    is_one = isinstance(found, ServiceStatus) and isinstance(found.reachable, bool) and isinstance(found.ms, int)
    return is_one and is_sentence(found.detail)


def is_preview(found: Any) -> bool:
    """Whether it is a Preview that can be shown; or the Outcome that says why there is none."""
    if not isinstance(found, Preview):
        return is_outcome(found)
    lists = is_list_of(PreviewLine, found.lines) and is_list_of(tuple, found.installments)
    if not lists or not all(is_list_of(str, texts) for texts in (found.notes, found.differences, found.customer)):
        return False
    if not is_list_of(PreviewProblem, found.problems) or not all(map(_is_problem, found.problems)):
        return False
    if found.billed is not None and not _is_recipient(found.billed):
        return False
    sums = (found.subtotal, found.tax, found.total, found.signed_total)
    maybe = (found.signed_net, found.signed_tax)
    amounts = (*sums, *(amount for amount in maybe if amount is not None), *(part[1] for part in found.installments))
    return (
        all(map(_is_amount, amounts))
        and all(map(_is_line, found.lines))
        and all(map(is_sentence, (found.verdict, found.mailed)))
    )


def _is_problem(found: PreviewProblem) -> bool:
    return found.status in {"needs_attention", "skipped"} and all(
        map(is_sentence, (found.code, found.title, found.hint))
    )


def _is_recipient(found: Any) -> bool:
    if not isinstance(found, PreviewRecipient):
        return False
    return all(map(is_sentence, (found.name, found.company, found.email or "", found.address)))


def _is_line(line: PreviewLine) -> bool:
    if not is_list_of(PreviewTax, line.taxes) or not _is_amount(line.amount):
        return False
    return isinstance(line.description, str) and all(
        _is_amount(t.amount) and _is_amount(t.percentage) for t in line.taxes
    )


def _is_amount(value: Any) -> bool:
    return isinstance(value, Decimal) and value.is_finite()


def are_problems(found: Any) -> bool:
    """Whether it is a list of SettingsProblem."""
    return is_list_of(SettingsProblem, found) and all(is_sentence(problem.message) for problem in found)


def are_endpoints(found: Any) -> bool:
    """Whether it is a list of WebhookEndpoint."""
    return is_list_of(WebhookEndpoint, found) and all(
        map(is_sentence, (text for one in found for text in (one.account, one.mode, one.id, one.url)))
    )


def are_links(found: Any) -> bool:
    """Whether it is addresses by id."""
    if not isinstance(found, dict) or len(found) > MOST:
        return False
    return all(is_sentence(text) for pair in found.items() for text in pair)


def is_manifest(found: Any) -> bool:
    """Whether it is a Manifest whose words are words and whose schema is a document."""
    if not isinstance(found, Manifest) or not isinstance(found.capabilities, frozenset | set | tuple | list):
        return False
    words = (found.id, found.title, found.description, found.version, *found.capabilities)
    return (
        all(map(is_sentence, words))
        and type(found.settings_version) is int
        and found.settings_version >= 1
        and isinstance(found.settings_schema, Mapping)
        and is_document(found.settings_schema)
    )


def is_list_of(kind: type, found: Any) -> bool:
    """Whether it is a list or tuple of these, and not of too many."""
    return isinstance(found, list | tuple) and len(found) <= MOST and all(isinstance(one, kind) for one in found)


def is_sentence(found: Any) -> bool:
    """Whether it is a text that can be kept and shown."""
    return isinstance(found, str) and len(found) <= LONGEST_SENTENCE and not _UNKEPT.search(found)


def is_name(found: Any) -> bool:
    """Whether it is a text short enough for a column of a table."""
    return isinstance(found, str) and len(found) <= LONGEST_NAME and not _UNKEPT.search(found)
