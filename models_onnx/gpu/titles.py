"""Made-up product titles, seeded, for checks, benches and tests: nothing to fetch."""

import random
from collections.abc import Callable, Sequence

from models_onnx.spans import Text

_STARTS = ("nor", "val", "ker", "sun", "tri", "ba", "lu", "mon", "ze", "cor", "hal", "vi")
_ENDS = ("da", "tek", "ly", "nova", "wick", "son", "ra", "mere", "ix", "ford", "eo", "berg")
_TYPES = (
    *("Running Shoes", "Rain Boots", "Laptop Stand", "Frying Pan", "Desk Lamp", "Water Bottle"),
    *("Dog Harness", "Phone Case", "Yoga Mat", "Hair Dryer", "Toner Cartridge", "Baby Blanket"),
    *("Office Chair", "Trail Mix", "Body Lotion", "Wall Clock", "Backpack", "Jeans", "Kurta"),
)
_COLORS = ("Black", "Navy Blue", "Rose Gold", "Olive", "White", "Burgundy", "Grey", "Teal")
_STUFFS = ("Leather", "Stainless Steel", "Cotton", "Bamboo", "Silicone", "Wool", "Oak", "Nylon")
_FOR = ("Men", "Women", "Kids", "Nurses", "Dogs", "Toddlers", "Hikers", "Travel", "Camping")
_FEATURES = ("Waterproof", "Slip-Resistant", "Foldable", "Wireless", "Non-Stick", "Anti-Glare")
_UNITS = ("oz", "cm", "inch", "ml", "GB", "kg")


def titles(count: int, *, seed: int = 1, parts: tuple[int, int] = (2, 7)) -> list[str]:
    """`count` titles; `parts`: fewest and most attributes of one beside brand and type."""
    rng = random.Random(seed)  # noqa: S311 - made-up text, no secret
    return [_title(rng, rng.randint(*parts)) for _ in range(count)]


def of_length(
    count: int, tokens: int, length: Callable[[Text], int], *, seed: int = 1
) -> list[Text]:
    """Different titles of exactly `tokens` tokens as the model sees them, [CLS] and kind included.

    Args:
        count: titles.
        tokens: 10 or more.
        length: tokens of a text.
        seed: of the generator.
    """
    found: dict[str, Text] = {}
    rng = random.Random(seed)  # noqa: S311 - made-up text, no secret
    while len(found) < count:
        words = _title(rng, tokens).split()
        # About one token a word and a third: try the few lengths around it.
        for size in range(max(1, tokens // 2), tokens):
            text = Text(" ".join(words[:size]), "title")
            if length(text) == tokens:
                found[text.text] = text
                break
    return list(found.values())[:count]


def _title(rng: random.Random, parts: int) -> str:
    said = [_brand(rng), rng.choice(_TYPES)]
    said += [_part(rng) for _ in range(parts)]
    rng.shuffle(said)
    return " ".join(said)


def _brand(rng: random.Random) -> str:
    return (rng.choice(_STARTS) + rng.choice(_STARTS) + rng.choice(_ENDS)).capitalize()


def _part(rng: random.Random) -> str:
    kind = rng.randrange(7)
    if kind == 0:
        return f"{rng.randint(1, 999)}{rng.choice(('', ' '))}{rng.choice(_UNITS)}"
    if kind == 1:
        return f"{rng.choice(('XR', 'Z', 'MX', 'HT'))}-{rng.randint(10, 9999)}"
    if kind == 2:
        return f"for {rng.choice(_FOR)}"
    listed: Sequence[str] = {3: _COLORS, 4: _STUFFS, 5: _FEATURES}.get(kind, _COLORS)
    return rng.choice(listed)
