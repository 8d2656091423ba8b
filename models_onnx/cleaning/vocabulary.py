"""MiniLM's tokeniser cut to the tokens that claims are made of, within a size."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from tokenizers import Tokenizer

from models_onnx.training.vocabulary import is_written, renumbered

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
FIRST_WORD = 1996
"""Below are special and unused tokens and characters; from here on by frequency in English."""


def cut(tokenizer: str, texts: Iterable[str], *, size: int) -> tuple[dict[str, Any], list[int]]:
    """The tokeniser as JSON with about `size` tokens, and their ids in `tokenizer`, ascending.

    Kept are the special ones, single Latin characters, the tokens of `texts` from the most
    frequent on, and with the room that is left English words from the most frequent on.
    """
    table = json.loads(tokenizer)
    table["truncation"] = table["padding"] = None
    full = Tokenizer.from_str(json.dumps(table))
    words = {number: token for token, number in table["model"]["vocab"].items()}
    counts: Counter[int] = Counter()
    for found in full.encode_batch(list(texts), add_special_tokens=False):
        counts.update(found.ids)
    kept = {i for i, w in words.items() if len(w.replace("##", "")) == 1 and is_written(w)}
    kept |= {table["model"]["vocab"][token] for token in SPECIAL}
    # Equal counts are ordered by id, so that the same texts make the same file.
    wanted = [i for i, _ in sorted(counts.items(), key=lambda c: (-c[1], c[0]))]
    for number in (*wanted, *range(FIRST_WORD, len(words))):
        if len(kept) >= size:
            break
        if is_written(words[number]):
            kept.add(number)
    return renumbered(table, sorted(kept))
