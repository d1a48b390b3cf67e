"""The OpenAPI description: what all operations share."""

from __future__ import annotations

from importlib.metadata import version
from threading import Lock
from typing import Any

from flask import Flask, Response, jsonify
from flask_smorest import Api, Blueprint
from marshmallow import fields

from ...contract import document_fields
from .. import problems
from .fields import ResponseSchema

_INTRODUCTION = """\
The HTTP API of a host of Qwoty integrations. Amounts are decimal strings in major units, times are ISO 8601 in UTC.
Errors are `application/problem+json`. `docs/api.md` is a tour with examples."""


class FieldErrorSchema(ResponseSchema):
    """An invalid field."""

    pointer = fields.String(
        required=True,
        metadata={"description": "JSON pointer to the field, or `/` and the parameter; empty for the whole document."},
    )
    detail = fields.String(required=True)


class ProblemSchema(ResponseSchema):
    """An error, as RFC 9457 has it."""

    type = fields.String(
        required=True, metadata={"description": "Always `about:blank`: the status tells the kind of error."}
    )
    title = fields.String(required=True, metadata={"description": "What happened."})
    status = fields.Integer(required=True)
    detail = fields.String(metadata={"description": "What to do about it."})
    code = fields.String(metadata={"description": "A stable error code."})
    errors = fields.List(fields.Nested(FieldErrorSchema), metadata={"description": "The invalid fields."})


class HostApi(Api):  # type: ignore[misc]
    """flask-smorest's Api with RFC 9457 problems as errors; it builds the description at the first request for it."""

    ERROR_SCHEMA = ProblemSchema

    def __init__(self, *args: Any, **options: Any) -> None:
        self._undescribed: list[Blueprint] = []
        self._describing = Lock()
        super().__init__(*args, **options)

    def register_blueprint(self, blueprint: Blueprint) -> None:
        """Serve a blueprint. It is described on request only, since that takes a tenth of a second."""
        self._app.register_blueprint(blueprint)
        self._undescribed.append(blueprint)

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI description."""
        with self._describing:
            while self._undescribed:
                blueprint = self._undescribed.pop(0)
                blueprint.register_views_in_doc(self, self._app, self.spec, name=blueprint.name, parameters=None)
                self.spec.tag({"name": blueprint.name, "description": blueprint.description})
            document: dict[str, Any] = self.spec.to_dict()
        return document

    def _openapi_json(self) -> Response:
        return jsonify(self.openapi())

    @staticmethod
    def handle_http_exception(error: Exception) -> Response:
        return problems.http_error_response(error)

    def _register_responses(self) -> None:
        content = {problems.MIMETYPE: {"schema": ProblemSchema}}
        self.spec.components.response("DEFAULT_ERROR", {"description": "A problem.", "content": content})

    def _register_etag_headers(self) -> None:
        """Override: the API has no ETags."""

    def _register_pagination_header(self) -> None:
        """Override: pagination is in the body."""


def make_api(app: Flask) -> HostApi:
    """Return the Api that serves and describes the app's blueprints."""
    app.config.update(OPENAPI_URL_PREFIX="/v1")
    bearer = {
        "type": "http",
        "scheme": "bearer",
        "description": "`qwh_…`: an admin creates one on the console's page Access, or by this API.",
    }
    key = {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "An identifier of this request. A request that is repeated under the same key within a day has "
        "no second effect, and gets the first response.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    }
    api = HostApi(
        app,
        spec_kwargs={
            "title": "Qwoty integrations host",
            "version": version("qwoty-integrations-host"),
            "openapi_version": "3.1.0",
            "info": {"description": _INTRODUCTION},
            "components": {"securitySchemes": {"bearer": bearer}},
        },
    )
    api.spec.components.parameter("IdempotencyKey", "header", key)
    api.ma_plugin.converter.add_attribute_function(own_fields)
    return api


def own_fields(_self: Any, field: fields.Field[Any], **_: Any) -> dict[str, Any]:
    """Return the JSON Schema of the quote's own field types."""
    if isinstance(field, document_fields.Amount):
        number: dict[str, Any] = {"type": "number"}
        text = {"type": "string", "pattern": rf"^\s*{document_fields.DECIMAL.pattern}\s*$"}
        if field.least is not None:
            number["minimum"] = field.least
        return {"anyOf": [text, number, *([{"type": "null"}] if field.allow_none else [])]}
    if isinstance(field, document_fields.Flag):
        return {"type": ["boolean", "null"] if field.allow_none else "boolean"}
    if isinstance(field, document_fields.TextOrNumber):
        kinds = ["string"] if isinstance(field, document_fields.Choice) else ["string", "integer"]
        return {"type": [*kinds, *(["null"] if field.allow_none else [])]}
    if isinstance(field, document_fields.Instant):
        return {"type": ["string", "null"] if field.allow_none else "string", "format": "date-time"}
    if isinstance(field, document_fields.Roles):
        words = {"type": "array", "items": {"type": "string"}}
        return {"anyOf": [{"type": "string"}, words, {"type": "null"}]}
    return {}
