"""Pseudonyms for ids, and text without e-mail addresses, phone and card numbers. Pure.

ROUTE applies this to everything before anything else sees it (DESIGN, rule 10). The same secret
gives the same pseudonyms: who holds it can find a shopper again, to erase him, and nobody else can.
"""

import hashlib
import re
import unicodedata
from binascii import b2a_base64
from functools import lru_cache
from typing import Final, NamedTuple

from topology.wording import normalise

MAX_QUERY_CHARS: Final = 200
_BLOCK: Final = 64  # SHA-256, FIPS 180-4
_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")
_CACHE: Final = 1 << 16

SHOPPER: Final = "shopper"
SESSION: Final = "session"
ORDER: Final = "order"
QUERY: Final = "query"
EVENT: Final = "event"
RECEIPT: Final = "receipt"
"""A shopper in the receipt of an erasure: another pseudonym than in all that is kept elsewhere."""
_NO_IDS: Final = frozenset(("null", "undefined", "none", "nan", "anonymous"))
"""What front ends write when they know nobody: all of them would be one shopper."""


def pseudonym(secret: bytes, raw: str, role: str = SHOPPER) -> str:
    """22 characters (base64url) that stand for `raw`: HMAC-SHA256 cut to 128 bits.

    Args:
        secret: of the installation, at least 16 bytes.
        raw: the source's own id.
        role: what the id is of; the same text in two roles gives two pseudonyms.

    Source: RFC 2104; truncation by its section 5.
    """
    return Pseudonyms(secret).of(raw, role)


def shopper_id(raw: str) -> str:
    """A shop's own id of a shopper as it is hashed; "" for what stands for nobody."""
    name = raw.strip()
    return "" if name.lower() in _NO_IDS else name


class Pseudonyms:
    """Many pseudonyms under one secret, fast: keyed states are copied, repeated ids remembered."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) > _BLOCK:
            secret = hashlib.sha256(secret).digest()
        key = secret.ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in key))
        other = self._hmac("key", EVENT)
        self._event = hashlib.blake2b(key=other, digest_size=12)
        self._small = hashlib.blake2b(key=other, digest_size=8)
        self.short = lru_cache(maxsize=_CACHE)(self._short)

    def of(self, raw: str, role: str = SHOPPER) -> str:
        """22 characters: no two ids of an installation will ever share them."""
        return _text(self._hmac(raw, role))[:22]

    def event(self, raw: str) -> str:
        """16 characters for an event's id, which comes once: keyed BLAKE2b (RFC 7693), 96 bits."""
        state = self._event.copy()
        state.update(raw.encode("utf-8", "surrogatepass"))
        return _text(state.digest())

    def _short(self, raw: str, role: str) -> str:
        """11 characters, for ids that are compared among one shopper's only; remembered."""
        state = self._small.copy()
        state.update(f"{role}\0{raw}".encode("utf-8", "surrogatepass"))
        return _text(state.digest())

    def _hmac(self, raw: str, role: str) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(f"{role}\0{raw}".encode("utf-8", "surrogatepass"))
        outer.update(inner.digest())
        return outer.digest()


def _text(digest: bytes) -> str:
    return b2a_base64(digest, newline=False).translate(_URL_SAFE, b"=").decode()


_MAYBE: Final = re.compile(r"@|\d(?:[\s().,/+-]*\d){6}")
_MAIL: Final = re.compile(r"(?<![\w.+%-])[\w.+%-]++@[\w-]+(?:\.[\w-]+)+")
_NUMBERS: Final = re.compile(r"(?:\+\(?|\()?\d(?:[ ().\-/]{0,3}\d)*+")
_GROUP: Final = re.compile(r"\d+")
_HIDDEN: Final = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ud800-\udfff]")
_CARD: Final = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|(?:5[1-5]\d\d|22[2-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"  # Mastercard
    r"|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}"  # American Express, Diners
    r"|(?:6011|64[4-9]\d|65\d\d|62\d\d|35[2-8]\d|220[0-4])\d{12,15}"  # Discover, UnionPay, JCB, Mir
    r"|(?:50(?:18|20|38)|5893|6304|6759|676[1-3])\d{8,15}"  # Maestro
)
_AREA_CODE: Final = re.compile(r"1?[2-9]\d\d[2-9]\d{6}")  # North American Numbering Plan
_TRUNK: Final = re.compile(r"0[1-9]\d{8,9}")  # a national number with its trunk prefix
_ABROAD: Final = re.compile(r"00[1-9]\d{7,12}")
_MAX_DIGITS: Final = 19
_CARD_SIZES: Final = ([4, 4, 4, 4], [4, 4, 4, 4, 3], [4, 6, 5], [4, 6, 4])
"""How cards are printed."""
_CARD_STARTS: Final = frozenset((4, *range(12, 20)))


def scrub(text: str) -> str:
    """What a shopper wrote, with "[email]", "[phone]" and "[card]" in place of such.

    A card is 12 to 19 digits with the prefix and length of a card scheme that pass the Luhn check;
    a phone number has an international prefix, or a national form of 10 or 11 digits. Text in
    which nothing is found comes back as it is. Takes time linear in the text.

    Source: ISO/IEC 7812-1 (Luhn), ITU-T E.164, the North American Numbering Plan.
    """
    return _scrub(text, catalog=False)


def scrub_catalog(text: str) -> str:
    """What a shop wrote of a product, likewise.

    Product numbers, sizes and EANs look like national phone numbers: here only a number with "+",
    or with an area code in brackets, is taken for one, and a valid GTIN is no card.
    Nor are numbers in groups in which no card is printed.
    """
    return _scrub(text, catalog=True)


@lru_cache(maxsize=_CACHE)
def normalise_query(text: str) -> str:
    """The text of a search as everything after ROUTE sees it; "" when nothing is left.

    Scrubbed, in the one spelling of `topology.wording.normalise`, at most `MAX_QUERY_CHARS`
    characters. Scrubbed twice: what `normalise` makes visible is scrubbed too.
    """
    clean = scrub(normalise(scrub(head(text, MAX_QUERY_CHARS))))
    return clean[:MAX_QUERY_CHARS].strip()


def head(text: str, limit: int) -> str:
    """At most 1,000 characters more than the limit, whole words: no half of a mail address.

    What comes out of scrubbing is cut to the limit; this bounds the work before it.
    """
    if len(text) <= limit + 1_000:
        return text
    start = text[: limit + 1_000]
    whole = start.rpartition(" ")[0]
    return whole if len(whole) >= limit else start


def _scrub(text: str, *, catalog: bool) -> str:
    seen = text if text.isascii() else _HIDDEN.sub("", unicodedata.normalize("NFKC", text))
    if _MAYBE.search(seen) is None:
        return text
    clean = _MAIL.sub("[email]", seen) if "@" in seen else seen
    clean = _NUMBERS.sub(lambda found: _without_numbers(found, catalog=catalog), clean)
    return text if clean == seen else clean


def _without_numbers(found: re.Match[str], *, catalog: bool) -> str:
    """A run of digit groups, with the groups that make up a card or a phone number replaced."""
    run = found[0]
    if len(run) < 8:
        return run
    groups = [group.span() for group in _GROUP.finditer(run)]
    glued = found.start() > 0 and found.string[found.start() - 1].isalnum()
    out, written, place = [], 0, 0
    while place < len(groups):
        start = groups[place][0]
        lead = run[max(start - 2, written) : start]
        mark = lead if lead == "+(" else lead[-1:] if lead.endswith(("+", "(")) else ""
        if catalog and not mark and groups[place][1] - start not in _CARD_STARTS:
            place += 1  # most numbers of a catalog: a size, a year
            continue
        shape = _Shape(mark, run[groups[place][1] :][:1], glued and start == 0, catalog)
        taken = _taken(run, groups[place : place + _MAX_DIGITS], shape)
        if taken is None:
            place += 1
            continue
        word, count = taken
        out += [run[written : start - len(mark)], word]
        place += count
        written = groups[place - 1][1]
    return "".join([*out, run[written:]])


class _Shape(NamedTuple):
    """What stands round the first group of a possible number.

    Attributes:
        mark: "+", "(" or "+(" before it, or nothing.
        after: the character behind it.
        glued: it continues a word ("B002...").
        catalog: a shop's text, not a shopper's.
    """

    mark: str
    after: str
    glued: bool
    catalog: bool


def _taken(run: str, groups: list[tuple[int, int]], shape: _Shape) -> tuple[str, int] | None:
    """What the first groups are, and how many of them: the longest such, a card before a phone."""
    digits = ""
    ascii_only = run.isascii()
    sizes: list[int] = []
    best: tuple[str, int] | None = None
    for count, (start, end) in enumerate(groups, 1):
        digits += run[start:end] if ascii_only else _ascii(run[start:end])
        sizes.append(end - start)
        if len(digits) < 8:
            continue
        if len(digits) > _MAX_DIGITS:
            break
        if _is_card(digits) and not (shape.catalog and _is_list(digits, sizes, run[:end])):
            return "[card]", count
        if _is_phone(digits, sizes, shape):
            best = "[phone]", count
    return best


def _is_phone(digits: str, sizes: list[int], shape: _Shape) -> bool:
    if shape.mark.startswith("+"):
        return 8 <= len(digits) <= 15
    if shape.mark and shape.after == ")" and sizes in ([3, 3, 4], [3, 7]):
        return _AREA_CODE.fullmatch(digits) is not None
    if shape.catalog or shape.glued:
        return False
    if _AREA_CODE.fullmatch(digits):
        return sizes in ([10], [11], [3, 7], [3, 3, 4], [1, 10], [1, 3, 7], [1, 3, 3, 4])
    if sizes[0] >= 3 and _TRUNK.fullmatch(digits):
        return True
    return sizes[0] >= 2 and _ABROAD.fullmatch(digits) is not None


def _is_card(digits: str) -> bool:
    if len(digits) < 12 or _CARD.fullmatch(digits) is None:
        return False
    doubled = (int(digit) * 2 for digit in digits[-2::-2])
    total = sum(int(digit) for digit in digits[-1::-2])
    return (total + sum(each - 9 if each > 9 else each for each in doubled)) % 10 == 0


def _ascii(digits: str) -> str:
    return "".join(str(int(digit)) for digit in digits)


def _is_list(digits: str, sizes: list[int], run: str) -> bool:
    """A GTIN, or model numbers in a row ("5440/5740/5940"), that only look like a card."""
    if len(sizes) == 1:
        return _is_gtin(digits)
    return "/" in run or sizes not in _CARD_SIZES


def _is_gtin(digits: str) -> bool:
    """GTIN-12, -13 or -14 with its right check digit (GS1 General Specifications, 7.9)."""
    if len(digits) not in (12, 13, 14):
        return False
    total = sum(int(digit) * (3 if odd else 1) for odd, digit in _weighed(digits[-2::-1]))
    return (total + int(digits[-1])) % 10 == 0


def _weighed(digits: str) -> list[tuple[bool, str]]:
    return [(place % 2 == 0, digit) for place, digit in enumerate(digits)]
