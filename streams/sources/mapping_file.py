"""The words of a field-mapping file, checked: every error names the file, the key, and what to do.

`schemas/mapping.example.toml` explains each key by example.
"""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from streams.errors import SourceError
from streams.sources.actions import KNOWN, folded
from streams.sources.paths import compile_path
from streams.sources.said import KINDS
from streams.sources.times import UNITS

Places: TypeAlias = str | list[str]
EXAMPLE: Final = "streams/schemas/mapping.example.toml"


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the fields of one line of a basket stand, seen from the line."""

    product: Places
    query_id: Places = []
    quantity: Places = []


class Events(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Section [events]: where an event's fields stand. A list: the first place that has one."""

    time: Places
    shopper: Places
    action: Places = []
    session: Places = []
    id: Places = []
    query: Places = []
    query_id: Places = []
    product: Places = []
    order: Places = []
    quantity: Places = []
    items: Places = []
    item: Item | None = None
    actions: dict[str, list[str]] = {}
    constants: dict[str, str] = {}
    unknown_actions: str = "skip"
    time_format: str = "auto"
    zone: str = "UTC"


class Catalog(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Section [catalog]: where a product's fields stand."""

    id: Places
    title: Places = []
    description: Places = []
    category: Places = []
    category_separator: str = ">"
    attributes: Places = "*"
    rename: dict[str, str] = {}
    drop: list[str] = []
    constants: dict[str, str] = {}
    deleted: Places = []
    deleted_values: tuple[str, ...] = ("yes", "true", "1", "deleted")


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    events: Events | None = None
    catalog: Catalog | None = None


_CONSTANTS: Final = ("action", "shopper", "session", "query", "query_id", "product", "order")
_PLACES: Final = (
    *("time", "shopper", "action", "session", "id", "query", "query_id", "product", "order"),
    *("quantity", "items"),
)
_CATALOG_PLACES: Final = ("id", "title", "description", "category", "deleted")


def parse(text: str, name: str) -> Events | Catalog:
    """The one section of a mapping file, checked.

    Args:
        text: of the file, TOML.
        name: of the file, for messages.

    Raises:
        SourceError: the file cannot be used.
    """
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{name}: not TOML: {error}") from error
    _check_keys(name, table)
    try:
        mapping = msgspec.convert(table, _File)
    except msgspec.ValidationError as error:
        words = str(error).replace("`$.", "`").replace("Object", "section")
        raise SourceError(f"{name}: {words}; compare with {EXAMPLE}") from error
    if mapping.events is not None and mapping.catalog is None:
        _check_events(name, mapping.events)
        return mapping.events
    if mapping.catalog is not None and mapping.events is None:
        _check_catalog(name, mapping.catalog)
        return mapping.catalog
    raise SourceError(
        f"{name}: give one of the sections [events] and [catalog]; "
        "a topic with events and one with products need a file each"
    )


def listed(places: Places) -> list[str]:
    """Places as a list."""
    return [places] if isinstance(places, str) else places


def _check_keys(name: str, table: Mapping[str, object]) -> None:
    sections = {"events": Events, "catalog": Catalog}
    _known(name, "the file", table, sections)
    for section, kind in sections.items():
        inner = table.get(section)
        if isinstance(inner, dict):
            _known(name, f"[{section}]", inner, kind.__struct_fields__)
            if isinstance(item := inner.get("item"), dict):
                _known(name, f"[{section}.item]", item, Item.__struct_fields__)


def _known(name: str, where: str, keys: Iterable[str], allowed: Iterable[str]) -> None:
    for key in keys:
        if key not in (words := list(allowed)):
            near = difflib.get_close_matches(key, words, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(words)}"
            raise SourceError(f"{name}: {where} has an unknown key {key!r}: {hint}")


def _check_events(name: str, events: Events) -> None:
    for field in _PLACES:
        _check_paths(name, f"[events] {field}", getattr(events, field))
    if events.item is not None:
        for field in Item.__struct_fields__:
            _check_paths(name, f"[events.item] {field}", getattr(events.item, field))
    if bool(listed(events.items)) != (events.item is not None):
        raise SourceError(
            f"{name}: [events] items (where the lines of a basket are) and [events.item] (where a "
            "line's product is) belong together: give both, or neither"
        )
    if not listed(events.action) and "action" not in events.constants:
        raise SourceError(
            f"{name}: [events] action is missing: say where the action stands, or, if all "
            'records are of one kind, write action = "purchase" under [events.constants]'
        )
    if not listed(events.time) or not listed(events.shopper):
        raise SourceError(f"{name}: [events] time and shopper each need at least one place")
    _known(name, "[events.constants]", events.constants, _CONSTANTS)
    _check_actions(name, events)
    if events.unknown_actions not in ("skip", "reject"):
        raise SourceError(f"{name}: [events] unknown_actions is 'skip' or 'reject'")
    if events.time_format not in UNITS:
        raise SourceError(f"{name}: [events] time_format is one of {', '.join(UNITS)}")
    try:
        ZoneInfo(events.zone)
    except (KeyError, ValueError, OSError) as error:
        raise SourceError(
            f"{name}: [events] zone {events.zone!r} is not known here: give a name such as "
            "'Europe/London'"
        ) from error


def _check_actions(name: str, events: Events) -> None:
    _known(name, "[events.actions]", events.actions, KINDS)
    seen: dict[str, str] = {}
    for kind, words in events.actions.items():
        for word in map(folded, words):
            if seen.setdefault(word, kind) != kind:
                raise SourceError(
                    f"{name}: [events.actions] {word!r} stands under {seen[word]} and {kind}: "
                    "leave one"
                )
    constant = events.constants.get("action")
    if constant is not None and folded(constant) not in {**KNOWN, **seen}:
        raise SourceError(
            f"{name}: [events.constants] action = {constant!r} is no action: use one of "
            f"{', '.join(KINDS)}"
        )


def _check_catalog(name: str, catalog: Catalog) -> None:
    for field in _CATALOG_PLACES:
        _check_paths(name, f"[catalog] {field}", getattr(catalog, field))
    if not listed(catalog.id):
        raise SourceError(f"{name}: [catalog] id needs at least one place")
    if catalog.attributes != "*":
        _check_paths(name, "[catalog] attributes", catalog.attributes)
    if not catalog.category_separator:
        raise SourceError(f"{name}: [catalog] category_separator is empty: give e.g. '>'")


def _check_paths(name: str, where: str, places: Places) -> None:
    for place in listed(places):
        try:
            compile_path(place)
        except ValueError as error:
            raise SourceError(f"{name}: {where}: {error}") from error
        if not place.strip():
            raise SourceError(f"{name}: {where} is empty: leave the key out, or name a field")
