"""Other people's taxonomies, written as ontology files of our own form.

Shopify's Standard Product Taxonomy (YAML, MIT): categories become product types with their tree,
attributes become closed attributes with their values. What a shop's data need and that taxonomy
lacks (brand, measures, quantities) comes from the packaged ontology, as do the relations.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import yaml

from topology.canonical import is_junk
from topology.errors import BadNodeError, OntologyError
from topology.ontology import default_ontology
from topology.ontology_model import field_words
from topology.wording import folded, slug

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_NOT_NAME = re.compile(r"[^a-z0-9]+")
_HINT: Final = "name the folder of Shopify's product-taxonomy that has data/categories"


class _Category(msgspec.Struct):
    id: str
    name: str
    children: list[str] = []
    attributes: list[str] = []


class _Choice(msgspec.Struct):
    name: str
    friendly_id: str


class _Attribute(msgspec.Struct):
    name: str
    friendly_id: str
    values: list[str] = []
    values_from: str = ""


class _Attributes(msgspec.Struct):
    base_attributes: list[_Attribute]
    extended_attributes: list[_Attribute] = []


class _Shown(msgspec.Struct):
    """An attribute as it will be written."""

    name: str
    kind: str
    many: bool
    unit: str
    names: list[str]
    values: dict[str, list[str]]


def shopify_to_toml(folder: Path) -> str:
    """An ontology file with all categories and attributes of Shopify's taxonomy.

    Args:
        folder: the taxonomy's folder, or its ``data`` folder.

    Returns:
        TOML text for `topology.ontology.parse_ontology`; equal folders give equal texts.

    Raises:
        OntologyError: a file is missing or is not what the taxonomy publishes.
    """
    data = folder / "data" if (folder / "data").is_dir() else folder
    files = sorted((data / "categories").glob("*.yml"))
    if not files:
        raise OntologyError(f"{data / 'categories'} has no .yml file: {_HINT}")
    categories = [one for file in files for one in _read(file, list[_Category])]
    choices = {one.friendly_id: one.name for one in _read(data / "values.yml", list[_Choice])}
    published = _read(data / "attributes.yml", _Attributes)
    shown, renamed = _attributes(published, choices)
    _borrow(shown)
    lines = [
        "# Written by `cartograph ontology import shopify` from Shopify's product taxonomy.",
        "",
    ]
    for attribute in shown.values():
        lines.extend(_attribute_lines(attribute))
    lines.extend(_type_lines(categories, renamed, [name for name in _ROOT if name in shown]))
    return "\n".join(lines) + "\n"


_ROOT: Final = ("brand", "model", "size", "quantity", "weight", "capacity", "condition")
"""What every product may have: given to the departments, in so far as it is there."""

_Kind = TypeVar("_Kind")


def _read(file: Path, into: type[_Kind]) -> _Kind:
    try:
        with file.open("rb") as stream:
            return msgspec.convert(yaml.load(stream, Loader=yaml.CSafeLoader), into)
    except (OSError, yaml.YAMLError, msgspec.ValidationError, ValueError, RecursionError) as error:
        raise OntologyError(f"{file} cannot be read ({error}): {_HINT}") from error


def _attributes(
    published: _Attributes, choices: Mapping[str, str]
) -> tuple[dict[str, _Shown], dict[str, str]]:
    """Attributes by our name, and Shopify's friendly id -> our name.

    Two attributes whose names fold to the same words become one, the first.
    """
    values_of = {one.friendly_id: one.values for one in published.base_attributes}
    shown: dict[str, _Shown] = {}
    by_words: dict[str, str] = {}
    renamed: dict[str, str] = {}
    for one in (*published.base_attributes, *published.extended_attributes):
        name = _NOT_NAME.sub("_", one.friendly_id.lower()).strip("_")
        name = (name if name[:1].isalpha() else f"a_{name}")[:64]
        words = {field_words(name), field_words(one.name)}
        known = next((by_words[word] for word in sorted(words) if word in by_words), None)
        if known is not None:
            renamed[one.friendly_id] = known
            continue
        for word in words:
            by_words[word] = name
        renamed[one.friendly_id] = name
        values = one.values or values_of.get(one.values_from, [])
        texts = (choices[value] for value in values if value in choices)
        shown[name] = _Shown(name, "closed", True, "", [one.name], _values(texts))
    return shown, renamed


def _values(texts: Iterable[str]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    spelt: set[str] = set()
    for text in texts:
        key = folded(text)
        if key and key not in spelt and not is_junk(text):
            spelt.add(key)
            values[text] = []
    return values


def _borrow(shown: dict[str, _Shown]) -> None:
    """Add what the packaged ontology knows: names of fields, and attributes that are missing."""
    taken = {
        field_words(name): one.name for one in shown.values() for name in (one.name, *one.names)
    }
    for ours in default_ontology().attributes.values():
        if ours.name not in shown and field_words(ours.name) in taken:
            continue
        known = shown.setdefault(
            ours.name, _Shown(ours.name, ours.kind, ours.many, ours.unit, [], {})
        )
        taken.setdefault(field_words(ours.name), ours.name)
        for name in ours.names:
            if taken.setdefault(field_words(name), ours.name) == ours.name:
                known.names.append(name)
        if not known.values:
            known.values = {value: list(also) for value, also in ours.values.items()}


def _attribute_lines(one: _Shown) -> Iterator[str]:
    yield f"[attributes.{_key(one.name)}]"
    yield f"kind = {_text(one.kind)}"
    if one.many:
        yield "many = true"
    if one.unit:
        yield f"unit = {_text(one.unit)}"
    if one.names:
        yield f"names = {_texts(one.names)}"
    if one.values:
        pairs = (f"{_key(value)} = {_texts(also)}" for value, also in one.values.items())
        yield f"values = {{ {', '.join(pairs)} }}"
    yield ""


def _type_lines(
    categories: Sequence[_Category], renamed: Mapping[str, str], root_attributes: Sequence[str]
) -> Iterator[str]:
    by_id = {one.id: one for one in categories}
    parents = {child: one.id for one in categories for child in one.children if child in by_id}
    slugs = _slugs(categories, parents, by_id)
    yield "[types]"
    for one in categories:
        parent = by_id.get(parents.get(one.id, ""))
        above = set(parent.attributes) if parent else set()
        attributes = [renamed[name] for name in one.attributes if name in renamed]
        attributes = [name for name in attributes if name not in {renamed.get(up) for up in above}]
        if parent is None:
            attributes += [name for name in root_attributes if name not in attributes]
        parts = [f"name = {_text(one.name)}"]
        if parent is None:
            parts.append("department = true")
        else:
            parts.append(f"parents = {_texts([slugs[parent.id]])}")
        if attributes:
            parts.append(f"attributes = {_texts(dict.fromkeys(attributes))}")
        yield f"{_key(slugs[one.id])} = {{ {', '.join(parts)} }}"
    yield ""
    yield "[ambiguous]"
    for name, ids in sorted(_shared_names(categories, parents).items()):
        yield f"{_key(name)} = {_texts(sorted(slugs[one] for one in ids))}"


def _above(category: str, parents: Mapping[str, str]) -> Iterator[str]:
    left = len(parents)
    while (category := parents.get(category, "")) != "":
        if left == 0:
            raise OntologyError(f"category {category} is above itself: {_HINT}")
        left -= 1
        yield category


def _slugs(
    categories: Sequence[_Category], parents: Mapping[str, str], by_id: Mapping[str, _Category]
) -> dict[str, str]:
    """Category id -> slug: its name, with its parents' names before it until it is the only one.

    The highest category of a name, and the first of them in the files, keeps the bare name.
    """
    slugs: dict[str, str] = {}
    taken: set[str] = set()
    for one in sorted(categories, key=lambda one: len(list(_above(one.id, parents)))):
        name = one.name
        try:
            found = slug(name)
            for above in _above(one.id, parents):
                if found not in taken:
                    break
                name = f"{by_id[above].name} {name}"
                found = slug(name)
            if found in taken:
                found = slug(f"{name} {one.id}")
        except BadNodeError as error:
            raise OntologyError(f"category {one.id} has no usable name: {error}") from error
        taken.add(found)
        slugs[one.id] = found
    return slugs


def _shared_names(
    categories: Sequence[_Category], parents: Mapping[str, str]
) -> dict[str, list[str]]:
    """Folded names that several categories carry, none of them above another."""
    owners: dict[str, list[str]] = {}
    for one in categories:
        owners.setdefault(folded(one.name), []).append(one.id)
    shared = {}
    for name, ids in owners.items():
        general = [one for one in ids if not set(_above(one, parents)).intersection(ids)]
        if len(general) > 1:
            shared[name] = general
    return shared


def _key(text: str) -> str:
    return text if _BARE_KEY.fullmatch(text) else _text(text)


def _text(text: str) -> str:
    # A JSON string is a TOML basic string, but for the one control character JSON leaves alone.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _texts(texts: Iterable[str]) -> str:
    return f"[{', '.join(map(_text, texts))}]"
