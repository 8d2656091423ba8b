"""JSON that nobody foresaw, read by a field-mapping file instead of code."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, tzinfo
from fnmatch import fnmatchcase
from typing import cast
from zoneinfo import ZoneInfo

import msgspec

from streams.sources import json_text
from streams.sources.actions import PURCHASE_ACTIONS, Actions, by_quantity, folded
from streams.sources.fields import attributes_of, id_of, path_of, text_of
from streams.sources.mapping_file import Catalog, Events, Places, listed, parse
from streams.sources.paths import Getter, compile_path, first
from streams.sources.said import (
    SEARCH,
    Kind,
    RawEvent,
    RawProduct,
    Rejected,
    Said,
    Source,
    Unused,
)
from streams.sources.times import Unit, to_ms

_decode = msgspec.json.Decoder(dict[str, object]).decode
_NONE: Getter = lambda _: None  # noqa: E731 - a place that no file names


def source(text: str, name: str, purchase_actions: Iterable[str] = PURCHASE_ACTIONS) -> Source:
    """The source that a mapping file describes.

    Args:
        text: of the file, TOML; `schemas/mapping.example.toml` explains it.
        name: of the file, for messages.
        purchase_actions: words of the shop's own events that count as a purchase.

    Raises:
        SourceError: the file cannot be used; says which key, and what to do.
    """
    section = parse(text, name)
    if isinstance(section, Events):
        events = EventMapping(section, purchase_actions)
        return Source(lambda value: _read(value, events.read), events.event_time)
    catalog = CatalogMapping(section)
    return Source(
        lambda value: _read(value, lambda record: (catalog.read(record),)),
        lambda _: None,
        catalog=True,
    )


class EventMapping:
    """Section [events] at work."""

    def __init__(self, events: Events, purchase_actions: Iterable[str]) -> None:
        self._time, self._shopper = _getter(events.time), _getter(events.shopper)
        self._action, self._session = _getter(events.action), _getter(events.session)
        self._id, self._query = _getter(events.id), _getter(events.query)
        self._query_id, self._product = _getter(events.query_id), _getter(events.product)
        self._order, self._quantity = _getter(events.order), _getter(events.quantity)
        self._items = _getter(events.items)
        item = events.item
        self._item_product = _getter(item.product) if item else _NONE
        self._item_query_id = _getter(item.query_id) if item else _NONE
        self._item_quantity = _getter(item.quantity) if item else _NONE
        self._constants = events.constants
        self._unit = cast("Unit", events.time_format)
        self._zone: tzinfo = UTC if events.zone == "UTC" else ZoneInfo(events.zone)
        self._rejects = events.unknown_actions == "reject"
        self._actions = Actions(purchase_actions)
        self._words: dict[str, Kind | None] = {
            folded(word): self._actions.counted(cast("Kind", kind))
            for kind, words in events.actions.items()
            for word in words
        }

    def read(self, record: dict[str, object]) -> Sequence[Said]:
        """What one JSON object says, line by line."""
        action = self._text("action", self._action(record))
        word = folded(action)
        kind = self._words[word] if word in self._words else self._actions[action]
        if kind is None:
            if self._rejects and word not in self._words:
                return (Rejected("unknown_action", "no line of [events.actions] names it"),)
            return (Unused("action"),)
        told = self._time(record)
        at_ms = to_ms(told, self._unit, self._zone)
        if at_ms is None:
            if told is None:
                return (Rejected("missing_time", "no value where [events] time points to"),)
            return (Rejected("bad_time", f"[events] time cannot be read as {self._unit}"),)
        event = RawEvent(
            kind,
            at_ms,
            self._text("shopper", self._shopper(record)),
            query_id=self._text("query_id", self._query_id(record)),
            session=self._text("session", self._session(record)),
            id=id_of(self._id(record)),
        )
        if kind == SEARCH:
            event.query = self._text("query", self._query(record))
            return (event,)
        event.order = self._text("order", self._order(record))
        items = self._items(record)
        if isinstance(items, list) and items:
            return [self._line(event, number, item) for number, item in enumerate(items)]
        event.product = self._text("product", self._product(record))
        return (_counted(event, self._quantity(record)),)

    def event_time(self, value: bytes) -> int | None:
        """Event time of the value's first object."""
        pieces = json_text.parts(value)
        if isinstance(pieces, Rejected) or not pieces:
            return None
        record = json_text.decode(_decode, pieces[0])
        if isinstance(record, Rejected):
            return None
        return to_ms(self._time(record), self._unit, self._zone)

    def _line(self, event: RawEvent, number: int, item: object) -> Said:
        line = msgspec.structs.replace(
            event,
            product=self._text("product", self._item_product(item)),
            query_id=id_of(self._item_query_id(item)) or event.query_id,
            item=number,
        )
        return _counted(line, self._item_quantity(item))

    def _text(self, field: str, value: object) -> str:
        if isinstance(value, list):
            value = value[0] if value else None
        return id_of(value) or self._constants.get(field, "")


class CatalogMapping:
    """Section [catalog] at work."""

    def __init__(self, catalog: Catalog) -> None:
        self._id, self._title = _getter(catalog.id), _getter(catalog.title)
        self._description = _getter(catalog.description)
        self._category = [compile_path(place) for place in listed(catalog.category)]
        self._separator = catalog.category_separator
        self._deleted = _getter(catalog.deleted)
        self._deleted_values = frozenset(value.lower() for value in catalog.deleted_values)
        self._attributes = (
            None
            if catalog.attributes == "*"
            else [(place, compile_path(place)) for place in listed(catalog.attributes)]
        )
        self._rename, self._drop = catalog.rename, tuple(catalog.drop)
        self._constants = {name: [value] for name, value in catalog.constants.items()}
        named = (catalog.id, catalog.title, catalog.description, catalog.category, catalog.deleted)
        self._named = frozenset(place for places in named for place in listed(places))

    def read(self, record: dict[str, object]) -> Said:
        """What one JSON object says."""
        product_id = id_of(_one(self._id(record)))
        if not product_id:
            return Rejected("missing_id", "no value where [catalog] id points to")
        return RawProduct(
            product_id,
            text_of(_one(self._title(record))),
            text_of(_one(self._description(record))),
            self._path(record),
            self._fields(record),
            text_of(self._deleted(record)).lower() in self._deleted_values,
        )

    def _path(self, record: dict[str, object]) -> tuple[str, ...]:
        if len(self._category) == 1:
            return path_of(self._category[0](record), self._separator)
        levels = (text_of(_one(getter(record))) for getter in self._category)
        return tuple(level for level in levels if level)

    def _fields(self, record: dict[str, object]) -> dict[str, list[str]]:
        if self._attributes is None:
            found = attributes_of(record)
        else:
            found = attributes_of({place: getter(record) for place, getter in self._attributes})
        kept: dict[str, list[str]] = {}
        for name, values in found.items():
            if self._attributes is None and name in self._named:
                continue
            if not any(fnmatchcase(name, pattern) for pattern in self._drop):
                into = kept.setdefault(self._rename.get(name, name), [])
                into += [value for value in values if value not in into]
        return {**self._constants, **kept}


def _read(value: bytes, read: Callable[[dict[str, object]], Sequence[Said]]) -> Sequence[Said]:
    pieces = json_text.parts(value)
    if isinstance(pieces, Rejected):
        return (pieces,)
    said: list[Said] = []
    for piece in pieces:
        record = json_text.decode(_decode, piece)
        if isinstance(record, Rejected):
            said.append(record)
        else:
            said += read(record)
    return said or [Unused("empty")]


def _getter(places: Places) -> Getter:
    getters = [compile_path(place) for place in listed(places)]
    return first(getters) if getters else _NONE


def _one(value: object) -> object:
    return (value[0] if value else None) if isinstance(value, list) else value


def _counted(event: RawEvent, quantity: object) -> Said:
    if quantity is None:
        return event
    kind = by_quantity(event.kind, quantity)
    if not isinstance(kind, str):
        return kind
    event.kind = kind
    return event
