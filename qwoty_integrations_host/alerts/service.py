"""Telling a workspace's people what needs them: stored with what happened, delivered by the schedule.

At least once: what was delivered in the moment of a crash is delivered again, under the same Message-ID or
``webhook-id``. Nobody is told twice of one subject otherwise.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any
from urllib.parse import quote as escaped

from sqlalchemy import Connection, RowMapping

from ..clock import Clock
from ..concurrency.locks import Locks
from ..config import WAITS
from ..contract.settings_document import changed_fields, schema_problems, with_defaults
from ..errors import ActionRefused, DatabaseUnavailable, FieldProblem, IntegrationError, InvalidInput
from ..mail.address import is_mail_address
from ..mail.message import build
from ..mail.transports import Transport
from ..plugins.catalogs import Translations
from ..plugins.manager import RESERVED
from ..quotes.run import Run, RunKind
from ..redaction import masked
from ..store import alerts as rows
from ..store import audit, quotes, secrets
from ..store.database import Store
from ..store.workspaces import lock_workspace, require_workspace
from ..vault import Vault
from ..workspaces.connections import met_in_a_run
from . import webhook
from .mail import WORDS, alert_mail

log = logging.getLogger(__name__)

#: After the end of a payment link of which nothing was heard.
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
        "language": {"enum": list(WORDS), "default": "en"},
        "silent_after_hours": {"type": "integer", "default": SILENT_AFTER_HOURS, "minimum": 1, "maximum": 720},
        "daily_digest": {"type": "boolean", "default": True},
    },
    "additionalProperties": False,
}
#: How long after it happened each try to tell it comes; then nobody tries any more.
_TRIES = tuple(accumulate((timedelta(0), *WAITS)))
_SHOWN = 20
_WEBHOOK = "webhook"
#: A mail of a customer's that did not leave, however it ended: its run stopped, or waits.
_MAIL_STOPPED = {"mail_refused", "mail_address", "mail_unsure", "send_unsure"}
MAIL_WAITS = {"mail_unreachable", "mail_deferred"}
#: A mail server may ask for a few minutes.
_MAIL_PATIENCE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Alerts:
    """The alerts of one host.

    The document that ``set`` takes: ``{"mails": [address], "webhook_url": str | None, "language": "en" | "fr",
    "silent_after_hours": int, "daily_digest": bool}``; what is left out takes its default.
    """

    store: Store
    vault: Vault
    clock: Clock
    locks: Locks
    transport: Transport
    allow_private: bool
    public_url: str | None
    translations: Translations

    # -- whom to tell ----------------------------------------------------------------------------

    def set(self, workspace: str, document: Any) -> dict[str, Any]:
        """Replace whom to tell; give ``show``, with a new webhook's ``webhook_secret`` in clear, this once.

        The secret of an address that stays is kept. Raises: NotFound; InvalidInput by field.
        """
        wanted = self._checked(document)
        with self.store.write() as db:
            require_workspace(db, workspace)
            fresh = self._save(db, workspace, rows.document(db, workspace), wanted)
        shown = self.show(workspace)
        return {**shown, "webhook_secret": fresh} if fresh else shown

    def change(self, workspace: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Change some of it and leave the rest as it is; otherwise like ``set``."""
        with self.store.write() as db:
            lock_workspace(db, workspace)
            require_workspace(db, workspace)
            before = rows.document(db, workspace)
            fresh = self._save(db, workspace, before, self._checked({**before, **changes}))
        shown = self.show(workspace)
        return {**shown, "webhook_secret": fresh} if fresh else shown

    def tell_too(self, db: Connection, workspace: str, mails: Sequence[str]) -> None:
        """Tell these people as well, in the caller's transaction. Raises: InvalidInput by field."""
        lock_workspace(db, workspace)
        before = rows.document(db, workspace)
        wanted = self._checked({**before, "mails": [*before.get("mails", ()), *mails]})
        if wanted["mails"] != before.get("mails", []):
            self._save(db, workspace, before, wanted)

    def tells_somebody(self, workspace: str) -> bool:
        """Whether anybody is told anything in this workspace."""
        with self.store.read() as db:
            return rows.targets(db, workspace) is not None

    def show(self, workspace: str) -> dict[str, Any]:
        """Whom to tell (of the webhook's secret the last four), how many wait to be told, and the newest alerts.

        ``{"workspace", "mails", "webhook_url", "webhook_secret", "language", "silent_after_hours", "daily_digest",
        "waiting", "alerts": [{"subject", "type", "code", "title", "hint", "plugin", "run_id", "quote_id",
        "quote_number", "command", "url", "open", "left_out", "created_at", "delivered_at", "tries", "trouble"}]}``.
        ``url``: the console's page about it, None without a public address. ``open``: what a digest tells of, each with
        the first nine names; ``left_out``: how many more there were. Raises: NotFound.
        """
        with self.store.read() as db:
            require_workspace(db, workspace)
            targets = with_defaults(SCHEMA, rows.document(db, workspace))
            waiting = rows.count_untold(db, workspace, tries=len(_TRIES))
            newest = rows.newest(db, workspace, limit=_SHOWN)
        secret = self._secret(workspace)
        return {
            "workspace": workspace,
            **targets,
            "webhook_secret": masked(secret) if secret else None,
            "waiting": waiting,
            "alerts": [self._shown(row) for row in newest],
        }

    def test(self, workspace: str) -> dict[str, Any]:
        """Tell everybody a test at once: ``{"workspace", "data": [{"to", "delivered", "trouble"}]}``.

        Raises: NotFound; ActionRefused when there is nobody to tell.
        """
        targets = self.require_somebody(workspace)
        now = self.clock.now()
        facts = _facts("test", {"code": "test", "title": "A test of the alerts.", "hint": ""})
        alert = {"subject": f"test:{now.isoformat()}", "created_at": now, **facts}
        data = []
        for channel in _channels(targets):
            error = self._tell(workspace, targets, channel, [alert])
            to = targets["webhook_url"] if channel == _WEBHOOK else channel
            data.append({"to": to, "delivered": error is None, "trouble": error.title if error else ""})
        return {"workspace": workspace, "data": data}

    def require_somebody(self, workspace: str) -> Mapping[str, Any]:
        """Give whom to tell. Raises: as ``test`` does before it tells anybody."""
        with self.store.read() as db:
            require_workspace(db, workspace)
            targets = rows.targets(db, workspace)
        if targets is None:
            raise ActionRefused(
                "Nobody is to be told anything in this workspace.",
                hint="Enter whom to tell first.",
            )
        return targets

    # -- what to tell ----------------------------------------------------------------------------

    def add(self, db: Connection, workspace: str, subject: str, facts: Mapping[str, Any]) -> bool:
        """Store something to tell, in the caller's transaction; False when it was told before, or there is nobody."""
        if rows.targets(db, workspace) is None:
            return False
        place = {"workspace": workspace, "subject": subject, "code": facts["code"]}
        document = {**facts, "told": [], "trouble": ""}
        return rows.add(db, {**place, "document": document, "created_at": self.clock.now(), "tries": 0})

    def run_ended(
        self, db: Connection, row: Run, status: str, error: Mapping[str, Any] | None, *, refused: bool
    ) -> None:
        """Note in the run's own transaction what its end means; ``refused``: the service refused the key.

        Of a refused key people are told once for all runs, until a test succeeds or the settings change.
        """
        if status not in {"needs_attention", "failed"} or error is None:
            return
        workspace, plugin, now = row.workspace, row.plugin, self.clock.now()
        about: dict[str, str | None] = {"plugin": plugin, "run_id": row.id}
        about["command"] = f"qwoty-host run show {row.id}"
        if refused:
            since = met_in_a_run(db, workspace, plugin, row.id, error, now)["since"]
            mend = (
                f"platform set {workspace}"
                if row.kind == RunKind.PLATFORM_EVENT
                else f"test-connection {workspace} {plugin}"
            )
            about["command"] = f"qwoty-host {mend}"
            subject = f"connection:{plugin}:{since}:{(row.settings_digest or '')[:12]}"
            self.add(db, workspace, subject, _facts("connection.needs_attention", error, **about))
            return
        if row.kind == RunKind.UPKEEP:
            # One runs every hour: once a day is enough for what stays wrong.
            subject = f"upkeep:{plugin}:{error['code']}:{now.date().isoformat()}"
        else:
            subject = f"run:{row.id}:{row.attempt}"
            about |= {"quote_id": row.quote_id, "quote_number": quotes.number(db, workspace, row.quote_id)}
        self.add(db, workspace, subject, _facts(kind_of_run(status, error["code"]), error, **about))

    def quote_without_invoice(self, db: Connection, workspace: str, quote_id: str, why: Mapping[str, Any]) -> None:
        """Note that a signed quote has no invoice, and why: once for each cause."""
        about = {
            **{name: why[name] for name in ("plugin", "run_id")},
            "quote_id": quote_id,
            "quote_number": quotes.number(db, workspace, quote_id),
            "command": f"qwoty-host quote show {workspace} {quote_id}",
        }
        subject = f"without_invoice:{_digest(quote_id)}:{why['code'][:128]}"
        self.add(db, workspace, subject, _facts("quote.without_invoice", why, **about))

    def plugin_stuck(self, db: Connection, row: Run, error: Mapping[str, Any]) -> None:
        """Note that runs wait for an integration that is not there or does not come back: once a day for all."""
        about = {"run_id": row.id, "command": f"qwoty-host run show {row.id}"}
        self._stuck(db, row.workspace, row.plugin, _facts("run.waits", error, plugin=row.plugin, **about))

    def settings_unfit(self, workspace: str, plugin: str, error: Mapping[str, Any]) -> None:
        """Note that an integration cannot work with its settings, whether a run waits for them or not."""
        facts = _facts(
            "connection.needs_attention",
            error,
            plugin=plugin,
            command=f"qwoty-host settings show {workspace} {plugin}",
        )
        with self.store.write() as db:
            self._stuck(db, workspace, plugin, facts)

    def _stuck(self, db: Connection, workspace: str, plugin: str, facts: Mapping[str, Any]) -> None:
        subject = f"plugin:{plugin}:{facts['code']}:{self.clock.now().date().isoformat()}"
        self.add(db, workspace, subject, facts)

    def mail_waits(self, db: Connection, row: Run, error: Mapping[str, Any], since: datetime) -> None:
        """Note that a customer's mail has not left since an hour or longer: once a day for all."""
        now = self.clock.now()
        if now - since < _MAIL_PATIENCE:
            return
        subject = f"mail:{row.plugin}:{error['code']}:{now.date().isoformat()}"
        about: dict[str, str | None] = {
            "plugin": row.plugin,
            "run_id": row.id,
            "command": f"qwoty-host run show {row.id}",
        }
        number = quotes.number(db, row.workspace, row.quote_id)
        about |= {"quote_id": row.quote_id, "quote_number": number}
        self.add(db, row.workspace, subject, _facts("mail.not_sent", error, **about))

    # -- telling it ------------------------------------------------------------------------------

    def deliver(self) -> int:
        """Tell what is due, a mail for all of it to each address; give how many alerts were told to everybody."""
        with self.store.read() as db:
            workspaces = {row["workspace"] for row in rows.untold(db, tries=len(_TRIES))}
        told = 0
        for workspace in sorted(workspaces):
            with self.locks.hold(f"alerts/{workspace}"):
                told += self._deliver(workspace)
        return told

    def _deliver(self, workspace: str) -> int:
        now = self.clock.now()
        with self.store.read() as db:
            targets = rows.targets(db, workspace)
            untold = [row for row in rows.untold(db, tries=len(_TRIES)) if row["workspace"] == workspace]
        due = {row["subject"]: row for row in untold if row["created_at"] + _TRIES[row["tries"]] <= now}
        channels = _channels(targets or {})
        documents = {subject: {**row["document"], "trouble": ""} for subject, row in due.items()}
        is_mail_away = False
        for channel in channels:
            # Each address would wait for the server's answer as long as the first.
            if channel == _WEBHOOK or not is_mail_away:
                error = self._tell_untold(workspace, targets or {}, channel, due, documents)
                is_mail_away = error is not None and error.code == "mail_unreachable"
        done = {subject for subject, one in documents.items() if set(channels) <= set(one["told"])}
        with self.store.write() as db:
            for subject, row in due.items():
                values = {"delivered_at": now} if subject in done and channels else {}
                # Without anybody left to tell it is given up.
                tries = row["tries"] + 1 if channels else len(_TRIES)
                rows.change(db, workspace, subject, document=documents[subject], tries=tries, **values)
        return len(done) if channels else 0

    def _tell_untold(
        self,
        workspace: str,
        targets: Mapping[str, Any],
        channel: str,
        due: Mapping[str, RowMapping],
        documents: dict[str, dict[str, Any]],
    ) -> IntegrationError | None:
        subjects = [subject for subject, one in documents.items() if channel not in one["told"]]
        # A mail tells everything at once; a machine is told one by one.
        parcels = [[subject] for subject in subjects] if channel == _WEBHOOK else [subjects]
        for parcel in filter(None, parcels):
            alerts = [{"subject": s, "created_at": due[s]["created_at"], **documents[s]} for s in parcel]
            error = self._tell(workspace, targets, channel, alerts)
            with self.store.write() as db:
                for subject in parcel:
                    one = documents[subject]
                    one |= {"trouble": error.title} if error else {"told": [*one["told"], channel]}
                    rows.change(db, workspace, subject, document=one)
            if error:
                return error
        return None

    def _tell(
        self, workspace: str, targets: Mapping[str, Any], channel: str, alerts: Sequence[Mapping[str, Any]]
    ) -> IntegrationError | None:
        """Tell one channel; give what stood in the way, None when it was told."""
        try:
            if channel == _WEBHOOK:
                self._post(workspace, targets["webhook_url"], alerts[0])
            else:
                self._mail(workspace, channel, targets["language"], alerts)
        except DatabaseUnavailable:
            raise
        except IntegrationError as error:
            log.warning("alert.not_delivered", extra={"workspace": workspace, "code": error.code})
            return error
        return None

    def _mail(self, workspace: str, address: str, language: str, alerts: Sequence[Mapping[str, Any]]) -> None:
        said = [self._said(alert, language) for alert in alerts]
        message = alert_mail(workspace, said, to=address, language=language, settings=self._address_of("alerts"))
        name = _digest(workspace, address, *(alert["subject"] for alert in alerts))
        domain = self.transport.sender.rsplit("@", 1)[-1].strip("<> ") or "localhost"
        mail = build(
            message, sender=self.transport.sender, message_id=f"<{name}@{domain}>", now=alerts[0]["created_at"]
        )
        self.transport.deliver(mail, lambda: None)

    def _said(self, alert: Mapping[str, Any], language: str) -> dict[str, Any]:
        words = {
            name: self.translations.say(alert[name], language, alert["plugin"] or "") for name in ("title", "hint")
        }
        inner = [self._said(one, language) for one in alert.get("open", ())]
        return {**alert, **words, "open": inner, "url": self._url(alert)}

    def _url(self, alert: Mapping[str, Any]) -> str | None:
        return self._address_of(_page(alert))

    def _address_of(self, page: str) -> str | None:
        return None if self.public_url is None else f"{self.public_url}/console/{page}"

    def _post(self, workspace: str, url: str, alert: Mapping[str, Any]) -> None:
        secret = self._secret(workspace)
        assert secret is not None, "an address is saved with its secret"
        names = [*_NAMES[1:], *(name for name in ("open", "left_out") if name in alert)]
        data = {"workspace": workspace, **{name: alert[name] for name in names}, "url": self._url(alert)}
        document = {"type": alert["type"], "timestamp": alert["created_at"].isoformat(), "data": data}
        message_id = "msg_" + _digest(workspace, alert["subject"])
        webhook.post(url, secret, message_id, document, self.clock.now(), allow_private=self.allow_private)

    # -- how -------------------------------------------------------------------------------------

    def _save(self, db: Connection, workspace: str, before: Mapping[str, Any], wanted: Mapping[str, Any]) -> str | None:
        """Replace whom to tell; give the secret of a webhook that is new."""
        fresh = None
        if wanted["webhook_url"] is None:
            secrets.forget(db, workspace, *rows.SECRET)
        elif wanted["webhook_url"] != before.get("webhook_url") or not secrets.of_plugin(db, workspace, *rows.SECRET):
            fresh = webhook.new_secret()
            secrets.put(db, self.vault, workspace, *rows.SECRET, fresh)
        now = self.clock.now()
        rows.save_targets(db, workspace, wanted, now)
        audit.note(db, workspace, "alerts.set", "", now, fields=changed_fields(before, wanted))
        return fresh

    def _checked(self, document: Any) -> dict[str, Any]:
        if not isinstance(document, Mapping):
            raise InvalidInput(
                "Whom to tell is not a JSON object.", hint='Send an object such as {"mails": ["ana@seller.example"]}.'
            )
        given = {name: value for name, value in document.items() if value is not None}
        problems = list(schema_problems(SCHEMA, given))
        if not problems:
            strange = (number for number, mail in enumerate(given.get("mails", [])) if not is_mail_address(mail))
            problems = [FieldProblem(("mails", str(number)), "Is not an e-mail address.") for number in strange]
        url = given.get("webhook_url")
        if not problems and url is not None and not webhook.is_address(url, allow_private=self.allow_private):
            problems = [FieldProblem(("webhook_url",), "Must be an https address that is not a private one.")]
        if problems:
            raise InvalidInput("Whom to tell is not valid.", problems)
        return {**with_defaults(SCHEMA, given), "mails": list(dict.fromkeys(given.get("mails", [])))}

    def _shown(self, row: RowMapping) -> dict[str, Any]:
        return {
            "subject": row["subject"],
            **{name: row["document"][name] for name in _NAMES},
            "url": self._url(row["document"]),
            "open": row["document"].get("open", []),
            "left_out": row["document"].get("left_out", 0),
            "created_at": _moment(row["created_at"]),
            "delivered_at": _moment(row["delivered_at"]),
            "tries": row["tries"],
            "trouble": row["document"]["trouble"],
        }

    def _secret(self, workspace: str) -> str | None:
        with self.store.read() as db:
            return secrets.get(db, self.vault, workspace, *rows.SECRET)


_NAMES = ("type", "code", "title", "hint", "plugin", "run_id", "quote_id", "quote_number", "command")


def _page(alert: Mapping[str, Any]) -> str:
    """The console's page about an alert, by what it names; the first page has what is open."""
    if alert["type"] == "connection.needs_attention" and alert["plugin"] != RESERVED:
        return f"integrations/{alert['plugin']}"
    if alert["type"] == "webhooks.silent":
        return "webhooks"
    if alert["run_id"]:
        return f"runs/{alert['run_id']}"
    return f"quotes/{escaped(alert['quote_id'], safe='')}" if alert["quote_id"] else ""


def kind_of_run(status: str, code: str) -> str:
    """The type of what is told of a run that a person has to look at: a mail that did not leave is one of its own."""
    return "mail.not_sent" if code in _MAIL_STOPPED else f"run.{status}"


def digest(found: Sequence[Mapping[str, Any]], count: int) -> dict[str, Any]:
    """The facts of the alert that tells once a day what is open; ``found``: the first of so many."""
    title = "One thing is still open." if count == 1 else f"{count} things are still open."
    error = {"code": "digest", "title": title, "hint": "Deal with each of them, or dismiss its run."}
    inner = [{**dict.fromkeys(_NAMES), **one} for one in found]
    return {**_facts("digest", error), "open": inner, "left_out": count - len(inner)}


def _facts(kind: str, error: Mapping[str, Any], **about: Any) -> dict[str, Any]:
    shown = {name: error[name] for name in ("code", "title", "hint")}
    return {**dict.fromkeys(_NAMES), "type": kind, **shown, **about}


def silence(plugin: str, error: Mapping[str, Any], command: str) -> dict[str, Any]:
    """The facts of an alert that a service has fallen silent."""
    return _facts("webhooks.silent", error, plugin=plugin, command=command)


def _channels(targets: Mapping[str, Any]) -> list[str]:
    """The addresses of mail, and the webhook."""
    return [*targets.get("mails", ()), *([_WEBHOOK] if targets.get("webhook_url") else [])]


def _digest(*parts: str) -> str:
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:32]


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
