"""Fields of any record as text: ids, values of attributes, category paths."""

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

Id: TypeAlias = str | int | float | None
_NAMES: Final = ("name", "key", "label")
_VALUES: Final = ("value", "values")


def id_of(value: object) -> str:
    """An id as text: 17850.0 and 17850 are "17850"; "" for what is no id.

    White space round it is left for ROUTE to take off.
    """
    if type(value) is str:
        return value
    if type(value) is int:
        return str(value)
    if type(value) is float:
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    return ""


def text_of(value: object) -> str:
    """A scalar as people would write it: true is "yes", 6.0 is "6"; "" for none, and no scalar."""
    if value is True:
        return "yes"
    if value is False:
        return "no"
    return id_of(value).strip()


def attributes_of(fields: Mapping[str, object]) -> dict[str, list[str]]:
    """Every field as attribute -> values, in the record's order; empty values are left out.

    A nested object gives dotted names ("specs.colour"), a list its elements, and a list of
    `{"name": .., "value": ..}`, as in schema.org's additionalProperty, an attribute each.
    """
    found: dict[str, list[str]] = {}
    for name, value in fields.items():
        _collect(found, name, value)
    return found


def _collect(found: dict[str, list[str]], name: str, value: object) -> None:
    if isinstance(value, Mapping):
        own = next((value[key] for key in _NAMES if isinstance(value.get(key), str)), None)
        if own is not None and (key := next((k for k in _VALUES if k in value), None)):
            _collect(found, str(own), value[key])
            return
        for inner, each in value.items():
            _collect(found, f"{name}.{inner}", each)
    elif isinstance(value, list):
        for each in value:
            _collect(found, name, each)
    elif (text := text_of(value)) and name.strip():
        values = found.setdefault(name.strip(), [])
        if text not in values:
            values.append(text)


def path_of(value: object, separator: str = ">") -> tuple[str, ...]:
    """A category path: "Shoes > Boots", or a list from the broadest to the narrowest."""
    pieces: Iterable[object] = ()
    if isinstance(value, str):
        pieces = value.split(separator)
    elif isinstance(value, list):
        pieces = value
    return tuple(text for each in pieces if (text := text_of(each)))
