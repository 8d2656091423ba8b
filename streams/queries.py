"""QUERIES: a query waits here for k shoppers, then is tagged and told to the products it led to.

Input `searched`, output `asked` (keys and payloads: `totals/messages.py`). Query text leaves this
stage in `Asked` alone, and only while the gate of its query is open (DESIGN, rule 10): in at least
one week the query itself was used by k distinct shoppers. Weeks are not added up, nor are
purchases. The gate never latches: a total that falls, or a marker that takes a sender's totals
away, closes it, and everything told of the query becomes zero (rule 5).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import msgspec

from models_onnx.spans import Tagged, Text
from streams.errors import START_EMPTY, SettingsError, StateError
from streams.models.answers import ANSWERS, text_key
from streams.ports import Answers, Questions, Record
from streams.state.derived import TABLE as DERIVED
from streams.state.derived import Derived
from streams.totals.inbox import Change, Entry
from streams.totals.messages import ASKED, WEIGHT, Asked, decode_asked, encode
from streams.totals.owner import Wiring
from streams.totals.wire import join, split
from topology import canonical
from topology.ontology import Ontology

TABLES = ("queries", "waiting", "gate", DERIVED)
MAX_QUERY_CHARS = 400
"""What is behind it in a longer query is neither tagged nor told."""
_TYPE = "product_type"


@dataclass(frozen=True, slots=True)
class QuerySettings:
    """What QUERIES can be told.

    Attributes:
        k: distinct shoppers of one week that a query needs before its text is used, 1 or more.
        bundle: id of the tagging bundle that answers.
    """

    k: int = 3
    bundle: str = ""

    def __post_init__(self) -> None:
        if self.k < 1:
            raise SettingsError(f"k is {self.k}: a query needs 1 or more shoppers, by default 3")


def build_queries(settings: QuerySettings, ontology: Ontology) -> Callable[[Wiring], "Queries"]:
    """What makes the stage of a partition from its wiring."""
    return lambda wiring: Queries(wiring, settings, ontology)


def asked_of(text: str, tagged: Tagged, ontology: Ontology, bundle: str) -> Asked:
    """What a query asks for, in the words of the ontology; a span it does not know says nothing.

    Intents are ordered by score, best first, types from the narrowest to the broadest, values by
    their first place in the text; each stands once.
    """
    intents: dict[tuple[str, str], float] = {}
    types: set[str] = set()
    values: dict[str, None] = {}
    for span in tagged.spans:
        label = ontology.labels.get(span.label)
        if span.label == _TYPE:
            types.update(filter(None, (ontology.type_of(span.text),)))
        elif node := canonical.intent_of(ontology, span.label, span.text):
            name = (ontology.relation_of(span.label) or "", node)
            intents[name] = max(intents.get(name, 0.0), round(span.score, 4))
        elif label is not None and label.attribute:
            for value in canonical.values_of(ontology, label.attribute, span.text):
                values[value.node] = None
    best_first = sorted(intents.items(), key=lambda item: (-item[1], item[0]))
    narrowest_first = sorted(types, key=lambda slug: (-len(ontology.ancestors(slug)), slug))
    return Asked(
        text,
        tuple((relation, node, score) for (relation, node), score in best_first),
        tuple(narrowest_first),
        tuple(values),
        bundle,
    )


class QueryRow(msgspec.Struct, array_like=True):
    """One row of `queries`.

    Attributes:
        weeks: in how many weeks anybody asked; busy: in how many at least k shoppers did.
        text: what is told of it, "" while the gate is closed.
        told: the payload that its totals carry, empty while nothing is told.
    """

    weeks: int = 0
    busy: int = 0
    text: str = ""
    told: bytes = b""


_encode = msgspec.msgpack.Encoder().encode
decode_query = msgspec.msgpack.Decoder(QueryRow).decode


class Queries:
    """One partition of QUERIES; a `ports.Stage`.

    Raises:
        StateError: the store was filled under another k.
    """

    def __init__(self, wiring: Wiring, settings: QuerySettings, ontology: Ontology) -> None:
        self._state, self._inbox, self._outbox = wiring.state, wiring.inbox, wiring.outbox
        self._read = wiring.read
        self._settings, self._ontology = settings, ontology
        self._touched: dict[bytes, None] = {}
        self._derived = Derived(self._state, settings.bundle)
        self._outdated: set[bytes] = set()
        self._tagged: dict[Text, Tagged] = {}
        self._waiting = len(self._state.scan("waiting"))
        self._check_k()

    def gauges(self) -> dict[str, int]:
        """`waiting`: queries that somebody asked, with no week of k shoppers."""
        return {"waiting": self._waiting}

    @property
    def outdated(self) -> int:
        """Queries that another bundle tagged than the one that answers now."""
        return self._derived.older

    def reread(self, limit: int) -> int:
        """Have up to `limit` of them tagged again; how many."""
        queries = self._derived.oldest(limit)
        self._touched.update(dict.fromkeys(queries))
        self._outdated.update(queries)
        return len(queries)

    def apply(self, topic: str, partition: int, records: Sequence[Record]) -> None:
        for change in self._read(topic, partition, records):
            parts = split(change.key)
            if len(parts) == 3 and parts[1] == ASKED and parts[0]:
                self._used(parts[0], change)
            elif len(parts) == 4 and parts[1] in WEIGHT and parts[0] and parts[2]:
                self._led_to(parts, change.after)

    def wants(self) -> Questions:
        return Questions(texts=self._settle())

    def learn(self, answers: Answers) -> None:
        self._tagged.update(answers.tagged)

    def flush(self) -> None:
        if open_questions := self._settle():
            raise StateError(
                f"flush before {len(open_questions)} queries were tagged: a bug, please report it"
            )
        self._tagged.clear()

    def calm(self) -> None:
        """Nothing waits for a quiet moment here."""

    @property
    def is_idle(self) -> bool:
        """Always: nothing waits for a quiet moment."""
        return True

    def _used(self, query: bytes, change: Change) -> None:
        """The number of shoppers who used the query in one week has changed."""
        k, before, after = self._settings.k, change.before, change.after
        row = self._row(query)
        weeks = row.weeks + (after > 0) - (before > 0)
        busy = row.busy + (after >= k) - (before >= k)
        same_text = after >= before and change.payload == row.text.encode()
        if (busy > 0) != (row.busy > 0) or (busy > 0 and not same_text):
            self._touched[query] = None
        if (weeks, busy) != (row.weeks, row.busy):
            row.weeks, row.busy = weeks, busy
            self._keep(query, row)

    def _led_to(self, parts: list[bytes], n: int) -> None:
        """The number of shoppers who bought a product behind the query has changed.

        Told with what is told of the query; `_settle` tells all of a query whose gate moves.
        """
        query, kind, product, week = parts
        if told := self._row(query).told:
            self._tell(query, kind, product, week, n, told)

    def _settle(self) -> list[Text]:
        """Open and close the gates of the queries that were touched; texts yet to be tagged."""
        untagged: dict[Text, None] = {}
        for query in list(self._touched):
            row = self._row(query)
            text = self._text(query) if row.busy else ""
            is_told = text == row.text and bool(text) == bool(row.told)
            if is_told and query not in self._outdated:
                del self._touched[query]
                continue
            told = b""
            if text:
                question = Text(text, "query")
                tagged = self._tagged.get(question)
                if tagged is None:
                    untagged[question] = None
                    continue
                told = encode(asked_of(text, tagged, self._ontology, self._settings.bundle))
            self._note(query, row.told, told)
            self._let_go(row.told, told)
            row.text, row.told = text, told
            self._keep(query, row)
            self._tell_all(query, told)
            del self._touched[query]
            self._outdated.discard(query)
        return list(untagged)

    def _note(self, query: bytes, before: bytes, told: bytes) -> None:
        """Note with which bundle the query is tagged from now on."""
        named = decode_asked(before).bundle if before else None
        if told:
            self._derived.note(query, named)
        else:
            self._derived.forget(query, named)

    def _let_go(self, before: bytes, told: bytes) -> None:
        """Of a text that is not told any more nothing is kept, nor what a model said of it."""
        if before:
            asked = decode_asked(before)
            now = decode_asked(told) if told else None
            if now is None or (now.query, now.bundle) != (asked.query, asked.bundle):
                self._state.delete(ANSWERS, text_key(Text(asked.query, "query"), asked.bundle))

    def _text(self, query: bytes) -> str:
        """The query's words, whoever sent them last; "" when no sender knows them."""
        entries = (
            entry
            for _, _, row in self._inbox.scan("searched", join(query, ASKED, b""))
            for entry in row
        )
        return _readable(entries)

    def _tell_all(self, query: bytes, told: bytes) -> None:
        for kind in WEIGHT:
            for key, n, _ in self._inbox.scan("searched", join(query, kind, b"")):
                parts = split(key)
                if len(parts) == 4:
                    self._tell(query, kind, parts[2], parts[3], n, told)

    def _tell(
        self, query: bytes, kind: bytes, product: bytes, week: bytes, n: int, told: bytes
    ) -> None:
        key = join(product, query, kind, week)
        if n and told:
            self._outbox.set("asked", key, n, told)
        else:
            self._outbox.set("asked", key, 0)

    def _row(self, query: bytes) -> QueryRow:
        value = self._state.get("queries", query)
        return QueryRow() if value is None else decode_query(value)

    def _keep(self, query: bytes, row: QueryRow) -> None:
        if row == QueryRow():
            self._state.delete("queries", query)
        else:
            self._state.put("queries", query, _encode(row))
        waits = row.weeks > 0 and row.busy == 0
        if waits != (self._state.get("waiting", query) is not None):
            self._waiting += 1 if waits else -1
            if waits:
                self._state.put("waiting", query, b"")
            else:
                self._state.delete("waiting", query)

    def _check_k(self) -> None:
        k, kept = b"%d" % self._settings.k, self._state.get("gate", b"k")
        if kept is None:
            self._state.put("gate", b"k", k)
        elif kept != k:
            raise StateError(
                f"this store of QUERIES was filled with k={kept.decode()}, the settings say "
                f"k={self._settings.k}: set it back, or move the store away and {START_EMPTY}, to "
                "build it again from its topic"
            )


def _readable(entries: Iterable[Entry]) -> str:
    """The text of totals that are not zero; the same for any order of senders."""
    payload = min((entry.payload for entry in entries if entry.n and entry.payload), default=b"")
    return payload.decode(errors="replace")[:MAX_QUERY_CHARS]
