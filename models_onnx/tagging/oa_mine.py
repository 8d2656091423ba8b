"""Reader of OA-Mine: Amazon titles of ten product types, every attribute value marked by people.

Each line: {"input": title, "category": "Coffee", "target_scores": {attribute: {value: 1}}}, "n/a"
standing for no value. All values stand in the title.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from models_onnx.tagging.examples import Labelled
from models_onnx.tagging.finding import add, find_values, whole_word

OA_MINE = {
    "Brand": "brand",
    "Specialty": "feature",
    "Flavor": "flavor",
    "Color": "color",
    "Pack size": "pack",
    "Load size": "quantity",
    "Supply size": "quantity",
    "Scent": "scent",
    "Gender": "audience",
    "Age": "audience",
    "Age range": "audience",
    "Animal": "audience",
    "Size": "size",
    "Volume": "size",
    "Dosage": "dosage",
    "Item form": "form",
    "Supplement type": "product_type",
    "Shoe type": "product_type",
    "Tea variety": "product_type",
    "Sub brand": "product_type",
    "Cereal type": "variety",
    "Mask type": "variety",
    "Model name": "model",
    "Material": "material",
    "Benefit": "function",
    "Health benefit": "function",
    "Specific uses": "function",
    "Skin type": "body_part",
    "Hair type": "body_part",
    "Machine type": "compatibility",
    "Sport": "activity",
    "Country": "origin",
    "Roast type": "grade",
    "Layer": "grade",
    "Firmness": "grade",
    "Protection level": "grade",
    "Certified grade": "grade",
    "Closure type": "closure",
    "Closure": "closure",
    "Operation mode": "power_source",
    "Power source": "power_source",
    "Container": "packaging",
    "Container type": "packaging",
    "Package type": "packaging",
    "Cap": "packaging",
    "Diet": "diet",
    "Reusability": "feature",
    "Caffeine content": "feature",
    "Waterproof": "feature",
    "Administration type": "feature",
}
"""OA-Mine's attributes and our labels. Its "Sub brand" is the kind of cereal: granola, oatmeal."""

_TYPE_IS_A_VALUE = frozenset({"Shoes", "Vitamin", "Tea", "Breakfast Cereal"})
"""Categories that have an attribute for the kind of thing: its other mentions bear no label."""

_COUNTED = re.compile(
    r"^[\d,]+$|\b(count|ct|ea|tablets?|capsules?|bags?|pods?|cups?|softgels?|pcs|pieces?|caps|"
    r"gummies|packets|boxes|servings?|masks?|brushes)\b|\dpcs",
    re.IGNORECASE,
)
_PACKED = re.compile(r"pack|\bpk|\bset\b|\bcase\b|\blot\b|\bbox", re.IGNORECASE)
_DIET = re.compile(r"\b(gluten|vegan|vegetarian|kosher|halal|keto|paleo|grain)\b", re.IGNORECASE)


def label_of(attribute: str, value: str) -> str:
    """Our label for a value of OA-Mine's `attribute`."""
    if attribute == "Net content":
        if _PACKED.search(value):
            return "pack"
        return "quantity" if _COUNTED.search(value) else "size"
    if attribute == "Specialty" and _DIET.search(value):
        return "diet"
    return OA_MINE.get(attribute, "other")


def read(path: Path) -> Iterator[Labelled]:
    """The titles of one file, in order."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            text = row["input"]
            values = [
                (label_of(attribute, value), value)
                for attribute, given in row["target_scores"].items()
                for value in given
                if value != "n/a"
            ]
            pieces = find_values(text, values)
            if row["category"] not in _TYPE_IS_A_VALUE:
                pieces = add(pieces, whole_word(text, row["category"].lower(), "product_type"))
            yield Labelled(
                text=text,
                kind="title",
                type=row["category"].lower(),
                pieces=pieces,
                source="oa-mine",
            )
