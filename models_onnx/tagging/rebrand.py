"""A title with another brand: so that the place and not the name tells what is one.

Catalogs have few brands, most of one word; of 263 titles whose brand a first model got wrong, 239
were of one brand of two words ("Tripp Lite" cut to "Tripp").
"""

import random
from collections.abc import Sequence

import msgspec

from models_onnx.tagging import noise
from models_onnx.tagging.examples import Labelled, Piece

SHARE = 0.6
"""Of titles whose brand is exchanged."""

_MADE_UP = 0.3


def rebranded(row: Labelled, brands: Sequence[str], rng: random.Random) -> Labelled:
    """The row, now and then with another of `brands`, or a made-up one, in place of its own."""
    place = next((p for p in row.pieces if p.label == "brand"), None)
    if place is None or row.kind != "title" or rng.random() >= SHARE:
        return row
    brand = noise.brand_name(rng) if rng.random() < _MADE_UP or not brands else rng.choice(brands)
    own = row.value(place)
    if own.isupper():
        brand = brand.upper() if rng.random() < 0.5 else noise.title_case(brand)
    elif own[:1].isupper():
        brand = noise.title_case(brand)
    text = row.text[: place.start] + brand + row.text[place.end :]
    shift = len(brand) - len(own)
    pieces = tuple(
        Piece(p.start, p.end + shift, p.label)
        if p is place
        else (Piece(p.start + shift, p.end + shift, p.label) if p.start > place.start else p)
        for p in row.pieces
    )
    return msgspec.structs.replace(row, text=text, pieces=pieces)
