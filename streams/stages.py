"""The stages as the edge sees them: what each reads, tells, keeps, and how it is built."""

from collections.abc import Callable
from dataclasses import dataclass

from streams.models.answers import ANSWERS
from streams.models.models import Bundles as Bundles
from streams.models.models import Task
from streams.ports import Stage
from streams.settings import Settings
from streams.topics import TOPICS
from streams.totals import tables as totals
from streams.totals.owner import Wiring


@dataclass(frozen=True, slots=True)
class StageSpec:
    """One stage that keeps state.

    Attributes:
        name: the stage, its consumer group and its folder.
        inputs: logical topics, all of the graph's partition count.
        outputs: logical topics of totals.
        tables: what it keeps besides the tables of totals.
        build: settings and bundles -> what makes the stage of one partition.
        models: which models it asks, by their tasks.
        forgets: it keeps shoppers, and obeys `graph.erasures`.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    tables: tuple[str, ...]
    build: Callable[[Settings, Bundles], Callable[[Wiring], Stage]]
    models: tuple[Task, ...] = ()
    forgets: bool = False

    @property
    def rebuilds(self) -> bool:
        """All its inputs are compacted topics: what it keeps can be made again from them."""
        return all(topic.compacted for topic in TOPICS if topic.name in self.inputs)

    @property
    def all_tables(self) -> tuple[str, ...]:
        """Tables of the store."""
        return tuple(dict.fromkeys((*totals.TABLES, *self.tables, ANSWERS)))
