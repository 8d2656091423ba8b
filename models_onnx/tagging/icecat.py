"""Reader of Icecat: electronics titles, with brand and about nineteen attributes beside them.

Each line: {"title", "supplier", "name", "attr_t_product_colour": "Black", ...}. The title is the
maker's name of the product, often with the commonest attributes put behind it.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models_onnx.tagging.examples import Labelled, Piece
from models_onnx.tagging.finding import (
    add,
    by_pattern,
    find_values,
    match_rest,
    phrases,
    rows_of,
    whole_word,
)
from models_onnx.tagging.lexicon import Lexicon, Matcher

ATTRIBUTES = {
    "brand": "supplier",
    "color": "product_colour, cable_colour, printing_colours, colour_of_product",
    "material": "material, housing_material, battery_technology",
    "product_type": "product_type, case_type",
    "compatibility": "compatibility, operating_system_installed",
    "model": "processor_model, processor_family, processor_brand_name",
    "part_number": "oem_code, quick_order_code",
    "size": """display_resolution, maximum_resolution, format, maximum_iso_a_series_paper_size,
        rack_capacity, paper_size, core___cladding_diameter, print_quality__black__best_quality_""",
    "form": "form_factor, motherboard_form_factor, chassis_type",
    "packaging": "package_type",
    "feature": """type, connector_1, connector_2, processor_cache_type, internal_memory_type,
        cable_standard, cable_type, print_technology, storage_media, device_interface, finish_type,
        top_wi_fi_standard, wi_fi_standards, cable_shielding, interface, host_interface, hd_type,
        display_technology, keyboard_layout, keyboard_language, memory_type, usb_version,
        ups_topology, display, tape_type, switch_type, graphics_adapter_memory_type,
        processor_socket, connector_s_""",
}
"""Label of ours -> Icecat's attributes that stand literally in titles (counted over the set)."""

_LABEL_OF = {
    name if name == "supplier" else f"attr_t_{name}": label
    for label, names in ATTRIBUTES.items()
    for name in (part.strip() for part in names.split(","))
}
_LENGTH = re.compile(
    r"(?<![\w.])\d+(?:[.,/]\d+)?\s?(?:mm|cm|m|ft|feet|in|inch|inches|\"|gb|tb|mb|ghz|mhz|w|watt|v|va|kva|"
    r"ohm|mp|ml|l|kg|g|mah|oz|u|k)(?!\w)(?:\s?x\s?\d+(?:[.,]\d+)?\s?(?:mm|cm|m)?)?",
    re.IGNORECASE,
)
_PIECES = re.compile(
    r"\b\d+\s?(?:pc\(s\)|pcs?|sheets|pages|pack|pieces|packs?)(?!\w)", re.IGNORECASE
)
_CODE = re.compile(r"^(?=.*\d)[A-Za-z0-9][\w/#.+-]{2,}$")
"""A part number: letters, digits and what joins them, a digit among them."""

_NO_VALUE = frozenset({"yes", "no", "1", "system", "number", "various", "other"})


def read(path: Path, lexicon: Lexicon) -> Iterator[Labelled]:
    """The titles of one file, in order; those with a brand and one thing more."""
    matcher = Matcher(phrases(lexicon, ("product_type", "color", "feature")))
    for row in rows_of(path):
        text = row["title"]
        pieces = find_values(text, _values(row))
        name = str(row.get("name", ""))
        if _CODE.match(name):
            pieces = add(pieces, whole_word(text, name, "part_number"))
        pieces = add(pieces, by_pattern(_PIECES, text, "quantity"))
        pieces = add(pieces, by_pattern(_LENGTH, text, "size"))
        pieces = match_rest(text, pieces, matcher)
        if any(p.label == "brand" for p in pieces) and len(pieces) > 1:
            yield Labelled(
                text=text,
                kind="title",
                type=_type_of(text, pieces),
                pieces=pieces,
                source="icecat",
                doubt=0.6,
            )


def _values(row: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(label, value) of the attributes; a list of values is given whole and in parts."""
    for name, label in _LABEL_OF.items():
        said = row.get(name)
        if not isinstance(said, str):
            continue
        parts = said.split(",") if label in ("color", "compatibility") else []
        for value in {said, *parts}:
            if len(value.strip()) > 1 and value.strip().lower() not in _NO_VALUE:
                yield label, value.strip()


def _type_of(text: str, pieces: tuple[Piece, ...]) -> str:
    types = [text[p.start : p.end].lower() for p in pieces if p.label == "product_type"]
    return types[-1] if types else ""
