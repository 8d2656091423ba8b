"""What an answer is made from: the graph as it now stands, and how fresh that is."""

from typing import Protocol

import msgspec

from streams.control.generations import LIVE
from streams.process.probes import Reason
from topology.graph import Graph, Tables


class AsOf(msgspec.Struct, frozen=True):
    """How fresh an answer is.

    Attributes:
        records: offsets of the topic of facts added up: of two answers of one replica, the one
            with more is the newer.
        lag: records of the topic that were not read yet, as the broker last told; null before it
            has told anything.
        newest_ms: when the newest record that was read had been published, ms since 1970; 0: none.
        heard_ms: when the broker was last heard, ms since 1970; 0: not in this process.
        generation: which of the graphs of this shop answered; "live" is the first.
    """

    records: int
    lag: int | None
    newest_ms: int
    heard_ms: int
    generation: str = LIVE


class Reader(Protocol):
    """A graph that may change between two calls, never during one."""

    @property
    def graph(self) -> Graph: ...

    @property
    def tables(self) -> Tables:
        """What the graph stands on."""
        ...

    def as_of(self) -> AsOf: ...


class Readiness(msgspec.Struct, frozen=True):
    """Whether answers can be trusted to be complete.

    Attributes:
        ready: there is no reason against it.
        reasons: what is still to be done.
        offsets: partition of the topic of facts -> where the replica reads on.
        degraded: what works, but not as it was set up.
        generation: that answers, as `offsets` are of it.
    """

    ready: bool
    reasons: tuple[Reason, ...]
    offsets: dict[str, int]
    degraded: tuple[Reason, ...] = ()
    generation: str = LIVE
