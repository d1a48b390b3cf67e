"""A blueprint whose every route asks for a key and a scope, answers repeated writes once, and says so in OpenAPI.

A route that forgot to say who may call it needs ``read`` to be looked at and ``write`` for everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar

import flask_smorest
from flask import Response, current_app, g, request
from marshmallow import RAISE
from webargs.core import missing
from webargs.flaskparser import FlaskParser

from ...contract.exact_json import parse_json
from ...errors import MalformedInput, NotFound
from ...observability.actor import acting_as
from ...reports.search import quote_id_of
from ..auth import note_use, require_key, require_key_for, require_scope, the_host
from .idempotency import answered_once

View = TypeVar("View", bound=Callable[..., Any])
#: Methods that change something.
_WRITES = {"POST", "PUT", "PATCH", "DELETE"}


def needs(scope: str) -> Callable[[View], View]:
    """Say which scope a route needs, where the method does not say it."""
    return _marked("_scope", scope)


def is_no_write(view: View) -> View:
    """Say of a POST that doing it twice does no harm: it takes no ``Idempotency-Key``, and may ask a service."""
    return _marked("_writes", False)(view)


def proves_itself(view: View) -> View:
    """Say that a route finds out by itself who calls, for example by a signature."""
    return _marked("_scope", None)(view)


def names_fields(view: View) -> View:
    """The view says by field what is wrong with a text in its body."""
    return _marked("_names_fields", True)(view)


def shown_once(*names: str) -> Callable[[View], View]:
    """Name the fields of an answer that are secret: a repeated request gets ``null`` for them."""
    return _marked("_shown_once", names)


def _marked(name: str, value: Any) -> Callable[[View], View]:
    def mark(view: View) -> View:
        setattr(view, name, value)
        return view

    return mark


class _Parser(FlaskParser):
    """Reads bodies as JSON whatever they are called, and refuses parameters it does not know."""

    DEFAULT_UNKNOWN_BY_LOCATION = {"json": RAISE, "query": RAISE}  # noqa: RUF012 - webargs' own form

    def load_json(self, req: Any, schema: Any) -> Any:
        raw = req.get_data()
        return parse_json(raw) if raw else missing


class Blueprint(flask_smorest.Blueprint):  # type: ignore[misc] # flask-smorest has no types
    """See the module."""

    ARGUMENTS_PARSER = _Parser()

    def __init__(self, name: str, description: str) -> None:
        super().__init__(name, __name__, url_prefix="/v1", description=description)
        self._prepare_doc_cbks.append(_describe)

    def add_url_rule(
        self, rule: str, endpoint: str | None = None, view_func: Any = None, *given: Any, **options: Any
    ) -> None:
        (method,) = options.get("methods", ["GET"])
        super().add_url_rule(rule, endpoint, _guarded(view_func, method), *given, **options)


def _guarded(view: Callable[..., Any], method: str) -> Callable[..., Any]:
    scope = getattr(view, "_scope", "write" if method in _WRITES else "read")
    writes = method in _WRITES and getattr(view, "_writes", True)
    hidden = getattr(view, "_shown_once", ())
    names_fields = getattr(view, "_names_fields", False)

    @wraps(view)
    def guarded(**path: Any) -> Response:
        if scope is None:
            return current_app.make_response(view(**path))
        workspace = path.get("workspace")
        if workspace is None:
            require_scope(require_key(), scope)
        else:
            require_key_for(workspace, scope)
        _refuse_nul(path, b"" if names_fields else request.get_data())
        with acting_as(f"API key {g.api_key['id']}"):
            if writes and workspace is not None:
                answer = answered_once(workspace, lambda: view(**_with_id(path)), hidden)
            else:
                answer = current_app.make_response(view(**_with_id(path)))
        note_use()
        return answer

    guard = {"scope": scope, "once": scope is not None and writes, "name": view.__name__}
    return _marked("_apidoc", {**getattr(view, "_apidoc", {}), "guard": guard})(guarded)


def _with_id(path: dict[str, str]) -> dict[str, str]:
    """The path with a quote's id where it has the quote's number. Raises: ActionRefused where several have it."""
    if "quote_id" not in path:
        return path
    return {**path, "quote_id": quote_id_of(the_host().store, path["workspace"], path["quote_id"])}


def _refuse_nul(path: Mapping[str, str], body: bytes) -> None:
    """PostgreSQL keeps no text with this character, so nothing has it in its name."""
    if any("\0" in value for value in path.values()):
        raise NotFound("Nothing has such a name.", hint="Names hold no NUL character: leave it out.")
    given = (value for values in request.args.lists() for value in values[1])
    if any("\0" in value for value in given) or b"\\u0000" in body:
        raise MalformedInput("The request holds a NUL character.", hint="Leave it out.")


def _describe(doc: dict[str, Any], doc_info: dict[str, Any], **_: Any) -> dict[str, Any]:
    guard = doc_info["guard"]
    doc["operationId"] = guard["name"]
    # A problem is a problem: which statuses there are is said once, in docs/api.md.
    doc["responses"] = {status: found for status, found in doc["responses"].items() if str(status) != "422"}
    if guard["scope"]:
        doc["security"] = [{"bearer": [guard["scope"]]}]
    if guard["once"]:
        doc.setdefault("parameters", []).append("IdempotencyKey")
    return doc
