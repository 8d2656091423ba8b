"""Tells what changes of what a shopper stands for, as totals one larger or one smaller."""

from collections.abc import Mapping, Sequence

from streams.shoppers.keys import ASKED_INFIX, QUERY_BYTES, Basket, Bought, topic_of
from streams.shoppers.sessions import Sessions, Step
from streams.shoppers.windows import SEARCH, query_hash
from streams.totals.outbox import Outbox
from topology.wording import normalise


class Telling:
    """The totals of one partition; `told` is what one shopper has told so far, and is moved on."""

    def __init__(self, outbox: Outbox, sessions: Sessions) -> None:
        self._outbox, self._sessions = outbox, sessions

    def asked(self, told: dict[bytes, None], steps: Sequence[Step]) -> None:
        """Tell of searches what does not hang on any other event."""
        asked_key, add = self._sessions.asked_key, self._outbox.add
        for step in steps:
            if step.kind == SEARCH:
                key = asked_key(query_hash(step.what), step.at)
                if key not in told:
                    told[key] = None
                    if add("searched", key, 1) == 1:
                        self._describe(key, step.what)

    def purchase(self, told: dict[bytes, None], bought: Bought, basket: Basket) -> None:
        """Tell what a purchase adds that joins a plain basket as its last one."""
        add, product = self._outbox.add, bought.product.encode()
        self._sessions.week_of(bought.at)
        week = b"\0" + self._sessions.week_key
        keys = [product + b"\0b" + week]
        if len(basket.products) > 1:
            for name in basket.products:
                if name != bought.product:
                    other = name.encode()
                    if product < other:
                        keys.append(product + b"\0w\0" + other + week)
                    else:
                        keys.append(other + b"\0w\0" + product + week)
        for key in keys:
            if key not in told:
                told[key] = None
                add("bought", key, 1)
        for query, clicked in bought.led:
            sure = query + b"\0c\0" + product + week
            if sure in told:
                continue
            unsure = query + b"\0b\0" + product + week
            if clicked:
                if unsure in told:
                    del told[unsure]
                    add("searched", unsure, -1)
                told[sure] = None
                add("searched", sure, 1)
            elif unsure not in told:
                told[unsure] = None
                add("searched", unsure, 1)

    def difference(
        self, told: Mapping[bytes, None], after: Mapping[bytes, None], texts: Mapping[bytes, str]
    ) -> None:
        """Tell what a shopper stands for now and did not before, and the other way round.

        `texts`: by hash, the queries that may be new.
        """
        add = self._outbox.add
        for key in after.keys() - told.keys():
            add(topic_of(key), key, 1)
            if key[QUERY_BYTES:].startswith(ASKED_INFIX):
                self._describe(key, texts[key[:QUERY_BYTES]])
        for key in told.keys() - after.keys():
            left = add(topic_of(key), key, -1)
            if not left and key[QUERY_BYTES:].startswith(ASKED_INFIX):
                self._outbox.describe("searched", key, b"")  # nobody's words any more

    def _describe(self, key: bytes, query: str) -> None:
        """Say what was asked, in the spelling that all spellings of the same hash share."""
        self._outbox.describe("searched", key, normalise(query).encode())
