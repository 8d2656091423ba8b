"""Read an ontology from TOML files, check that it holds together, or say what to mend.

A file may have any of these tables; several files are read as one, and no key may come twice::

    [relations]
    used_for_aud = { head = ["type", "concept"], tail = ["intent/audience"], says = "..." }
    has_attribute = { head = ["product"], tail = ["value"], takes_attribute = true, says = "..." }

    [labels]                       # what a tagger's span label means
    audience = { intent = "audience", relation = "used_for_aud", also = ["xIs_a"] }

    [attributes.color]
    kind = "closed"                # closed | open | number
    many = true                    # a product may have several
    names = ["colour", "baseColour"]
    values = { grey = ["gray"], red = [] }

    [types]
    running-shoes = { parents = ["sports-shoes"], also = ["trainers"], attributes = ["color"] }
    shoes = { parents = ["fashion"], department = true }

    [ambiguous]                    # names that mean several unrelated types, written down
    glasses = ["drinking-glasses", "spectacles"]

A type's name is its slug with spaces, unless `name` says otherwise; singular and plural are the
same. Files without relations use the ones that come with the package.
"""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from topology.errors import BadNodeError, OntologyError
from topology.facts import NODE_KINDS, check_relation, has_attribute
from topology.ontology_model import FAR as FAR
from topology.ontology_model import (
    Attribute,
    AttributeKind,
    Label,
    ProductType,
    Relation,
    field_words,
)
from topology.ontology_model import Ontology as Ontology
from topology.wording import check_slug, folded, text_of

_TABLES = ("relations", "labels", "attributes", "types", "ambiguous")


class _RelationEntry(msgspec.Struct, forbid_unknown_fields=True):
    head: tuple[str, ...]
    tail: tuple[str, ...]
    says: str
    takes_attribute: bool = False


class _LabelEntry(msgspec.Struct, forbid_unknown_fields=True):
    relation: str
    intent: str = ""
    attribute: str = ""
    also: tuple[str, ...] = ()


class _AttributeEntry(msgspec.Struct, forbid_unknown_fields=True):
    kind: AttributeKind
    many: bool = False
    unit: str = ""
    names: tuple[str, ...] = ()
    values: dict[str, tuple[str, ...]] = {}


class _TypeEntry(msgspec.Struct, forbid_unknown_fields=True):
    name: str = ""
    parents: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    department: bool = False


_Entry = TypeVar("_Entry")
_Entries = dict[str, dict[str, tuple[str, Any]]]
"""Table -> key -> (the file it stands in, what stands there)."""


def default_ontology() -> Ontology:
    """The ontology that comes with the package, read once a process."""
    return _packaged()


@cache
def _packaged() -> Ontology:
    return parse_ontology(_packaged_files())


def _packaged_files() -> dict[str, str]:
    folder = resources.files("topology").joinpath("ontology")
    return {
        f"topology/ontology/{file.name}": file.read_text(encoding="utf-8")
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".toml")
    }


def load_ontology(*paths: Path) -> Ontology:
    """Read one or more TOML files, or folders of them, as one ontology.

    Raises:
        OntologyError: a file cannot be read or the whole does not hold together.
    """
    documents: dict[str, str] = {}
    for path in paths:
        files = sorted(path.glob("*.toml")) if path.is_dir() else [path]
        if not files:
            raise OntologyError(f"{path} has no .toml file: name the file or folder to read")
        for file in files:
            try:
                documents[str(file)] = file.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise OntologyError(
                    f"{file} cannot be read ({error}): name a UTF-8 .toml file, or write one with "
                    "`cartograph ontology import`"
                ) from error
    return parse_ontology(documents)


def parse_ontology(documents: Mapping[str, str]) -> Ontology:
    """Build an ontology from TOML texts.

    Args:
        documents: file name (for errors) -> TOML text. The order does not matter.

    Raises:
        OntologyError: names file and key and what to write instead.
    """
    entries = _read(documents)
    if not entries["relations"]:
        shared = _read({name: text for name, text in _packaged_files().items() if "relat" in name})
        entries["relations"] = shared["relations"]
        entries["labels"] = {**shared["labels"], **entries["labels"]}
    attributes = _attributes(entries)
    attribute_names = {one.name for one in attributes}
    relations = _relations(entries, attribute_names)
    labels = _labels(entries, {one.name for one in relations}, attribute_names)
    types = _types(entries, attribute_names)
    return Ontology(relations, labels, attributes, types, _names(entries, types))


def _read(documents: Mapping[str, str]) -> _Entries:
    entries: _Entries = {table: {} for table in _TABLES}
    for file in sorted(documents):
        try:
            tables = tomllib.loads(documents[file])
        except (ValueError, RecursionError) as error:
            raise OntologyError(f"{file} is not TOML: {error}") from error
        for table, keys in tables.items():
            if table not in entries or not isinstance(keys, dict):
                raise OntologyError(
                    f"{file}: [{table}] is no table of an ontology: use {', '.join(_TABLES)}"
                )
            for key, value in keys.items():
                if key in entries[table]:
                    first = entries[table][key][0]
                    raise OntologyError(f"{file}: {table}.{key} stands in {first} too: remove one")
                entries[table][key] = (file, value)
    return entries


def _convert(table: str, key: str, file: str, value: object, into: type[_Entry]) -> _Entry:
    try:
        return msgspec.convert(value, into)
    except msgspec.ValidationError as error:
        raise OntologyError(f"{file}: {table}.{key}: {error}") from error


def _unknown(where: str, what: str, name: str, known: Iterable[str]) -> OntologyError:
    """The error for a name that nobody wrote down, with the nearest one that somebody did."""
    near = difflib.get_close_matches(name, list(known), n=1)
    hint = f"did you mean {near[0]!r}?" if near else "write it down or correct the name"
    return OntologyError(f"{where}: {name!r} is no known {what}: {hint}")


def _relations(entries: _Entries, attributes: set[str]) -> list[Relation]:
    relations = []
    for name, (file, value) in entries["relations"].items():
        entry = _convert("relations", name, file, value, _RelationEntry)
        where = f"{file}: relations.{name}"
        try:
            check_relation(name)
        except BadNodeError as error:
            raise OntologyError(f"{where}: {error}") from error
        for kind in (*entry.head, *entry.tail):
            base, _, space = kind.partition("/")
            if base not in NODE_KINDS:
                raise _unknown(where, "node kind", base, NODE_KINDS)
            if base == "value" and space and space not in attributes:
                raise _unknown(where, "attribute", space, attributes)
        relations.append(Relation(name, entry.head, entry.tail, entry.says, entry.takes_attribute))
    return relations


def _labels(entries: _Entries, relations: set[str], attributes: set[str]) -> list[Label]:
    labels = []
    for name, (file, value) in entries["labels"].items():
        entry = _convert("labels", name, file, value, _LabelEntry)
        where = f"{file}: labels.{name}"
        for relation in (entry.relation, *entry.also):
            base, _, attribute = relation.partition(":")
            if base not in relations:
                raise _unknown(where, "relation", relation, relations)
            if attribute and attribute not in attributes:
                raise _unknown(where, "attribute", attribute, attributes)
        if entry.attribute and entry.attribute not in attributes:
            raise _unknown(where, "attribute", entry.attribute, attributes)
        labels.append(Label(name, entry.relation, entry.intent, entry.attribute, entry.also))
    return labels


def _attributes(entries: _Entries) -> list[Attribute]:
    attributes = []
    fields: dict[str, str] = {}
    for name, (file, value) in entries["attributes"].items():
        entry = _convert("attributes", name, file, value, _AttributeEntry)
        where = f"{file}: attributes.{name}"
        try:
            has_attribute(name)
        except BadNodeError as error:
            raise OntologyError(f"{where}: {error}") from error
        if entry.values and entry.kind != "closed":
            raise OntologyError(f'{where}: only kind = "closed" lists values: change one of them')
        for field in (name, *entry.names):
            other = fields.setdefault(field_words(field), name)
            if other != name:
                raise OntologyError(f"{where}.names: {field!r} is a name of {other!r}: remove one")
        _check_values(where, entry.values)
        attributes.append(
            Attribute(name, entry.kind, entry.many, entry.unit, entry.names, entry.values)
        )
    return attributes


def _check_values(where: str, values: Mapping[str, tuple[str, ...]]) -> None:
    owners: dict[str, str] = {}
    for value, also in values.items():
        for text in (value, *also):
            key = folded(text)
            if not key:
                raise OntologyError(f"{where}.values: {text!r} is no text: remove it")
            if (other := owners.setdefault(key, value)) != value:
                raise OntologyError(
                    f"{where}.values: {text!r} is a spelling of {other!r} and {value!r}: keep one"
                )


def _types(entries: _Entries, attributes: set[str]) -> list[ProductType]:
    """All types, parents before children."""
    types: dict[str, ProductType] = {}
    where: dict[str, str] = {}
    for slug, (file, value) in entries["types"].items():
        where[slug] = f"{file}: types.{slug}"
        entry = _convert("types", slug, file, value, _TypeEntry)
        try:
            name = entry.name or text_of(check_slug(slug))
        except BadNodeError as error:
            raise OntologyError(f"{where[slug]}: {error}") from error
        for parent in entry.parents:
            if parent not in entries["types"]:
                raise _unknown(f"{where[slug]}.parents", "type", parent, entries["types"])
        for attribute in entry.attributes:
            if attribute not in attributes:
                raise _unknown(f"{where[slug]}.attributes", "attribute", attribute, attributes)
        types[slug] = ProductType(
            slug, name, entry.parents, entry.also, entry.attributes, entry.department
        )
    return _parents_first(types, where)


def _parents_first(types: Mapping[str, ProductType], where: Mapping[str, str]) -> list[ProductType]:
    waiting = {slug: set(one.parents) for slug, one in types.items()}
    children: dict[str, list[str]] = {slug: [] for slug in types}
    for slug, parents in waiting.items():
        for parent in parents:
            children[parent].append(slug)
    ready = [slug for slug, parents in waiting.items() if not parents]
    order = []
    while ready:
        slug = ready.pop()
        order.append(types[slug])
        del waiting[slug]
        for child in children[slug]:
            waiting[child].discard(slug)
            if not waiting[child]:
                ready.append(child)
    if waiting:
        path = _cycle(waiting)
        raise OntologyError(
            f"{where[path[0]]}.parents: the types go round in a circle, "
            f"{' -> '.join(path)}: take one of these parents out"
        )
    return order


def _cycle(waiting: Mapping[str, set[str]]) -> list[str]:
    """One circle among types that all still wait for a parent."""
    path = [min(waiting)]
    while (parent := min(waiting[path[-1]])) not in path:
        path.append(parent)
    return [*path[path.index(parent) :], parent]


def _names(entries: _Entries, types: Iterable[ProductType]) -> dict[str, tuple[str, ...]]:
    """Folded name -> the types it means; more than one only where [ambiguous] says so."""
    known = {one.slug: one for one in types}
    above: dict[str, set[str]] = {}
    claims: dict[str, list[str]] = {}
    for one in known.values():
        above[one.slug] = set(one.parents).union(*(above[parent] for parent in one.parents))
        for name in (one.name, *one.also):
            slugs = claims.setdefault(folded(name), [])
            if one.slug not in slugs:
                slugs.append(one.slug)
    ambiguous = _ambiguous(entries, known)
    names: dict[str, tuple[str, ...]] = {}
    for name, slugs in claims.items():
        # A type and one below it may share a name: the more general one is what it says.
        general = [slug for slug in slugs if not above[slug].intersection(slugs)]
        declared = ambiguous.get(name, ())
        missing = [slug for slug in general if slug not in declared]
        if (len(general) > 1 or declared) and missing:
            files = ", ".join(f"{entries['types'][slug][0]}: types.{slug}" for slug in general)
            raise OntologyError(
                f"{name!r} names several types ({files}): take it away from all but one, or "
                f'write [ambiguous] "{name}" = {general}'
            )
        names[name] = declared or (general[0],)
    return {**names, **ambiguous}


def _ambiguous(entries: _Entries, types: Mapping[str, ProductType]) -> dict[str, tuple[str, ...]]:
    declared = {}
    for name, (file, value) in entries["ambiguous"].items():
        slugs = _convert("ambiguous", name, file, value, tuple[str, ...])
        for slug in slugs:
            if slug not in types:
                raise _unknown(f"{file}: ambiguous.{name}", "type", slug, types)
        declared[folded(name)] = slugs
    return declared
