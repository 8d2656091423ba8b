"""How a claim is worded for the model: names and values as catalogs write them, made readable.

The same code trains and serves. "attr_t_product_colour", "productColour" and "Product Colour" are
one attribute to the model; "8.0" is "8", so that it is found in "8 GB". Nothing else is changed:
which words mean the same is the model's to learn.
"""

import re

import msgspec

from models_onnx.spans import Claim

ALIASES: dict[str, tuple[str, ...]] = {
    "product_type": ("type", "product type", "category", "article type", "item type", "kind"),
    "brand": ("manufacturer", "supplier", "maker", "brand name"),
    "model": ("model name", "model number", "series", "product line"),
    "color": ("colour", "colors", "base colour", "product colour", "color name"),
    "material": ("fabric", "material type", "fabric type"),
    "size": ("dimensions", "item size", "volume", "weight", "length", "capacity"),
    "quantity": ("pack quantity", "count", "quantity per pack", "pack size", "number of pieces"),
    "pattern": ("print", "design pattern"),
    "flavor": ("flavour", "taste"),
    "scent": ("fragrance", "smell"),
    "style": ("fashion style", "cut", "look"),
    "shape": ("form", "item shape"),
    "feature": ("special feature", "features", "property"),
    "audience": ("gender", "target audience", "age group", "department", "for whom"),
    "occasion": ("event", "suitable occasion"),
    "activity": ("sport", "used while"),
    "function": ("used for", "benefit", "specific uses", "purpose", "capable of"),
    "season": ("weather", "season of use"),
    "location": ("used in", "room", "place of use"),
    "body_part": ("skin type", "hair type", "for body part"),
    "condition": ("item condition", "state"),
    "compatibility": ("compatible with", "compatible devices", "fits"),
    "origin": ("country of origin", "made in"),
    "theme": ("subject", "motif"),
}
"""Attribute -> other names that shops give it, for training to draw from."""

_PREFIX = re.compile(r"^attr_[a-z]_")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NOT_NAME = re.compile(r"[_:\s]+")
_WHOLE = re.compile(r"(?<![\d.,])(\d+)\.0+(?![\d.,])")
_BREAK = re.compile(r"\\[nrt]|[\r\n\t]+")
_LONGEST = 2_000
"""Characters of a name or value that are looked at; far more than the tokeniser has room for."""


def worded(claim: Claim) -> Claim:
    """`claim` as the model is to read it; text and type stay as they are."""
    return msgspec.structs.replace(
        claim, attribute=attribute_words(claim.attribute), value=value_words(claim.value)
    )


def attribute_words(name: str) -> str:
    """ "attr_t_product_colour" -> "product colour", "baseColour" -> "base colour"."""
    plain = _CAMEL.sub(" ", _PREFIX.sub("", name[:_LONGEST]))
    return _NOT_NAME.sub(" ", plain).strip().lower()


def value_words(value: str) -> str:
    """Line breaks, written out too, become ", "; "8.0" becomes "8"."""
    return _WHOLE.sub(r"\1", _BREAK.sub(", ", value[:_LONGEST])).strip()
