"""Which words of a shop's events mean what; shared by the native form and by mapping files."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from streams.sources.fields import text_of
from streams.sources.said import (
    ADD_TO_CART,
    CLICK,
    PURCHASE,
    RETURN,
    SEARCH,
    Kind,
    Rejected,
    Unused,
)

PURCHASE_ACTIONS: Final = ("purchase", "buy", "order", "checkout")
"""Words that count as a purchase where the setting `purchase_actions` says nothing else."""

_WORDS: Final[dict[Kind, str]] = {
    SEARCH: "search on_search query site_search products_searched",
    CLICK: "click click_through item_click product_click product_clicked product_selected "
    "select_item list_click view view_item product_view product_viewed detail_page_view watch",
    ADD_TO_CART: "add_to_cart product_added cart_add added_to_cart",
    PURCHASE: "purchase order_completed purchase_complete transaction",
    RETURN: "return refund order_refunded product_returned purchase_cancelled",
}
KNOWN: Final[dict[str, Kind]] = {
    word: kind for kind, words in _WORDS.items() for word in words.split()
}
"""Source: action names of UBI 1.3, and the same actions in Segment, GA4, Retail and Snowplow."""


@lru_cache(maxsize=4096)
def folded(word: str) -> str:
    """One spelling: "Order Completed" and "order-completed" are "order_completed"."""
    return "_".join(word.lower().replace("-", " ").replace("_", " ").split())


class Actions(dict[str, Kind | None]):
    """Word of a shop's event -> kind, or None where the graph makes nothing of it.

    Any word can be looked up; what was found is remembered.

    Args:
        purchase_actions: words that count as a purchase, also those of another kind
            ("add_to_cart"). Without "purchase" among them, purchases do not count.
    """

    def __init__(self, purchase_actions: Iterable[str] = PURCHASE_ACTIONS) -> None:
        super().__init__()
        self._bought = frozenset(folded(word) for word in purchase_actions)

    def __missing__(self, word: str) -> Kind | None:
        kind = self._look_up(folded(word))
        if len(self) < 1_000:  # a source may make words up for ever
            self[word] = kind
        return kind

    def _look_up(self, word: str) -> Kind | None:
        if word in self._bought:
            return PURCHASE
        kind = KNOWN.get(word)
        return None if kind is None else self.counted(kind)

    def counted(self, kind: Kind) -> Kind | None:
        """The kind under the setting: a cart may be a purchase, a purchase may be none."""
        if kind in self._bought:
            return PURCHASE
        return None if kind == PURCHASE else kind


def by_quantity(kind: Kind, quantity: object) -> Kind | Rejected | Unused:
    """What a line is by its quantity: a purchase of none is nothing, of less than none a return."""
    if kind != PURCHASE:
        return kind
    try:
        number = float(text_of(quantity))
    except ValueError:
        return Rejected("wrong_type", "the quantity is no number")
    if number > 0:
        return PURCHASE
    if number < 0:
        return RETURN
    return Unused("no_quantity") if number == 0 else Rejected("wrong_type", "the quantity is NaN")
