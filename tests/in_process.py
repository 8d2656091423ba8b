"""All stages in one process, one partition each, over any stores: what Kafka would carry is a list.

Nothing here fails or overtakes: that is `tests/simulation`. Also run by an older version of this
repository (`tests/golden/stores/make.py`), so it asks nothing of the stages that is new.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from models_onnx.fakes import FakeCleaner, FakeMatcher, FakeTagger
from streams.ports import Answers, Message, Record
from streams.registry import SPECS
from streams.route.stage import Route, RouteSettings
from streams.sample.lexicon import load
from streams.settings import Settings
from streams.stages import Bundles
from streams.totals.owner import Owner, Start

GRAPH = "golden"
SECRET = b"the secret of the golden stores"
STAGES = tuple(SPECS)


def lexicon() -> dict[str, list[str]]:
    """Label -> words of the sample shop, for the rules that stand in for models."""
    words = load()
    found = {field: list(words.values[name]) for name, field in words.fields.items()}
    found["product_type"] = [noun for kind in words.kinds for noun in (*kind.query, *kind.title)]
    found["brand"] = list(words.brands)
    for kind in words.kinds:
        for label, phrase in kind.intents:
            found.setdefault(label, []).append(phrase)
    return found


def matcher() -> FakeMatcher:
    """Of a lexicon in which two words of the sample shop mean the same."""
    if not hasattr(FakeMatcher, "senses"):
        return FakeMatcher()
    return FakeMatcher(sets={"sense": frozenset(("navy", "blue"))})


def settings() -> Settings:
    """Of a graph of one partition in which everything counts early."""
    return Settings().with_(partitions=1, prefix=GRAPH, k_shoppers=1, allowance_ms=30 * 86_400_000)


class InProcess:
    """The stages over their stores.

    Args:
        stores: stage -> its store, which may have run before.
        now_ms: Kafka's clock.
        chosen: of the graph.
    """

    def __init__(
        self, stores: Mapping[str, Any], now_ms: int, chosen: Settings | None = None
    ) -> None:
        self.settings = chosen or settings()
        words = lexicon()
        self.tagger, self.cleaner = FakeTagger(words), FakeCleaner(words)
        self.matcher = matcher()
        self.stores, self.now_ms = stores, now_ms
        bundles = Bundles(
            tagging=self.tagger.bundle_id,
            cleaning=self.cleaner.bundle_id,
            synonyms=self.matcher.bundle_id,
        )
        self.topics: dict[str, tuple[int, list[Message]]] = {}
        self.owners = {name: self._owner(name, bundles) for name in STAGES}
        for name, owner in self.owners.items():
            for topic in SPECS[name].inputs:
                if topic not in self.topics:
                    self.topics[topic] = (owner.next_offset(topic) or 0, [])

    def _owner(self, name: str, bundles: Bundles) -> Owner:
        spec, chosen = SPECS[name], self.settings
        owner = Owner(
            name,
            0,
            self.stores[name],
            spec.build(chosen, bundles),
            dict.fromkeys(spec.outputs, 1),
            graph=chosen.graph,
        )
        last = owner.kept.incarnation
        owner.start(Start(last + 1, last if last >= 0 else None, {}))
        return owner

    def feed(self, lines: Iterable[bytes], form: str, *, start: int = 0) -> None:
        """What ROUTE makes of lines of the shop's topic of this form."""
        route = Route(RouteSettings({form: form}, SECRET, 1))
        records = [
            Record(offset, self.now_ms, b"k", line) for offset, line in enumerate(lines, start)
        ]
        for message in route.route(form, 0, records).messages:
            self._land(message)

    def settle(self, reread: int = 0) -> None:
        """Until nothing moves; with `reread`, until nothing is of other bundles either."""
        for _ in range(200):
            moved = False
            for name in STAGES:
                moved |= self._work(name)
            if moved:
                continue
            for name in STAGES:
                stage: Any = self.owners[name].stage
                stage.calm()
                if reread and hasattr(stage, "reread"):
                    moved |= stage.reread(reread) > 0
                self._commit(name)
            if not moved and not any([self._work(name) for name in STAGES]):
                return
        raise AssertionError("the stages never come to rest")

    def _work(self, name: str) -> bool:
        owner, moved = self.owners[name], False
        for topic in SPECS[name].inputs:
            first, messages = self.topics[topic]
            at = owner.next_offset(topic) or 0
            records = [
                Record(offset, self.now_ms, message.key, message.value)
                for offset, message in enumerate(messages[at - first :], at)
            ]
            if records:
                owner.read(topic, records, at + len(records))
                moved = True
        self._commit(name)
        while messages := owner.take(10_000):
            for message in messages:
                self._land(message)
            owner.settled()
            owner.commit()
            moved = True
        return moved

    def _commit(self, name: str) -> None:
        owner = self.owners[name]
        for _ in range(20):
            questions = owner.wants()
            if not questions:
                break
            ask = {
                "tagged": ("texts", self.tagger.tag),
                "judged": ("claims", self.cleaner.judge),
                "matched": ("pairs", self.matcher.match),
                "senses": ("terms", getattr(self.matcher, "senses", None)),
            }
            told = {name: _told(questions, *ask[name]) for name in Answers._fields}
            owner.learn(Answers(**told))
        owner.commit()

    def _land(self, message: Message) -> None:
        if message.topic in self.topics:
            self.topics[message.topic][1].append(message)


def _told(questions: Any, kind: str, ask: Any) -> dict[Any, Any]:
    asked = list(getattr(questions, kind))
    return dict(zip(asked, ask(asked), strict=True))
