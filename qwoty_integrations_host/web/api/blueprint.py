"""A blueprint whose routes require an API key with a scope, run idempotent writes once, and document both in OpenAPI.

The default scope is ``read`` for GET and ``write`` for every other method.
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
from ..auth import record_key_use, require_key, require_key_for, require_scope, the_host
from .idempotency import run_once

View = TypeVar("View", bound=Callable[..., Any])
#: Methods that change something.
_WRITES = {"POST", "PUT", "PATCH", "DELETE"}


def requires_scope(scope: str) -> Callable[[View], View]:
    """Require another scope than the method's default."""
    return _marked("_scope", scope)


def safe_to_repeat(view: View) -> View:
    """Mark a POST that is safe to repeat: it takes no ``Idempotency-Key``, and may begin a request to a service."""
    return _marked("_writes", False)(view)


def authenticates_itself(view: View) -> View:
    """Mark a route that authenticates its caller itself, by a signature for example."""
    return _marked("_scope", None)(view)


def reports_field_errors(view: View) -> View:
    """Mark a route that reports an invalid text in its body by field."""
    return _marked("_reports_field_errors", True)(view)


def shown_once(*names: str) -> Callable[[View], View]:
    """Name the secret fields of a response: a repeated request gets ``null`` for them."""
    return _marked("_shown_once", names)


def _marked(name: str, value: Any) -> Callable[[View], View]:
    def mark(view: View) -> View:
        setattr(view, name, value)
        return view

    return mark


class _Parser(FlaskParser):
    """Parses bodies as JSON whatever their content type, and rejects unknown parameters."""

    DEFAULT_UNKNOWN_BY_LOCATION = {"json": RAISE, "query": RAISE}  # noqa: RUF012 - webargs' own form

    def load_json(self, req: Any, schema: Any) -> Any:
        raw = req.get_data()
        return parse_json(raw) if raw else missing


class Blueprint(flask_smorest.Blueprint):  # type: ignore[misc] # flask-smorest has no types
    """A blueprint of the API; see the module."""

    ARGUMENTS_PARSER = _Parser()

    def __init__(self, name: str, description: str) -> None:
        super().__init__(name, __name__, url_prefix="/v1", description=description)
        self._prepare_doc_cbks.append(_describe)

    def add_url_rule(
        self, rule: str, endpoint: str | None = None, view_func: Any = None, *args: Any, **options: Any
    ) -> None:
        (method,) = options.get("methods", ["GET"])
        super().add_url_rule(rule, endpoint, _access_controlled(view_func, method), *args, **options)


def _access_controlled(view: Callable[..., Any], method: str) -> Callable[..., Any]:
    scope = getattr(view, "_scope", "write" if method in _WRITES else "read")
    writes = method in _WRITES and getattr(view, "_writes", True)
    hidden = getattr(view, "_shown_once", ())
    reports_fields = getattr(view, "_reports_field_errors", False)

    @wraps(view)
    def authorized(**path: Any) -> Response:
        if scope is None:
            return current_app.make_response(view(**path))
        workspace = path.get("workspace")
        if workspace is None:
            require_scope(require_key(), scope)
        else:
            require_key_for(workspace, scope)
        _reject_nul(path, b"" if reports_fields else request.get_data())
        with acting_as(f"API key {g.api_key['id']}"):
            if writes and workspace is not None:
                response = run_once(workspace, lambda: view(**_with_quote_id(path)), hidden)
            else:
                response = current_app.make_response(view(**_with_quote_id(path)))
        record_key_use()
        return response

    access = {"scope": scope, "idempotent": scope is not None and writes, "name": view.__name__}
    return _marked("_apidoc", {**getattr(view, "_apidoc", {}), "access": access})(authorized)


def _with_quote_id(path: dict[str, str]) -> dict[str, str]:
    """Replace a quote's number in the path by its id. Raises: ActionRefused when several quotes have the number."""
    if "quote_id" not in path:
        return path
    return {**path, "quote_id": quote_id_of(the_host().store, path["workspace"], path["quote_id"])}


def _reject_nul(path: Mapping[str, str], body: bytes) -> None:
    """Raise for a NUL character, which PostgreSQL cannot store in a text."""
    if any("\0" in value for value in path.values()):
        raise NotFound("Nothing has such a name.", hint="Names hold no NUL character: leave it out.")
    parameters = (value for _name, values in request.args.lists() for value in values)
    if any("\0" in value for value in parameters) or b"\\u0000" in body:
        raise MalformedInput("The request holds a NUL character.", hint="Leave it out.")


def _describe(doc: dict[str, Any], doc_info: dict[str, Any], **_: Any) -> dict[str, Any]:
    access = doc_info["access"]
    doc["operationId"] = access["name"]
    # docs/api.md lists the statuses of errors once for all routes.
    doc["responses"] = {status: response for status, response in doc["responses"].items() if str(status) != "422"}
    if access["scope"]:
        doc["security"] = [{"bearer": [access["scope"]]}]
    if access["idempotent"]:
        doc.setdefault("parameters", []).append("IdempotencyKey")
    return doc
