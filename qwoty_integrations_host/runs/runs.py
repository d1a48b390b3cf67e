"""Groups what starts, changes and ends the runs of one host."""

from __future__ import annotations

from dataclasses import dataclass

from ..alerts.recording import Alerts
from ..clock import Clock
from ..engine.attempts import Attempts
from ..engine.interface import Engine
from ..store.database import Store
from ..workspaces.integration import Integrations
from .acceptance import Acceptance
from .control import RunControl
from .corrections import Corrections
from .installments import Installments
from .queue import RunQueue
from .rejected_webhooks import RejectedWebhooks
from .taking_back import TakingBack
from .uninvoiced import Uninvoiced
from .webhooks import Webhooks


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs of one host, by subject."""

    queue: RunQueue
    uninvoiced: Uninvoiced
    control: RunControl
    corrections: Corrections
    taking_back: TakingBack
    acceptance: Acceptance
    installments: Installments
    webhooks: Webhooks


def create_runs(
    store: Store, engine: Engine, integrations: Integrations, clock: Clock, attempts: Attempts, alerts: Alerts
) -> Runs:
    """Build all of them on the same store, engine and clock."""
    queue = RunQueue(store, engine, clock)
    uninvoiced = Uninvoiced(store, integrations, clock, queue, alerts)
    control = RunControl(store, engine, clock, attempts, queue, uninvoiced)
    corrections = Corrections(store, clock, attempts, queue)
    taking_back = TakingBack(store, integrations, clock, queue, uninvoiced)
    acceptance = Acceptance(store, integrations, clock, queue, control, corrections, taking_back, uninvoiced)
    installments = Installments(store, integrations, clock, queue)
    webhooks = Webhooks(store, integrations, clock, attempts, queue, control, RejectedWebhooks(store, clock))
    return Runs(queue, uninvoiced, control, corrections, taking_back, acceptance, installments, webhooks)
