"""What ROUTE writes and every later stage reads: events and products in one native form.

Values of `graph.events` are JSON of `Event`, told apart by "kind"; values of `graph.catalog` are
JSON of `Product`. Times are event time in milliseconds since 1970, UTC. Shopper ids are
pseudonyms already and all text is scrubbed: nothing else may be written here (DESIGN, rule 10).
"""

from typing import TypeAlias

import msgspec
from msgspec import Struct


class Search(Struct, frozen=True, gc=False, omit_defaults=True, tag_field="kind", tag="search"):
    """A shopper asked for something. `query` is normalised, scrubbed, never empty."""

    id: str
    at_ms: int
    shopper: str
    query: str
    query_id: str = ""
    session: str = ""


class Click(Struct, frozen=True, gc=False, omit_defaults=True, tag_field="kind", tag="click"):
    """A shopper looked at a product, perhaps as a result of `query_id`."""

    id: str
    at_ms: int
    shopper: str
    product: str
    query_id: str = ""
    session: str = ""


class Purchase(Struct, frozen=True, gc=False, omit_defaults=True, tag_field="kind", tag="purchase"):
    """A shopper bought one product; a basket is several purchases of one session."""

    id: str
    at_ms: int
    shopper: str
    product: str
    query_id: str = ""
    session: str = ""
    order: str = ""


class Return(Struct, frozen=True, gc=False, omit_defaults=True, tag_field="kind", tag="return"):
    """A shopper gave a product back: takes back the latest earlier purchase of it.

    With `order`, only a purchase of that order is taken back.
    """

    id: str
    at_ms: int
    shopper: str
    product: str
    session: str = ""
    order: str = ""


Event: TypeAlias = Search | Click | Purchase | Return


class Product(Struct, frozen=True, omit_defaults=True):
    """One catalog record.

    Attributes:
        id: the shop's product id, 1..200 characters.
        title: scrubbed, may be empty.
        description: scrubbed, may be empty.
        category: path from the broadest to the narrowest, the shop's own words.
        attributes: the shop's own field names -> values as text, in the record's order.
        position: where the record stood in its source, (source partition, offset); the newest
            position wins, not the last to arrive (DESIGN, "How totals travel").
        deleted: the source withdrew the product (tombstone).
    """

    id: str
    title: str = ""
    description: str = ""
    category: tuple[str, ...] = ()
    attributes: dict[str, list[str]] = {}
    position: tuple[int, int] = (0, 0)
    deleted: bool = False


encode_event = msgspec.json.Encoder().encode
decode_event = msgspec.json.Decoder(Event).decode
encode_product = msgspec.json.Encoder().encode
decode_product = msgspec.json.Decoder(Product).decode
