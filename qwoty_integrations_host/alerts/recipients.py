"""The alert recipients of each workspace: people by mail, and a program by webhook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping

from ..clock import Clock
from ..contract.settings_document import changed_fields, schema_problems, with_defaults
from ..errors import ActionRefused, FieldProblem, InvalidInput
from ..mail.address import is_mail_address
from ..redaction import masked
from ..store import alerts as alerts_table
from ..store import audit, secrets
from ..store.database import Store
from ..store.workspaces import lock_workspace, require_workspace
from ..vault import Vault
from . import webhook
from .alert import ATTEMPTS_DUE, FACTS, console_url
from .mail import TEXTS

#: Hours without any webhook after a payment link's end, until the webhooks count as missing.
SILENT_AFTER_HOURS = 24
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "mails": {
            "type": "array",
            "default": [],
            "maxItems": 10,
            "items": {
                "type": "string",
                "pattern": r"^[^\s@<>,]+@[^\s@<>,]+$",
                "maxLength": 254,
                "x-error": {"pattern": "Is not an e-mail address."},
            },
        },
        "webhook_url": {"type": ["string", "null"], "default": None, "maxLength": 2000},
        "language": {"enum": list(TEXTS), "default": "en"},
        "silent_after_hours": {"type": "integer", "default": SILENT_AFTER_HOURS, "minimum": 1, "maximum": 720},
        "daily_digest": {"type": "boolean", "default": True},
    },
    "additionalProperties": False,
}
_LISTED = 20


@dataclass(frozen=True, slots=True)
class AlertRecipients:
    """The alert recipients of one host's workspaces.

    The document that ``replace`` takes: ``{"mails": [address], "webhook_url": str | None, "language": "en" | "fr",
    "silent_after_hours": int, "daily_digest": bool}``; omitted fields take their defaults.
    """

    store: Store
    vault: Vault
    clock: Clock
    allow_private: bool
    public_url: str | None

    def replace(self, workspace: str, document: Any) -> dict[str, Any]:
        """Replace the recipients; return ``show``, with a new webhook's ``webhook_secret`` in clear, this once.

        An unchanged ``webhook_url`` keeps its secret. Raises: NotFound; InvalidInput by field.
        """
        recipients = self._validated(document)
        with self.store.write() as db:
            require_workspace(db, workspace)
            new_secret = self._save(db, workspace, alerts_table.document(db, workspace), recipients)
        return self._report(workspace, new_secret)

    def change(self, workspace: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Change the given fields only; otherwise like ``replace``."""
        with self.store.write() as db:
            lock_workspace(db, workspace)
            require_workspace(db, workspace)
            before = alerts_table.document(db, workspace)
            new_secret = self._save(db, workspace, before, self._validated({**before, **changes}))
        return self._report(workspace, new_secret)

    def add(self, db: Connection, workspace: str, mails: Sequence[str]) -> None:
        """Add recipients by mail, in the caller's transaction. Raises: InvalidInput by field."""
        lock_workspace(db, workspace)
        before = alerts_table.document(db, workspace)
        recipients = self._validated({**before, "mails": [*before.get("mails", ()), *mails]})
        if recipients["mails"] != before.get("mails", []):
            self._save(db, workspace, before, recipients)

    def exist(self, workspace: str) -> bool:
        """Return whether a workspace has any recipient."""
        with self.store.read() as db:
            return alerts_table.recipients(db, workspace) is not None

    def require(self, workspace: str) -> Mapping[str, Any]:
        """Return a workspace's recipients. Raises: NotFound; ActionRefused when it has none."""
        with self.store.read() as db:
            require_workspace(db, workspace)
            recipients = alerts_table.recipients(db, workspace)
        if recipients is None:
            raise ActionRefused(
                "Nobody is to be told anything in this workspace.",
                hint="Enter whom to tell first.",
            )
        return recipients

    def show(self, workspace: str) -> dict[str, Any]:
        """Report the recipients, how many alerts wait for delivery, and the newest alerts. Raises: NotFound.

        ``{"workspace", "mails", "webhook_url", "webhook_secret", "language", "silent_after_hours", "daily_digest",
        "waiting", "alerts": [{"subject", "type", "code", "title", "hint", "plugin", "run_id", "quote_id",
        "quote_number", "command", "url", "open", "left_out", "created_at", "delivered_at", "tries", "trouble"}]}``.
        ``webhook_secret``: its last four characters. ``url``: the console's page about the alert, None without a
        public URL. ``open``: the alerts of a digest, each with the first nine fields; ``left_out``: how many more
        there were.
        """
        with self.store.read() as db:
            require_workspace(db, workspace)
            recipients = with_defaults(SCHEMA, alerts_table.document(db, workspace))
            waiting = alerts_table.count_undelivered(db, workspace, tries=len(ATTEMPTS_DUE))
            newest = alerts_table.newest(db, workspace, limit=_LISTED)
        secret = self.webhook_secret(workspace)
        return {
            "workspace": workspace,
            **recipients,
            "webhook_secret": masked(secret) if secret else None,
            "waiting": waiting,
            "alerts": [self._alert_report(row) for row in newest],
        }

    def webhook_secret(self, workspace: str) -> str | None:
        """Return the secret that signs a workspace's alert webhooks, in clear."""
        with self.store.read() as db:
            return secrets.get(db, self.vault, workspace, *alerts_table.SECRET)

    def _report(self, workspace: str, new_secret: str | None) -> dict[str, Any]:
        report = self.show(workspace)
        return {**report, "webhook_secret": new_secret} if new_secret else report

    def _save(
        self, db: Connection, workspace: str, before: Mapping[str, Any], recipients: Mapping[str, Any]
    ) -> str | None:
        """Store the recipients; return a new webhook's secret."""
        new_secret, url = None, recipients["webhook_url"]
        if url is None:
            secrets.forget(db, workspace, *alerts_table.SECRET)
        elif url != before.get("webhook_url") or not secrets.of_plugin(db, workspace, *alerts_table.SECRET):
            new_secret = webhook.new_secret()
            secrets.put(db, self.vault, workspace, *alerts_table.SECRET, new_secret)
        now = self.clock.now()
        alerts_table.save_recipients(db, workspace, recipients, now)
        audit.note(db, workspace, "alerts.set", "", now, fields=changed_fields(before, recipients))
        return new_secret

    def _validated(self, document: Any) -> dict[str, Any]:
        if not isinstance(document, Mapping):
            raise InvalidInput(
                "Alert recipients are not a JSON object.",
                hint='Send an object such as {"mails": ["ana@seller.example"]}.',
            )
        values = {name: value for name, value in document.items() if value is not None}
        problems = list(schema_problems(SCHEMA, values))
        if not problems:
            invalid = (number for number, mail in enumerate(values.get("mails", [])) if not is_mail_address(mail))
            problems = [FieldProblem(("mails", str(number)), "Is not an e-mail address.") for number in invalid]
        url = values.get("webhook_url")
        if not problems and url is not None and not webhook.is_valid_url(url, allow_private=self.allow_private):
            problems = [FieldProblem(("webhook_url",), "Must be an https address that is not a private one.")]
        if problems:
            raise InvalidInput("Alert recipients are not valid.", problems)
        return {**with_defaults(SCHEMA, values), "mails": list(dict.fromkeys(values.get("mails", [])))}

    def _alert_report(self, row: RowMapping) -> dict[str, Any]:
        document = row["document"]
        return {
            "subject": row["subject"],
            **{name: document[name] for name in FACTS},
            "url": console_url(self.public_url, document),
            "open": document.get("open", []),
            "left_out": document.get("left_out", 0),
            "created_at": _iso(row["created_at"]),
            "delivered_at": _iso(row["delivered_at"]),
            "tries": row["tries"],
            "trouble": document["trouble"],
        }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
