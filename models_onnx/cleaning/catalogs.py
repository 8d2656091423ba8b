"""What catalogs say of their products, under the catalogs' own attribute names.

Every value counts, whether the title mentions it or not: what a shop's own catalog looks like
before anybody mapped its fields. `stated` in `data` are claims under our labels instead.
"""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from models_onnx.spans import Claim

LONGEST_VALUE = 120
"""Characters; what is longer is a description, not a value."""

MAIN = (
    "supplier", "attr_t_product_colour", "attr_t_cable_colour", "attr_t_printing_colours",
    "attr_t_material", "attr_t_product_type", "attr_t_brand_compatibility",
    "attr_t_compatibility", "attr_t_internal_memory_type", "attr_t_display_resolution",
    "attr_t_finish_type", "attr_t_print_technology", "attr_t_connector_1", "attr_t_connector_2",
    "attr_t_processor_family", "attr_n_display_diagonal", "attr_n_internal_memory",
)  # fmt: skip
"""Fields of Icecat that say what shoppers ask for; the other 4,800 are mostly measures."""

OTHERS_OF_A_PRODUCT = 10
"""Other values of one Icecat product: some have 200, which would make a catalog of notebooks."""

_NO_TYPE = "1"
"""What Icecat writes where nobody gave a type: no claim of the catalog's, right or wrong."""

_MYNTRA = ("gender", "masterCategory", "subCategory", "articleType", "baseColour", "usage")
_MYNTRA_GUESSED = ("season", "year")
"""Fields that nothing about the product hints at (a swapped one is as likely); see `LIMITS`."""


def icecat(path: Path) -> Iterator[Claim]:
    """Brand and attributes of electronics; hardly any have a product type."""
    for row in _rows(path):
        if row.get("attr_t_product_type") == _NO_TYPE:
            row = {**row, "attr_t_product_type": ""}
        kind = str(row.get("attr_t_product_type", "")).lower()
        others = [k for k in row if k.startswith("attr_") and k not in MAIN]
        # A slice that differs from product to product, the same in every run.
        first = int(row["id"]) % max(1, len(others) - OTHERS_OF_A_PRODUCT)
        for field in (*MAIN, *others[first:][:OTHERS_OF_A_PRODUCT]):
            value = " ".join(str(row.get(field, "")).split())
            if value and len(value) <= LONGEST_VALUE:
                # Its own type would answer for the field that names it.
                own = "" if field.endswith("product_type") else kind
                yield Claim(row["title"], own, field, value)


def myntra(path: Path) -> Iterator[Claim]:
    """Fields of fashion products, whose type is always given."""
    for row in _rows(path):
        for field in (*_MYNTRA, *_MYNTRA_GUESSED):
            if value := str(row.get(field, "")).strip():
                # Its own type would answer for the fields that name it.
                kind = "" if field.endswith(("Category", "Type")) else row["articleType"].lower()
                yield Claim(row["title"], kind, field, value)


def oa_mine(path: Path) -> Iterator[Claim]:
    """Hand-marked values, all of which stand in the title."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            for attribute, values in row["target_scores"].items():
                for value in values:
                    if value != "n/a":
                        yield Claim(row["input"], row["category"].lower(), attribute, value)


def wdc_pave(path: Path) -> Iterator[Claim]:
    """Hand-marked values that the offer's title (not its description) gives. To measure only."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            for attribute, values in row["target_scores"].items():
                for value, said in values.items():
                    if value != "n/a" and 0 in said.get("pid", ()):
                        kind = row["category"].lower()
                        yield Claim(row["input_title"], kind, attribute, value)


def taxonomy(folder: Path) -> Iterator[Claim]:
    """Which values the attributes of a product category may have, without a text."""
    names = {a["friendly_id"]: a for a in _yaml(folder / "attributes.yml")["base_attributes"]}
    values = {v["friendly_id"]: v["name"] for v in _yaml(folder / "values.yml")}
    for path in sorted((folder / "categories").glob("*.yml")):
        for category in _yaml(path):
            for one in category.get("attributes") or ():
                attribute = names.get(one, {"name": "", "values": ()})
                for value in attribute["values"]:
                    if value in values:
                        kind = category["name"].lower()
                        yield Claim("", kind, attribute["name"], values[value])


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _yaml(path: Path) -> Any:
    # The C parser where there is one: it takes a tenth of the time.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with path.open(encoding="utf-8") as file:
        return yaml.load(file, loader)  # noqa: S506 - both are safe loaders
