"""Webhook endpoints."""

from __future__ import annotations

from urllib.parse import urlsplit

from stripe_simulator.errors import bad_request
from stripe_simulator.ids import new_id, random_text
from stripe_simulator.lists import matching, page
from stripe_simulator.metadata import merged
from stripe_simulator.state import AccountState, Call, Json

MOST_ENDPOINTS = 16


def create(call: Call) -> Json:
    params = call.params
    if len(call.state.endpoints) >= MOST_ENDPOINTS:
        raise bad_request(f"You have reached the maximum of {MOST_ENDPOINTS} webhook endpoints.")
    _check_url(params["url"], call.state.livemode)
    endpoint: Json = {
        "id": new_id("we"),
        "object": "webhook_endpoint",
        "api_version": params.get("api_version"),
        "application": None,
        "created": call.now(),
        "description": params.get("description") or None,
        "enabled_events": list(params["enabled_events"]),
        "livemode": call.state.livemode,
        "metadata": merged({}, params.get("metadata")),
        "status": "enabled",
        "url": params["url"],
    }
    secret = new_secret()
    call.state.endpoints[endpoint["id"]] = endpoint
    call.state.endpoint_secrets[endpoint["id"]] = [secret]
    # The only answer that shows the secret.
    return endpoint | {"secret": secret}


def new_secret() -> str:
    return f"whsec_{random_text(32)}"


def roll_secret(state: AccountState, endpoint_id: str, *, keep_old: bool) -> str:
    """Roll the secret as the Dashboard does; while the old one is kept, both sign."""
    secret = new_secret()
    kept = state.endpoint_secrets[endpoint_id][:1] if keep_old else []
    state.endpoint_secrets[endpoint_id] = [secret, *kept]
    return secret


def _check_url(url: str, livemode: bool) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise bad_request(
            "Invalid URL: an explicit scheme (such as https) must be provided.", param="url", code="url_invalid"
        )
    if livemode and parts.scheme != "https":
        raise bad_request("Invalid URL: in live mode the URL must be https.", param="url", code="url_invalid")


def retrieve(call: Call) -> Json:
    return call.in_path("endpoints", "webhook endpoint")


def update(call: Call) -> Json:
    endpoint = call.in_path("endpoints", "webhook endpoint")
    params = call.params
    if "url" in params:
        _check_url(params["url"], call.state.livemode)
    new_metadata = merged(endpoint["metadata"], params.get("metadata"))
    for name in ("url", "enabled_events", "description"):
        if name in params:
            endpoint[name] = params[name] or None
    if "disabled" in params:
        endpoint["status"] = "disabled" if params["disabled"] else "enabled"
    endpoint["metadata"] = new_metadata
    return endpoint


def delete(call: Call) -> Json:
    endpoint = call.in_path("endpoints", "webhook endpoint")
    del call.state.endpoints[endpoint["id"]]
    del call.state.endpoint_secrets[endpoint["id"]]
    return {"id": endpoint["id"], "object": "webhook_endpoint", "deleted": True}


def list_endpoints(call: Call) -> Json:
    return page(matching(call.state.endpoints.values(), call.params), call.params, call.path)


def subscribed(state: AccountState, event_type: str) -> list[Json]:
    return [
        endpoint
        for endpoint in state.endpoints.values()
        if endpoint["status"] == "enabled" and {"*", event_type} & set(endpoint["enabled_events"])
    ]
