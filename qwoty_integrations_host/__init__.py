"""The public names for plugin authors; everything else may change without notice."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .clock import Clock
    from .contract.context import Attachment, Attempt, HookContext, MailMessage, Pace
    from .contract.countries import country_code
    from .contract.hook_types import (
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
    from .contract.hookspecs import HOOK_API, hookimpl
    from .contract.installments import pick_installment
    from .contract.quote import Address, Contact, Discount, Installment, LineItem, Quote, Section, Tax
    from .contract.record import InstallmentRecord, InvoiceRecord, QuoteRecord
    from .contract.timezones import offset_name
    from .errors import (
        ActionRefused,
        AlreadyFinal,
        CredentialsError,
        FieldProblem,
        IntegrationError,
        NeedsAttention,
        PermanentError,
        PermissionMissing,
        RetryableError,
        WebhookRejected,
    )
    from .mail.address import mail_address
    from .network.downloads import NotFetched, download
    from .network.request_errors import why_unsent
    from .network.sessions import connection_died, kept_session

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
    "PermissionMissing",
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
    "connection_died",
    "country_code",
    "download",
    "hookimpl",
    "kept_session",
    "mail_address",
    "offset_name",
    "pick_installment",
    "why_unsent",
]

#: Where the public names live; those that many others import come first.
_HOMES = (
    "errors",
    "clock",
    "contract.quote",
    "contract.record",
    "contract.context",
    "contract.hook_types",
    "contract.hookspecs",
    "contract.installments",
    "contract.countries",
    "contract.timezones",
    "network.request_errors",
    "network.downloads",
    "network.sessions",
    "mail.address",
)


def __getattr__(name: str) -> Any:
    # lazy: every module of the host imports this one, and `qwoty-host --help` needs none of these classes.
    if name in __all__:
        for home in _HOMES:
            found = vars(import_module(f".{home}", __name__))
            if name in found:
                return found[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
