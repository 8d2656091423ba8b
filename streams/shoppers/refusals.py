"""Why a record of `events` cannot be used: a reason and words for its dead letter; pure."""

import msgspec

from streams.shoppers.sessions import Step
from streams.shoppers.windows import SEARCH


def unread(value: bytes | None, error: Exception) -> tuple[str, str]:
    """Reason and detail of a value that is no event; nothing of the value itself."""
    if value is None:
        return "wrong_type", "a record without a value: events are never withdrawn"
    if isinstance(error, UnicodeError):
        return "bad_utf8", "text is not UTF-8"
    if isinstance(error, RecursionError):
        return "too_deep", "JSON is nested too deep"
    if isinstance(error, msgspec.ValidationError):
        said = str(error)
        if said.startswith("Invalid value"):  # quotes the value
            said = "unknown value at " + said.rpartition(" - at ")[2]
        return "wrong_type", said
    return "not_json", str(error)


def refused(shopper: str, step: Step, latest: int) -> tuple[str, str]:
    """Reason and detail of an event that cannot be used for what it says of itself."""
    if step.at < 0:
        return "bad_time", "before 1970"
    if step.at > latest:
        return "future", f"{step.at - latest} ms more than allowed ahead of the record's timestamp"
    if step.kind == SEARCH and not step.what:
        return "empty_query", "a search without text"
    if not (shopper and step.id and step.what):
        return "missing_id", "no shopper, event id or product"
    return "bad_id", "a NUL character in a product id or a query"
