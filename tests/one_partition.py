"""One partition of a real stage under its real `Owner`, with made-up senders and models.

Also the oracle of its inbox: what all messages ever sent leave, in whatever order they came.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from models_onnx.fakes import FakeCleaner, FakeMatcher, FakeTagger
from streams.ports import Answers, Record, Stage
from streams.totals.owner import Owner, Start, Wiring
from streams.totals.tables import CODES
from streams.totals.wire import Marker, Sent, encode_marker, encode_total, join
from topology.ontology import Ontology, parse_ontology
from topology.store.memory import MemoryStore

Totals = dict[tuple[str, bytes], tuple[int, bytes]]

LEXICON = {
    "product_type": [
        *("shoes", "boots", "running shoes", "mug"),
        *("travel mug", "travel mugs", "zorb", "zorbs"),  # the small ontology lacks these
    ],
    "color": ["red", "blue", "green"],
    "feature": ["slip resistant", "waterproof"],
    "gender": ["mens", "womens"],
    "brand": ["nordwind"],
    "audience": ["pregnant women", "nurses"],
    "activity": ["hiking"],
}

ONTOLOGY_TOML = """
[attributes]
color = { kind = "open", many = true, names = ["colour", "baseColour"] }
feature = { kind = "open", many = true, names = ["features"] }
gender = { kind = "closed", values = { men = ["mens"], women = ["womens"] } }
brand = { kind = "open" }
weight = { kind = "number", unit = "g" }

[types]
fashion = {}
shoes = { parents = ["fashion"], department = true, also = ["footwear"] }
sports-shoes = { parents = ["shoes"] }
running-shoes = { parents = ["sports-shoes"] }
boots = { parents = ["shoes"] }
kitchen = { department = true }
mug = { parents = ["kitchen"] }
"""


def small_ontology() -> Ontology:
    """Two departments, five types below them, five attributes."""
    return parse_ontology({"test.toml": ONTOLOGY_TOML})


class OnePartition:
    """A partition of a stage that reads what it is handed and answers its own questions."""

    def __init__(
        self,
        name: str,
        build: Callable[[Wiring], Stage],
        outputs: Iterable[str],
        durable: Mapping[str, dict[bytes, bytes]] | None = None,
    ) -> None:
        self._made = (name, build, tuple(outputs))
        self.tagger, self.cleaner = FakeTagger(LEXICON), FakeCleaner(LEXICON)
        self.matcher = FakeMatcher()
        self.questions = 0
        self.store = MemoryStore(dict(durable or {}))
        self.owner = Owner(
            name,
            0,
            self.store,
            build,
            dict.fromkeys(self._made[2], 1),
            graph="test/1",
            cache_rows=8,
        )
        last = self.owner.kept.incarnation
        self.owner.start(Start(last + 1, last if last >= 0 else None, {}))

    def read(self, topic: str, *records: tuple[bytes | None, bytes | None]) -> None:
        start = self.owner.next_offset(topic) or 0
        batch = [Record(offset, 0, *pair) for offset, pair in enumerate(records, start)]
        self.owner.read(topic, batch, start + len(batch))

    def commit(self) -> None:
        for _ in range(5):
            questions = self.owner.wants()
            if not questions:
                break
            texts, claims = list(questions.texts), list(questions.claims)
            pairs, terms = list(questions.pairs), list(questions.terms)
            assert len(set(texts)) == len(texts)
            assert len(set(claims)) == len(claims)
            assert len(set(pairs)) == len(pairs)
            assert len(set(terms)) == len(terms)
            self.questions += len(texts) + len(claims) + len(pairs)
            tagged = dict(zip(texts, self.tagger.tag(texts), strict=True))
            judged = dict(zip(claims, self.cleaner.judge(claims), strict=True))
            matched = dict(zip(pairs, self.matcher.match(pairs), strict=True))
            senses = dict(zip(terms, self.matcher.senses(terms), strict=True))
            self.owner.learn(Answers(tagged, judged, matched, senses))
        self.owner.commit()

    def crashed(self) -> "OnePartition":
        """Another process over what was durable."""
        name, build, outputs = self._made
        return OnePartition(name, build, outputs, self.store.durable)

    def told(self) -> Totals:
        """What is durable of what the partition tells."""
        topics = {code: topic for topic, code in CODES.items()}
        return {
            (topics[name[:1]], name[1:]): (int.from_bytes(row[:8], "big"), row[8:])
            for name, row in self.store.durable.get("totals", {}).items()
        }


class Tell(NamedTuple):
    """A total, or with `key` None a marker, as a sender stamped it."""

    topic: str
    sender: int
    incarnation: int
    version: int
    key: tuple[bytes, ...] | None
    n: int = 0
    payload: bytes = b""

    def record(self) -> tuple[bytes, bytes]:
        if self.key is None:
            marker = Marker(self.sender, self.incarnation, self.version, self.incarnation)
            return encode_marker(self.topic, marker)
        sent = Sent(
            self.sender, self.incarnation, self.version, join(*self.key), self.n, self.payload
        )
        return encode_total(self.topic, sent)


def left(tells: Iterable[Tell]) -> dict[tuple[str, tuple[bytes, ...]], tuple[int, list[bytes]]]:
    """(topic, key) -> sum over senders and what they say, of all that was ever sent."""
    tells = list(tells)
    floors: dict[tuple[str, int], int] = {}
    for tell in tells:
        if tell.key is None:
            name = tell.topic, tell.sender
            floors[name] = max(floors.get(name, -1), tell.incarnation)
    newest: dict[tuple[str, tuple[bytes, ...], int], Tell] = {}
    for tell in tells:
        if tell.key is None or tell.incarnation < floors.get((tell.topic, tell.sender), -1):
            continue
        name = tell.topic, tell.key, tell.sender
        if name not in newest or newest[name][2:4] <= tell[2:4]:
            newest[name] = tell
    sums: dict[tuple[str, tuple[bytes, ...]], tuple[int, list[bytes]]] = {}
    for (topic, key, _), tell in newest.items():
        if tell.n:
            n, payloads = sums.get((topic, key), (0, []))
            sums[topic, key] = n + tell.n, [*payloads, tell.payload]
    return sums
