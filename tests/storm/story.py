"""The story of a seed: the world, its quotes, and every event, each at a number of boundaries passed."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from typing import Any

from builders import a_line, a_quote, vat
from storm.world import SETTINGS, Spec

RATES = ("20", "10", "5.5", "0")
#: How often each of a workspace's settings is drawn.
_WEIGHTS = (6, 3, 3, 2, 2, 1)


@dataclass(frozen=True, order=True)
class Event:
    """Something that happens when ``at`` boundaries have been passed; ``number`` decides the details."""

    at: int
    kind: str
    number: int = 0

    def __str__(self) -> str:
        return f"{self.at}:{self.kind}:{self.number}"


@dataclass(frozen=True)
class Figures:
    """The signed amounts in minor units, computed independently of the product."""

    net: int
    tax: int

    @property
    def total(self) -> int:
        return self.net + self.tax


@dataclass(frozen=True)
class Signed:
    """One version of a quote: its document and its figures."""

    document: dict[str, Any]
    figures: Figures


@dataclass(frozen=True)
class Story:
    """A whole storm. ``quotes``: the versions of each quote, first to last."""

    seed: int
    spec: Spec
    events: tuple[Event, ...]

    @cached_property
    def quotes(self) -> tuple[tuple[Signed, ...], ...]:
        chance = random.Random(f"quotes/{self.seed}")
        contacts = chance.choice((1, 1, 2))
        return tuple(_versions(chance, number, contacts) for number in range(1, self.spec.quotes + 1))

    def with_events(self, events: Sequence[Event]) -> Story:
        """Return a story of the same world with other events."""
        return replace(self, events=tuple(events))

    def __str__(self) -> str:
        spec = self.spec
        return f"{self.seed}/{spec.quotes}/{spec.workers}/{spec.settings}/{int(spec.refuses_tax_amounts)} " + " ".join(
            f"{event.at}:{event.kind.replace(' ', '_')}:{event.number}" for event in self.events
        )


def read_story(text: str) -> Story:
    """Return the story of a text that ``str`` made of one."""
    world, *events = text.split()
    seed, count, workers, settings, refuses = (int(word) for word in world.split("/"))
    happening = [event.rsplit(":", 1) for event in events]
    parsed = [
        Event(int(head.split(":", 1)[0]), head.split(":", 1)[1].replace("_", " "), int(number))
        for head, number in happening
    ]
    return Story(seed, Spec(count, workers, settings, bool(refuses)), tuple(parsed))


def story_of(seed: int, kinds: Mapping[str, int]) -> Story:
    """Return the story that a seed draws. ``kinds``: the kinds of events, with their weights."""
    chance = random.Random(f"story/{seed}")
    count = chance.choices((1, 2, 3, 4), weights=(10, 5, 2, 1))[0]
    spec = Spec(
        quotes=count,
        workers=chance.choices((1, 2, 3), weights=(4, 4, 2))[0],
        settings=chance.choices(range(len(SETTINGS)), weights=_WEIGHTS)[0],
        refuses_tax_amounts=chance.random() < 0.2,
    )
    length = 170 * count + 250
    begun = [Event(chance.randrange(1 + 60 * number), "accepted", number) for number in range(count)]
    drawn = chance.choices(list(kinds), weights=list(kinds.values()), k=chance.randrange(2, 10 + 3 * count))
    happening = [Event(chance.randrange(length), kind, chance.randrange(1 << 16)) for kind in drawn]
    return Story(seed, spec, tuple(sorted(begun + happening)))


def _versions(chance: random.Random, number: int, contacts: int) -> tuple[Signed, ...]:
    parts = chance.choice((0, 1, 2, 2, 3))
    who = number % contacts
    contact = {"id": f"c-{who}", "first_name": "Ana", "last_name": f"Diaz {who}", "email": f"ana{who}@buyer.example"}
    return tuple(_signed(chance, number, contact, parts, version) for version in range(3))


def _signed(chance: random.Random, number: int, contact: dict[str, Any], parts: int, version: int) -> Signed:
    net = tax = 0
    lines = []
    for place in range(1, chance.randrange(1, 4) + 1):
        rate = chance.choice(RATES)
        gross = chance.randrange(500, 500_000)
        discount = chance.choice((0, 0, chance.randrange(1, gross // 2)))
        net += gross - discount
        tax += _half_up(gross, rate) - _half_up(discount, rate)
        lines.append(a_line(f"l{place}", _major(gross - discount), discount=_major(discount), taxes=[vat(rate)]))
    document = a_quote(
        *lines,
        id=f"q-{number}",
        total=_major(net + tax),
        installments=parts,
        contact=contact,
        note=f"version {version}",
    )
    return Signed(document, Figures(net, tax))


def _half_up(amount: int, rate: str) -> int:
    """Return the tax on an amount in minor units, rounded half up, computed in whole numbers."""
    return (amount * int(Decimal(rate) * 1000) * 2 + 100_000) // 200_000


def _major(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d}"
