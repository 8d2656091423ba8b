"""The totals of concepts that the products of one partition add to, and what stands behind them."""

from collections import Counter
from functools import partial

from streams.ports import State
from streams.products.counts import (
    Intent,
    Meaning,
    Scope,
    asked_scope,
    both_keys,
    bought_keys,
    intent_keys,
    meaning_of,
)
from streams.products.rows import decode_counted, encode_counted
from streams.products.samples import PRODUCT, QUERY, Samples
from streams.totals.inbox import Inbox
from streams.totals.messages import BOUGHT, WEIGHT
from streams.totals.outbox import Outbox
from streams.totals.wire import join, split
from topology.facts import type_node
from topology.ontology import Ontology


class Concepts:
    """Counts purchases, asked ones and others, for types and concepts.

    At any time what is told is the sum over all totals received so far, each under the scope of
    its product; the caller says when either changes.
    """

    def __init__(
        self, state: State, inbox: Inbox, outbox: Outbox, samples: Samples, ontology: Ontology
    ) -> None:
        self._state, self._inbox, self._outbox = state, inbox, outbox
        self._samples = samples
        self._above = partial(_above, ontology, {})

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
                asked = asked_scope(scope, meaning.types, self._above)
                for intent in meaning.intents:
                    self._stand(asked, intent, week, {meaning.query: sign}, node)

    def move(self, product: bytes, node: str, old: Scope, new: Scope) -> None:
        """All totals of the product now count for another scope."""
        if old == new:
            return
        gone, come = old.without(new), new.without(old)
        for key, n, _ in self._inbox.scan("bought", join(product, BOUGHT, b"")):
            week = split(key)[-1]
            self.bought(gone, week, -n)
            self.bought(come, week, n)
        weights: Counter[tuple[Meaning, bytes]] = Counter()
        queries: dict[tuple[Meaning, bytes], Counter[str]] = {}
        for key, row in self._state.scan("counted", join(product, b"")):
            *_, kind, week = split(key)
            n, payload = decode_counted(row)
            meaning = meaning_of(payload)
            for intent in meaning.intents:
                one = Meaning(intents=(intent,), types=meaning.types)
                weights[one, week] += n * WEIGHT[kind]
                queries.setdefault((one, week), Counter())[meaning.query] += 1
        for (one, week), weight in weights.items():
            was, now = (asked_scope(each, one.types, self._above) for each in (old, new))
            counts = queries[one, week]
            (intent,) = one.intents
            for scope, sign in ((was.without(now), -1), (now.without(was), 1)):
                self._add(scope, intent, week, sign * weight)
                told = {text: sign * n for text, n in counts.items()}
                self._stand(scope, intent, week, told, node)

    def _weigh(self, scope: Scope, meaning: Meaning, week: bytes, delta: int) -> None:
        asked = asked_scope(scope, meaning.types, self._above)
        for intent in meaning.intents:
            self._add(asked, intent, week, delta)

    def _add(self, scope: Scope, intent: Intent, week: bytes, delta: int) -> None:
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


def _above(
    ontology: Ontology, known: dict[bytes, frozenset[bytes]], kind: bytes
) -> frozenset[bytes]:
    """The type nodes above one."""
    found = known.get(kind)
    if found is None:
        slug = kind.decode().removeprefix("type:")
        slugs = ontology.ancestors(slug) if slug in ontology.types else ()  # of another ontology
        found = known[kind] = frozenset(type_node(slug).encode() for slug in slugs)
    return found
