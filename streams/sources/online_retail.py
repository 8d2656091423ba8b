"""UCI Online Retail: one line of its CSV a record; an invoice is a session and an order.

`InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country`

Invoices whose number begins with C are returns, each of that customer's latest earlier purchase
of the item: they name no order. A quarter of the lines has no customer: there the invoice stands
for the shopper, so that its basket still counts. Times carry no zone and are taken as UTC. What is
no sale (postage, fees, corrections of the stock) is told by its code, its quantity or its price.

The description is the product's title. A source knows nothing of the lines before, so the
products are not told here, line by line, but by `play`, once for each code and description.

Source: UCI Machine Learning Repository, data set 352, "Variables Table".
"""

from typing import Final, NamedTuple

from streams.sources.csv_line import number, split
from streams.sources.fields import id_of
from streams.sources.said import (
    PURCHASE,
    RETURN,
    Kind,
    RawEvent,
    Rejected,
    Said,
    Source,
    Unused,
)
from streams.sources.times import to_ms

COLUMNS: Final = (
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
)
_SERVICES: Final = frozenset(
    ("POST", "DOT", "M", "D", "S", "C2", "B", "CRUK", "AMAZONFEE", "BANK CHARGES")
)
"""Postage, carriage, manual entries, discounts, samples, bad debt, commission, fees."""
_VOUCHER: Final = "GIFT_"


class Line(NamedTuple):
    """One line, taken apart once.

    Attributes:
        said: what it says.
        shopper: the customer, else the invoice; "" where there is neither.
        at_ms: time of the invoice.
        product, title: code and description as they stand there.
    """

    said: Said
    shopper: str = ""
    at_ms: int | None = None
    product: str = ""
    title: str = ""


def source() -> Source:
    """Purchases and returns, line by line."""
    return Source(lambda value: (look(value).said,), event_time)


def event_time(value: bytes) -> int | None:
    """Time of the line's invoice."""
    fields = split(value, COLUMNS)
    return to_ms(fields[4], "iso") if isinstance(fields, list) else None


def look(value: bytes) -> Line:
    """What stands in one line, and what it says."""
    fields = split(value, COLUMNS)
    if not isinstance(fields, list):
        return Line(fields)
    invoice, code, title, quantity, date, price, customer, _ = fields
    at_ms = to_ms(date, "iso")
    shopper = id_of(number(customer)) or customer.strip() or f"invoice {invoice}"
    said = _said(invoice, code.strip(), number(quantity), date, at_ms, number(price), shopper)
    return Line(said, shopper, at_ms, code.strip(), title.strip())


def _said(
    invoice: str,
    code: str,
    quantity: float | None,
    date: str,
    at_ms: int | None,
    price: float | None,
    shopper: str,
) -> Said:
    if quantity is None or price is None:
        return Rejected("wrong_type", "Quantity or UnitPrice is no number")
    if at_ms is None:
        return Rejected("bad_time" if date.strip() else "missing_time", "InvoiceDate")
    if not invoice.strip():
        return Rejected("missing_id", "InvoiceNo is empty")
    is_return = invoice[:1] in "Cc"
    unsold = _unsold(code.upper(), quantity, price, is_return=is_return)
    if unsold is not None:
        return unsold
    kind: Kind = RETURN if is_return else PURCHASE
    order = "" if is_return else invoice
    return RawEvent(kind, at_ms, shopper, code, session=invoice, order=order)


def _unsold(code: str, quantity: float, price: float, *, is_return: bool) -> Said | None:
    """Why the line is neither a sale nor the return of one; None when it is."""
    if code in _SERVICES or code.startswith(_VOUCHER):
        return Unused("service")
    if quantity == 0:
        return Unused("no_quantity")
    if (quantity < 0) != is_return:
        return Unused("adjustment")  # stock lost or found; a C invoice that takes nothing back
    if price <= 0 and not is_return:
        return Unused("no_price")
    return None
