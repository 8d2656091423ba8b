"""What changes in a stage's rows from one layout to the next; one function a step.

A step sees the store of a partition before its stage does, and all that it writes goes into one
commit together with the number of the new layout (`bring_up`): a kill in the middle leaves the old
layout as it was. A step cannot ask models: what the new layout needs of them it marks as derived
with a bundle that is not known any more, and a backfill derives it anew. What cannot be made from
the rows is not made up: the step raises, and says how the store is rebuilt.

| layout | what it has that the one before did not promise                                        |
|--------|----------------------------------------------------------------------------------------|
| 2      | `derived` names everything that models said; readings of products hold the phrases and |
|        | the name of their type; a value in use has a row of what it may stand for, and stands  |
|        | in blocks of the kinds that `graph/same.py` names. Weeks of a shopper may say when     |
|        | visits began: without that they began before any erasure                               |
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from streams.errors import START_EMPTY, StateError
from streams.graph.rows import TABLE as SUMS
from streams.graph.rows import Meant, decode_likely
from streams.graph.same import TABLE as BLOCKS
from streams.graph.same import looks_of
from streams.graph.senses import name_of
from streams.layout.derived_rows import LIKELY, rebuild
from streams.ports import State
from streams.products.rows import Reading, decode_row, encode_row
from streams.state.scanning import each
from streams.totals.inbox import Inbox
from streams.totals.messages import USED_BY
from streams.totals.owner import LAYOUT_VERSION, kept_of, with_layout
from topology.likeness import spelling_of

UNKNOWN_BUNDLE: Final = "layout-1"
"""Stands for the bundles of what must be derived anew: never those of now."""

_READING_FIELDS: Final = len(Reading.__struct_fields__)
_encode = msgspec.msgpack.Encoder().encode
_fields_of = msgspec.msgpack.Decoder(tuple[object, list[object] | None, str]).decode

Step = Callable[[State, str], None]
"""Changes the rows of a stage's partition, without a commit."""


def bring_up(
    state: State, *, steps: Mapping[int, Step] | None = None, to: int = LAYOUT_VERSION
) -> int | None:
    """Bring a partition's rows up to a layout; from which one, None where there was nothing to do.

    Args:
        state: of the partition, with nothing uncommitted.
        steps: layout -> what makes the next one of it; by default those of this program.
        to: the layout that is wanted.

    Raises:
        StateError: it is of a newer layout, or cannot be brought up; the message says what to do.
    """
    steps = STEPS if steps is None else steps
    kept = kept_of(state)
    if kept is None or kept.layout == to:
        return None
    where = f"{kept.stage}/{kept.partition}"
    if kept.layout > to:
        raise StateError(
            f"{where}: its rows are of layout {kept.layout}, this program reads {to}: run the "
            "version that wrote them, restore a checkpoint, or rebuild it by replay"
        )
    missing = [n for n in range(kept.layout, to) if n not in steps]
    if missing:
        raise StateError(
            f"{where}: nothing is known of layout {missing[0]}: restore a checkpoint of layout "
            f"{to}, or move the folder away and rebuild it by replay"
        )
    for layout in range(kept.layout, to):
        steps[layout](state, kept.stage)
    with_layout(state, to)
    state.commit()
    return kept.layout


def _to_2(state: State, stage: str) -> None:
    if stage == "products":
        _mark_short_readings(state)
    elif stage == "graph":
        _reread_values(state)
    rebuild(state, stage)


def _mark_short_readings(state: State) -> None:
    """Products that were read before titles were searched for types are read again."""
    for product, value in each(state, "products"):
        _, reading, _ = _fields_of(value)
        if reading is None:
            continue
        if state.get("records", product) is None:
            raise StateError(
                f"product {product.decode(errors='replace')!r} was read before records were kept: "
                f"move the folder of this partition away and {START_EMPTY}, which builds it again "
                "from its topics"
            )
        if len(reading) < _READING_FIELDS:
            row = msgspec.structs.replace(decode_row(value), bundles=UNKNOWN_BUNDLE)
            state.put("products", product, encode_row(row))


def _reread_values(state: State) -> None:
    """Values that stand in no block of today's kinds, or were not asked about, are read again.

    Where there is one, all are, with all pairs: who meets whom may be different for each.
    """
    used = {
        name_of(parts[0], parts[2].decode()): parts
        for key, n, _ in list(Inbox(state).scan("claims", b"attr:"))
        for parts in (key.split(b"\0"),)
        if len(parts) == 3 and parts[1] == USED_BY and n and spelling_of(parts[2].decode())
    }
    if all(
        state.get(SUMS, name) is not None
        and all(state.get(BLOCKS, key) is not None for key in keys)
        for name, parts in used.items()
        for keys in (looks_of(parts[0], parts[2].decode()),)
    ):
        return
    for key, _ in list(each(state, BLOCKS)):
        state.delete(BLOCKS, key)
    for name in used:
        state.put(SUMS, name, _encode(Meant((), UNKNOWN_BUNDLE)))
    for name, row in list(each(state, SUMS, b"attr:")):
        if name.split(b"\0")[1] == LIKELY:
            pair = decode_likely(row)
            pair.bundle = UNKNOWN_BUNDLE
            state.put(SUMS, name, _encode(pair))


STEPS: Final[Mapping[int, Step]] = {1: _to_2}
"""The steps of this program."""
