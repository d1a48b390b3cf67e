"""Groups what starts, changes and ends the runs of one host."""

from __future__ import annotations

from dataclasses import dataclass

from ..alerts.recording import Alerts
from ..clock import Clock
from ..engine.attempts import Attempts
from ..engine.interface import Engine
from ..store.database import Store
from ..workspaces.integration import Integrations
from ..workspaces.kept_integrations import KeptIntegrations
from .acceptance import Acceptance
from .cancellation import Cancellation
from .control import RunControl
from .corrections import Corrections
from .deliveries import Deliveries
from .installments import Installments
from .queue import RunQueue
from .rejected_webhooks import RejectedWebhooks
from .webhooks import Webhooks
from .without_invoice import QuotesWithoutInvoice


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs of one host, by subject."""

    queue: RunQueue
    without_invoice: QuotesWithoutInvoice
    control: RunControl
    corrections: Corrections
    cancellation: Cancellation
    acceptance: Acceptance
    installments: Installments
    webhooks: Webhooks


def create_runs(
    store: Store, engine: Engine, integrations: Integrations, clock: Clock, attempts: Attempts, alerts: Alerts
) -> Runs:
    """Build all of them on the same store, engine and clock."""
    queue = RunQueue(store, engine, clock)
    without_invoice = QuotesWithoutInvoice(store, integrations, clock, queue, alerts)
    control = RunControl(store, engine, clock, attempts, queue, without_invoice)
    corrections = Corrections(store, clock, attempts, queue)
    cancellation = Cancellation(store, integrations, clock, queue, without_invoice)
    acceptance = Acceptance(store, integrations, clock, queue, control, corrections, cancellation, without_invoice)
    installments = Installments(store, integrations, clock, queue)
    deliveries, kept = Deliveries(store, clock, queue), KeptIntegrations(integrations)
    rejected = RejectedWebhooks(store, clock)
    webhooks = Webhooks(store, integrations, clock, attempts, control, rejected, deliveries, kept)
    return Runs(queue, without_invoice, control, corrections, cancellation, acceptance, installments, webhooks)
