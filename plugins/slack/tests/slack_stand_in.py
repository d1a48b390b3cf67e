"""A small Slack over real HTTP: the documented calls, answers and refusals, and switches for trouble.

It follows Slack's public pages and remembers what was posted. Nobody here has seen the real one.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from flask import Flask, Response, jsonify, request

from app_server import serving

# Spelled apart, so that a search for tokens in this repository finds none.
TOKEN = "xox" + "b-1234567890-StandInABCDEFGH"
CHANNEL = "C0123ABC456"
BOT_SCOPES = frozenset({"chat:write", "files:write"})
_NEEDS = {
    "chat.postMessage": "chat:write",
    "chat.update": "chat:write",
    "files.getUploadURLExternal": "files:write",
    "files.completeUploadExternal": "files:write",
    "conversations.history": "channels:history",
    "conversations.replies": "channels:history",
    "conversations.info": "channels:read",
}


@dataclass
class SlackStandIn:
    """One Slack workspace with one channel, ``sales``, of which the bot is a member.

    ``trouble`` is what the next calls of a method meet: a status, ``cut`` (done, but never answered), ``half``, or one
    of Slack's words for an error; a word behind ``done:`` comes although the work was done.
    """

    token: str = TOKEN
    scopes: set[str] = field(default_factory=lambda: set(BOT_SCOPES))
    is_member: bool = True
    is_archived: bool = False
    messages: list[dict[str, Any]] = field(default_factory=list)
    #: Files by id: ``{"name", "content", "shared"}``.
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    trouble: dict[str, list[int | str | None]] = field(default_factory=dict)
    retry_after: str = "7"
    #: Method of each call that came, with its arguments.
    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    #: The time in Slack, in seconds; each message is a second later than the one before.
    now: float = 1_773_134_400.0
    #: What Slack's time does not lag behind, where a test has a clock that moves.
    time: Callable[[], float] = lambda: 0.0
    page: int = 200
    #: Where it is served.
    origin: str = ""

    def methods(self) -> list[str]:
        return [method for method, _ in self.calls]

    @property
    def posted(self) -> list[dict[str, Any]]:
        """The messages of the channel that are no replies."""
        return [one for one in self.messages if "thread_ts" not in one]

    @property
    def shared(self) -> list[dict[str, Any]]:
        """The files that people see, with the thread that they are in."""
        return [found for file in self.files.values() for found in [file] * len(file["shared"])]

    @property
    def url(self) -> str:
        return f"{self.origin}/api"

    # -- how -----------------------------------------------------------------------------------------

    def app(self) -> Flask:
        """What is to be served at ``origin``."""
        app = Flask("slack_stand_in", static_folder=None)
        app.add_url_rule("/api/<method>", view_func=self._call, methods=["POST"])
        app.add_url_rule("/upload/<file_id>", view_func=self._upload, methods=["POST"])
        return app

    def _call(self, method: str) -> Any:
        arguments = request.form.to_dict()
        self.calls.append((method, arguments))
        queue = self.trouble.get(method, [])
        trouble = queue.pop(0) if queue else None
        if trouble and trouble != "cut" and not str(trouble).startswith("done:"):
            return self._troubled(trouble)
        answer = self._answer(method, arguments)
        if trouble == "cut":
            request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        return _refused(str(trouble)[5:]) if str(trouble).startswith("done:") else answer

    def _troubled(self, trouble: int | str) -> Response:
        if trouble == "half":
            half = Response(b'{"ok": tr')
            half.headers["Content-Length"] = "5000"
            return half
        if trouble == "page":
            return Response("<!doctype html><title>Slack</title>", mimetype="text/html")
        if trouble == "stranger":
            return jsonify({"error": "text"})
        if isinstance(trouble, str):
            return _refused(trouble)
        answer = _refused("ratelimited") if trouble == 429 else Response("trouble", status=trouble)
        answer.status_code = trouble
        if trouble == 429:
            answer.headers["Retry-After"] = self.retry_after
        if trouble == 302:
            answer.headers["Location"] = request.path
        return answer

    def _answer(self, method: str, arguments: Mapping[str, str]) -> Response:
        if method == "api.test":
            return jsonify({"ok": True})
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return _refused("invalid_auth")
        needed = _NEEDS.get(method)
        if needed and needed not in self.scopes:
            return _refused("missing_scope", needed=needed, provided=",".join(sorted(self.scopes)))
        doing = getattr(self, "_" + method.replace(".", "_"))
        answer: Response = doing(arguments)
        answer.headers["x-oauth-scopes"] = ",".join(sorted(self.scopes))
        answer.headers["x-slack-req-id"] = f"req{len(self.calls):08d}"
        return answer

    def _auth_test(self, arguments: Mapping[str, str]) -> Response:
        return jsonify(
            {"ok": True, "url": "https://acme.slack.com/", "team": "Acme", "team_id": "T0001", "bot_id": "B1"}
        )

    def _chat_postMessage(self, arguments: Mapping[str, str]) -> Response:
        if refusal := self._closed(arguments["channel"]):
            return _refused(refusal)
        message = {"ts": self._tick(), **self._said(arguments)}
        self.messages.append(message)
        return jsonify({"ok": True, "channel": CHANNEL, "ts": message["ts"]})

    def _chat_update(self, arguments: Mapping[str, str]) -> Response:
        if arguments["channel"] != CHANNEL:
            return _refused("channel_not_found")
        for message in self.messages:
            if message["ts"] == arguments["ts"]:
                message.update(self._said(arguments))
                return jsonify({"ok": True, "channel": CHANNEL, "ts": message["ts"]})
        return _refused("message_not_found")

    def _chat_getPermalink(self, arguments: Mapping[str, str]) -> Response:
        address = f"https://acme.slack.com/archives/{arguments['channel']}/p{arguments['message_ts'].replace('.', '')}"
        return jsonify({"ok": True, "channel": arguments["channel"], "permalink": address})

    def _conversations_info(self, arguments: Mapping[str, str]) -> Response:
        if arguments["channel"] != CHANNEL:
            return _refused("channel_not_found")
        channel = {"id": CHANNEL, "name": "sales", "is_member": self.is_member, "is_archived": self.is_archived}
        return jsonify({"ok": True, "channel": channel})

    def _conversations_history(self, arguments: Mapping[str, str]) -> Response:
        if arguments["channel"] != CHANNEL:
            return _refused("channel_not_found")
        if not self.is_member:
            return _refused("not_in_channel")
        found = [one for one in reversed(self.posted) if float(one["ts"]) > float(arguments.get("oldest", 0))]
        if arguments.get("include_all_metadata") != "true":
            found = [{name: value for name, value in one.items() if name != "metadata"} for one in found]
        start = int(arguments.get("cursor") or 0)
        end = start + min(self.page, int(arguments["limit"]))
        following = str(end) if end < len(found) else ""
        return jsonify({"ok": True, "messages": found[start:end], "response_metadata": {"next_cursor": following}})

    def _conversations_replies(self, arguments: Mapping[str, str]) -> Response:
        thread = [one for one in self.messages if arguments["ts"] in (one["ts"], one.get("thread_ts"))]
        return jsonify({"ok": True, "messages": thread}) if thread else _refused("thread_not_found")

    def _files_getUploadURLExternal(self, arguments: Mapping[str, str]) -> Response:
        file_id = f"F{len(self.files):08d}"
        self.files[file_id] = {"name": arguments["filename"], "length": int(arguments["length"]), "shared": []}
        return jsonify({"ok": True, "upload_url": f"{self.origin}/upload/{file_id}", "file_id": file_id})

    def _upload(self, file_id: str) -> Any:
        queue = self.trouble.get("upload", [])
        if queue and (trouble := queue.pop(0)):
            return Response("trouble", status=trouble if isinstance(trouble, int) else 500)
        if "Authorization" in request.headers:
            return Response("no token is wanted here", status=400)
        content = request.get_data()
        if len(content) != self.files[file_id]["length"]:
            return Response("another length", status=400)
        self.files[file_id]["content"] = content
        return Response(f"OK - {len(content)}")

    def _files_completeUploadExternal(self, arguments: Mapping[str, str]) -> Response:
        (file,) = json.loads(arguments["files"])
        found = self.files.get(file["id"])
        if found is None or "content" not in found:
            return _refused("file_not_found")
        if refusal := self._closed(arguments["channel_id"]):
            return _refused(refusal)
        thread = arguments["thread_ts"]
        found["shared"].append(thread)
        self.messages.append({"ts": self._tick(), "thread_ts": thread, "files": [{"id": file["id"]}]})
        return jsonify({"ok": True, "files": [{"id": file["id"], "title": file["title"]}]})

    def _closed(self, channel: str) -> str:
        if channel not in (CHANNEL, "sales", "#sales"):
            return "channel_not_found"
        return "is_archived" if self.is_archived else "" if self.is_member else "not_in_channel"

    def _said(self, arguments: Mapping[str, str]) -> dict[str, Any]:
        parts = {name: json.loads(arguments[name]) for name in ("blocks", "metadata")}
        return {"text": arguments["text"], **parts}

    def _tick(self) -> str:
        self.now = max(self.now + 1, self.time())
        return f"{self.now:.6f}"


@contextmanager
def running_slack() -> Iterator[SlackStandIn]:
    """Serve a Slack of its own, for as long as a block."""
    stand_in = SlackStandIn()
    with serving(stand_in.app()) as stand_in.origin:
        yield stand_in


def _refused(error: str, **more: str) -> Response:
    return jsonify({"ok": False, "error": error, **more})
