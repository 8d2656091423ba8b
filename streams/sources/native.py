"""The native form: OpenSearch UBI 1.3 as shops send it, with products, as JSON.

`schemas/native.schema.json` describes it. A lenient superset of UBI queries and events: the
spellings of the specification and of the OpenSearch plugin, ids as text or numbers, times as ISO
8601 or numbers, one record or an array of them, unknown keys passed over. Added are `event_id`,
`order_id`, `product_id`, `quantity`, `items`, and catalog records, whose unknown keys are
attributes.

A record with `action_name` is an event; else one with `user_query` is a query; else one with
`product_id` or `id` is a product.
"""

from collections.abc import Iterable, Sequence

import msgspec

from streams.sources import json_text
from streams.sources.actions import PURCHASE_ACTIONS, Actions, by_quantity
from streams.sources.fields import Id, attributes_of, id_of, path_of, text_of
from streams.sources.said import (
    CLICK,
    PURCHASE,
    RETURN,
    SEARCH,
    Kind,
    RawEvent,
    RawProduct,
    Rejected,
    Said,
    Source,
    Unused,
)
from streams.sources.times import to_ms


class _Object(msgspec.Struct, gc=False):
    object_id: Id = None
    transaction_id: Id = None


class _Item(msgspec.Struct, gc=False):
    product_id: Id = None
    object_id: Id = None
    item_id: Id = None
    query_id: Id = None
    quantity: Id = None


class _Attributes(msgspec.Struct, gc=False):
    object: _Object | None = None
    session_id: Id = None
    order_id: Id = None
    quantity: Id = None
    items: list[_Item] | None = None


class Record(msgspec.Struct, gc=False):
    """What is read of a query or an event; everything else in the record is passed over."""

    action_name: str | None = None
    timestamp: Id = None
    client_id: Id = None
    user_id: Id = None
    session_id: Id = None
    query_id: Id = None
    user_query: str | None = None
    event_attributes: _Attributes | None = None
    event_id: Id = None
    order_id: Id = None
    product_id: Id = None
    quantity: Id = None
    items: list[_Item] | None = None
    message: object = None
    message_type: object = None
    id: object = None


class _Time(msgspec.Struct, gc=False):
    timestamp: Id = None


decode_record = msgspec.json.Decoder(Record).decode
_decode_time = msgspec.json.Decoder(_Time).decode
_decode_product = msgspec.json.Decoder(dict[str, object]).decode
_OWN = frozenset(
    ("product_id", "id", "title", "name", "description", "category", "attributes", "deleted")
)
_WITH_ORDER = frozenset((PURCHASE, RETURN))
_PRODUCT_KEYS = _OWN - {"product_id", "id"}


def source(purchase_actions: Iterable[str] = PURCHASE_ACTIONS) -> Source:
    """Events, queries and products in one topic. Source of the form: o19s/ubi schema 1.3.0."""
    actions = Actions(purchase_actions)

    def read(value: bytes) -> Sequence[Said]:
        if value[:1] == b"{":
            return read_one(value, actions)
        pieces = json_text.parts(value)
        if isinstance(pieces, Rejected):
            return (pieces,)
        return [said for piece in pieces for said in read_one(piece, actions)] or [Unused("empty")]

    return Source(read, event_time)


def catalog() -> Source:
    """Products only: a record with a key and no value withdraws the product."""

    def read(value: bytes) -> Sequence[Said]:
        pieces = json_text.parts(value)
        if isinstance(pieces, Rejected):
            return (pieces,)
        return [_product(piece) for piece in pieces] or [Unused("empty")]

    return Source(read, lambda _: None, catalog=True)


def event_time(value: bytes) -> int | None:
    """Event time of the value, of its first record where it is an array."""
    pieces = json_text.parts(value)
    if isinstance(pieces, Rejected) or not pieces:
        return None
    record = json_text.decode(_decode_time, pieces[0])
    return None if isinstance(record, Rejected) else to_ms(record.timestamp)


def read_one(value: bytes, actions: Actions, own_id: Id = None) -> Sequence[Said]:
    """What one JSON object says.

    `own_id` is the event's id where the record itself has none (`_id` of a bulk file).
    """
    record = json_text.decode(decode_record, value)
    if isinstance(record, Rejected):
        return (record,)
    if record.action_name:
        if record.event_id is None:
            record.event_id = own_id
        return _event(record, record.action_name, actions)
    if record.user_query is not None:
        return (_query(record),)
    if record.product_id is not None or record.id is not None:
        return (_product(value),)
    return (Rejected("unknown_record", "none of action_name, user_query, product_id"),)


def _query(record: Record) -> Said:
    """A UBI query; its timestamp is optional there, so the Kafka record's may stand for it."""
    at_ms = to_ms(record.timestamp)
    if at_ms is None and record.timestamp is not None:
        return Rejected("bad_time", "timestamp cannot be read")
    return _search(record, at_ms)


def _search(record: Record, at_ms: int | None) -> RawEvent:
    text = record.user_query
    if not text and isinstance(record.message, str) and record.message_type in ("QUERY", None):
        text = record.message  # as ubi.js sends what was typed
    return RawEvent(
        SEARCH,
        at_ms,
        _shopper(record),
        query=text or "",
        query_id=id_of(record.query_id),
        session=_session(record),
        id=id_of(record.event_id),
    )


def _event(record: Record, action: str, actions: Actions) -> Sequence[Said]:
    kind = actions[action]
    if kind is None:
        return (Unused("action"),)
    at_ms = to_ms(record.timestamp)
    if at_ms is None:
        if record.timestamp is None:
            return (Rejected("missing_time", "the event has no timestamp"),)
        return (Rejected("bad_time", "timestamp cannot be read"),)
    if kind == SEARCH:
        return (_search(record, at_ms),)
    attributes = record.event_attributes
    items = record.items or (attributes.items if attributes else None)
    if items:
        return _basket(record, kind, at_ms, items)
    about = attributes.object if attributes else None
    product = id_of(about.object_id) if about else ""
    product = product or id_of(record.product_id)
    if about is None and record.product_id is None and kind == CLICK:
        return (Unused("no_product"),)  # UBI: `object` is optional, a click may be on anything
    quantity = record.quantity
    if attributes and quantity is None:
        quantity = attributes.quantity
    if quantity is not None:
        counted = by_quantity(kind, quantity)
        if not isinstance(counted, str):
            return (counted,)
        kind = counted
    return (_line(record, kind, at_ms, product, record.query_id, 0),)


def _basket(record: Record, kind: Kind, at_ms: int, items: list[_Item]) -> Sequence[Said]:
    """One event with several lines: an event for each."""
    lines: list[Said] = []
    for number, item in enumerate(items):
        counted = kind if item.quantity is None else by_quantity(kind, item.quantity)
        if not isinstance(counted, str):
            lines.append(counted)
            continue
        product = id_of(item.product_id) or id_of(item.object_id) or id_of(item.item_id)
        query_id = record.query_id if item.query_id is None else item.query_id
        lines.append(_line(record, counted, at_ms, product, query_id, number))
    return lines


def _line(
    record: Record, kind: Kind, at_ms: int, product: str, query_id: Id, item: int
) -> RawEvent:
    order = query = own_id = ""
    if kind in _WITH_ORDER:
        order = _order(record)
    if query_id is not None:
        query = query_id if type(query_id) is str else id_of(query_id)
    if (own := record.event_id) is not None:
        own_id = own if type(own) is str else id_of(own)
    shopper = _shopper(record)
    return RawEvent(kind, at_ms, shopper, product, "", query, _session(record), order, own_id, item)


def _shopper(record: Record) -> str:
    """The browser's id first: UBI queries carry no user_id, and have to be joined."""
    client = record.client_id
    if type(client) is str and client:
        return client
    return id_of(client) or id_of(record.user_id) or _session(record)


def _session(record: Record) -> str:
    session = record.session_id
    if session is None and record.event_attributes is not None:
        session = record.event_attributes.session_id
    return session if type(session) is str else id_of(session)


def _order(record: Record) -> str:
    if record.order_id is not None:
        return id_of(record.order_id)
    attributes = record.event_attributes
    if attributes is None:
        return ""
    if attributes.order_id is not None:
        return id_of(attributes.order_id)
    return id_of(attributes.object.transaction_id) if attributes.object else ""


def _product(value: bytes) -> Said:
    record = json_text.decode(_decode_product, value)
    if isinstance(record, Rejected):
        return record
    product_id = id_of(record.get("product_id")) or id_of(record.get("id"))
    if not product_id:
        return Rejected("missing_id", "the product has no product_id")
    if _PRODUCT_KEYS.isdisjoint(record):
        return Rejected("unknown_record", "a product without title, category or attributes")
    told = record.get("attributes")
    fields = {name: each for name, each in record.items() if name not in _OWN}
    if isinstance(told, dict):
        fields = {**told, **fields}
    elif told is not None:
        fields = {"attributes": told, **fields}
    return RawProduct(
        product_id,
        text_of(record.get("title")) or text_of(record.get("name")),
        text_of(record.get("description")),
        path_of(record.get("category")),
        attributes_of(fields),
        record.get("deleted") is True,
    )
