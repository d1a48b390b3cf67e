"""The payment terms and totals of a quote's document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from marshmallow import ValidationError, fields, post_load

from . import quote as q
from .document_fields import Amount, Identifier, NullableList
from .document_objects import (
    DocumentObject,
    DocumentPart,
    by_rank,
    optional_amount,
    optional_part,
    optional_rank,
    optional_text,
)

#: How far the sum of the installments' percentages may be from 100 (three times 33.33).
_ROUNDED_PARTS = Decimal("0.1")


class InstallmentSchema(DocumentPart):
    makes = q.Installment
    id, name, term, custom_text = Identifier(), optional_text(), optional_text(), optional_text()
    percentage = Amount(least=0, required=True)
    order_number = optional_rank()


class PaymentTermsSchema(DocumentPart):
    makes = q.PaymentTerms
    name, api_name = optional_text(), optional_text()
    installments = NullableList(InstallmentSchema, load_default=list)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> q.PaymentTerms:
        parts = by_rank(data["installments"], "order_number")
        return q.PaymentTerms(**{**data, "installments": _of_a_hundred(parts) if parts else ()})


def _of_a_hundred(parts: Sequence[q.Installment]) -> tuple[q.Installment, ...]:
    """Return the parts so that they sum to exactly 100: the last one that is large enough takes the difference."""
    rest = 100 - sum((part.percentage for part in parts), Decimal(0))
    if abs(rest) > _ROUNDED_PARTS:
        raise ValidationError("The percentages must sum to 100, rounded ones to within 0.1.", "installments")
    taker = next(number for number in reversed(range(len(parts))) if parts[number].percentage + rest >= 0)
    return tuple(
        replace(part, percentage=part.percentage + rest) if number == taker else part
        for number, part in enumerate(parts)
    )


class TotalsSchema(DocumentPart):
    net_amount, tax_amount, total_amount = optional_amount(), optional_amount(), optional_amount()

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> q.Totals | None:
        """Build the three figures from the total and at least one other; return None when one is missing."""
        net, tax, total = data["net_amount"], data["tax_amount"], data["total_amount"]
        if total is None or (net is None and tax is None):
            return None
        net = total - tax if net is None else net
        return q.Totals(net, total - net if tax is None else tax, total)


class MetricsSchema(DocumentObject):
    mrr = optional_amount()


class SummarySchema(DocumentObject):
    one_off = optional_part(TotalsSchema)
    metrics = fields.Nested(MetricsSchema, load_default=None, allow_none=True)
