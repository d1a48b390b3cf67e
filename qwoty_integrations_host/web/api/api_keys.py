"""API keys, managed over the API: requires the scope ``admin``; a new key gets no scope that the caller's key lacks."""

from __future__ import annotations

from typing import Any

from flask import g
from marshmallow import Schema, fields, validate

from ...contract.document_fields import Text
from ...store.api_keys import SCOPES, scopes_of
from ...workspaces import api_keys
from ..auth import require_scope, the_host
from .blueprint import Blueprint, requires_scope, shown_once
from .fields import ResponseSchema, moment, text, texts
from .lists import PageQuery, list_of

blueprint = Blueprint("api_keys", "The keys that open this API.")


class ApiKeySchema(ResponseSchema):
    """A key, without its secret part."""

    id = text("The eight characters after `qwh_`.")
    name = text("What the key is for.", nullable=True)
    scopes = texts(f"The key's scopes: {', '.join(SCOPES)}.")
    created_at = moment("When it was created.")
    last_used_at = moment("When it was last used, accurate to five minutes.", nullable=True)
    revoked_at = moment("When it was revoked.", nullable=True)


class NewApiKeySchema(ApiKeySchema):
    """A new key."""

    key = text("The key itself, shown once; `null` when the request is repeated.", nullable=True)


class ApiKeyRequestSchema(Schema):
    """The name and scopes of a new key."""

    name = Text(load_default=None, allow_none=True, validate=validate.Length(1, 100))
    scopes = fields.List(
        fields.String(validate=validate.OneOf(SCOPES)),
        load_default=None,
        validate=validate.Length(1, len(SCOPES)),
        metadata={"description": "Default: the scopes of the caller's key."},
    )


@blueprint.get("/workspaces/<workspace>/api-keys")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, list_of(ApiKeySchema))
@requires_scope("admin")
def list_api_keys(query: dict[str, Any], workspace: str) -> dict[str, Any]:
    """List the keys, newest first, including revoked ones"""
    return api_keys.list_keys(the_host().store, workspace, limit=query["limit"], after=query["starting_after"])


@blueprint.post("/workspaces/<workspace>/api-keys")
@blueprint.arguments(ApiKeyRequestSchema)
@blueprint.response(201, NewApiKeySchema)
@requires_scope("admin")
@shown_once("key")
def create_api_key(body: dict[str, Any], workspace: str) -> dict[str, Any]:
    """Create a key; it is shown once"""
    scopes = body["scopes"] or scopes_of(g.api_key)
    for scope in scopes:
        require_scope(g.api_key, scope)
    return api_keys.create(the_host().store, the_host().clock, workspace, name=body["name"], scopes=scopes)


@blueprint.delete("/workspaces/<workspace>/api-keys/<key_id>")
@blueprint.response(200, ApiKeySchema)
@requires_scope("admin")
def revoke_api_key(workspace: str, key_id: str) -> dict[str, Any]:
    """Revoke a key"""
    return api_keys.revoke(the_host().store, the_host().clock, workspace, key_id)
