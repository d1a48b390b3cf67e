"""The customer search: a small query language over an index that lags behind writes."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass

from stripe_simulator.errors import StripeError, bad_request
from stripe_simulator.lists import checked_limit
from stripe_simulator.state import Call, Json

_QUOTED = r"""(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")"""
_CLAUSE = re.compile(
    rf"""\s*(-?)(?:metadata\[{_QUOTED}\]|(email|name|phone))\s*([:~])\s*(?:{_QUOTED}|(null))\s*""", re.IGNORECASE
)
_JOINER = re.compile(r"\s*(AND|OR)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Clause:
    field: str
    metadata_key: str | None
    value: str | None
    negated: bool
    substring: bool

    def fits(self, customer: Json) -> bool:
        return self._holds(customer) != self.negated

    def _holds(self, customer: Json) -> bool:
        found = customer["metadata"].get(self.metadata_key) if self.metadata_key is not None else customer[self.field]
        if self.value is None or found is None:
            return self.value is None and found is None
        here, wanted = str(found).casefold(), self.value.casefold()
        return wanted in here if self.substring else wanted == here


def remember(call: Call, customer: Json) -> None:
    history = call.state.search_index.setdefault(customer["id"], [])
    history.append((call.world.clock.precise(), copy.deepcopy(customer)))


def forget(call: Call, customer_id: str) -> None:
    call.state.search_index.setdefault(customer_id, []).append((call.world.clock.precise(), None))


def search_customers(call: Call) -> Json:
    _refuse_restricted(call)
    clauses, joiner = parse_query(call.params["query"])
    combine = any if joiner == "OR" else all
    found = [c for c in _indexed(call) if combine(clause.fits(c) for clause in clauses)]
    return _page(found, call)


def _refuse_restricted(call: Call) -> None:
    if call.restricted and call.config.search_refused_to_restricted_keys:
        raise StripeError(403, "The provided key does not have the required permissions for this endpoint.")


def _indexed(call: Call) -> list[Json]:
    horizon = call.world.clock.precise() - call.config.search_lag_seconds
    visible = []
    for history in call.state.search_index.values():
        known = [snapshot for written, snapshot in history if written <= horizon]
        if known and known[-1] is not None:
            visible.append(known[-1])
    return list(reversed(visible))


def _page(found: list[Json], call: Call) -> Json:
    limit = checked_limit(call.params)
    start = int(call.params.get("page", "0")) if call.params.get("page", "0").isdigit() else len(found)
    stop = start + limit
    more = stop < len(found)
    return {
        "object": "search_result",
        "data": found[start:stop],
        "has_more": more,
        "next_page": str(stop) if more else None,
        "url": call.path,
    }


def parse_query(query: str) -> tuple[list[Clause], str]:
    """Parse clauses that are joined by AND or by OR, never by both."""
    if len(query) > 5000:
        raise bad_request("The query is too long.", param="query")
    clauses: list[Clause] = []
    joiners: set[str] = set()
    rest = query
    while True:
        clause, rest = _clause(rest)
        clauses.append(clause)
        if not rest.strip():
            break
        joiner, rest = _joiner(rest)
        joiners.add(joiner)
    if len(joiners) > 1:
        raise bad_request("A query cannot mix AND and OR.", param="query")
    return clauses, joiners.pop() if joiners else "AND"


def _clause(text: str) -> tuple[Clause, str]:
    match = _CLAUSE.match(text)
    if match is None:
        raise bad_request("We were unable to parse your search query.", param="query")
    minus, key1, key2, field, operator, value1, value2, null = match.groups()
    key = None if field else _unescaped(key1 if key1 is not None else key2)
    value = None if null else _unescaped(value1 if value1 is not None else value2)
    return Clause(field.lower() if field else "metadata", key, value, bool(minus), operator == "~"), text[match.end() :]


def _joiner(text: str) -> tuple[str, str]:
    match = _JOINER.match(text)
    # Clauses without a word between them are joined by AND.
    return (match.group(1).upper(), text[match.end() :]) if match else ("AND", text)


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)
