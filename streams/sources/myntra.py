"""Myntra's fashion products ("Fashion Product Images"): one JSON object a record.

The category path is masterCategory > subCategory > articleType; every other field is an
attribute under its own name. "NA" and nothing mean that a value is missing.
"""

from typing import Final

import msgspec

from streams.sources import json_text
from streams.sources.fields import attributes_of, id_of, text_of
from streams.sources.said import RawProduct, Rejected, Said, Source

_decode = msgspec.json.Decoder(dict[str, object]).decode
_PATH: Final = ("masterCategory", "subCategory", "articleType")
_MISSING: Final = (None, "", "NA")


def source() -> Source:
    """Catalog records."""
    return Source(lambda value: (read(value),), lambda _: None, catalog=True)


def read(value: bytes) -> Said:
    """What one record says."""
    record = json_text.decode(_decode, value)
    if isinstance(record, Rejected):
        return record
    told = {name: each for name, each in record.items() if each not in _MISSING}
    return RawProduct(
        id_of(told.pop("id", None)),
        text_of(told.pop("title", None)),
        category=tuple(text_of(told[name]) for name in _PATH if name in told),
        attributes=attributes_of(told),
    )
