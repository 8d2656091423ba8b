"""What the scorer looks at: two values, as spelt and as the encoder sees them, to numbers.

The family that matters most compares the words that only one of the two values has, as in AutoKnow
(Dong et al., KDD 2020, section 4.3): what is left after the shared words tells "slim fit" from
"regular fit". All features are the same for (a, b) and (b, a).
"""

from collections.abc import Mapping

import msgspec
import numpy as np
import numpy.typing as npt
from rapidfuzz import fuzz
from rapidfuzz.distance import JaroWinkler, Levenshtein

from models_onnx.synonyms.amounts import agreement, amounts_of
from models_onnx.synonyms.lexicon import Lexicon
from models_onnx.synonyms.wording import plain, stem, words_of

Vector = npt.NDArray[np.float32]

NAMES = (
    "cosine",
    "ratio",
    "token_set_ratio",
    "partial_ratio",
    "jaro_winkler",
    "ratio_joined",
    "jaccard",
    "length_difference",
    "characters_short",
    "characters_long",
    "words_short",
    "words_long",
    "one_sided_number",
    "numbers_agree",
    "acronym",
    "subset",
    "alone_few",
    "alone_many",
    "alone_ratio",
    "alone_cosine",
    "alone_nearest",
    "alone_weight_low",
    "alone_weight_sum",
    "alone_in_attribute",
    "is_type",
    "cover_low",
    "cover_high",
    "least_covered_low",
    "least_covered_high",
    "last_word_ratio",
    "last_word_cosine",
    "same_affix",
    "edits",
    "lexicon",
    "lexicon_least",
    "lexicon_worst",
)
MISSING = -1.0
"""Value of a feature that a pair does not have, such as the likeness of words when none is left."""

_TYPE = frozenset({"type", "category", "kind"})
_AFFIXES = ("un", "non", "anti", "in", "im", "dis", "less", "free", "semi", "re", "de", "ir")


class Reading(msgspec.Struct, frozen=True):
    """One value as the encoder read it.

    `vector` is float32 [384] of length 1. `words` are its words in `plain` spelling and `vectors`
    theirs, float32 [words, 384], each of length 1.
    """

    text: str
    words: tuple[str, ...]
    vector: Vector
    vectors: Vector


Weights = Mapping[str, float]
"""Word stem -> how much more often it stands alone in pairs that mean the same, as a logarithm."""


def features(a: Reading, b: Reading, attribute: str, weights: Weights, lexicon: Lexicon) -> Vector:
    """The numbers of NAMES for two readings, float32 [len(NAMES)], rounded to four digits."""
    if b.text < a.text:
        a, b = b, a
    values = _spelling(a.text, b.text) | _words(a, b, attribute, weights) | _meaning(a, b)
    values |= _lexical(a, b, lexicon)
    # Rounded, so that the last bit of another processor's product changes no answer.
    return np.array([round(float(values[name]), 4) for name in NAMES], np.float32)


def _spelling(a: str, b: str) -> dict[str, float]:
    short, long = sorted((a, b), key=len)
    joined = "".join(words_of(a)), "".join(words_of(b))
    agree = agreement(amounts_of(a), amounts_of(b))
    letters = ["".join(w[0] for w in words_of(t)) for t in (a, b)]
    acronym = (joined[0] == letters[1] and len(letters[1]) > 1) or (
        joined[1] == letters[0] and len(letters[0]) > 1
    )
    return {
        "ratio": fuzz.ratio(a, b) / 100,
        "token_set_ratio": fuzz.token_set_ratio(a, b) / 100,
        "partial_ratio": fuzz.partial_ratio(short, long) / 100,
        "jaro_winkler": JaroWinkler.similarity(a, b),
        "ratio_joined": fuzz.ratio(*joined) / 100,
        "edits": min(10, Levenshtein.distance(*joined)),
        "length_difference": 1 - len(short) / max(1, len(long)),
        "characters_short": min(40, len(short)),
        "characters_long": min(80, len(long)),
        "one_sided_number": agree == "one-sided",
        "numbers_agree": agree == "agree",
        "acronym": acronym,
        "same_affix": _affix(words_of(a), words_of(b)),
    }


def _affix(a: list[str], b: list[str]) -> float:
    """-1 where one value has a word with an affix that turns the meaning, the other without it."""
    turned = 0.0
    for one, other in ((a, b), (b, a)):
        known = set(other)
        for word in one:
            if word in known:
                continue
            if any(affix + word in known or word + affix in known for affix in _AFFIXES):
                turned = -1.0
            if any(
                word == affix and affix not in known
                for affix in ("no", "not", "without", *_AFFIXES)
            ):
                turned = min(turned, -0.5)
    return turned


def _words(a: Reading, b: Reading, attribute: str, weights: Weights) -> dict[str, float]:
    stems = [tuple(map(stem, r.words)) for r in (a, b)]
    shared = set(stems[0]) & set(stems[1])
    alone = [[i for i, s in enumerate(mine) if s not in shared] for mine in stems]
    few, many = sorted(map(len, alone))
    left = [s for mine, places in zip(stems, alone, strict=True) for s in (mine[i] for i in places)]
    weight = [weights.get(s, 0.0) for s in left]
    about = set(map(stem, words_of(plain(attribute))))
    found: dict[str, float] = {
        "jaccard": len(shared) / max(1, len(set(stems[0]) | set(stems[1]))),
        "words_short": min(map(len, stems)),
        "words_long": max(map(len, stems)),
        "subset": few == 0,
        "alone_few": few,
        "alone_many": many,
        "alone_weight_low": min(weight, default=0.0),
        "alone_weight_sum": sum(weight),
        "alone_in_attribute": sum(s in about for s in left) / max(1, len(left)),
        "is_type": bool(about & _TYPE),
        "alone_ratio": MISSING,
        "alone_cosine": MISSING,
        "alone_nearest": MISSING,
    }
    if few:
        texts = [" ".join(r.words[i] for i in p) for r, p in zip((a, b), alone, strict=True)]
        x, y = a.vectors[alone[0]], b.vectors[alone[1]]
        between = x @ y.T
        found["alone_ratio"] = fuzz.ratio(*texts) / 100
        found["alone_cosine"] = float(_unit(x.mean(0)) @ _unit(y.mean(0)))
        found["alone_nearest"] = float(min(between.max(0).min(), between.max(1).min()))
    return found


def _lexical(a: Reading, b: Reading, lexicon: Lexicon) -> dict[str, float]:
    stems = [tuple(map(stem, r.words)) for r in (a, b)]
    shared = set(stems[0]) & set(stems[1])
    alone = [[s for s in mine if s not in shared] for mine in stems]
    names = ("lexicon", "lexicon_least", "lexicon_worst")
    return dict(zip(names, lexicon.compare(stems, alone), strict=True))


def _meaning(a: Reading, b: Reading) -> dict[str, float]:
    found = {"cosine": float(a.vector @ b.vector)}
    if not len(a.words) or not len(b.words):
        return found | dict.fromkeys(
            (
                "cover_low",
                "cover_high",
                "least_covered_low",
                "least_covered_high",
                "last_word_ratio",
                "last_word_cosine",
            ),
            MISSING,
        )
    between = a.vectors @ b.vectors.T
    best = between.max(1), between.max(0)
    cover, least = sorted(float(x.mean()) for x in best), sorted(float(x.min()) for x in best)
    return found | {
        "cover_low": cover[0],
        "cover_high": cover[1],
        "least_covered_low": least[0],
        "least_covered_high": least[1],
        "last_word_ratio": fuzz.ratio(a.words[-1], b.words[-1]) / 100,
        "last_word_cosine": float(between[-1, -1]),
    }


def _unit(vector: Vector) -> Vector:
    length = float(np.sqrt((vector * vector).sum()))
    return vector / np.float32(max(length, 1e-9))
