"""Attach the quote's PDF in the thread of its message, at most once for each version; a failure is only noted."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from qwoty_integrations_host import Attempt, CredentialsError, HookContext, IntegrationError, Quote, RetryableError

from . import once
from .gateway import Gateway, SlackRefused, SlackUnsure
from .message import file_name
from .once import Mark
from .posting import Posted

#: The most attempts to get the PDF from the platform.
_MOST_TRIES = 3


def attach_once(ctx: HookContext, slack: Gateway, quote: Quote, posted: Posted) -> list[str]:
    """Attach the quote's PDF to its message and return notes. Raises: CredentialsError, RetryableError."""
    uploaded: dict[str, Any] = ctx.step("document", lambda attempt: _upload(ctx, slack, quote, attempt))
    if "file" not in uploaded:
        return [uploaded["note"]] if uploaded.get("note") else []
    note: str = ctx.step("document_share", lambda attempt: _share(ctx, slack, quote, posted, uploaded["file"], attempt))
    return [note]


def _name(quote: Quote) -> str:
    return f"document/{quote.id}"


def _upload(ctx: HookContext, slack: Gateway, quote: Quote, attempt: Attempt) -> dict[str, Any]:
    """Upload the PDF. Nobody sees it before it is shared, so a second upload does no harm."""
    mark = once.read(ctx, _name(quote))
    if mark is not None and mark.version == quote.version:
        return {"file": mark.file} if mark.status == "sending" else {}
    try:
        content = ctx.platform.quote_pdf(quote)
    except RetryableError as error:
        if attempt.number < _MOST_TRIES:
            raise
        return {"note": f"The PDF is not attached. {error.title}"}
    except IntegrationError as error:
        return {"note": f"The PDF is not attached. {error.title}"}
    if content is None:
        return {"note": "The quote has no PDF to attach."}
    try:
        return {"file": slack.upload(attempt, file_name(quote), content)}
    except SlackRefused as error:
        return {"note": f"The PDF is not attached. {error.title}"}


def _share(ctx: HookContext, slack: Gateway, quote: Quote, posted: Posted, file: str, attempt: Attempt) -> str:
    name, mark, filename = _name(quote), once.read(ctx, _name(quote)), file_name(quote)
    done = f"{filename} is attached in the message's thread."
    if mark is not None and mark.file == file:
        if mark.status == "sent":
            return done
        is_there = _is_there(ctx, slack, posted, mark, attempt)
        if is_there is not False:
            once.write(ctx, name, replace(mark, status="sent"))
            return done if is_there else f"It cannot be known whether {filename} was attached: look into the thread."
    now = ctx.clock.now().isoformat()
    mark = Mark(status="sending", version=quote.version, since=now, file=file)
    once.write(ctx, name, mark)
    try:
        slack.call(
            attempt,
            "files.completeUploadExternal",
            files=[{"id": file, "title": filename}],
            channel_id=posted["channel"],
            thread_ts=posted["ts"],
        )
    except SlackUnsure:
        raise
    except SlackRefused as error:
        ctx.state.forget(name)
        return f"The PDF is not attached. {error.title}"
    except IntegrationError:
        ctx.state.forget(name)
        raise
    once.write(ctx, name, replace(mark, status="sent"))
    return done


def _is_there(ctx: HookContext, slack: Gateway, posted: Posted, mark: Mark, attempt: Attempt) -> bool | None:
    """Whether the file is in the thread; None if that cannot be known."""
    once.let_it_settle(ctx, datetime.fromisoformat(mark.since))
    try:
        pages = slack.pages(attempt, "conversations.replies", channel=posted["channel"], ts=posted["ts"], limit=200)
        return any(
            shared.get("id") == mark.file
            for page in pages
            for message in page["messages"]
            for shared in message.get("files") or ()
        )
    except (CredentialsError, SlackRefused) as error:
        if error.code == "key_refused":
            raise
        return None
