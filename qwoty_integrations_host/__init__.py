"""The public names for plugin authors; everything else may change without notice."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .clock import Clock
    from .context import Attachment, Attempt, HookContext, MailMessage, Pace
    from .countries import country_code
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
    from .fetching import NotFetched, download
    from .hook_types import (
        ConnectionReport,
        ConnectionRequest,
        InstallmentRequest,
        KeyReport,
        Manifest,
        Outcome,
        Preview,
        PreviewLine,
        PreviewProblem,
        PreviewRecipient,
        PreviewTax,
        RightReport,
        ServiceStatus,
        SettingsProblem,
        UpkeepReport,
        UpkeepRequest,
        WebhookEndpoint,
        WebhookEvent,
        WebhookRequest,
    )
    from .hookspecs import HOOK_API, hookimpl
    from .installments import pick_installment
    from .mail.address import mail_address
    from .outgoing import why_unsent
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
    from .timezones import offset_name

__all__ = [
    "HOOK_API",
    "ActionRefused",
    "Address",
    "AlreadyFinal",
    "Attachment",
    "Attempt",
    "Clock",
    "ConnectionReport",
    "ConnectionRequest",
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
    "KeyReport",
    "LineItem",
    "MailMessage",
    "Manifest",
    "NeedsAttention",
    "NotFetched",
    "Outcome",
    "Pace",
    "PermanentError",
    "Preview",
    "PreviewLine",
    "PreviewProblem",
    "PreviewRecipient",
    "PreviewTax",
    "Quote",
    "QuoteRecord",
    "RetryableError",
    "RightReport",
    "Section",
    "ServiceStatus",
    "SettingsProblem",
    "Tax",
    "UpkeepReport",
    "UpkeepRequest",
    "WebhookEndpoint",
    "WebhookEvent",
    "WebhookRejected",
    "WebhookRequest",
    "country_code",
    "download",
    "hookimpl",
    "mail_address",
    "offset_name",
    "pick_installment",
    "why_unsent",
]

#: Where the public names live; those that many others import come first.
_HOMES = (
    "errors",
    "clock",
    "quote",
    "record",
    "context",
    "hook_types",
    "hookspecs",
    "installments",
    "countries",
    "outgoing",
    "fetching",
    "mail.address",
    "timezones",
)


def __getattr__(name: str) -> Any:
    # lazy: every module of the host imports this one, and `qwoty-host --help` needs none of these classes.
    if name in __all__:
        for home in _HOMES:
            found = vars(import_module(f".{home}", __name__))
            if name in found:
                return found[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
