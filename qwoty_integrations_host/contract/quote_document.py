"""Loads a quote's document into ``Quote`` objects, and names each field that is not valid.

The marshmallow classes mirror the document of ``schemas/host/quote.v1.json``. They refuse a quote that can never be
invoiced (negative quantity, unknown currency, installments that do not sum to 100 %). Other problems, such as a
discount above its line, are left to the plugin, whose run shows them to a person.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from marshmallow import ValidationError

from ..errors import FieldProblem, InvalidInput
from . import quote as q
from .document_fields import Identifier, TextOrNumber, reading_stored_document
from .document_objects import by_rank
from .quote_schema import QuoteSchema
from .terms_schemas import SummarySchema


def _in_order(section: q.Section) -> q.Section:
    phases = (replace(phase, line_items=by_rank(phase.line_items)) for phase in by_rank(section.phases))
    return replace(section, phases=tuple(phases))


def load_quote(document: Any, *, workspace_id: str, received_at: datetime, stored: bool = False) -> q.Quote:
    """Load a canonical quote that arrived for ``workspace_id``.

    A ``stored`` quote may have been accepted by an earlier release, so newer rules do not apply to it.
    Raises: InvalidInput with one problem per field. Messages never repeat the rejected values.
    """
    if not isinstance(document, Mapping):
        raise InvalidInput("The document is not a quote.", [FieldProblem((), "Must be a JSON object.")])
    try:
        with reading_stored_document() if stored else nullcontext():
            data = _schema().load(document)
    except ValidationError as error:
        raise InvalidInput("The quote cannot be accepted.", list(_problems(error.messages))) from None
    _refuse_foreign(data["workspace_id"], workspace_id)
    _refuse_unaccepted(data["status"])
    return _assemble(data, workspace_id, received_at)


def id_of(document: Any, *, workspace_id: str) -> str:
    """Return the id in a quote's document, without checking its other fields. Raises: InvalidInput."""
    if not isinstance(document, Mapping):
        raise InvalidInput("The document is not a quote.", [FieldProblem((), "Must be a JSON object.")])
    _refuse_foreign(document.get("workspace_id"), workspace_id)
    try:
        return str(Identifier(required=True).deserialize(document.get("id")))
    except ValidationError as error:
        raise InvalidInput("The quote has no id.", [FieldProblem(("id",), str(error.messages[0]))]) from None


def load_heading(document: Mapping[str, Any]) -> tuple[str, str, q.Totals | None]:
    """Return the customer's name, the currency and the totals of a stored quote. Much faster than loading all lines."""
    name, currency = (TextOrNumber().deserialize(text) for text in (document["customer"]["name"], document["currency"]))
    summary = _summary().load(document.get("summary") or {})
    return name, currency.upper(), summary["one_off"]


@cache
def _summary() -> SummarySchema:
    return SummarySchema()


@cache
def _schema() -> QuoteSchema:
    # Cached, because marshmallow builds all eighteen nested schemas anew for each instance.
    return QuoteSchema()


def _refuse_foreign(named: Any, workspace_id: str) -> None:
    if named not in (None, workspace_id):
        raise InvalidInput(
            "The quote belongs to another workspace.",
            [FieldProblem(("workspace_id",), "Must be the workspace it is sent to, or be left out.")],
        )


def _refuse_unaccepted(status: str) -> None:
    if status.lower() != "accepted":
        raise InvalidInput(
            "The quote is not accepted.", [FieldProblem(("status",), "Only an accepted quote is taken.")]
        )


def _assemble(data: dict[str, Any], workspace_id: str, received_at: datetime) -> q.Quote:
    table, summary = data["pricing_table"], data["summary"] or {}
    metrics = summary.get("metrics") or {}
    accepted: datetime = data["accepted_at"] or received_at
    return q.Quote(
        id=data["id"],
        number=data["number"],
        status="accepted",
        workspace_id=workspace_id,
        accepted_at=accepted.astimezone(UTC),
        timezone=accepted.tzinfo or UTC,
        currency=data["currency"].upper(),
        language=_language(data["language"] or ""),
        title=data["title"],
        pdf_link=data["pdf_link"],
        dealroom_link=data["dealroom_link"],
        owner=data["owner"],
        business_unit=data["business_unit"],
        customer=data["customer"],
        sections=tuple(_in_order(section) for section in by_rank(table["sections"])),
        prices_hidden=bool(table["settings"] and table["settings"]["is_prices_hidden"]),
        discounts=tuple(data["discounts"]),
        payment_terms=data["payment_terms"],
        totals=summary.get("one_off"),
        mrr=metrics.get("mrr"),
    )


def _language(text: str) -> str:
    code = text[:2].lower()
    return code if re.fullmatch("[a-z]{2}", code) else "en"


def _problems(messages: Any, path: tuple[str, ...] = ()) -> Iterator[FieldProblem]:
    """Flatten marshmallow's nested messages (which never hold values) into one problem per field."""
    if isinstance(messages, Mapping):
        for key, inner in messages.items():
            here = path if key == "_schema" else (*path, str(key))
            yield from _problems(inner, here)
    else:
        for message in messages:
            yield FieldProblem(path, str(message))
