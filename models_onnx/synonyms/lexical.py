"""What WordNet says of words, for the lexicon of the bundle, and pairs of its words to train on.

The same: words of one synset. Kin: an adjective and those like it ("fast", "speedy"), a noun and
the adjective derived from it ("resistance", "resistant"). Against: antonyms, and antonyms of kin
("speedy", "slow"). Above: a word and its hypernym ("suitcase", "luggage"), which shops use as one
at times. Nouns with the same hypernym ("plum", "peach") are known words without a relation.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence

from models_onnx.synonyms.data import Pair
from models_onnx.synonyms.lexicon import Hashes, hashed
from models_onnx.synonyms.wording import plain, stems_of
from models_onnx.synonyms.wordnet import (
    ANTONYM,
    DERIVED,
    HYPERNYM,
    INSTANCE,
    SIMILAR,
    Synset,
    WordNet,
)
from models_onnx.tagging.splits import share

COMMON_SENSES = 2
"""A word's rarer senses are left out: shops do not mean them."""

TAUGHT_SHARE = 0.15
"""Share of the synsets that give pairs to train on."""
RIVALS = 2
"""Wrong pairs for each right one."""
GOODS = frozenset({6, 13})
"""Fields whose words name types of product: artifacts and food."""

CLOSE = 2
"""Words of a synset that stand for it in relations to others."""
LONGEST = 18
"""Letters of the longest term kept: names of two words at most, which is most of what shops say."""

WHOLE = frozenset({0, 6, 13})
"""Fields of which words without any relation are known too: adjectives, artifacts, food."""

MOST_OF_A_SET = 16
"""Words of the largest set kept: larger ones are of words as general as "part" or "quality"."""

Related = dict[str, list[tuple[str, str]]]


def hashes_of(net: WordNet) -> dict[str, Hashes]:
    """The hashes of `lexicon` for all words and relations of `net`.

    The sets are its synsets, each with the words that are kin to it.
    """
    found: Related = defaultdict(list)
    words = set[str]()
    sets = set[frozenset[str]]()
    for synset in net.synsets.values():
        own = words_in(net, synset)
        if synset.field in WHOLE:
            words.update(map(_key, own))
        others_of = related(net, synset)
        if own and 1 < len(one := frozenset(map(_key, (*own, *others_of["kin"])))) <= MOST_OF_A_SET:
            sets.add(one)
        for name, others in others_of.items():
            some = own if name == "same" else own[:CLOSE]
            found[name] += [(_key(a), _key(b)) for a in some for b in others if _key(a) != _key(b)]
    words.update(word for listed in found.values() for pair in listed for word in pair)
    return hashed(words, found, sets)


def related(net: WordNet, synset: Synset) -> dict[str, list[str]]:
    """The words related to those of `synset`, by the relations of `lexicon`."""
    kin = _across(net, synset, SIMILAR)
    against = [
        w
        for one in (synset, *kin)
        for s in _across(net, one, ANTONYM)
        for w in words_in(net, s)[:CLOSE]
    ]
    above = _across(net, synset, HYPERNYM) if synset.field in GOODS else []
    return {
        "same": words_in(net, synset),
        "kin": [
            w for s in (*kin, *_across(net, synset, DERIVED)) for w in words_in(net, s)[:CLOSE]
        ],
        "against": against,
        "above": [w for s in above for w in words_in(net, s)[:CLOSE]],
    }


def words_in(net: WordNet, synset: Synset) -> list[str]:
    """The words of which `synset` is a common sense; none of an instance such as a city."""
    if any(symbol == INSTANCE for symbol, _ in synset.links):
        return []
    return [
        word
        for word in synset.words
        if synset.key in net.senses.get(word, ())[:COMMON_SENSES]
        and len(word) <= LONGEST
        and word.count(" ") < 2
    ]


def _across(net: WordNet, synset: Synset, symbol: str) -> list[Synset]:
    return [net.synsets[k] for s, k in synset.links if s == symbol and k in net.synsets]


def _key(word: str) -> str:
    return "".join(stems_of(plain(word)))


def pairs(net: WordNet, heads: Sequence[str], *, seed: int) -> list[Pair]:
    """Of some synsets a right pair and up to RIVALS wrong ones, half of them in a phrase.

    `heads` are words that may stand before both sides: "red couch", "red sofa".
    """
    rng = random.Random(seed)  # noqa: S311 - training data, not secrets
    below: dict[str, list[str]] = defaultdict(list)
    for synset in net.synsets.values():
        for above in _across(net, synset, HYPERNYM):
            below[above.key].append(synset.key)
    found: list[Pair] = []
    for key, synset in sorted(net.synsets.items()):
        if share(f"wordnet\0{key}") < TAUGHT_SHARE:
            before = rng.choice(heads) + " " if heads and rng.random() < 0.5 else ""
            found += _pairs_of(net, synset, below, before, rng)
    return found


def _pairs_of(
    net: WordNet, synset: Synset, below: dict[str, list[str]], before: str, rng: random.Random
) -> Iterator[Pair]:
    own = words_in(net, synset)
    if len({_key(word) for word in own}) < 2:
        return
    a = rng.choice(own)
    b = rng.choice([word for word in own if _key(word) != _key(a)])
    about = "product_type" if synset.field in GOODS else ""
    siblings = [k for s in _across(net, synset, HYPERNYM) for k in below[s.key] if k != synset.key]
    rivals = [w for k in siblings for w in words_in(net, net.synsets[k])]
    rivals += related(net, synset)["against"]
    known = {_key(word) for word in own}
    wrong = sorted({word for word in rivals if _key(word) not in known})
    yield Pair(before + a, before + b, about, True, "wordnet")
    for word in rng.sample(wrong, min(RIVALS, len(wrong))):
        yield Pair(before + a, before + word, about, False, "wordnet")
