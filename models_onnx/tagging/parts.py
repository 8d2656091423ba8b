"""Which rows of a data set's file the tagger is measured on: the split of `data.read`, by row.

A title of a brand that is held out counts too, so the parts are harder than chance would make them:
none of their titles, and not all of their brands, were ever trained on.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from models_onnx.errors import DataError
from models_onnx.sets import lines
from models_onnx.tagging.splits import VALIDATION_SHARE, for_validation, held_out

Fields = Mapping[str, Any]


def _oa_mine(row: Fields) -> bool:
    brands = row.get("target_scores", {}).get("Brand", {})
    return for_validation(str(row["input"])) or any(map(_is_new_brand, brands))


def _icecat(row: Fields) -> bool:
    return for_validation(str(row["title"])) or _is_new_brand(str(row.get("supplier", "")))


def _myntra(row: Fields) -> bool:
    return for_validation(str(row["title"]))


def _offer(row: Fields) -> bool:
    return for_validation(str(row["product_title"]))


def _is_new_brand(brand: str) -> bool:
    return held_out("brand", brand, part=VALIDATION_SHARE)


MEASURED: Mapping[str, Callable[[Fields], bool]] = {
    "oa-mine": _oa_mine,
    "icecat": _icecat,
    "myntra-styles": _myntra,
    "pricerunner": _offer,
}
"""Set -> whether a row is measured on. QueryNER comes in parts of its own."""


def split(name: str, path: Path) -> Iterator[tuple[bool, str]]:
    """(whether it is measured on, the row as JSON) for every row of a file.

    Raises:
        DataError: the set has no split, or the file is not of its format.
    """
    if name not in MEASURED:
        known = ", ".join(MEASURED)
        raise DataError(f"no split of {name!r}: there is one of {known}; query-ner has files apart")
    for row in lines.rows(path):
        try:
            measured = MEASURED[name](row.fields)
        except (KeyError, TypeError, AttributeError) as error:
            row.fail(f"is no row of {name} ({error!r})")
        yield measured, json.dumps(row.fields, ensure_ascii=False)
