"""QUERIES counted anew from what it was told."""

from collections.abc import Iterator
from itertools import groupby

import msgspec

from streams.checks.protocol import shown
from streams.ports import State
from streams.queries import QueryRow, decode_query
from streams.state.scanning import each
from streams.totals.inbox import Inbox
from streams.totals.messages import ASKED, WEIGHT
from streams.totals.outbox import total_of
from streams.totals.tables import CODES
from streams.totals.wire import join, owner, split
from topology.check import Problem

Row = tuple[list[bytes], int]
"""Parts of a key, and what all senders say of it."""


def check_queries(state: State) -> Iterator[Problem]:
    """Gates, what is told behind them, and which queries wait."""
    k = int(state.get("gate", b"k") or 1)
    told: set[bytes] = set()
    inbox = Inbox(state)
    names = (name[1:] for name, _ in each(state, "held", CODES["searched"]))
    for query, keys in groupby(names, key=owner):
        rows = [(split(key), inbox.total("searched", key)) for key in keys]
        told.add(query)
        yield from _of_query(state, query, rows, k)
    for query, _ in each(state, "queries"):
        if query not in told:
            yield Problem("queries", shown(query), "is a query of which nothing was told")
    for query, _ in each(state, "waiting"):
        if state.get("queries", query) is None:
            yield Problem("waiting", shown(query), "waits and has no row")


def _of_query(state: State, query: bytes, rows: list[Row], k: int) -> Iterator[Problem]:
    used = [n for parts, n in rows if parts[1] == ASKED]
    weeks, busy = sum(n > 0 for n in used), sum(n >= k for n in used)
    value = state.get("queries", query)
    try:
        row = QueryRow() if value is None else decode_query(value)
    except msgspec.MsgspecError as error:
        yield Problem("queries", shown(query), f"cannot be read: {error}")
        return
    if (row.weeks, row.busy) != (weeks, busy):
        what = f"says {row.weeks} weeks, {row.busy} of them busy; there are {weeks} and {busy}"
        yield Problem("queries", shown(query), what)
    if row.told and not busy:
        yield Problem("queries", shown(query), f"is told, and no week has {k} shoppers")
    waits = weeks > 0 and busy == 0
    if waits != (state.get("waiting", query) is not None):
        yield Problem("waiting", shown(query), "is missing" if waits else "waits for nothing")
    for parts, n in rows:
        if parts[1] in WEIGHT and len(parts) == 4:
            key = join(parts[2], query, parts[1], parts[3])
            wanted = n if row.told else 0
            found, payload = total_of(state, "asked", key)
            if found != wanted or (wanted and payload != row.told):
                yield Problem("totals", shown(key), f"says {found}, it should be {wanted}")
