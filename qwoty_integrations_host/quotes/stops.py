"""The stops of a quote: it is cancelled, or its invoice was undone. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..contract.record import QuoteRecord
from ..errors import ActionRefused


@dataclass(frozen=True, slots=True)
class Stops:
    """Why nothing more is created for a quote until it is accepted again.

    ``cancelled`` is ``{"at", "by", "reason", "how"}``, where ``how`` is ``request``, or the platform's event or status.
    ``undone`` is ``{"at", "by", "how"}`` by plugin, where ``how`` is ``undo`` or ``void``.
    """

    cancelled: Mapping[str, str] | None = None
    undone: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Stops:
        """Return the stops in a quote's row."""
        return cls(row["cancelled"], row["undone"] or {})

    def since(self, moment: datetime) -> bool:
        """Return whether the quote was cancelled or undone after a moment."""
        found = [*([self.cancelled] if self.cancelled else []), *self.undone.values()]
        return any(datetime.fromisoformat(stop["at"]) > moment for stop in found)

    def refuse(self, plugin: str = "") -> None:
        """Raise ActionRefused if nothing more may be created or sent for the quote.

        Without a plugin, only a cancellation counts.
        """
        if self.cancelled is not None:
            raise ActionRefused(
                "The quote is cancelled: nothing more is made of it or sent.",
                hint="Accepted again, it begins anew.",
                code="quote_cancelled",
            )
        if plugin in self.undone:
            raise ActionRefused(
                "What was made of this quote is undone: nothing more is made of it or sent.",
                hint="Accepted again, it begins anew.",
                code="quote_undone",
            )

    def block(self, plugin: str) -> bool:
        """Return whether this plugin may create nothing more for the quote."""
        return self.cancelled is not None or plugin in self.undone


def require_voidable(record: QuoteRecord) -> None:
    """Raise ActionRefused if the invoice cannot be voided: it is not final, or has a payment."""
    status = record.payment_status
    if status is None:
        raise ActionRefused("There is no invoice yet.", hint="Only a final invoice is voided.")
    if not record.is_voidable:
        raise ActionRefused(f"The invoice is {status}: it cannot be voided.", hint=_INSTEAD.get(status, ""))


_PAID = "What was paid is given back by a refund or a credit note: that is a person's decision."
_INSTEAD = {
    "draft": "Undo the run that made it: that deletes the draft.",
    "processing": "Wait until its payment has ended.",
    "partially_paid": _PAID,
    "paid": _PAID,
    "void": "Nothing is left to do: nobody can pay it any more.",
}
