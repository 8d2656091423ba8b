"""From our spans to a data set's own labels, by a published file: `mappings/<set>.toml`.

    labels = ["core_product_type", "department", ...]    # the set's own, all of them
    join = ["content"]           # of these, spans with only blanks between become one

    [[rule]]                     # the first rule that fits a span decides
    label = "audience"           # ours; a list is several
    type = "shoe|boot"           # optional: the product type must hold this (regular expression)
    kind = "query"               # optional: titles or queries alone
    text = "dogs?|cats?"         # optional: the whole span must match this (regular expression)
    to = "department"            # theirs; "" leaves the span out
    before = "for( the)?"        # optional: words right before the span that they count in

    [types]                      # optional: the set's names of product types -> ontology slug
    "Tshirts" = "t-shirts"

    [attributes]                 # optional: the set's label -> our attribute, for claims
    "baseColour" = "color"

Letter case is ignored in `type`, `text` and `before`. A span that no rule fits is left out. Nothing
of the texts that are measured is looked at: the mapping is a function of span, kind, text and type.
"""

import importlib.resources
import re
import tomllib
from collections.abc import Mapping as Table
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import msgspec

from models_onnx.errors import DataError
from models_onnx.spans import Kind, Span


class _RuleEntry(msgspec.Struct, forbid_unknown_fields=True):
    label: str | list[str]
    to: str
    type: str = ""
    kind: str = ""
    text: str = ""
    before: str = ""


class _File(msgspec.Struct, forbid_unknown_fields=True):
    labels: list[str]
    rule: list[_RuleEntry] = []
    join: list[str] = []
    types: dict[str, str] = {}
    attributes: dict[str, str] = {}


class Rule(msgspec.Struct, frozen=True):
    """One rule, its patterns compiled; None: no such condition."""

    labels: frozenset[str]
    to: str
    kind: str
    type: re.Pattern[str] | None
    text: re.Pattern[str] | None
    before: re.Pattern[str] | None

    @property
    def is_plain(self) -> bool:
        """Whether it fits every span of its labels."""
        return not self.kind and self.type is None and self.text is None

    def fits(self, span: Span, kind: Kind, product_type: str) -> bool:
        """Whether it decides this span."""
        return (
            span.label in self.labels
            and self.kind in ("", kind)
            and (self.type is None or self.type.search(product_type) is not None)
            and (self.text is None or self.text.fullmatch(span.text) is not None)
        )


class Mapping(msgspec.Struct, frozen=True):
    """A set's labels, and the rules that lead to them."""

    name: str
    labels: tuple[str, ...]
    rules: tuple[Rule, ...]
    join: frozenset[str]
    types: Table[str, str]
    attributes: Table[str, str]

    def sources(self, label: str) -> frozenset[str]:
        """Our labels that may become the set's `label`."""
        return frozenset().union(*(rule.labels for rule in self.rules if rule.to == label))

    def bare(self, label: str, value: str) -> str:
        """A value of the set without the words that `before` counts in: "women" of "for women"."""
        for rule in self.rules:
            if rule.to == label and rule.before is not None:
                words = value.split()
                for count in range(len(words) - 1, 0, -1):
                    if rule.before.fullmatch(" ".join(words[:count])):
                        return " ".join(words[count:])
        return value

    def apply(
        self, spans: Sequence[Span], *, text: str, kind: Kind, product_type: str = ""
    ) -> tuple[Span, ...]:
        """The spans under the set's labels, in text order, never overlapping.

        Args:
            spans: ours, in text order, not overlapping.
            text: what they are spans of.
            kind: title or query.
            product_type: name of the product's type, "" if unknown.
        """
        mapped: list[Span] = []
        end = 0
        for span in spans:
            rule = next((r for r in self.rules if r.fits(span, kind, product_type)), None)
            if rule is not None and rule.to:
                start = _start(rule, span, text, end)
                mapped.append(_cut(text, start, span.end, rule.to, span.score))
            end = span.end
        return tuple(self._joined(mapped, text))

    def _joined(self, spans: Sequence[Span], text: str) -> list[Span]:
        joined: list[Span] = []
        for span in spans:
            last = joined[-1] if joined else None
            if (
                last is not None
                and span.label in self.join
                and last.label == span.label
                and not text[last.end : span.start].strip()
            ):
                score = min(last.score, span.score)
                joined[-1] = _cut(text, last.start, span.end, span.label, score)
            else:
                joined.append(span)
        return joined


def load(name: str) -> Mapping:
    """The mapping to a set that comes with the package.

    Raises:
        DataError: there is none.
    """
    if name not in published():
        raise DataError(f"no mapping to {name!r}: use one of {', '.join(published())}")
    return _load(name)


@cache
def published() -> tuple[str, ...]:
    """Names of the sets that have a mapping."""
    return tuple(sorted(path.stem for path in _folder().glob("*.toml")))


@cache
def _load(name: str) -> Mapping:
    path = _folder() / f"{name}.toml"
    return parse(name, path.read_text(encoding="utf-8"))


def parse(name: str, text: str) -> Mapping:
    """The mapping in a TOML text; see the module.

    Raises:
        DataError: it is no TOML, has a field too many or too few, a pattern that is none, or leads
            to a label that the set does not have.
    """
    where = f"mappings/{name}.toml"
    try:
        file = msgspec.convert(tomllib.loads(text), _File)
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        raise DataError(f"{where}: {error}") from error
    rules = tuple(_rule(where, number, entry) for number, entry in enumerate(file.rule, 1))
    named = {rule.to for rule in rules if rule.to} | {*file.join, *file.attributes}
    if foreign := sorted(named - set(file.labels)):
        raise DataError(f"{where}: {', '.join(foreign)} not among the set's labels: correct it")
    return Mapping(
        name, tuple(file.labels), rules, frozenset(file.join), file.types, file.attributes
    )


def _rule(where: str, number: int, entry: _RuleEntry) -> Rule:
    labels = [entry.label] if isinstance(entry.label, str) else entry.label
    if not labels or entry.kind not in ("", "title", "query"):
        raise DataError(f"{where}: rule {number} needs a label, and kind title, query or none")
    try:
        compiled = [_compiled(entry.type), _compiled(entry.text), _compiled(entry.before)]
    except re.error as error:
        raise DataError(f"{where}: rule {number}: {error} is no regular expression") from error
    return Rule(frozenset(labels), entry.to, entry.kind, *compiled)


def _compiled(pattern: str) -> re.Pattern[str] | None:
    return re.compile(pattern, re.IGNORECASE) if pattern else None


def _start(rule: Rule, span: Span, text: str, least: int) -> int:
    """Where the span starts when the words of `before` are counted in; never before `least`."""
    if rule.before is None:
        return span.start
    head = text[least : span.start].rstrip()
    words = [match.start() for match in re.finditer(r"\S+", head)]
    whole = (at for at in words if rule.before.fullmatch(head[at:]))
    return next((least + at for at in whole), span.start)


def _cut(text: str, start: int, end: int, label: str, score: float) -> Span:
    return Span(start, end, label, text[start:end], score)


def _folder() -> Path:
    return Path(str(importlib.resources.files("models_onnx"))) / "mappings"
