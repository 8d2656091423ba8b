"""GRAPH counted anew from what it was told: sums, candidates of `same_as`, and its facts."""

from collections.abc import Iterator
from itertools import groupby
from typing import Final

import msgspec

from streams.checks.protocol import shown
from streams.graph.links import TABLE as LINKS
from streams.graph.links import keys_of
from streams.graph.rows import TABLE as SUMS
from streams.graph.rows import WEEK_CHARS, Likely, decode_likely, decode_meant, decode_sum
from streams.graph.same import TABLE as BLOCKS
from streams.graph.same import looks_of
from streams.graph.senses import name_of
from streams.layout.steps import UNKNOWN_BUNDLE
from streams.ports import State
from streams.state.scanning import each
from streams.totals.inbox import Inbox
from streams.totals.messages import (
    BOUGHT,
    CO_BOUGHT,
    CO_TYPE,
    OF_TYPE,
    USED_BY,
    WITH_BOTH,
    WITH_INTENT,
    WITH_VALUE,
)
from streams.totals.outbox import total_of
from streams.totals.tables import CODES
from streams.weeks import week_from_key, week_key
from topology.check import Problem
from topology.keys import FACTS

_WEEKLY: Final = {BOUGHT, CO_BOUGHT, OF_TYPE, WITH_VALUE, WITH_INTENT, WITH_BOTH, CO_TYPE}
_LIKELY: Final = b"s"


def check_graph(state: State) -> Iterator[Problem]:
    """All but the facts' own indexes, which `topology.check` reads."""
    inbox = Inbox(state)
    names = (name[1:] for name, _ in each(state, "held", CODES["claims"]))
    weekly = (key for key in names if key.split(b"\0")[1] in _WEEKLY)
    for name, keys in groupby(weekly, key=lambda key: key[:-WEEK_CHARS]):
        told = {
            week_from_key(key[1 - WEEK_CHARS :]): n
            for key in keys
            if (n := inbox.total("claims", key))
        }
        yield from _of_sum(state, name, told)
    for name, _ in each(state, SUMS):
        parts = name.split(b"\0")
        if parts[1] in _WEEKLY:
            yield from _without_totals(state, inbox, name)
        elif parts[1] == _LIKELY and parts[0].startswith(b"attr:"):
            yield from _of_pair(state, name)
    yield from _of_links(state)
    yield from _of_values(state, inbox)
    for key, _ in each(state, FACTS):
        if total_of(state, "facts", key.hex().encode())[0] != 1:
            yield Problem("totals", key.hex(), "is a fact that is not told")
    for name, _ in each(state, "totals", CODES["facts"]):
        if state.get(FACTS, bytes.fromhex(name[1:].decode(errors="replace"))) is None:
            yield Problem("totals", shown(name), "tells a fact that is not there")


def _of_sum(state: State, name: bytes, told: dict[int, int]) -> Iterator[Problem]:
    value = state.get(SUMS, name)
    if value is None:
        if told:
            yield Problem(SUMS, shown(name), f"is missing, it was told {sum(told.values())}")
        return
    try:
        row = decode_sum(value)
    except msgspec.MsgspecError as error:
        yield Problem(SUMS, shown(name), f"cannot be read: {error}")
        return
    if row.weeks != told or row.total != sum(told.values()):
        yield Problem(SUMS, shown(name), f"is {row.total}, it was told {sum(told.values())}")


def _without_totals(state: State, inbox: Inbox, name: bytes) -> Iterator[Problem]:
    """A sum of which nothing is held; one of which something is, was looked at before."""
    row = decode_sum(state.get(SUMS, name) or b"")
    for week, n in row.weeks.items():
        if inbox.total("claims", name + b"\0" + week_key(week)) != n:
            yield Problem(SUMS, shown(name), f"says {n} in week {week}, which was not told")


def _of_pair(state: State, name: bytes) -> Iterator[Problem]:
    owner, _, one, other = name.split(b"\0")
    for key in keys_of(owner, (one.decode(), other.decode())):
        if state.get(LINKS, key) is None:
            yield Problem(LINKS, shown(key), "is missing")
    row: Likely = decode_likely(state.get(SUMS, name) or b"")
    if not 0.0 <= row.score <= 1.0:
        yield Problem(SUMS, shown(name), f"has a score of {row.score}")


def _of_links(state: State) -> Iterator[Problem]:
    for key, _ in each(state, LINKS):
        owner, one, other = key.split(b"\0")
        low, high = sorted((one, other))
        if state.get(SUMS, b"\0".join((owner, _LIKELY, low, high))) is None:
            yield Problem(LINKS, shown(key), "links a pair that is no candidate")


def _of_values(state: State, inbox: Inbox) -> Iterator[Problem]:
    """Every value in use stands in the blocks of its spelling, and no other value does."""
    used: set[tuple[bytes, bytes]] = set()
    for name, _ in each(state, "held", CODES["claims"] + b"attr:"):
        owner, code, *rest = name[1:].split(b"\0")
        if code != USED_BY or not inbox.total("claims", name[1:]):
            continue
        used.add((owner, rest[0]))
        value = rest[0].decode()
        row = state.get(SUMS, name_of(owner, value))
        if row is not None and decode_meant(row).bundle == UNKNOWN_BUNDLE:
            continue  # a backfill puts it there
        for key in looks_of(owner, value):
            if state.get(BLOCKS, key) is None:
                yield Problem(BLOCKS, shown(key), "is missing")
    for key, _ in each(state, BLOCKS):
        parts = key.split(b"\0")
        if (parts[0], parts[-1]) not in used:
            yield Problem(BLOCKS, shown(key), "is of a value that nothing uses")
