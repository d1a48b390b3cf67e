"""A stateful Stripe over real HTTP on loopback. Not Stripe, and never claims to be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stripe_simulator.keys import DOCUMENTED_PERMISSIONS
    from stripe_simulator.simulator import StripeSimulator

__all__ = ["DOCUMENTED_PERMISSIONS", "StripeSimulator"]


def __getattr__(name: str) -> Any:
    # lazy: pytest loads this package for its plugin in every run, also where no test needs flask
    if name == "StripeSimulator":
        from stripe_simulator.simulator import StripeSimulator

        return StripeSimulator
    if name == "DOCUMENTED_PERMISSIONS":
        from stripe_simulator.keys import DOCUMENTED_PERMISSIONS

        return DOCUMENTED_PERMISSIONS
    raise AttributeError(name)
