"""The plugin's settings, typed, and the choice of the Stripe key for a quote."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from qwoty_integrations_host import Quote, SettingsProblem

_UNIT = re.compile(r"[^\s]{1,64}")
_KEY = re.compile(r"(sk|rk)_(test|live)_[A-Za-z0-9]{8,}")


@cache
def settings_schema() -> Mapping[str, Any]:
    """Return the JSON Schema that is shipped with this module."""
    schema: Mapping[str, Any] = json.loads((files(__package__) / "settings.schema.json").read_text("utf-8"))
    return schema


@dataclass(frozen=True, slots=True)
class StripeSettings:
    """Validated settings."""

    token_scope: str
    workspace_api_token: str = field(repr=False)
    business_unit_api_tokens: Mapping[str, str] = field(repr=False)
    invoice_status: str
    send_invoice_email: bool
    send_payment_link: bool
    send_next_installments: str
    rounding_line: bool
    exact_tax: bool
    void_on_cancel: bool

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> StripeSettings:
        """Read the settings that the host passes, with defaults filled in."""
        return cls(
            settings["token_scope"],
            settings.get("workspace_api_token", ""),
            settings.get("business_unit_api_tokens", {}),
            settings["invoice_status"],
            settings["send_invoice_email"],
            settings["send_payment_link"],
            settings["send_next_installments"],
            settings["rounding_line"],
            settings["exact_tax"],
            settings["void_on_cancel"],
        )

    @property
    def finalizes(self) -> bool:
        """Whether the invoice becomes final; nothing is sent otherwise."""
        return self.invoice_status == "open"

    @property
    def delivery(self) -> str:
        """``email``, ``link`` or ``none``; always ``none`` for a draft."""
        if not self.finalizes:
            return "none"
        return "email" if self.send_invoice_email else "link" if self.send_payment_link else "none"

    @property
    def sends_due_installments(self) -> bool:
        """Whether each link after the first is sent automatically on its due date."""
        return self.delivery == "link" and self.send_next_installments == "on_due_date"

    def all_keys(self) -> tuple[str, ...]:
        """Return the keys of the chosen scope."""
        if self.token_scope == "workspace":
            return (self.workspace_api_token,)
        return tuple(self.business_unit_api_tokens.values())

    def key_for(self, business_unit: str | None) -> str | None:
        """Return the key for quotes of a business unit; None when there is none."""
        if self.token_scope == "workspace":
            return self.workspace_api_token
        return self.business_unit_api_tokens.get(business_unit or "")

    def key_for_quote(self, quote: Quote) -> str | None:
        """Return the key of the quote's business unit; None when there is none."""
        return self.key_for(quote.business_unit.id if quote.business_unit else None)


def problems(settings: Mapping[str, Any]) -> list[SettingsProblem]:
    """Return the problems that the schema cannot express: malformed keys, and two ways of sending at once."""
    found = list(_malformed_keys(settings))
    if settings["invoice_status"] == "open" and settings["send_invoice_email"] and settings["send_payment_link"]:
        for name, other in (
            ("send_invoice_email", "Send payment link"),
            ("send_payment_link", "Send invoice by email"),
        ):
            sentence = f'Only one way of sending can be on while the invoice is Open: switch this or "{other}" off.'
            found.append(SettingsProblem((name,), sentence))
    return found


def _malformed_keys(settings: Mapping[str, Any]) -> list[SettingsProblem]:
    # In a JSON Schema pattern, Python's `$` lets a trailing newline through: match whole values again.
    values: dict[tuple[str, ...], str | None] = {("workspace_api_token",): settings.get("workspace_api_token")}
    for unit, key in settings.get("business_unit_api_tokens", {}).items():
        values[("business_unit_api_tokens", unit)] = key
    units = settings.get("business_unit_api_tokens", {})
    malformed_rows = [number for number, unit in enumerate(units, start=1) if not _UNIT.fullmatch(unit)]
    return [
        SettingsProblem(path, "Is not a Stripe key.") for path, key in values.items() if key and not _KEY.fullmatch(key)
    ] + [
        SettingsProblem(("business_unit_api_tokens", f"row {row}"), "Is not the id of a business unit.")
        for row in malformed_rows
    ]
