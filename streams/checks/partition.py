"""One partition of a stage, checked: its blocks on disk, the protocol's rows, the stage's own."""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Final, NamedTuple, Protocol

import msgspec

from streams.checks.graph import check_graph
from streams.checks.products import check_products
from streams.checks.protocol import check_held, check_kept, check_totals, shown
from streams.checks.queries import check_queries
from streams.checks.shoppers import check_shoppers
from streams.layout.derived_rows import index_of
from streams.ports import State
from streams.shoppers.windows import WindowSettings
from streams.stages import StageSpec
from streams.state.derived import TABLE as DERIVED
from streams.totals.owner import kept_of
from topology.check import Problem, problems_of
from topology.graph import Graph

_DAMAGE: Final = "RocksDB"


class Readable(State, Protocol):
    """A store to look at."""

    def damage(self) -> Iterator[tuple[str, str]]:
        """Tables with blocks that cannot be read, and what RocksDB says of them."""
        ...


class Found(NamedTuple):
    """What a check of a partition found.

    Attributes:
        problems: how many things are wrong.
        sample: the first of them.
    """

    problems: int
    sample: tuple[Problem, ...]


def check_partition(
    store: Readable,
    spec: StageSpec,
    partition: int,
    *,
    graph: str,
    windows: WindowSettings,
    sample: int = 20,
) -> Found:
    """Read everything that a partition keeps and compare; it changes nothing.

    What is found is not mended: the store is restored from a checkpoint, or rebuilt.

    Args:
        store: of the partition, with nothing uncommitted.
        spec: of the stage.
        partition: its number.
        graph: identity of the graph, "prefix/partitions".
        windows: as SHOPPERS was run with.
        sample: how many problems to name at most.
    """
    problems = _problems(store, spec, partition, graph, windows)
    first = tuple(islice(problems, sample))
    return Found(len(first) + sum(1 for _ in problems), first)


def _problems(
    store: Readable, spec: StageSpec, partition: int, graph: str, windows: WindowSettings
) -> Iterator[Problem]:
    damaged = [Problem(table, _DAMAGE, said) for table, said in store.damage()]
    yield from damaged
    if damaged:
        return  # rows would be missing from everything that is counted
    wrong = list(check_kept(store, spec.name, partition, graph))
    yield from wrong
    if wrong or (kept := kept_of(store)) is None:
        return
    yield from check_totals(store, kept, spec.outputs)
    yield from check_held(store, kept, spec.inputs)
    try:
        yield from _of_stage(store, spec.name, windows)
    except (msgspec.MsgspecError, ValueError, IndexError, TypeError) as error:
        what = f"a row cannot be read: {type(error).__name__} {error}"
        yield Problem(spec.name, "", what)


def _of_stage(store: State, stage: str, windows: WindowSettings) -> Iterator[Problem]:
    own = _CHECKS.get(stage)
    if own is not None:
        yield from own(store, windows)
    for key, wanted, found in index_of(store, stage):
        has, should = found.decode() or "nothing", wanted.decode() or "nothing"
        yield Problem(DERIVED, shown(key), f"says {has}, it should say {should}")


def _graph(store: State, windows: WindowSettings) -> Iterator[Problem]:
    del windows
    yield from problems_of(Graph(store))
    yield from check_graph(store)


_CHECKS: Final[Mapping[str, Callable[[State, WindowSettings], Iterator[Problem]]]] = {
    "shoppers": check_shoppers,
    "queries": lambda store, windows: check_queries(store),
    "products": lambda store, windows: check_products(store),
    "graph": _graph,
}
