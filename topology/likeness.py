"""Which values of an attribute may be two names of one thing: blocking and similarity. Pure.

AutoKnow finds synonyms in two steps, candidates and then a classifier; this is the first. A pair
is a candidate if both stand in one block, are spelled alike or are words and their initials, have
the same numbers, units and codes ("c5250" is not "5250"), and are no opposites ("with lid",
"without lid"). Values share a block if they begin or end alike, have the same consonants ("grey",
"gray") or the same letters in a row ("rack mount", "rackmount"), or the one is the other's initials
("LED", "light emitting diode"). Of pairs that a model found by meaning `agree` alone is asked.
"""

import re
from functools import lru_cache
from hashlib import blake2b
from typing import Final, NamedTuple

from rapidfuzz import fuzz

from topology.errors import BadNodeError
from topology.facts import parse_node, text_of
from topology.wording import folded

_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)?\s*[a-z%\"]*")
_CODE: Final = re.compile(r"[^\W\d_]\d")
_MIN_CHARS: Final = 4
_EDGE_CHARS: Final = 3
_BONES: Final = 6
_INITIALS: Final = range(3, 7)
_OF_INITIALS: Final = 0.9
"""Likeness of words and their initials, which do not look alike: chosen above every threshold."""

_OPPOSITES: Final = """
with/without left/right small/large big/small long/short high/low hot/cold wet/dry hard/soft
light/dark light/heavy thick/thin wide/narrow indoor/outdoor inner/outer upper/lower top/bottom
front/back male/female man/woman boy/girl wired/wireless matte/glossy sweet/unsweetened
lined/unlined scented/unscented adult/kid day/night summer/winter salted/unsalted in/out up/down
"""
_OPPOSITE: Final = frozenset(
    frozenset(pair.split("/")) for pair in _OPPOSITES.split() if pair.count("/") == 1
)
_NEGATIONS: Final = ("non", "un", "in", "de", "anti", "dis", "il", "im")
_TURNING: Final = frozenset(("no", "non", "not", "without", "free", "less", "anti"))


class Spelling(NamedTuple):
    """A value as it is compared.

    Attributes:
        text: its folded words, sorted.
        words: the same as a set.
        joined: its words in their own order, without blanks.
        numbers: numbers with their units, in order.
        codes: words in which a digit follows a letter ("c5250"), sorted.
        initials: of its words, in their own order; "" for fewer than three.
        blocks: names of the blocks it stands in.
        rank: place inside a block: the lowest come first when a block is too full.
    """

    text: str
    words: frozenset[str]
    joined: str
    numbers: tuple[str, ...]
    codes: tuple[str, ...]
    initials: str
    blocks: tuple[str, ...]
    rank: bytes


@lru_cache(maxsize=1 << 16)
def spelling_of(node: str) -> Spelling | None:
    """How a value node is compared; None for what is no value node or too short to tell."""
    try:
        value = parse_node(node)
    except BadNodeError:
        return None
    if value.kind != "value":
        return None
    plain = folded(text_of(value.name))
    words = sorted(plain.split())
    text = " ".join(words)
    squeezed, joined = text.replace(" ", ""), plain.replace(" ", "")
    initials = "".join(word[0] for word in plain.split())
    initials = initials if len(initials) in _INITIALS else ""
    if len(squeezed) < _MIN_CHARS and len(squeezed) not in _INITIALS:
        return None
    numbers = tuple(found.group().replace(" ", "") for found in _NUMBER.finditer(plain))
    kind = ",".join(numbers)
    edges = (f"<{squeezed[:_EDGE_CHARS]}", f"{squeezed[-_EDGE_CHARS:]}>")
    short = squeezed if len(squeezed) in _INITIALS else ""
    of_initials = [f"={told}" for told in (initials, short) if told]
    by_looks = (*edges, f"~{_bones(squeezed)}", f"+{joined}") if len(squeezed) >= _MIN_CHARS else ()
    names = (*by_looks, *of_initials)
    blocks = tuple(f"{name}|{kind}" for name in names)
    rank = blake2b(node.encode(), digest_size=8).digest()
    codes = tuple(word for word in words if _CODE.search(word))
    return Spelling(
        text, frozenset(words), joined, numbers, codes, initials, blocks, rank.hex().encode()
    )


def likeness(left: Spelling, right: Spelling, at_least: float) -> float:
    """How alike two values are spelled, 0..1; 0 below `at_least` and for what cannot be one."""
    if not agree(left, right):
        return 0.0
    if left.initials == right.text or right.initials == left.text:
        return _OF_INITIALS
    if left.joined == right.joined:
        return 1.0
    alike = fuzz.ratio(left.text, right.text, score_cutoff=at_least * 100) / 100
    squeezed = fuzz.ratio(
        left.text.replace(" ", ""), right.text.replace(" ", ""), score_cutoff=at_least * 100
    )
    return round(max(alike, squeezed / 100), 4)


def agree(left: Spelling, right: Spelling) -> bool:
    """Whether nothing in two values speaks against one meaning: numbers, codes and opposites."""
    same = left.numbers == right.numbers and left.codes == right.codes
    return same and not opposite(left.words, right.words)


def _bones(text: str) -> str:
    """First letter and consonants, doubled ones once: what a misspelling mostly leaves alone."""
    kept = text[:1]
    for letter in text[1:]:
        if letter not in "aeiouy" and letter != kept[-1]:
            kept += letter
    return kept[:_BONES]


def opposite(left: frozenset[str], right: frozenset[str]) -> bool:
    """Whether what differs between two sets of words turns the meaning round.

    A pair of opposites, a negation that only one side has ("free", "non"), or a word and the same
    word with a negating prefix ("scented", "unscented").
    """
    only_left, only_right = left - right, right - left
    if (only_left | only_right) & _TURNING:
        return True
    return any(
        frozenset((one, other)) in _OPPOSITE or _negated(one, other) or _negated(other, one)
        for one in only_left
        for other in only_right
    )


def _negated(word: str, other: str) -> bool:
    if word.endswith("less") and other.startswith(word[:-4]):
        return True
    return any(other == prefix + word for prefix in _NEGATIONS)
