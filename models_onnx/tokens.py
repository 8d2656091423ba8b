"""Texts to token ids, with the way back to characters. The same code trains and serves.

A *word* is what BERT's pre-tokeniser makes of a text: split at blanks and at punctuation
("3-ply" is three words). Labels belong to words and are read at a word's first token.

Token types: 0 for what is said about the text (kind, product type, claim), 1 for the text itself,
2 for the place of a claim's value within the text.
"""

import re
from functools import lru_cache
from pathlib import Path

import msgspec
from tokenizers import Tokenizer

from models_onnx.errors import BundleError
from models_onnx.spans import Claim, Text

MAX_CHARS_PER_TOKEN = 16
"""Texts are cut to this many characters per token of room, so that a megabyte costs no more."""

MAX_CHARS = 300
"""Types, attributes and values are cut to this many characters."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_PREFIX_TOKENS = 16
_CLAIM_TOKENS = 24


class Encoded(msgspec.Struct, frozen=True):
    """One text as the model sees it.

    `ids` and `types` are of equal length. `words` gives for each word (index of its first token,
    start, end), start and end being character offsets into the text, end exclusive.
    """

    ids: list[int]
    types: list[int]
    words: list[tuple[int, int, int]]


class Tokens:
    """The tokeniser of one bundle. Thread-safe.

    Raises:
        BundleError: the file is no tokeniser, or lacks the special tokens.
    """

    def __init__(self, tokenizer: Tokenizer, *, max_tokens: int) -> None:
        self._tokenizer = tokenizer
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._max_tokens = max_tokens
        # Kinds and types repeat: to tokenise them again costs a third of what the text itself does.
        self._about = lru_cache(maxsize=4_096)(lambda said: self._plain(said)[:_PREFIX_TOKENS])
        self._cls, self._sep, self.pad = map(self._special, ("[CLS]", "[SEP]", "[PAD]"))

    @classmethod
    def load(cls, path: Path, *, max_tokens: int) -> "Tokens":
        """The tokeniser in the file `path`."""
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the Rust wheel raises bare Exception
            raise BundleError(
                f"{path} is no tokeniser ({error}); fetch the bundle again"
            ) from error
        return cls(tokenizer, max_tokens=max_tokens)

    def encode_text(self, text: Text) -> Encoded:
        """`[CLS] kind type [SEP] text [SEP]`; a long text loses its end."""
        about = self._about(f"{text.kind} {_printable(text.type[:MAX_CHARS])}")
        return self._join([self._cls, *about, self._sep], text.text, mark=None)

    def encode_claim(self, claim: Claim) -> Encoded:
        """`[CLS] attribute value [SEP] type [SEP] text [SEP]`, the value marked in the text.

        The first place where the value stands as whole words is marked; with no such place, or no
        text, nothing is.
        """
        attribute = claim.attribute[:MAX_CHARS].replace("_", " ")
        said = self._plain(_printable(f"{attribute} : {claim.value[:MAX_CHARS]}"))[:_CLAIM_TOKENS]
        # Where there is no text, the type may be two products' names and has the text's room.
        room = _PREFIX_TOKENS if claim.text.strip() else self._max_tokens - len(said) - 4
        kind = self._plain(_printable(claim.type[:MAX_CHARS]))[:room]
        head = [self._cls, *said, self._sep, *kind, self._sep]
        return self._join(head, claim.text, mark=_find(claim.text, claim.value))

    def encode_value(self, value: str) -> Encoded:
        """`[CLS] value [SEP]`, token types all 0, as the sentence encoder was trained."""
        found = self._join([self._cls], value, mark=None)
        return Encoded(found.ids, [0] * len(found.ids), found.words)

    def _join(self, head: list[int], text: str, *, mark: tuple[int, int] | None) -> Encoded:
        room = self._max_tokens - len(head) - 1
        text = _printable(_cut(text, room * MAX_CHARS_PER_TOKEN))
        found = self._tokenizer.encode(text, add_special_tokens=False)
        ids, types = list(head), [0] * len(head)
        words: list[tuple[int, int, int]] = []
        previous = None
        pieces = zip(found.ids, found.offsets, found.word_ids, strict=True)
        for number, (token, (start, end), word) in enumerate(pieces):
            if number == room:
                # A word that was cut in two would be given an end that is not its own.
                if word == previous:
                    words.pop()
                break
            inside = mark is not None and start < mark[1] and end > mark[0]
            if word == previous:
                words[-1] = (words[-1][0], words[-1][1], end)
            else:
                words.append((len(ids), start, end))
            previous = word
            ids.append(token)
            types.append(2 if inside else 1)
        ids.append(self._sep)
        types.append(1)
        return Encoded(ids, types, words)

    def _special(self, token: str) -> int:
        number: int | None = self._tokenizer.token_to_id(token)
        if number is None:
            raise BundleError(f"tokenizer.json has no {token}; export the bundle anew")
        return number

    def _plain(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids


def _printable(text: str) -> str:
    """`text` with lone surrogates (they have no UTF-8) replaced one for one: offsets must hold."""
    return _SURROGATE.sub("\ufffd", text)


def _cut(text: str, length: int) -> str:
    """The first `length` characters, less a last word that was cut in two."""
    if len(text) <= length:
        return text
    text = text[:length]
    return text[: text.rfind(" ") + 1] or text


def _find(text: str, value: str) -> tuple[int, int] | None:
    """Where `value` stands in `text` as whole words, letter case aside."""
    value = value.strip()
    if not value or len(value) > min(len(text), MAX_CHARS):
        return None
    pattern = rf"(?<!\w){re.escape(value)}(?!\w)"
    found = re.search(pattern, text[: 512 * MAX_CHARS_PER_TOKEN], re.IGNORECASE)
    return found.span() if found else None
