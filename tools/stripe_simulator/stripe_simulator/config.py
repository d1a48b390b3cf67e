"""Switches for whatever nobody outside Stripe can be sure of, and for awkward weather."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

Rounding = Literal["half_away_from_zero", "half_up", "half_even"]


@dataclass
class Config:
    """Behavior that a test may change while the simulator runs; ``reset()`` restores the defaults."""

    rounding: Rounding = "half_away_from_zero"
    search_lag_seconds: float = 0.0
    search_refused_to_restricted_keys: bool = False
    # Two answers are conceivable where a payment exceeds the rest of an invoice: credit it, or refuse it.
    refuse_overpayment: bool = False
    # If a line of one add_lines call is bad, either none of them is kept or the ones before it are.
    add_lines_atomic: bool = True
    tax_exempt_zeroes_manual_rates: bool = True
    # Taxes that the caller computed. Below zero, or a minor unit or more away from taxable amount times percentage:
    # taken, or refused with the parameter's name.
    tax_amounts_may_be_negative: bool = True
    tax_amounts_may_differ_from_percentage: bool = True
    # An account may not know the parameter at all, or take it and compute the taxes itself, or charge none.
    tax_amounts_on_every_line: bool = False
    tax_amounts_refused: bool = False
    tax_amounts_ignored: bool = False
    tax_amounts_dropped: bool = False
    refuse_missing_email_at_create: bool = False
    refuse_other_currency_than_customers: bool = False
    # A probe with an id that cannot exist answers 403 or 404, depending on what is looked at first.
    existence_before_permission: bool = False
    minimum_charge_goes_to_balance: bool = True
    # Whether a payment can be attached to an invoice that was marked uncollectible.
    uncollectible_takes_payments: bool = True
    # Of an invoice that a person marks as paid, objects of 2020 keep their amounts as they are; since 2025-03-31 Stripe
    # documents that amount_paid holds what was paid outside as well.
    amount_paid_holds_outside: bool = False
    # The PaymentIntent's metadata is copied to its charge when that is made, as documented.
    charges_copy_metadata: bool = True
    # Currencies other than those whose smallest payment is published have one as well.
    unlisted_minimum_charge: int = 1
    default_currency: str = "usd"
    latency_ms: int = 0
    webhooks_held: bool = False
    webhook_copies: int = 1
    webhook_bad_signature: bool = False

    def update(self, **switches: Any) -> None:
        """Change several switches at once; an unknown name or a wrong type is a ValueError."""
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
