"""Ask the graph from a command: a running replica by HTTP, else a replica of one's own.

RocksDB lets one process at a time write a store, so a folder has one replica. While a `serve`
holds it, its HTTP API answers: a read-only open of the store would be as of its opening, and its
files may be compacted away beneath it. Otherwise the command takes the replica, reads the topic
to its end, and answers itself.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Literal, Protocol

from streams.control.generations import LIVE
from streams.errors import BrokerError
from streams.serve import lookup, running
from streams.serve.answers import (
    FactAnswer,
    FactsAnswer,
    IntentsAnswer,
    NeighborsAnswer,
    NodeAnswer,
    Wanted,
    WhyAnswer,
)
from streams.serve.follow import Follower, topic_ends
from streams.serve.intents import QueryReader, intents_answer
from streams.serve.reader import Reader
from streams.serve.replica import Counts
from streams.serve.running import Running
from streams.serve.server import load_tagger, ontology_of
from streams.serve.switch import serving_settings
from streams.settings import Settings
from topology.errors import StoreLockedError
from topology.facts import Fact
from topology.ontology import Ontology

_PATIENCE_S = 20.0
_POLL_S = 0.2
_NOTE_EVERY = 100_000
_PAGE = 1_000
Note = Callable[[str], None]
Direction = Literal["out", "in", "both"]


class Asked(Protocol):
    """A graph that answers, whichever way."""

    def node(self, node_id: str) -> NodeAnswer: ...

    def neighbors(
        self,
        node_id: str,
        *,
        relation: str,
        status: Wanted,
        direction: Direction,
        min_score: float,
        limit: int,
        cursor: str,
    ) -> NeighborsAnswer: ...

    def fact(self, fact_id: str, status: Wanted) -> FactAnswer: ...

    def why(self, fact_id: str, status: Wanted) -> WhyAnswer: ...

    def intents(self, query: str, limit: int) -> IntentsAnswer: ...

    def facts(self, relation: str = "", status: Wanted = "all") -> Iterator[Fact]:
        """Every fact, of one relation and status where one is given, by id."""
        ...


@contextlib.contextmanager
def asking(settings: Settings, note: Note = lambda _: None) -> Iterator[Asked]:
    """The graph as the topic of facts now tells it. Not from inside a running event loop.

    Args:
        settings: with the address of Kafka.
        note: told what is waited for, when it takes long.

    Raises:
        CartographError, TopologyError: there is no such graph, or the broker does not answer.
    """
    deadline = time.monotonic() + _PATIENCE_S
    own = serving_settings(settings)
    while True:
        if (found := running.find(settings)) is not None:
            _await_end(own, found, note)
            yield Remote(found)
            return
        try:
            follower = Follower(own, on_batch=_progress(note))
            break
        except StoreLockedError:
            # A `serve` that starts just now, or another command that reads the topic.
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_S)
    try:
        asyncio.run(follower.run(until_caught_up=True))
        yield Local(own, follower)
    finally:
        follower.close()


class Local:
    """Answers from a replica of this process."""

    def __init__(self, settings: Settings, reader: Reader) -> None:
        self._settings, self._reader = settings, reader
        self._ontology: Ontology = ontology_of(settings)

    def node(self, node_id: str) -> NodeAnswer:
        return lookup.node_answer(self._reader, self._ontology, node_id)

    def neighbors(
        self,
        node_id: str,
        *,
        relation: str,
        status: Wanted,
        direction: Direction,
        min_score: float,
        limit: int,
        cursor: str,
    ) -> NeighborsAnswer:
        return lookup.neighbors(
            self._reader,
            self._ontology,
            node_id,
            relation=relation,
            wanted=status,
            direction=direction,
            min_score=min_score,
            limit=limit,
            cursor=cursor,
        )

    def fact(self, fact_id: str, status: Wanted) -> FactAnswer:
        return lookup.fact_answer(self._reader, fact_id, status)

    def why(self, fact_id: str, status: Wanted) -> WhyAnswer:
        return lookup.why_answer(self._reader, self._ontology, fact_id, status)

    def intents(self, query: str, limit: int) -> IntentsAnswer:
        tagger = load_tagger(self._settings)
        try:
            (reading,) = asyncio.run(QueryReader(tagger, self._ontology).read([query]))
        finally:
            tagger.close()
        return intents_answer(self._reader, self._ontology, reading, limit=limit)

    def facts(self, relation: str = "", status: Wanted = "all") -> Iterator[Fact]:
        cursor: str | None = ""
        while cursor is not None:
            page = lookup.facts_page(
                self._reader, relation=relation, wanted=status, limit=_PAGE, cursor=cursor
            )
            yield from page.facts
            cursor = page.next


class Remote:
    """Answers of a replica that another process runs."""

    def __init__(self, at: Running) -> None:
        self._at = at

    def node(self, node_id: str) -> NodeAnswer:
        return running.ask(self._at, NodeAnswer, "v1", "nodes", node_id)

    def neighbors(self, node_id: str, **parameters: object) -> NeighborsAnswer:
        path = ("v1", "nodes", node_id, "neighbors")
        return running.ask(self._at, NeighborsAnswer, *path, **parameters)

    def fact(self, fact_id: str, status: Wanted) -> FactAnswer:
        return running.ask(self._at, FactAnswer, "v1", "facts", fact_id, status=status)

    def why(self, fact_id: str, status: Wanted) -> WhyAnswer:
        return running.ask(self._at, WhyAnswer, "v1", "facts", fact_id, "why", status=status)

    def intents(self, query: str, limit: int) -> IntentsAnswer:
        return running.ask(self._at, IntentsAnswer, "v1", "intents", q=query, limit=limit)

    def facts(self, relation: str = "", status: Wanted = "all") -> Iterator[Fact]:
        cursor: str | None = ""
        asked = {"relation": relation, "status": status, "limit": _PAGE}
        while cursor is not None:
            page = running.ask(self._at, FactsAnswer, "v1", "facts", **asked, cursor=cursor)
            yield from page.facts
            cursor = page.next


def _await_end(settings: Settings, at: Running, note: Note) -> None:
    """Wait until a replica has read all that the topic holds now."""
    ends = asyncio.run(topic_ends(settings))
    deadline, told = time.monotonic() + _PATIENCE_S, False
    read = -1
    while True:
        told_of = running.readiness(at)
        offsets = told_of.offsets
        is_it = told_of.generation == (settings.generation or LIVE)
        if is_it and all(offsets.get(str(number), 0) >= end for number, end in ends.items()):
            return
        if sum(offsets.values()) > read:  # it moves: no reason to give up
            read, deadline = sum(offsets.values()), time.monotonic() + _PATIENCE_S
        if time.monotonic() > deadline:
            raise BrokerError(
                f"the replica at {at.address} (pid {at.pid}) does not read on: does it reach its "
                "Kafka? Look at its /readyz and its log"
            )
        if not told:
            note(f"waiting for the replica at {at.address} to read the topic to its end ...")
            told = True
        time.sleep(_POLL_S)


def _progress(note: Note) -> Callable[[Counts], None]:
    read = 0

    def tell(counts: Counts) -> None:
        nonlocal read
        before, read = read, read + sum(counts)
        if read // _NOTE_EVERY > before // _NOTE_EVERY:
            note(f"{read:,} records of the topic of facts read ...")

    return tell
