"""A stateful simulation of Stripe over real HTTP on loopback; every answer says that it is simulated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stripe_simulator.keys import DOCUMENTED_PERMISSIONS
    from stripe_simulator.simulator import StripeSimulator

__all__ = ["DOCUMENTED_PERMISSIONS", "StripeSimulator"]


def __getattr__(name: str) -> Any:
    # lazy: pytest loads this package for its plugin in every run, even if no test needs flask
    if name == "StripeSimulator":
        from stripe_simulator.simulator import StripeSimulator

        return StripeSimulator
    if name == "DOCUMENTED_PERMISSIONS":
        from stripe_simulator.keys import DOCUMENTED_PERMISSIONS

        return DOCUMENTED_PERMISSIONS
    raise AttributeError(name)
