"""What a source says of one Kafka record, before ROUTE has made it safe.

Raw ids and unscrubbed text stand in these values: they go from a source to `streams/route/stage.py`
and nowhere else (DESIGN, rule 10). A source reports what it read; what is missing or impossible is
judged in one place, in `route/stage.py`.
"""

from collections.abc import Callable, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec

Kind: TypeAlias = Literal["search", "click", "add_to_cart", "purchase", "return"]
SEARCH: Final = "search"
CLICK: Final = "click"
ADD_TO_CART: Final = "add_to_cart"
PURCHASE: Final = "purchase"
RETURN: Final = "return"
KINDS: Final[tuple[Kind, ...]] = (SEARCH, CLICK, ADD_TO_CART, PURCHASE, RETURN)

Reason: TypeAlias = Literal[
    "bad_utf8",
    "not_json",
    "not_csv",
    "too_deep",
    "too_long",
    "wrong_type",
    "unknown_record",
    "unknown_action",
    "missing_id",
    "bad_id",
    "missing_time",
    "bad_time",
    "future",
    "empty_query",
]
REASONS: Final[dict[Reason, str]] = {
    "bad_utf8": "text is not UTF-8",
    "not_json": "the value is not JSON",
    "not_csv": "the value is not one line of the expected CSV columns",
    "too_deep": "JSON is nested deeper than 64 levels",
    "too_long": "the value is longer than the setting allows",
    "wrong_type": "a field has another type than it should",
    "unknown_record": "neither an event, nor a query, nor a product",
    "unknown_action": "an action that the mapping file does not name",
    "missing_id": "no shopper, or no product where there must be one",
    "bad_id": "a product id that is too long, or holds control characters",
    "missing_time": "an event without a time",
    "bad_time": "a time that cannot be read, or before 1970",
    "future": "a time over an hour ahead of the record's Kafka timestamp",
    "empty_query": "a search without text",
}
"""Why a part of a record becomes a dead letter; the words are metric labels."""

Why: TypeAlias = Literal[
    "action", "no_product", "no_quantity", "no_price", "service", "adjustment", "header", "empty"
]
WHYS: Final[dict[Why, str]] = {
    "action": "an action the graph makes nothing of: an impression, a filter, a page view",
    "no_product": "a click on something that is no product",
    "no_quantity": "a line of nothing: quantity 0",
    "no_price": "a line that nobody paid for",
    "service": "postage, fees, vouchers and discounts: not a product",
    "adjustment": "a correction of the stock, not a sale",
    "header": "the header line of a CSV file",
    "empty": "an empty list",
}
"""Why a part of a record is read and not used; the words are metric labels."""


class RawEvent(msgspec.Struct, gc=False):
    """Something a shopper did, in the source's own ids.

    Attributes:
        kind: what was done. What the setting `purchase_actions` names is a purchase already.
        at_ms: event time, milliseconds since 1970 UTC; None: the record's Kafka timestamp.
        shopper, product, query, query_id, session, order: "" where the source has none.
        id: the source's own id of this event; a repeated event carries the same one.
        item: which line of a basket this is (0-based), when one source event holds several.
    """

    kind: Kind
    at_ms: int | None
    shopper: str
    product: str = ""
    query: str = ""
    query_id: str = ""
    session: str = ""
    order: str = ""
    id: str = ""
    item: int = 0


class RawProduct(msgspec.Struct):
    """One catalog record as the shop wrote it; fields as in `streams.events.Product`."""

    id: str
    title: str = ""
    description: str = ""
    category: tuple[str, ...] = ()
    attributes: dict[str, list[str]] = {}
    deleted: bool = False


class Rejected(msgspec.Struct, frozen=True):
    """This part of the record cannot be read.

    Attributes:
        reason: a word of `REASONS`.
        detail: what was wrong and where, without any part of the record's values.
    """

    reason: Reason
    detail: str


class Unused(msgspec.Struct, frozen=True):
    """This part was read, and the graph makes nothing of it; `why` is a word of `WHYS`."""

    why: Why


Said: TypeAlias = RawEvent | RawProduct | Rejected | Unused


class Source(NamedTuple):
    """How one format is read: pure functions of a record's value.

    Attributes:
        read: value -> what it says, part by part; never raises, whatever the bytes.
        event_time: value -> event time in milliseconds, or None; a cheap look at the head records
            of several topics, to read a backlog in the order of event time.
        catalog: the topic holds products only, so that a record without a value withdraws the
            product that its key names.
    """

    read: Callable[[bytes], Sequence[Said]]
    event_time: Callable[[bytes], int | None]
    catalog: bool = False
