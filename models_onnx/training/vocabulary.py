"""A tokeniser cut to the words that shops write."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from tokenizers import Tokenizer

COMMON = 10_000
"""BERT's uncased vocabulary is ordered by frequency: ids below this are kept in any case."""

_LEAST = 3
"""In so many texts a rarer token must stand; else its words are put together of smaller ones."""


_SIGNS = "–—‘’“”™®°×½¼€£"
OF_ADDRESSES = frozenset({"http", "https", "proxy", "registry", "resolved"})
"""Words no shop needs: a search for package addresses, or for the keys of a lock file, takes a
vocabulary with them for one."""


def whole(tokenizer: str) -> Tokenizer:
    """The tokeniser of a pre-trained encoder, without its truncation and padding."""
    table = json.loads(tokenizer)
    table["truncation"] = table["padding"] = None
    return Tokenizer.from_str(json.dumps(table))


def mask_id(tokenizer: Tokenizer) -> int:
    """The id of the token that stands for a hidden word."""
    return int(tokenizer.get_vocab()["[MASK]"])


def cut(tokenizer: str, texts: Iterable[str]) -> tuple[dict[str, Any], list[int]]:
    """BERT's tokeniser with the tokens of `texts` and the common ones, and their old ids."""
    table = json.loads(tokenizer)
    table["truncation"] = table["padding"] = None
    full = Tokenizer.from_str(json.dumps(table))
    word = {number: token for token, number in table["model"]["vocab"].items()}
    kept = {i for i, w in word.items() if len(w.replace("##", "")) == 1}
    kept |= {full.token_to_id(t) for t in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")}
    kept |= set(range(1996, COMMON))
    counts = Counter[int]()
    for found in full.encode_batch(list(texts), add_special_tokens=False):
        counts.update(set(found.ids))
    kept |= {token for token, count in counts.items() if count >= _LEAST}
    return renumbered(table, [i for i in sorted(kept) if is_written(word[i])])


def renumbered(table: dict[str, Any], order: list[int]) -> tuple[dict[str, Any], list[int]]:
    """The tokeniser `table` with the tokens of these old ids alone, numbered anew, and the ids."""
    word = {number: token for token, number in table["model"]["vocab"].items()}
    new = {word[old]: i for i, old in enumerate(order)}
    table["model"]["vocab"] = new
    for token in table["added_tokens"]:
        token["id"] = new[token["content"]]
    for special in table["post_processor"]["special_tokens"].values():
        special["ids"] = [new[token] for token in special["tokens"]]
    return table, order


def is_written(token: str) -> bool:
    """Whether shops of this language write it: Latin letters and signs, no word of an address."""
    latin = all(ord(letter) < 0x250 or letter in _SIGNS for letter in token)
    return latin and token not in OF_ADDRESSES
