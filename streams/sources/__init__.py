"""What shops send, format by format: `find` gives the pure functions that read one."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from streams.errors import SourceError
from streams.sources import (
    complete_journey,
    icecat,
    mapping,
    myntra,
    native,
    online_retail,
    ubi_ndjson,
)
from streams.sources.actions import PURCHASE_ACTIONS
from streams.sources.said import Source

SOURCES: Final[dict[str, Callable[[Iterable[str]], Source]]] = {
    "native": native.source,
    "native-catalog": lambda _: native.catalog(),
    "ubi": ubi_ndjson.source,
    "online-retail": lambda _: online_retail.source(),
    "icecat": lambda _: icecat.source(),
    "myntra": lambda _: myntra.source(),
    "complete-journey": lambda _: complete_journey.transactions(),
    "complete-journey-products": lambda _: complete_journey.products(),
}
"""Format -> its source, given the words that count as a purchase."""

MAPPING: Final = "mapping:"


def find(spec: str, purchase_actions: Iterable[str] = PURCHASE_ACTIONS) -> Source:
    """The source of a format.

    Args:
        spec: a name of `SOURCES`; or a field-mapping file, as "mapping:FILE" or a path that ends
            in ".toml".
        purchase_actions: words of the shop's own events that count as a purchase.

    Raises:
        SourceError: there is no such format, or the mapping file cannot be used.
    """
    if spec in SOURCES:
        return SOURCES[spec](purchase_actions)
    if spec.startswith(MAPPING) or spec.endswith(".toml"):
        path = Path(spec.removeprefix(MAPPING)).expanduser()
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(f"mapping file {path} cannot be read: {error}") from error
        return mapping.source(text, path.name, purchase_actions)
    raise SourceError(
        f"{spec!r} is no format: use one of {', '.join(SOURCES)}, or the path of a mapping file "
        "(NAME.toml)"
    )
