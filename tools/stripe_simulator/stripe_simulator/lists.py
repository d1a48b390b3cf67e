"""Stripe's pagination: newest first, a cursor at either end, 1 to 100 objects a page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from stripe_simulator.errors import bad_request, missing_in_body
from stripe_simulator.state import Json


def newest_first(objects: Iterable[Json]) -> list[Json]:
    return list(reversed(list(objects)))


def page(objects: list[Json], params: Json, url: str) -> Json:
    """Return one page of objects that are already filtered and ordered."""
    limit = checked_limit(params)
    start = 0
    if "starting_after" in params:
        start = _position(objects, params["starting_after"], "starting_after") + 1
    stop = start + limit
    if "ending_before" in params:
        stop = _position(objects, params["ending_before"], "ending_before")
        start = max(0, stop - limit)
        return {"object": "list", "data": objects[start:stop], "has_more": start > 0, "url": url}
    return {"object": "list", "data": objects[start:stop], "has_more": stop < len(objects), "url": url}


def checked_limit(params: Json) -> int:
    limit = int(params.get("limit", 10))
    if not 1 <= limit <= 100:
        raise bad_request("Limit must be between 1 and 100", param="limit")
    return limit


def _position(objects: list[Json], object_id: str, param: str) -> int:
    for index, item in enumerate(objects):
        if item["id"] == object_id:
            return index
    raise missing_in_body("object", object_id, param=param)


def created_within(item: Json, created: Any) -> bool:
    """Return the objects that pass the ``created`` filter, a time or a range of times."""
    if created is None:
        return True
    moment: int = item["created"]
    if isinstance(created, int):
        return moment == created
    return all(
        (
            moment > created.get("gt", moment - 1),
            moment >= created.get("gte", moment),
            moment < created.get("lt", moment + 1),
            moment <= created.get("lte", moment),
        )
    )


def matching(objects: Iterable[Json], params: Json, *names: str) -> list[Json]:
    """Return, newest first, the objects that equal every given filter and lie within ``created``."""
    wanted = {name: params[name] for name in names if name in params}
    return newest_first(
        item
        for item in objects
        if all(item.get(name) == value for name, value in wanted.items())
        and created_within(item, params.get("created"))
    )
