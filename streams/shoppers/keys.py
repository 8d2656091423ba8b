"""Which totals a shopper adds 1 to, from purchases that are already joined to their searches.

`windows.standing` says the same from raw events; here it is from what a row keeps, so that a
return of last month can be taken back without the events of last month.
"""

from collections.abc import Collection, Iterable

from msgspec import Struct

from streams.shoppers.windows import Led, stable_order
from streams.totals.messages import ASKED, BOUGHT, CLICKED, WITH
from streams.totals.wire import join
from streams.weeks import week_key, week_of

QUERY_BYTES = 16
ASKED_INFIX = b"\0a\0"
_IN_SEARCHED = {ASKED, CLICKED}


class Bought(Struct, array_like=True, gc=False):
    """A purchase, with all that a return needs to take it back.

    Attributes:
        led: the queries that led to it.
        taken: a return took it back; only set once that return is settled.
    """

    at: int
    id: str
    product: str
    order: str
    led: Led
    taken: bool = False


class Basket(Struct, array_like=True, gc=False):
    """The purchases of one session.

    Attributes:
        products: the different ones among them, in any order.
        plain: no more of them than may be paired, and none that a return took: a purchase that
            joins adds its own pairs and changes no others.
        over: how many products are not paired because there are too many.
        since: minute in which the visit began that the session is of (`windows.visits_of`).
    """

    bought: list[Bought]
    products: dict[str, None]
    plain: bool = True
    over: int = 0
    since: int = 0


def asked_key(query: bytes, at_ms: int) -> bytes:
    """Key of the total of those who asked a query in the week."""
    return query + ASKED_INFIX + week_key(week_of(at_ms))


def topic_of(key: bytes) -> str:
    """The topic of a total that SHOPPERS tells; its letters (`totals/messages.py`) say which."""
    parts = key.split(b"\0")
    if parts[1] in _IN_SEARCHED or (parts[1] == BOUGHT and len(parts) == 4):
        return "searched"
    return "bought"


def standing_of(
    asked: Iterable[bytes],
    baskets: Iterable[Basket],
    taken: Collection[str],
    limit: int,
) -> set[bytes]:
    """Keys of all totals that these searches and purchases add 1 to.

    Args:
        asked: keys of the totals of the queries asked.
        baskets: all that was bought.
        taken: ids of purchases that are taken back besides those marked so.
        limit: products of a basket that are paired, lowest hash first.
    """
    keys = set(asked)
    not_clicked: set[tuple[bytes, bytes, bytes]] = set()
    for basket in baskets:
        paired = _paired(basket, limit)
        weeks: dict[bytes, set[bytes]] = {}
        for bought in basket.bought:
            if bought.taken or bought.id in taken:
                continue
            product, week = bought.product.encode(), week_key(week_of(bought.at))
            keys.add(join(product, BOUGHT, week))
            for query, clicked in bought.led:
                if clicked:
                    keys.add(join(query, CLICKED, product, week))
                else:
                    not_clicked.add((query, product, week))
            if bought.product in paired:
                weeks.setdefault(product, set()).add(week)
        keys.update(_pairs(weeks))
    for query, product, week in not_clicked:
        if join(query, CLICKED, product, week) not in keys:
            keys.add(join(query, BOUGHT, product, week))
    return keys


def _pairs(weeks: dict[bytes, set[bytes]]) -> Iterable[bytes]:
    """Every two products, the lower id first; the week is that of the later purchase."""
    products = sorted(weeks.items())
    for place, (one, its_weeks) in enumerate(products):
        for other, other_weeks in products[place + 1 :]:
            for week in {max(a, b) for a in its_weeks for b in other_weeks}:
                yield join(one, WITH, other, week)


def _paired(basket: Basket, limit: int) -> Collection[str]:
    """The products that are paired: chosen before returns, so that a return changes no others."""
    if len(basket.products) <= limit:
        return basket.products
    return set(sorted(basket.products, key=stable_order)[:limit])


def mark(basket: Basket, taken: set[str]) -> bool:
    """Mark what was taken back; whether anything was."""
    found = [each for each in basket.bought if each.id in taken and not each.taken]
    for bought in found:
        bought.taken, basket.plain = True, False
    return bool(found)


def count_over(baskets: Iterable[Basket], paired: int) -> int:
    """Set `over` of every basket; returns their sum."""
    over = 0
    for basket in baskets:
        if len(basket.products) > paired:
            basket.over = len(basket.products) - paired
            over += basket.over
    return over
