"""Where a field stands in somebody else's JSON: dotted paths, as mapping files write them.

properties.query                            a field of a field
products[0].sku                             an element of an array, from 0
products[*].sku                             of every element, as a list
event_params[key=search_term].value.text    of the element whose field `key` is that text
user\\.id                                    a name that holds a dot: a backslash before it
"""

import re
from collections.abc import Callable
from typing import TypeAlias

Getter: TypeAlias = Callable[[object], object]
"""Record, or part of one -> the value there, None where there is none."""

_STEP = re.compile(
    r"(?:^|(?P<dot>\.))(?P<name>(?:[^.\[\]\\]|\\.)+)"
    r"|\[(?P<index>\d{1,6})\]"
    r"|(?P<each>\[\*\])"
    r"|\[(?P<field>(?:[^=\[\]\\]|\\.)+)=(?P<text>[^\[\]]*)\]"
)


def compile_path(path: str) -> Getter:
    """A function that fetches what the path names.

    Raises:
        ValueError: not a path; the message says at which character.
    """
    steps: list[Getter] = []
    place = 0
    while place < len(path):
        found = _STEP.match(path, place)
        if found is None or (found["dot"] and place == 0):
            raise ValueError(f"{path!r} is no path: it cannot be read from {path[place:]!r} on")
        place = found.end()
        if found["each"]:
            return _then(steps, _each(compile_path(path[place:].removeprefix("."))))
        steps.append(_step(found))
    if not path.strip():
        return lambda record: record
    return _chain(steps)


def first(getters: list[Getter]) -> Getter:
    """The first value that is there, of several places."""
    if len(getters) == 1:
        return getters[0]

    def get(record: object) -> object:
        for getter in getters:
            value = getter(record)
            if value is not None and value != "":
                return value
        return None

    return get


def _step(found: re.Match[str]) -> Getter:
    if found["name"] is not None:
        return _field(_plain(found["name"]))
    if found["index"] is not None:
        return _element(int(found["index"]))
    return _where(_plain(found["field"]), found["text"])


def _plain(name: str) -> str:
    return re.sub(r"\\(.)", r"\1", name)


def _field(name: str) -> Getter:
    return lambda record: record.get(name) if isinstance(record, dict) else None


def _element(index: int) -> Getter:
    return lambda record: (
        record[index] if isinstance(record, list) and index < len(record) else None
    )


def _where(field: str, text: str) -> Getter:
    def get(record: object) -> object:
        for each in record if isinstance(record, list) else ():
            if isinstance(each, dict) and str(each.get(field)) == text:
                return each
        return None

    return get


def _each(rest: Getter) -> Getter:
    def get(record: object) -> object:
        if not isinstance(record, list):
            return None
        found = [value for each in record if (value := rest(each)) is not None]
        return found or None

    return get


def _chain(steps: list[Getter]) -> Getter:
    if len(steps) == 1:
        return steps[0]

    def get(record: object) -> object:
        for step in steps:
            record = step(record)
            if record is None:
                return None
        return record

    return get


def _then(steps: list[Getter], last: Getter) -> Getter:
    return _chain([*steps, last])
