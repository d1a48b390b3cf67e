"""The tables of the host (the engine keeps its own beside them, never joined or shown)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    Dialect,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TextClause,
    TypeDecorator,
    UniqueConstraint,
    false,
    text,
)

metadata = MetaData()

#: Where Alembic keeps the number of the newest migration that was applied.
VERSION_TABLE = "host_version"
host_version = Table(VERSION_TABLE, metadata, Column("version_num", String(32), primary_key=True))


class UtcText(TypeDecorator[datetime]):
    """Aware UTC kept as ISO text: sorts as time on every database, and reads well in a shell."""

    impl = String(32)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        return value.astimezone(UTC).isoformat(timespec="microseconds") if value else None

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return datetime.fromisoformat(value) if value else None


workspaces = Table(
    "workspaces",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("created_at", UtcText, nullable=False),
    #: The IANA name of the zone in which days are counted; None: in each quote's own offset.
    Column("timezone", String(64)),
)


def _workspace() -> Column[str]:
    return Column("workspace", String(64), ForeignKey("workspaces.id"), nullable=False, primary_key=True)


def _plugin() -> Column[str]:
    return Column("plugin", String(64), nullable=False, primary_key=True)


def _among(rows: TextClause) -> dict[str, Any]:
    """An index of some of the rows only."""
    return {"sqlite_where": rows, "postgresql_where": rows}


settings = Table(
    "settings",
    metadata,
    _workspace(),
    _plugin(),
    Column("document", JSON, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("updated_at", UtcText, nullable=False),
    #: The plugin's settings_version that they were saved with, and when: an earlier release saves without.
    Column("version", Integer),
    Column("versioned_at", UtcText),
)

#: Encrypted values: the secrets of the settings (``settings/<field>``) and those a plugin keeps (``kept/<name>``).
secrets = Table(
    "secrets",
    metadata,
    _workspace(),
    _plugin(),
    Column("field", String(512), primary_key=True),
    Column("blob", Text, nullable=False),
)

#: Which version of a secret is the newest, also of one that was removed: never taken away, and counted up only.
secret_versions = Table(
    "secret_versions",
    metadata,
    Column("workspace", String(64), primary_key=True),
    _plugin(),
    Column("field", String(512), primary_key=True),
    Column("version", BigInteger, nullable=False),
)

quotes = Table(
    "quotes",
    metadata,
    _workspace(),
    Column("id", String(255), primary_key=True),
    Column("number", String(255), nullable=False, index=True),
    Column("document", Text, nullable=False),
    #: Which acceptance this is; None for those of the first release.
    Column("version", String(32)),
    #: The version before a correction, until it is certain that nothing final had been made of it.
    Column("replaced", JSON),
    #: Why nothing more is made of it (quotes/stops.py): its cancellation, and what was undone, by plugin.
    Column("cancelled", JSON(none_as_null=True)),
    Column("undone", JSON(none_as_null=True)),
    Column("received_at", UtcText, nullable=False),
    #: The code of why it has no invoice although nothing works on it (quotes/without_invoice.py); None for all others.
    Column("without_invoice", String(255)),
    Index("quotes_by_age", "workspace", "received_at", "id"),
    Index("quotes_by_number", "workspace", "number"),
    Index("quotes_without_invoice", "workspace", "received_at", "id", **_among(text("without_invoice IS NOT NULL"))),
)

#: Where each quote stands as long as nothing but time goes by, and what that makes of it (quotes/expiry.py).
standings = Table(
    "standings",
    metadata,
    _workspace(),
    Column("quote_id", String(255), primary_key=True),
    Column("received_at", UtcText, nullable=False),
    Column("state", String(32), nullable=False),
    Column("turns_into", String(32)),
    Column("turns_at", UtcText),
    Column("turns_on", Date),
    ForeignKeyConstraint(["workspace", "quote_id"], ["quotes.workspace", "quotes.id"], ondelete="CASCADE"),
    Index("standings_by_age", "workspace", "received_at", "quote_id"),
    Index("standings_by_state", "workspace", "state", "received_at", "quote_id", "turns_at", "turns_on"),
    Index("standings_by_turn", "workspace", "turns_into", "received_at", "quote_id", "turns_at", "turns_on"),
)

#: The words by which quotes are found, and whose they are: of what was signed (""), or of a plugin's record.
#: Ordered by their bytes on every database, so that those which begin alike stand together.
quote_words = Table(
    "quote_words",
    metadata,
    _workspace(),
    Column("quote_id", String(255), primary_key=True),
    Column("word", String(64).with_variant(String(64, collation="C"), "postgresql"), primary_key=True),
    Column("source", String(64), primary_key=True),
    ForeignKeyConstraint(["workspace", "quote_id"], ["standings.workspace", "standings.quote_id"], ondelete="CASCADE"),
    Index("quotes_by_word", "workspace", "word", "quote_id"),
    sqlite_with_rowid=False,
)

#: What a person has to look at; written out, since SQLite takes a partial index for nothing else.
IS_OPEN = text("status IN ('needs_attention', 'failed')")

runs = Table(
    "runs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("workspace", String(64), ForeignKey("workspaces.id"), nullable=False),
    Column("plugin", String(64), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("quote_id", String(255), nullable=False),
    #: What makes the run unique within its kind: the quote, the webhook event, the request for an installment.
    Column("subject", String(512), nullable=False),
    Column("facts", JSON, nullable=False),
    Column("status", String(32), nullable=False),
    Column("attempt", Integer, nullable=False),
    #: Digest of the settings that the current attempt began with; None until it begins.
    Column("settings_digest", String(64)),
    #: Whether the last attempt ended at a step, so that a retry resumes there.
    Column("resumable", Boolean, nullable=False),
    #: Unused since results stand with the steps (0018); workers of the release before still read it.
    Column("carried", JSON),
    Column("outcome", JSON),
    Column("error", JSON),
    #: While a run waits through an outage: when it tries again, and since when the service has been away.
    Column("waits_until", UtcText),
    Column("outage_since", UtcText),
    Column("created_at", UtcText, nullable=False),
    Column("finished_at", UtcText),
    UniqueConstraint("workspace", "plugin", "kind", "subject"),
    Index("runs_by_quote", "workspace", "quote_id"),
    Index("runs_by_age", "created_at", "id"),
    Index("runs_by_workspace", "workspace", "created_at", "id"),
    Index("runs_by_kind", "workspace", "plugin", "kind", "created_at"),
    Index("runs_open", "workspace", "plugin", **_among(IS_OPEN)),
)

steps = Table(
    "steps",
    metadata,
    Column("run_id", String(64), ForeignKey("runs.id"), primary_key=True),
    Column("name", String(512), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("status", String(32), nullable=False),
    Column("attempts", Integer, nullable=False),
    #: Counts the final answers so far: what a service may repeat for one idempotency key, it must not be asked again.
    Column("key", Integer, nullable=False),
    Column("ms", Integer, nullable=False),
    Column("request_ids", JSON, nullable=False),
    Column("error", JSON),
    Column("started_at", UtcText, nullable=False),
    #: What the step gave back, as ``{"value": …}`` or ``{"error": …}``; NULL while the present attempt has to do it.
    Column("result", JSON(none_as_null=True)),
    #: Its number among the results of the present attempt, from 0; NULL when it is of an earlier attempt.
    Column("place", Integer),
)

records = Table(
    "records",
    metadata,
    _workspace(),
    _plugin(),
    Column("quote_id", String(255), primary_key=True),
    Column("document", JSON, nullable=False),
    #: From this day on the schedule looks whether an installment is to be sent; None when none is waiting.
    Column("next_due", Date),
    #: Whether somebody still has to pay; None where a worker of an earlier release wrote.
    Column("awaits_payment", Boolean),
    Index("records_by_next_due", "next_due"),
    Index("records_awaiting_payment", "workspace", "plugin", "awaits_payment", "quote_id"),
)

#: What a plugin remembers beside its records: small JSON values under names of its own.
plugin_state = Table(
    "plugin_state",
    metadata,
    _workspace(),
    _plugin(),
    Column("name", String(512), primary_key=True),
    Column("value", JSON, nullable=False),
)

external_ids = Table(
    "external_ids",
    metadata,
    _workspace(),
    Column("kind", String(32), primary_key=True),
    Column("entity_id", String(255), primary_key=True),
    Column("slot", String(32), primary_key=True),
    Column("value", String(255), nullable=False),
)

mails = Table(
    "mails",
    metadata,
    _workspace(),
    _plugin(),
    Column("name", String(512), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("message_id", String(255), nullable=False),
    Column("changed_at", UtcText, nullable=False),
    #: Whose it is to send: the epoch of the hold under which that was begun; 0 outside a run.
    Column("epoch", Integer, nullable=False, server_default="0"),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    _workspace(),
    _plugin(),
    Column("event_id", String(255), primary_key=True),
    Column("type", String(255), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("received_at", UtcText, nullable=False),
    #: Which of the service's accounts it came from; None for those of earlier releases.
    Column("account", String(64)),
    #: Nobody delivered it: an upkeep found it.
    Column("found", Boolean, nullable=False, server_default=false()),
    #: How often it was delivered again, and when last.
    Column("duplicates", Integer, nullable=False, server_default="0"),
    Column("last_at", UtcText),
    Index("deliveries_by_account", "workspace", "plugin", "account", "received_at"),
    Index("deliveries_by_age", "workspace", "received_at", "event_id"),
)

#: Deliveries that were refused: a row per day, plugin and reason, so that what anybody may send does not fill it.
webhook_refusals = Table(
    "webhook_refusals",
    metadata,
    _workspace(),
    Column("id", String(255), primary_key=True),
    Column("plugin", String(64), nullable=False),
    Column("reason", String(64), nullable=False),
    Column("times", Integer, nullable=False),
    Column("first_at", UtcText, nullable=False),
    Column("last_at", UtcText, nullable=False),
    Index("refusals_by_age", "workspace", "first_at", "id"),
)

#: The worker processes and when each last said that it is alive (seconds since 1970, the database's clock).
worker_leases = Table(
    "worker_leases",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("seen", Double, nullable=False),
)

#: Who took the work on a quote last: how often it was taken, and for which attempt of which run (holds.py).
holds = Table(
    "holds",
    metadata,
    _workspace(),
    _plugin(),
    Column("quote_id", String(255), primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("job_id", String(128), nullable=False),
)

#: How often a worker died at a job since the job's last checkpoint.
job_deaths = Table(
    "job_deaths",
    metadata,
    Column("job_id", String(128), primary_key=True),
    Column("checkpoints", Integer, nullable=False),
    Column("times", Integer, nullable=False),
)

#: When the next request of a name may go out (seconds since 1970, the database's clock).
paces = Table(
    "paces",
    metadata,
    Column("name", String(512), primary_key=True),
    Column("free_at", Double, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("workspace", String(64), ForeignKey("workspaces.id"), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("created_at", UtcText, nullable=False),
    #: What it is for, in the words of whoever made it.
    Column("name", String(100)),
    #: What it may do; None for those of earlier releases, which may do everything.
    Column("scopes", JSON),
    Column("last_used_at", UtcText),
    Column("revoked_at", UtcText),
)

#: Answers that are given again when a platform repeats a write under the same ``Idempotency-Key``.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    _workspace(),
    Column("key", String(255), primary_key=True),
    #: Of method, address and body: another request under the same key is refused.
    Column("digest", String(64), nullable=False),
    #: Both are there once the transaction is, which took the key.
    Column("status", Integer),
    Column("body", Text),
    Column("created_at", UtcText, nullable=False),
    Index("idempotency_keys_by_age", "created_at"),
)

#: Which platform a workspace's quotes come from and how it is reached; its secrets are in ``secrets``.
platforms = Table(
    "platforms",
    metadata,
    _workspace(),
    Column("document", JSON, nullable=False),
    Column("updated_at", UtcText, nullable=False),
)

#: What a platform told us, by the id of its message: once each.
events = Table(
    "events",
    metadata,
    _workspace(),
    Column("id", String(255), primary_key=True),
    Column("type", String(255), nullable=False),
    Column("quote_id", String(255)),
    Column("digest", String(64), nullable=False),
    Column("answer", JSON),
    Column("received_at", UtcText, nullable=False),
    Index("events_by_age", "workspace", "received_at"),
)

#: How a workspace's integration stands with its service: the last test, and what a run met since.
connections = Table(
    "connections",
    metadata,
    _workspace(),
    _plugin(),
    Column("report", JSON),
    Column("checked_at", UtcText),
    #: What is wrong until a test succeeds (code, title, hint, run_id, since); None when nothing is known to be.
    Column("problem", JSON),
)

#: What a request asks of a service, beside the request; see ``inquiries``.
inquiries = Table(
    "inquiries",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("workspace", String(64), ForeignKey("workspaces.id"), nullable=False),
    Column("kind", String(32), nullable=False),
    #: The plugin; empty where it is about none.
    Column("plugin", String(64), nullable=False),
    #: ``running`` means no more than that no end was written: after the deadline nobody works on it.
    Column("status", String(16), nullable=False),
    Column("begun_at", UtcText, nullable=False),
    Column("deadline", UtcText, nullable=False),
    Column("ended_at", UtcText),
    #: What was typed and may be shown again, for the form that was sent; never a secret.
    Column("typed", JSON),
    Column("found", JSON),
    Column("error", JSON),
    Index("inquiries_by_age", "workspace", "begun_at"),
)

#: Whom to tell when something needs a person; a webhook's secret is in ``secrets``.
alert_targets = Table(
    "alert_targets",
    metadata,
    _workspace(),
    Column("document", JSON, nullable=False),
    Column("updated_at", UtcText, nullable=False),
)

#: What people were told, once per subject.
alerts = Table(
    "alerts",
    metadata,
    _workspace(),
    #: What it is about, such as a run's attempt: nobody is told twice.
    Column("subject", String(255), primary_key=True),
    Column("code", String(64), nullable=False),
    Column("document", JSON, nullable=False),
    Column("created_at", UtcText, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("delivered_at", UtcText),
    Index("alerts_by_age", "created_at"),
)

#: Addresses that open the console once, each for some minutes. Of their tokens only digests are kept.
login_links = Table(
    "login_links",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("workspace", String(64), ForeignKey("workspaces.id"), nullable=False),
    Column("role", String(16), nullable=False),
    Column("expires_at", UtcText, nullable=False),
)

#: Who is logged in to the console. Of the cookie only a digest is kept.
sessions = Table(
    "sessions",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("workspace", String(64), ForeignKey("workspaces.id"), nullable=False),
    Column("role", String(16), nullable=False),
    Column("created_at", UtcText, nullable=False),
    Column("expires_at", UtcText, nullable=False),
    Column("revoked_at", UtcText),
)

#: The console's passwords, one per role of a workspace at most; slow hashes.
passwords = Table(
    "passwords",
    metadata,
    _workspace(),
    Column("role", String(16), primary_key=True),
    Column("hash", String(255), nullable=False),
    Column("changed_at", UtcText, nullable=False),
)

#: What people and programs did, and to which fields; never a value.
audit = Table(
    "audit",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("workspace", String(64), ForeignKey("workspaces.id"), nullable=False),
    Column("at", UtcText, nullable=False),
    Column("actor", String(255), nullable=False),
    Column("action", String(64), nullable=False),
    #: What it was done to: a plugin, a run, a key.
    Column("subject", String(255), nullable=False),
    Column("fields", JSON, nullable=False),
    Index("audit_by_age", "workspace", "at"),
)
