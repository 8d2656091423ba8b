"""Icecat products as the Chorus project publishes them: one JSON object a record.

Their fields name their own types (`attr_t_` text, `attr_n_` number, `attr_b_` yes or no): the
prefix is no part of the attribute's name. `supplier` is the brand. Pictures are left out.
"""

from typing import Final

import msgspec

from streams.sources import json_text
from streams.sources.fields import attributes_of, id_of, text_of
from streams.sources.said import RawProduct, Rejected, Said, Source

_decode = msgspec.json.Decoder(dict[str, object]).decode
_PREFIXES: Final = ("attr_t_", "attr_n_", "attr_b_")
_OWN: Final = frozenset(("id", "title", "short_description", "supplier"))


def source() -> Source:
    """Catalog records."""
    return Source(lambda value: (read(value),), lambda _: None, catalog=True)


def read(value: bytes) -> Said:
    """What one record says."""
    record = json_text.decode(_decode, value)
    if isinstance(record, Rejected):
        return record
    fields: dict[str, object] = {"brand": record.get("supplier")}
    for name, each in record.items():
        if name in _OWN or name.startswith("img_"):
            continue
        bare = name[len(_PREFIXES[0]) :] if name.startswith(_PREFIXES) else name
        fields[bare if bare not in fields else name] = each
    return RawProduct(
        id_of(record.get("id")),
        text_of(record.get("title")) or text_of(record.get("name")),
        text_of(record.get("short_description")),
        attributes=attributes_of(fields),
    )
