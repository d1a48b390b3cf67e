"""Checks what a hook returns, its type and its size, before the host uses it.

A plugin can return any Python object: an endless sequence, a text of a gigabyte, a mapping that contains itself. So a
list must be a list or a tuple, texts and documents have a maximum length, and the length is checked first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from ..run_status import RunStatus
from .hook_types import (
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

#: Items of a list; characters of a sentence, of a name, and of a document as JSON.
MOST, LONGEST_SENTENCE, LONGEST_NAME, LONGEST_DOCUMENT = 10_000, 2_000, 255, 1_000_000
#: The characters that PostgreSQL cannot store: in JSON an escaped NUL, in a text NUL and lone surrogates.
_NUL_IN_JSON = "\\u0000"
_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Result:
    """The check of a hook's result, and its description for the error message if the check fails."""

    is_valid: Callable[[Any], bool]
    description: str


def as_recorded(value: Any, inspect: Callable[[str], None] = lambda _: None) -> Any:
    """Return a step's result in the form in which a replay gets it. Calls ``inspect`` with the result as JSON.

    Raises: TypeError, ValueError or RecursionError for a value that is not JSON or is too long; as ``inspect`` does.
    """
    text = json.dumps(value, allow_nan=False)
    if len(text) > LONGEST_DOCUMENT:
        raise ValueError(f"A step's result is at most {LONGEST_DOCUMENT} characters of JSON.")
    inspect(text)
    return json.loads(text)


def is_document(value: Any) -> bool:
    """Whether the value is JSON that every database can store, and not too long."""
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return len(text) <= LONGEST_DOCUMENT and _NUL_IN_JSON not in text


def is_settings(value: Any) -> bool:
    """Whether the value is settings by name."""
    return isinstance(value, dict) and all(map(is_name, value)) and is_document(value)


def is_outcome(value: Any) -> bool:
    """Whether the value is an Outcome that can be stored and shown."""
    if not isinstance(value, Outcome) or value.status not in OUTCOMES:
        return False
    sentences = is_list_of(str, value.notes) and all(map(is_sentence, (*value.notes, value.title, value.hint)))
    return sentences and is_name(value.code) and isinstance(value.result, Mapping) and is_document(value.result)


def is_event(value: Any) -> bool:
    """Whether the value is a WebhookEvent with an id and a type."""
    if not isinstance(value, WebhookEvent):
        return False
    names = (value.id, value.type, value.account, value.quote_id or "")
    return all(map(is_name, names)) and bool(value.id)


def is_upkeep(value: Any) -> bool:
    """Whether the value is an UpkeepReport whose events can be stored."""
    if not isinstance(value, UpkeepReport) or not is_outcome(value.outcome):
        return False
    return is_list_of(WebhookEvent, value.events) and all(is_event(e) and is_document(e.payload) for e in value.events)


def is_connection(value: Any) -> bool:
    """Whether the value is a ConnectionReport with KeyReports of known statuses."""
    if not isinstance(value, ConnectionReport) or not is_list_of(KeyReport, value.keys):
        return False
    if not is_list_of(str, value.notes) or not all(_is_known(key) for key in value.keys):
        return False
    return is_document(asdict(value))


def _is_known(key: KeyReport) -> bool:
    texts = (key.label, key.last4, key.mode, key.account, key.code, key.title, key.hint)
    rights = is_list_of(RightReport, key.rights) and all(right.status in RIGHT_STATUSES for right in key.rights)
    return rights and key.status in KEY_STATUSES and all(map(is_sentence, texts))


def is_service(value: Any) -> bool:
    """Whether the value is a ServiceStatus that can be shown."""
    is_one = isinstance(value, ServiceStatus) and isinstance(value.reachable, bool) and isinstance(value.ms, int)
    return is_one and is_sentence(value.detail)


def is_preview(value: Any) -> bool:
    """Whether the value is a Preview that can be shown, or the Outcome that explains why there is no preview."""
    if not isinstance(value, Preview):
        return is_outcome(value)
    lists = is_list_of(PreviewLine, value.lines) and is_list_of(tuple, value.installments)
    if not lists or not all(is_list_of(str, texts) for texts in (value.notes, value.differences, value.customer)):
        return False
    if not is_list_of(PreviewProblem, value.problems) or not all(map(_is_problem, value.problems)):
        return False
    if value.billed is not None and not _is_recipient(value.billed):
        return False
    sums = (value.subtotal, value.tax, value.total, value.signed_total)
    maybe = (value.signed_net, value.signed_tax)
    amounts = (*sums, *(amount for amount in maybe if amount is not None), *(part[1] for part in value.installments))
    return (
        all(map(_is_amount, amounts))
        and all(map(_is_line, value.lines))
        and all(map(is_sentence, (value.verdict, value.mailed)))
    )


def _is_problem(value: PreviewProblem) -> bool:
    return value.status in {RunStatus.NEEDS_ATTENTION, RunStatus.SKIPPED} and all(
        map(is_sentence, (value.code, value.title, value.hint))
    )


def _is_recipient(value: Any) -> bool:
    if not isinstance(value, PreviewRecipient):
        return False
    return all(map(is_sentence, (value.name, value.company, value.email or "", value.address)))


def _is_line(line: PreviewLine) -> bool:
    if not is_list_of(PreviewTax, line.taxes) or not _is_amount(line.amount):
        return False
    return isinstance(line.description, str) and all(
        _is_amount(t.amount) and _is_amount(t.percentage) for t in line.taxes
    )


def _is_amount(value: Any) -> bool:
    return isinstance(value, Decimal) and value.is_finite()


def are_problems(value: Any) -> bool:
    """Whether the value is a list of SettingsProblem."""
    return is_list_of(SettingsProblem, value) and all(is_sentence(problem.message) for problem in value)


def are_endpoints(value: Any) -> bool:
    """Whether the value is a list of WebhookEndpoint."""
    return is_list_of(WebhookEndpoint, value) and all(
        map(is_sentence, (text for one in value for text in (one.account, one.mode, one.id, one.url)))
    )


def are_links(value: Any) -> bool:
    """Whether the value is a dict of addresses by id."""
    if not isinstance(value, dict) or len(value) > MOST:
        return False
    return all(is_sentence(text) for pair in value.items() for text in pair)


def is_manifest(value: Any) -> bool:
    """Whether the value is a Manifest with texts of a sensible length and a schema that is JSON."""
    if not isinstance(value, Manifest) or not isinstance(value.capabilities, frozenset | set | tuple | list):
        return False
    texts = (value.id, value.title, value.description, value.version, *value.capabilities)
    return (
        all(map(is_sentence, texts))
        and type(value.settings_version) is int
        and value.settings_version >= 1
        and type(value.confirms_writes) is bool
        and isinstance(value.settings_schema, Mapping)
        and is_document(value.settings_schema)
    )


def is_list_of(kind: type, value: Any) -> bool:
    """Whether the value is a list or tuple of ``kind``, and not too long."""
    return isinstance(value, list | tuple) and len(value) <= MOST and all(isinstance(one, kind) for one in value)


def is_sentence(value: Any) -> bool:
    """Whether the value is a text that can be stored and shown."""
    return isinstance(value, str) and len(value) <= LONGEST_SENTENCE and not _NOT_STORABLE.search(value)


def is_name(value: Any) -> bool:
    """Whether the value is a text short enough for a column of a table."""
    return isinstance(value, str) and len(value) <= LONGEST_NAME and not _NOT_STORABLE.search(value)


MANIFEST = Result(is_manifest, "a Manifest")
SETTINGS = Result(is_settings, "a dict of settings by name")
SETTINGS_PROBLEMS = Result(are_problems, "a list of SettingsProblem")
CONNECTION_REPORT = Result(is_connection, "a ConnectionReport with KeyReports of known statuses")
SERVICE_STATUS = Result(is_service, "a ServiceStatus")
PREVIEW = Result(is_preview, "a Preview with Decimal amounts, or an Outcome")
OUTCOME = Result(is_outcome, "an Outcome with a known status, notes in words and a JSON result, all of sensible length")
BOOL = Result(lambda value: isinstance(value, bool), "True or False")
EVENT = Result(is_event, "a WebhookEvent with an id and a type")
LINKS = Result(are_links, "a dict of addresses by id")
ENDPOINTS = Result(are_endpoints, "a list of WebhookEndpoint")
UPKEEP_REPORT = Result(is_upkeep, "an UpkeepReport with an Outcome and JSON events")
