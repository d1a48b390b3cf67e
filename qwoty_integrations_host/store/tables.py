"""The host's tables. The engine has its own tables in the same database; the host neither joins nor shows them."""

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

#: The table in which Alembic stores the version of the last migration that was applied.
VERSION_TABLE = "host_version"
host_version = Table(VERSION_TABLE, metadata, Column("version_num", String(32), primary_key=True))


class UtcText(TypeDecorator[datetime]):
    """An aware datetime, stored as ISO text in UTC: it sorts by time on every database and is readable in a shell."""

    impl = String(32)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        return value.astimezone(UTC).isoformat(timespec="microseconds") if value else None

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return datetime.fromisoformat(value) if value else None


# The conditions of partial indexes are literal text, because SQLite uses such an index only for the same text.
#: Selects the runs in states through which an ordinary run does not pass, so that it pays for none of their indexes.
IS_UNUSUAL = text("status IN ('waiting', 'skipped', 'needs_attention', 'failed', 'dismissed')")
#: Selects the runs that have not ended.
IS_UNFINISHED = text("finished_at IS NULL")
#: Selects the records that may await a payment.
MAY_AWAIT_PAYMENT = text("awaits_payment IS NOT FALSE")
#: Selects the alerts that have not reached everybody.
IS_UNDELIVERED = text("delivered_at IS NULL")
#: Selects the webhook events that were delivered more than once.
IS_DUPLICATE = text("duplicates > 0")

workspaces = Table(
    "workspaces",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("created_at", UtcText, nullable=False),
    #: The IANA name of the time zone in which days begin and end. None means each quote's own UTC offset.
    Column("timezone", String(64)),
)


def _workspace() -> Column[str]:
    return Column("workspace", String(64), ForeignKey("workspaces.id"), nullable=False, primary_key=True)


def _plugin() -> Column[str]:
    return Column("plugin", String(64), nullable=False, primary_key=True)


def _among(rows: TextClause) -> dict[str, Any]:
    """Return the arguments that restrict an index to some rows."""
    return {"sqlite_where": rows, "postgresql_where": rows}


settings = Table(
    "settings",
    metadata,
    _workspace(),
    _plugin(),
    Column("document", JSON, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("updated_at", UtcText, nullable=False),
    #: The plugin's ``settings_version`` at the last save, and the time of that save. Earlier releases set neither.
    Column("version", Integer),
    Column("versioned_at", UtcText),
)

#: Encrypted values, such as the secrets of settings (``settings/<field>``) and those of a plugin (``kept/<name>``).
secrets = Table(
    "secrets",
    metadata,
    _workspace(),
    _plugin(),
    Column("field", String(512), primary_key=True),
    Column("blob", Text, nullable=False),
)

#: The newest version number of each secret, including deleted secrets. Rows are never deleted; versions only increase.
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
    Column("number", String(255), nullable=False),
    Column("document", Text, nullable=False),
    #: The document as it was loaded (contract/stored_quote.py); None when only the document is stored.
    Column("loaded", Text),
    #: The id of this acceptance; None for quotes of the first release.
    Column("version", String(32)),
    #: The versions before a correction, until it is certain that nothing final was created from them.
    Column("replaced", JSON),
    #: What blocks the quote (quotes/stops.py): its cancellation, and what was undone, by plugin.
    Column("cancelled", JSON(none_as_null=True)),
    Column("undone", JSON(none_as_null=True)),
    Column("received_at", UtcText, nullable=False),
    #: Why the quote has no invoice although no run is at work, as a code (quotes/without_invoice.py). None for all
    #: other quotes.
    Column("without_invoice", String(255)),
    Index("quotes_by_age", "workspace", "received_at", "id"),
    Index("quotes_by_number", "workspace", "number"),
    Index("quotes_without_invoice", "workspace", "received_at", "id", **_among(text("without_invoice IS NOT NULL"))),
)

#: The state of each quote. If the passing of time will change it: ``turns_into`` is the next state, and ``turns_at`` or
#: ``turns_on`` says when (quotes/expiry.py).
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

#: The words by which people find quotes. ``source``: the plugin whose record has the word, or "" for the signed quote.
#: Every database sorts words by their bytes, so that words with the same beginning are next to each other.
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

runs = Table(
    "runs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("workspace", String(64), ForeignKey("workspaces.id"), nullable=False),
    Column("plugin", String(64), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("quote_id", String(255), nullable=False),
    #: Makes the run unique within its kind: the quote, the webhook event or the request for an installment.
    Column("subject", String(512), nullable=False),
    Column("facts", JSON, nullable=False),
    Column("status", String(32), nullable=False),
    Column("attempt", Integer, nullable=False),
    #: The digest of the settings with which the current attempt began; None until it begins.
    Column("settings_digest", String(64)),
    #: Whether the last attempt ended at a step, so that a retry resumes there.
    Column("resumable", Boolean, nullable=False),
    #: Unused since results are stored with the steps (0018). Workers of the release before still read it.
    Column("carried", JSON),
    Column("outcome", JSON),
    Column("error", JSON),
    #: Set while a run waits through an outage: when it tries again, and since when it has waited.
    Column("waits_until", UtcText),
    Column("outage_since", UtcText),
    Column("created_at", UtcText, nullable=False),
    Column("finished_at", UtcText),
    UniqueConstraint("workspace", "plugin", "kind", "subject"),
    Index("runs_by_quote", "workspace", "quote_id", "created_at", "id"),
    Index("runs_by_age", "created_at", "id"),
    # The last column is there so that runs of other plugins are passed over within the index.
    Index("runs_by_workspace", "workspace", "created_at", "id", "plugin"),
    Index("runs_by_kind", "workspace", "kind", "created_at", "id", "plugin"),
    Index("runs_unfinished", "created_at", "id", **_among(IS_UNFINISHED)),
    Index("runs_unusual", "workspace", "status", "created_at", "id", **_among(IS_UNUSUAL)),
    Index("runs_unusual_everywhere", "status", "created_at", "id", **_among(IS_UNUSUAL)),
)

steps = Table(
    "steps",
    metadata,
    Column("run_id", String(64), ForeignKey("runs.id"), primary_key=True),
    Column("name", String(512), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("status", String(32), nullable=False),
    Column("attempts", Integer, nullable=False),
    #: The number in the idempotency key. A final answer raises it, because a service may repeat it for the old key.
    Column("key", Integer, nullable=False),
    Column("ms", Integer, nullable=False),
    Column("request_ids", JSON, nullable=False),
    Column("error", JSON),
    Column("started_at", UtcText, nullable=False),
    #: The step's result: ``{"value": …}`` or ``{"error": …}``. NULL means that the current attempt has to do the step.
    Column("result", JSON(none_as_null=True)),
    #: The result's number within the current attempt, from 0; NULL if it is from an earlier attempt.
    Column("place", Integer),
)

records = Table(
    "records",
    metadata,
    _workspace(),
    _plugin(),
    Column("quote_id", String(255), primary_key=True),
    Column("document", JSON, nullable=False),
    #: The due date of the next installment to send. From that day on, the schedule looks at the quote. None if no
    #: installment waits.
    Column("next_due", Date),
    #: Whether a payment is still expected; None if a worker of an earlier release wrote the row.
    Column("awaits_payment", Boolean),
    Index("records_by_quote", "workspace", "quote_id"),
    Index("records_by_next_due", "next_due"),
    Index("records_awaiting_payment", "workspace", "plugin", "quote_id", **_among(MAY_AWAIT_PAYMENT)),
)

#: A plugin's state: small JSON values under names that the plugin chooses.
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
    #: Sorted by its bytes, so that the mails of one quote are next to each other.
    Column("name", String(512).with_variant(String(512, collation="C"), "postgresql"), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("message_id", String(255), nullable=False),
    Column("changed_at", UtcText, nullable=False),
    #: The epoch of the hold under which sending began; 0 outside a run.
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
    #: The service's account that sent the event. None if unknown; earlier releases did not store it.
    Column("account", String(64)),
    #: Whether the event was never delivered, and an upkeep run found it at the service.
    Column("found", Boolean, nullable=False, server_default=false()),
    #: How often it was delivered again, and when that last happened.
    Column("duplicates", Integer, nullable=False, server_default="0"),
    Column("last_at", UtcText),
    Index("deliveries_by_account", "workspace", "plugin", "account", "received_at"),
    # The last two columns are there so that other events are passed over within the index.
    Index("deliveries_by_age", "workspace", "received_at", "event_id", "plugin", "type"),
    Index("deliveries_repeated", "workspace", "received_at", "event_id", **_among(IS_DUPLICATE)),
)

#: Rejected webhooks: one row per day, plugin and reason. With one row per request, anybody could fill the table.
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

#: Counts of rows (tallies.py). A count is the sum of its rows.
tallies = Table(
    "tallies",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    #: The table whose rows are counted.
    Column("about", String(32), nullable=False),
    Column("plugin", String(64), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("state", String(32), nullable=False),
    Column("number", BigInteger, nullable=False),
)

#: The worker processes, and the last heartbeat of each (seconds since 1970, by the database's clock).
worker_leases = Table(
    "worker_leases",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("seen", Double, nullable=False),
)

#: The last hold on a plugin's work for a quote (holds.py): how often it was taken, and for which attempt of which run.
holds = Table(
    "holds",
    metadata,
    _workspace(),
    _plugin(),
    Column("quote_id", String(255), primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("job_id", String(128), nullable=False),
)

#: How often a worker died at a job since the job last made progress.
job_deaths = Table(
    "job_deaths",
    metadata,
    Column("job_id", String(128), primary_key=True),
    Column("checkpoints", Integer, nullable=False),
    Column("times", Integer, nullable=False),
)

#: Rate limits by name: when the next request may be sent (seconds since 1970, by the database's clock).
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
    #: The name that its creator gave it.
    Column("name", String(100)),
    #: What it may do; None for a key of an earlier release, which may do everything.
    Column("scopes", JSON),
    Column("last_used_at", UtcText),
    Column("revoked_at", UtcText),
)

#: Responses that are returned again when a client repeats a write under the same ``Idempotency-Key``.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    _workspace(),
    Column("key", String(255), primary_key=True),
    #: The digest of method, URL and body: another request under the same key is rejected.
    Column("digest", String(64), nullable=False),
    #: Both are set in the transaction that inserts the row.
    Column("status", Integer),
    Column("body", Text),
    Column("created_at", UtcText, nullable=False),
    Index("idempotency_keys_by_age", "created_at"),
)

#: The platform that a workspace gets its quotes from, and how to reach it; its secrets are in ``secrets``.
platforms = Table(
    "platforms",
    metadata,
    _workspace(),
    Column("document", JSON, nullable=False),
    Column("updated_at", UtcText, nullable=False),
)

#: Events of platforms, one row per event.
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
)

#: The connection of a workspace's integration to its service: the last test, and the known problem.
connections = Table(
    "connections",
    metadata,
    _workspace(),
    _plugin(),
    Column("report", JSON),
    Column("checked_at", UtcText),
    #: The known problem (code, title, hint, run_id, since), until it is solved; None if there is none.
    Column("problem", JSON),
)

#: Checks of a service that a request begins and that continue in the background; see ``inquiries``.
inquiries = Table(
    "inquiries",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("workspace", String(64), ForeignKey("workspaces.id"), nullable=False),
    Column("kind", String(32), nullable=False),
    #: Empty for an inquiry that is not about a plugin.
    Column("plugin", String(64), nullable=False),
    #: ``running`` only means that no end is recorded. After the deadline, nothing works on the inquiry any more.
    Column("status", String(16), nullable=False),
    Column("begun_at", UtcText, nullable=False),
    Column("deadline", UtcText, nullable=False),
    Column("ended_at", UtcText),
    #: The submitted form's values that may be shown again; never a secret.
    Column("typed", JSON),
    Column("found", JSON),
    Column("error", JSON),
    Index("inquiries_by_age", "workspace", "begun_at"),
)

#: The alert recipients of each workspace; a webhook's secret is in ``secrets``.
alert_targets = Table(
    "alert_targets",
    metadata,
    _workspace(),
    Column("document", JSON, nullable=False),
    Column("updated_at", UtcText, nullable=False),
)

#: Alerts, one per subject.
alerts = Table(
    "alerts",
    metadata,
    _workspace(),
    #: What the alert is about, such as a run's attempt. As part of the key, it prevents a second alert.
    Column("subject", String(255), primary_key=True),
    Column("code", String(64), nullable=False),
    Column("document", JSON, nullable=False),
    Column("created_at", UtcText, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("delivered_at", UtcText),
    Index("alerts_by_age", "created_at"),
    Index("alerts_by_workspace", "workspace", "created_at", "subject"),
    Index("alerts_undelivered", "workspace", "tries", "created_at", **_among(IS_UNDELIVERED)),
)

#: Links that open the console once, within some minutes. Only digests of their tokens are stored.
login_links = Table(
    "login_links",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("workspace", String(64), ForeignKey("workspaces.id"), nullable=False),
    Column("role", String(16), nullable=False),
    Column("expires_at", UtcText, nullable=False),
)

#: Sessions of the console. Only a digest of the cookie's token is stored.
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

#: The console's passwords as slow hashes, at most one per role of a workspace.
passwords = Table(
    "passwords",
    metadata,
    _workspace(),
    Column("role", String(16), primary_key=True),
    Column("hash", String(255), nullable=False),
    Column("changed_at", UtcText, nullable=False),
)

#: The audit log: what people and programs did, and to which fields. It contains no values.
audit = Table(
    "audit",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("workspace", String(64), ForeignKey("workspaces.id"), nullable=False),
    Column("at", UtcText, nullable=False),
    Column("actor", String(255), nullable=False),
    Column("action", String(64), nullable=False),
    #: What the action was done to, such as a plugin, a run or a key.
    Column("subject", String(255), nullable=False),
    Column("fields", JSON, nullable=False),
    Index("audit_by_age", "workspace", "at"),
)
