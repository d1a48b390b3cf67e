"""The public names for plugin authors; everything else may change without notice."""

from .clock import Clock
from .context import Attachment, Attempt, HookContext, MailMessage, Pace
from .errors import (
    ActionRefused,
    AlreadyFinal,
    CredentialsError,
    FieldProblem,
    IntegrationError,
    NeedsAttention,
    PermanentError,
    RetryableError,
    WebhookRejected,
)
from .hook_types import (
    InstallmentRequest,
    Manifest,
    Outcome,
    Preview,
    PreviewLine,
    PreviewTax,
    SettingsProblem,
    WebhookEvent,
    WebhookRequest,
)
from .hookspecs import HOOK_API, hookimpl
from .installments import pick_installment
from .quote import (
    Address,
    Contact,
    Discount,
    Installment,
    LineItem,
    Quote,
    Section,
    Tax,
)
from .record import InstallmentRecord, InvoiceRecord, QuoteRecord

__all__ = [
    "HOOK_API",
    "ActionRefused",
    "Address",
    "AlreadyFinal",
    "Attachment",
    "Attempt",
    "Clock",
    "Contact",
    "CredentialsError",
    "Discount",
    "FieldProblem",
    "HookContext",
    "Installment",
    "InstallmentRecord",
    "InstallmentRequest",
    "IntegrationError",
    "InvoiceRecord",
    "LineItem",
    "MailMessage",
    "Manifest",
    "NeedsAttention",
    "Outcome",
    "Pace",
    "PermanentError",
    "Preview",
    "PreviewLine",
    "PreviewTax",
    "Quote",
    "QuoteRecord",
    "RetryableError",
    "Section",
    "SettingsProblem",
    "Tax",
    "WebhookEvent",
    "WebhookRejected",
    "WebhookRequest",
    "hookimpl",
    "pick_installment",
]
