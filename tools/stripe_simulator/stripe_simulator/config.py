"""Switches for behavior of Stripe that nobody outside can be sure of, and for difficult conditions."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

Rounding = Literal["half_away_from_zero", "half_up", "half_even"]


@dataclass
class Config:
    """Behavior that a test may change at any time; ``reset()`` restores the defaults."""

    rounding: Rounding = "half_away_from_zero"
    search_lag_seconds: float = 0.0
    search_refused_to_restricted_keys: bool = False
    # A payment above what remains of an invoice may be credited or refused.
    refuse_overpayment: bool = False
    # If one line of an add_lines request is invalid, either no line is added or the lines before it are.
    add_lines_atomic: bool = True
    tax_exempt_zeroes_manual_rates: bool = True
    # Taxes that the caller computed may be accepted or refused if they are negative, or a minor unit or more away from
    # taxable amount times percentage.
    tax_amounts_may_be_negative: bool = True
    tax_amounts_may_differ_from_percentage: bool = True
    # Stripe may not know the parameter, or accept it and compute the taxes itself, or charge no tax.
    tax_amounts_on_every_line: bool = False
    tax_amounts_refused: bool = False
    tax_amounts_ignored: bool = False
    tax_amounts_dropped: bool = False
    refuse_missing_email_at_create: bool = False
    refuse_other_currency_than_customers: bool = False
    # A request for an unknown id without permission answers 404 or 403, depending on which is checked first.
    existence_before_permission: bool = False
    minimum_charge_goes_to_balance: bool = True
    # Whether a payment can be attached to an invoice that was marked uncollectible.
    uncollectible_takes_payments: bool = True
    # An invoice that a person marks as paid: objects of 2020 keep their amounts; since 2025-03-31 Stripe documents that
    # amount_paid includes what was paid outside.
    amount_paid_holds_outside: bool = False
    # A PaymentIntent's metadata are copied to its charge when that is created, as documented.
    charges_copy_metadata: bool = True
    # The smallest payment of currencies for which Stripe publishes none.
    unlisted_minimum_charge: int = 1
    default_currency: str = "usd"
    latency_ms: int = 0
    webhooks_held: bool = False
    webhook_copies: int = 1
    webhook_bad_signature: bool = False

    def update(self, **switches: Any) -> None:
        """Change several switches at once. Raises: ValueError for an unknown name or a wrong type."""
        for name, value in switches.items():
            self._check(name, value)
        for name, value in switches.items():
            setattr(self, name, value)

    def reset(self) -> None:
        self.update(**asdict(Config(latency_ms=self.latency_ms)))

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def _check(self, name: str, value: Any) -> None:
        defaults = {field.name: field.default for field in fields(self)}
        if name not in defaults:
            raise ValueError(f"There is no switch {name!r}.")
        if name == "rounding" and value not in get_args(Rounding):
            raise ValueError(f"rounding is one of {', '.join(get_args(Rounding))}.")
        kind = type(defaults[name])
        accepted = (int, float) if kind is float else (kind,)
        if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
            raise ValueError(f"{name} takes a {kind.__name__}.")
