"""What changes in a stage's rows from one layout to the next; one function a step.

A step sees the store of a partition before its stage does, and all that it writes goes into one
commit together with the number of the new layout (`bring_up`): a kill in the middle leaves the old
layout as it was. A step cannot ask models: what the new layout needs of them it marks as derived
with a bundle that is not known any more, and a backfill derives it anew. What cannot be made from
the rows is not made up: the step raises, and says how the store is rebuilt.

| layout | what it has that the one before did not promise                                        |
|--------|----------------------------------------------------------------------------------------|
| 2      | `derived` names everything that models said; readings of products hold the phrases and |
|        | the name of their type; a value in use has a row of what it may stand for. Weeks of a  |
|        | shopper may say when visits began: without that they began before any erasure          |
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from streams.derived_rows import rebuild
from streams.errors import StateError
from streams.graph_rows import TABLE as SUMS
from streams.graph_rows import Meant
from streams.graph_senses import name_of
from streams.inbox import Inbox
from streams.messages import USED_BY
from streams.owner import LAYOUT_VERSION, kept_of, with_layout
from streams.ports import State
from streams.product_rows import Reading, decode_row, encode_row
from streams.scanning import each
from topology.likeness import spelling_of

UNKNOWN_BUNDLE: Final = ""
"""Stands for the bundles of an older layout where they were not kept: never those of now."""

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
        _name_values(state)
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
                "move the folder of this partition away and start once with "
                "CARTOGRAPH_ALLOW_EMPTY_STORE=1, which builds it again from its topics"
            )
        if len(reading) < _READING_FIELDS:
            row = msgspec.structs.replace(decode_row(value), bundles=UNKNOWN_BUNDLE)
            state.put("products", product, encode_row(row))


def _name_values(state: State) -> None:
    """Values in use that no model was asked about get a row, to be read again."""
    unread = _encode(Meant((), UNKNOWN_BUNDLE))
    for key, n, _ in list(Inbox(state).scan("claims", b"attr:")):
        parts = key.split(b"\0")
        if len(parts) != 3 or parts[1] != USED_BY or n == 0:
            continue
        value = parts[2].decode()
        name = name_of(parts[0], value)
        if spelling_of(value) is not None and state.get(SUMS, name) is None:
            state.put(SUMS, name, unread)


STEPS: Final[Mapping[int, Step]] = {1: _to_2}
"""The steps of this program."""
