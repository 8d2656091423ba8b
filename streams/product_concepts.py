"""The totals of concepts that the products of one partition add to, and what stands behind them."""

from collections import Counter

from streams.messages import BOUGHT, WEIGHT
from streams.ports import State
from streams.product_counts import (
    Intent,
    Meaning,
    Scope,
    both_keys,
    bought_keys,
    intent_keys,
    meaning_of,
)
from streams.product_rows import decode_counted, encode_counted
from streams.product_samples import PRODUCT, QUERY, Samples
from streams.totals import Inbox, Outbox
from streams.wire import join, split


class Concepts:
    """Counts purchases, asked ones and others, for types and concepts.

    At any time what is told is the sum over all totals received so far, each under the scope of
    its product; the caller says when either changes.
    """

    def __init__(self, state: State, inbox: Inbox, outbox: Outbox, samples: Samples) -> None:
        self._state, self._inbox, self._outbox = state, inbox, outbox
        self._samples = samples

    def bought(self, scope: Scope, week: bytes, delta: int) -> None:
        """The purchases of a product of this scope have moved by `delta`."""
        for key in bought_keys(scope, week):
            self._outbox.add("claims", key, delta)

    def asked(
        self,
        total: tuple[bytes, bytes, bytes, bytes],
        n: int,
        payload: bytes,
        scope: Scope,
        node: str,
    ) -> None:
        """The total `asked` of (product, query, kind, week) is now `n` and says `payload`.

        `scope` and `node` are the product's.
        """
        *_, kind, week = total
        name = join(*total)
        old_n, old_payload = decode_counted(self._state.get("counted", name))
        if n:
            self._state.put("counted", name, encode_counted(n, payload))
        else:
            self._state.delete("counted", name)
        old, new = meaning_of(old_payload), meaning_of(payload)
        if old_n and n and old == new:
            self._weigh(scope, new, week, (n - old_n) * WEIGHT[kind])
            return
        for meaning, sign, count in ((old, -1, old_n), (new, 1, n)):
            if count:
                self._weigh(scope, meaning, week, sign * count * WEIGHT[kind])
                for intent in meaning.intents:
                    self._stand(scope, intent, week, {meaning.query: sign}, node)

    def move(self, product: bytes, node: str, old: Scope, new: Scope) -> None:
        """All totals of the product now count for another scope."""
        gone, come = old.without(new), new.without(old)
        if not any(gone) and not any(come):
            return
        for key, n, _ in self._inbox.scan("bought", join(product, BOUGHT, b"")):
            week = split(key)[-1]
            self.bought(gone, week, -n)
            self.bought(come, week, n)
        weights: Counter[tuple[Intent, bytes]] = Counter()
        queries: dict[tuple[Intent, bytes], Counter[str]] = {}
        for key, row in self._state.scan("counted", join(product, b"")):
            *_, kind, week = split(key)
            n, payload = decode_counted(row)
            meaning = meaning_of(payload)
            for intent in meaning.intents:
                weights[intent, week] += n * WEIGHT[kind]
                queries.setdefault((intent, week), Counter())[meaning.query] += 1
        for (intent, week), weight in weights.items():
            meant = Meaning(intents=(intent,))
            counts = queries[intent, week]
            self._weigh(gone, meant, week, -weight)
            self._stand(gone, intent, week, {text: -n for text, n in counts.items()}, node)
            self._weigh(come, meant, week, weight)
            self._stand(come, intent, week, counts, node)

    def _weigh(self, scope: Scope, meaning: Meaning, week: bytes, delta: int) -> None:
        for intent in meaning.intents:
            for key in intent_keys(scope, intent, week):
                self._outbox.add("claims", key, delta)
            for key in both_keys(scope, intent, week):
                self._outbox.add("claims", key, delta)

    def _stand(
        self, scope: Scope, intent: Intent, week: bytes, queries: dict[str, int], node: str
    ) -> None:
        """So many more totals of each query, and all of them of the product, stand behind it."""
        for key in both_keys(scope, intent, week):
            for text, delta in queries.items():
                self._samples.move(key, QUERY, text, delta)
            self._samples.move(key, PRODUCT, node, sum(queries.values()))
