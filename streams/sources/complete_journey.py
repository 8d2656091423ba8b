"""Complete Journey 2.0 (84.51°): one line of its CSV tables a record.

Transactions: a basket is a session and an order, a household the shopper; times carry no zone and
are taken as UTC. Products have no names: the product type is the title ("KIDS CEREAL"), under it
the category path department > category > type. Their column `brand` says National or Private,
which is no brand: it is told as `brand_kind`.

Source: the R package completejourney, `?transactions` and `?products`.
"""

from typing import Final

from streams.sources.csv_line import number, split
from streams.sources.said import (
    PURCHASE,
    RawEvent,
    RawProduct,
    Rejected,
    Said,
    Source,
    Unused,
)
from streams.sources.times import to_ms

TRANSACTION_COLUMNS: Final = (
    "household_id",
    "store_id",
    "basket_id",
    "product_id",
    "quantity",
    "sales_value",
    "retail_disc",
    "coupon_disc",
    "coupon_match_disc",
    "week",
    "transaction_timestamp",
)
PRODUCT_COLUMNS: Final = (
    "product_id",
    "manufacturer_id",
    "department",
    "brand",
    "product_category",
    "product_type",
    "package_size",
)


def transactions() -> Source:
    """Purchases, line by line."""
    return Source(lambda value: (read_transaction(value),), event_time)


def products() -> Source:
    """Catalog records, line by line."""
    return Source(lambda value: (read_product(value),), lambda _: None, catalog=True)


def event_time(value: bytes) -> int | None:
    """Time of the transaction."""
    fields = split(value, TRANSACTION_COLUMNS)
    return to_ms(fields[10], "iso") if isinstance(fields, list) else None


def read_transaction(value: bytes) -> Said:
    """What one line of the transactions says."""
    fields = split(value, TRANSACTION_COLUMNS)
    if not isinstance(fields, list):
        return fields
    quantity = number(fields[4])
    if quantity is None:
        return Rejected("wrong_type", "quantity is no number")
    if quantity <= 0:
        return Unused("no_quantity")
    at_ms = to_ms(fields[10], "iso")
    if at_ms is None:
        return Rejected("bad_time", "transaction_timestamp cannot be read")
    household, basket, product = (fields[place].strip() for place in (0, 2, 3))
    return RawEvent(PURCHASE, at_ms, household, product, session=basket, order=basket)


def read_product(value: bytes) -> Said:
    """What one line of the products says."""
    fields = split(value, PRODUCT_COLUMNS)
    if not isinstance(fields, list):
        return fields
    product, maker, department, brand, category, kind, size = (each.strip() for each in fields)
    path = tuple(each for each in (department, category, kind) if each)
    told = {"manufacturer_id": maker, "brand_kind": brand, "package_size": size}
    return RawProduct(
        product,
        kind or category or department,
        category=path,
        attributes={name: [each] for name, each in told.items() if each},
    )
