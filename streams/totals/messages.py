"""Keys and payloads of every total that one stage tells the next. READ WITH `route/stage.py`.

A key is its parts joined by NUL, owner first (`wire.join`); weeks are `wire.week_key`.

| topic    | key                                         | n                          | payload  |
|----------|---------------------------------------------|----------------------------|----------|
| searched | query, a, week                              | shoppers who asked         | text     |
| searched | query, b or c, product, week                | shoppers who then bought   |          |
| bought   | product, b, week                            | shoppers who bought        |          |
| bought   | product, w, later product, week             | shoppers who bought both   |          |
| asked    | product, query, b or c, week                | shoppers who then bought   | Asked    |
| together | later product, w, product, week             | shoppers who bought both   | Together |
| together | later product, t, type of product, week     | co-purchases               |          |
| claims   | product:P, f, relation, tail, source        | 1                          | Claimed  |
| claims   | product:P, b, week                          | shoppers who bought        |          |
| claims   | product:P, c, product:O, week               | shoppers who bought both   | With     |
| claims   | type:T, n, week                             | purchases of T             |          |
| claims   | type:T, v, value, week                      | ... with the value         |          |
| claims   | type:T, i, relation, intent, week           | weight, asked for intent   |          |
| claims   | type:T, x, value, relation, intent, week    | weight, both               | Why      |
| claims   | type:T, t, type:O, week                     | co-purchases               | With     |
| claims   | attr:A, u, value                            | products with the value    | text     |
| claims   | attr:product_type, k, phrase, type:T        | products of T that name it | Why      |
| facts    | fact id                                     | 1, or 0 when withdrawn     | Fact JSON|

b: bought without a click on the result, weight 1. c: after a click on it, weight 2 (DESIGN: "a
purchase of a result that was clicked weighs more"). A shopper adds at most 1 to each total. Of two
products bought together the one whose id sorts later (as bytes) is told of by the other's owner.
"""

import re
from typing import Final

import msgspec

ASKED, BOUGHT, CLICKED, WITH = b"a", b"b", b"c", b"w"
WEIGHT = {BOUGHT: 1, CLICKED: 2}
FACT, CO_BOUGHT, OF_TYPE, WITH_VALUE, WITH_INTENT, WITH_BOTH, CO_TYPE, USED_BY, NAMED_BY = (
    b"f",
    b"c",
    b"n",
    b"v",
    b"i",
    b"x",
    b"t",
    b"u",
    b"k",
)


class Asked(msgspec.Struct, frozen=True, array_like=True):
    """What a query asks for, with those who asked it.

    Attributes:
        query: normalised text; only queries that k shoppers used get here.
        intents: (relation, intent node, score 0..1), best first.
        types: type slugs the query names, narrowest first.
        values: value nodes the query names.
        bundle: id of the tagging bundle.
    """

    query: str
    intents: tuple[tuple[str, str, float], ...]
    types: tuple[str, ...]
    values: tuple[str, ...]
    bundle: str


class Together(msgspec.Struct, frozen=True, array_like=True):
    """What the owner of a product tells the owner of one that was bought with it.

    Attributes:
        type: slug of its type, "" if unknown.
        sales: its purchases of all weeks, in steps (`product_pairs.sales_step`).
    """

    type: str
    sales: int


class Claimed(msgspec.Struct, frozen=True, array_like=True):
    """A fact proposed of a product, by the catalog or by its text.

    Attributes:
        score: how sure the cleaner is, 0..1; verdict: accepted, held or rejected by it.
        text: the value as it stood in the record.
        field: catalog field, "title", "category".
        bundles: ids of the bundles that had a say.
    """

    score: float
    verdict: str
    text: str
    field: str
    bundles: tuple[str, ...]


class With(msgspec.Struct, frozen=True, array_like=True):
    """What is known of the other side of a co-purchase.

    Attributes:
        head_type, tail_type: type slugs, may be empty.
        distance: between the two types in the ontology; -1 when one is unknown.
        bought: purchases of the tail product (`product_pairs.sales_step`); 0 between types.
    """

    head_type: str
    tail_type: str
    distance: int
    bought: int


class Why(msgspec.Struct, frozen=True, array_like=True):
    """A sample of what stands behind an intent of a concept, or a phrase for a product type.

    Lowest hashes first, at most 5.
    """

    queries: tuple[str, ...]
    products: tuple[str, ...]
    bundles: tuple[str, ...]


_PARTS: Final = {
    "PART": r"[^\0]+",
    "WEEK": r"\d{5}",
    "RELATION": r"[A-Za-z][A-Za-z0-9_]*(:[a-z][a-z0-9_]*)?",
    "VALUE": r"value:[a-z][a-z0-9_]*/[^\0]+",
    "INTENT": r"intent:[a-z][a-z0-9_]*/[^\0]+",
}


def _pattern(words: str) -> re.Pattern[str]:
    for name, part in _PARTS.items():
        words = words.replace(name, part)
    return re.compile(words)


_KEYS: Final = {
    "searched": _pattern(r"PART\0(a|[bc]\0PART)\0WEEK"),
    "bought": _pattern(r"PART\0(b|w\0PART)\0WEEK"),
    "asked": _pattern(r"PART\0PART\0[bc]\0WEEK"),
    "together": _pattern(r"PART\0[wt]\0PART\0WEEK"),
    "claims": _pattern(
        r"product:PART\0(f\0RELATION\0(type:PART|VALUE)\0PART|b\0WEEK|c\0product:PART\0WEEK)"
        r"|type:PART\0(n\0WEEK|v\0VALUE\0WEEK|t\0type:PART\0WEEK|i\0RELATION\0INTENT\0WEEK"
        r"|x\0VALUE\0RELATION\0INTENT\0WEEK)"
        r"|attr:[a-z][a-z0-9_]*\0u\0VALUE|attr:product_type\0k\0value:product_type/PART\0type:PART"
    ),
}


def is_key(topic: str, key: bytes) -> bool:
    """Whether a stage of ours could have told a total under this key; see the table above."""
    pattern = _KEYS.get(topic)
    try:
        return pattern is None or pattern.fullmatch(key.decode()) is not None
    except UnicodeDecodeError:
        return False


encode = msgspec.msgpack.Encoder().encode
decode_asked = msgspec.msgpack.Decoder(Asked).decode
decode_together = msgspec.msgpack.Decoder(Together).decode
decode_claimed = msgspec.msgpack.Decoder(Claimed).decode
decode_with = msgspec.msgpack.Decoder(With).decode
decode_why = msgspec.msgpack.Decoder(Why).decode
