"""How many workers, cores, GB and partitions a shop takes, from what an event or a fact costs.

Pure. The unit costs are measured (`python -m tests.bench.capacity`) and stand in
`capacity_costs.toml`; all that follows from them is here, in the order in which one would reckon.
Everything is linear in the unit costs, but for GRAPH, whose totals grow dearer with its facts.
"""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

import msgspec

from streams.errors import SettingsError

DAY_S, YEAR_DAYS = 86_400, 365
MIB = 1 << 20

UTILISATION = 0.6
"""Share of a core that a worker may use at the peak: the rest is for catching up and rebalances."""

DISK_HEADROOM = 1.5
"""Of a store: room for compaction, and for the files that a checkpoint holds on to."""

LEDGER_DAYS = 7
"""A week's rows go `keep_days` after its end: the oldest are that much older."""

VISIT_S = 2_400
"""A visit stays open from its first event to half an hour after its last; ten minutes of events."""

STORE_BYTES_A_WORKER = 250e9
"""Of disk: at 100 MB a second it is restored in three quarters of an hour."""

EVENTS_A_VISIT = 5
"""Of the sample shop; searches, clicks and purchases together."""

PARTITIONS_A_WORKER = 4
"""Partitions for each worker of the widest stage: room to grow, since the count is fixed."""

LEAST_PARTITIONS, MOST_PARTITIONS = 8, 1_024

_MOST = 1e15
_RANGES = {
    **dict.fromkeys(("events_per_day", "products", "shoppers", "facts"), (1, _MOST)),
    **dict.fromkeys(("new_products", "requests_per_s"), (0, _MOST)),
    "purchases": (0, 1),
    "peak": (1, DAY_S),
}
"""What each number of a shop may be: any real shop, and nothing that overflows."""


class StageCost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one stage costs.

    Attributes:
        cpu_us_event: CPU of all its threads for an event of the shop, microseconds.
        cpu_us_purchase: besides, where the event is a purchase.
        rss_mib: resident memory of a worker process with the default caches, MiB.
        disk_bytes: thing -> bytes of its store for each; the things are those of `_things`.
    """

    cpu_us_event: float
    cpu_us_purchase: float
    rss_mib: float
    disk_bytes: dict[str, float]


class TopicCost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one topic costs, after compression.

    Attributes:
        write_bytes_event: written for an event of the shop.
        kept_bytes: thing -> bytes that stay for each, in a compacted topic after compaction.
    """

    write_bytes_event: float
    kept_bytes: dict[str, float]


class ModelCost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the models cost on a CPU.

    Attributes:
        cpu_ms_answer: CPU of an answer (a text tagged, or a claim judged), milliseconds.
        answers_product: answers that a new product needs.
        answers_query: that a query needs which passes the gate.
    """

    cpu_ms_answer: float
    answers_product: float
    answers_query: float


class Costs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The unit costs, as one run measured them.

    Attributes:
        measured: when and on what.
        graph_tenfold: what a total of GRAPH costs more, as a factor, for each tenfold of facts...
        graph_facts: ...beyond so many, at which its CPU was measured.
        index_share: of a store: indexes and filters in memory beside the caches, over its disk.
        visit_bytes: of a visit that SHOPPERS holds open and decoded.
        replica_bytes_fact: disk of a read replica.
        request_cpu_ms: CPU of a request to the API.
        queries_event: distinct queries that pass the gate, for each event.
    """

    measured: str
    graph_tenfold: float
    graph_facts: float
    index_share: float
    visit_bytes: float
    replica_bytes_fact: float
    request_cpu_ms: float
    queries_event: float
    models: ModelCost
    stages: dict[str, StageCost]
    topics: dict[str, TopicCost]


@dataclass(frozen=True, slots=True)
class Shop:
    """The load, and what is to be kept.

    Attributes:
        events_per_day: searches, clicks and purchases.
        products, shoppers: of the catalog, and that come within half an hour of each other at most.
        facts: that the graph will hold, all statuses.
        purchases: share of events.
        peak: the busiest hour beside the mean of a day.
        new_products: of a day.
        keep_days, retention_days: of the ledger (`keep_days`), and of `graph.events`.
        replication: copies that Kafka keeps.
        requests_per_s, replicas: of the read API, at the peak.
    """

    events_per_day: float
    products: float
    shoppers: float
    facts: float
    purchases: float = 0.03
    peak: float = 3.0
    new_products: float = 0.0
    keep_days: int = 90
    retention_days: int = 30
    replication: int = 3
    requests_per_s: float = 0.0
    replicas: int = 2

    def __post_init__(self) -> None:
        for name, (least, most) in _RANGES.items():
            value = getattr(self, name)
            if not least <= value <= most:  # not a number is in no range
                raise SettingsError(f"{name} is {value}: give {least:g} to {most:g}")


class StagePlan(msgspec.Struct, frozen=True):
    """What one stage takes.

    Attributes:
        cores: CPU at the peak, models included.
        model_cores: of them, the models', over the mean of a day.
        workers: processes: as many as cores or the size of a store ask for.
        ram_bytes, disk_bytes: over all of them.
    """

    stage: str
    cores: float
    model_cores: float
    workers: int
    ram_bytes: float
    disk_bytes: float


class Plan(msgspec.Struct, frozen=True):
    """What a shop takes.

    Attributes:
        events_per_s: at the peak.
        partitions: of the graph's topics, fixed for its life.
        kafka_write_bytes_s, kafka_read_bytes_s: at the peak, replication included in the first.
        kafka_disk_bytes: over all brokers.
        open_visits: at the peak; `ram_bytes` of SHOPPERS holds them decoded.
        first_load_core_hours: of the catalog's first reading, by the models on CPUs.
        catch_up_s: until an hour's backlog is worked off at the mean rate.
        replica_disk_bytes, replica_cores: of one read replica; all of them.
    """

    events_per_s: float
    stages: tuple[StagePlan, ...]
    partitions: int
    kafka_write_bytes_s: float
    kafka_read_bytes_s: float
    kafka_disk_bytes: float
    open_visits: float
    first_load_core_hours: float
    catch_up_s: float
    replica_disk_bytes: float
    replica_cores: float

    @property
    def workers(self) -> int:
        """Processes of all stages."""
        return sum(each.workers for each in self.stages)

    @property
    def cores(self) -> float:
        """CPU of all stages at the peak."""
        return sum(each.cores for each in self.stages)

    @property
    def ram_bytes(self) -> float:
        """Memory of all stages."""
        return sum(each.ram_bytes for each in self.stages)

    @property
    def disk_bytes(self) -> float:
        """Disk of all stages."""
        return sum(each.disk_bytes for each in self.stages)


def measured() -> Costs:
    """The costs that stand beside this file."""
    return read((resources.files(__package__) / "capacity_costs.toml").read_text(encoding="utf-8"))


def read(text: str) -> Costs:
    """Costs out of TOML.

    Raises:
        SettingsError: it is none, or lacks something.
    """
    try:
        return msgspec.convert(tomllib.loads(text), Costs, strict=False)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise SettingsError(
            f"these are no unit costs ({error}): write them again with "
            "`python -m tests.bench.capacity --write`"
        ) from error


def plan(shop: Shop, costs: Costs) -> Plan:
    """What the shop takes at its peak."""
    rate = shop.events_per_day / DAY_S * shop.peak
    things = _things(shop)
    visits = min(shop.shoppers, rate / EVENTS_A_VISIT * VISIT_S)
    stages = tuple(_stage(name, shop, costs, rate, things, visits) for name in costs.stages)
    widest = max(each.workers for each in stages)
    written = sum(each.write_bytes_event for each in costs.topics.values()) * rate
    of_topics = dict(things) | {"event": shop.events_per_day * shop.retention_days}
    kept = sum(_bytes(each.kept_bytes, of_topics) for each in costs.topics.values())
    spare = min(each.workers / max(each.cores - each.model_cores, 1e-9) for each in stages)
    answers = things["product"] * costs.models.answers_product
    return Plan(
        events_per_s=rate,
        stages=stages,
        partitions=partitions_for(widest),
        kafka_write_bytes_s=written * shop.replication,
        kafka_read_bytes_s=written,
        kafka_disk_bytes=kept * shop.replication,
        open_visits=visits,
        first_load_core_hours=answers * costs.models.cpu_ms_answer / 1e3 / 3_600,
        catch_up_s=3_600 / max(spare * shop.peak - 1, 1e-9),
        replica_disk_bytes=things["fact"] * costs.replica_bytes_fact * DISK_HEADROOM,
        replica_cores=shop.requests_per_s * costs.request_cpu_ms / 1e3 / UTILISATION,
    )


def partitions_for(workers: int) -> int:
    """A power of two with room for fourfold growth, from 8 to 1,024."""
    wanted = 1 << math.ceil(math.log2(max(workers * PARTITIONS_A_WORKER, 1)))
    return min(max(wanted, LEAST_PARTITIONS), MOST_PARTITIONS)


def _things(shop: Shop) -> Mapping[str, float]:
    """How many of each a store keeps, once the graph is a year old.

    `event`: those that SHOPPERS' ledger keeps; of a topic, those of its retention. `year`: events
    of a year, for weekly totals, which are kept for good: an upper bound, since a busy key has one
    total a week, however many stand behind it.
    """
    return {
        "event": shop.events_per_day * (shop.keep_days + LEDGER_DAYS),
        "year": shop.events_per_day * YEAR_DAYS,
        "product": shop.products,
        "fact": shop.facts,
    }


def _bytes(each: Mapping[str, float], things: Mapping[str, float]) -> float:
    return sum(size * things[thing] for thing, size in each.items())


def _stage(
    name: str,
    shop: Shop,
    costs: Costs,
    rate: float,
    things: Mapping[str, float],
    visits: float,
) -> StagePlan:
    cost = costs.stages[name]
    cores = rate * (cost.cpu_us_event + shop.purchases * cost.cpu_us_purchase) / 1e6
    if name == "graph":
        cores *= _dearer(shop.facts, costs)
    model_cores = _answers_per_s(name, shop, costs) * costs.models.cpu_ms_answer / 1e3
    disk = _bytes(cost.disk_bytes, things)
    by_cores = math.ceil((cores + model_cores) / UTILISATION)
    workers = max(1, by_cores, math.ceil(disk / STORE_BYTES_A_WORKER))
    ram = workers * cost.rss_mib * MIB + disk * costs.index_share
    if name == "shoppers":
        ram += visits * costs.visit_bytes
    return StagePlan(name, cores + model_cores, model_cores, workers, ram, disk * DISK_HEADROOM)


def _dearer(facts: float, costs: Costs) -> float:
    """How much dearer a total of GRAPH is with so many facts than where it was measured."""
    tenfolds = math.log10(max(facts / costs.graph_facts, 1.0))
    return 1 + (costs.graph_tenfold - 1) * tenfolds


def _answers_per_s(name: str, shop: Shop, costs: Costs) -> float:
    """Answers of models that a stage needs, over the mean of a day."""
    if name == "products":
        return shop.new_products * costs.models.answers_product / DAY_S
    if name == "queries":
        new = shop.events_per_day * costs.queries_event
        return new * costs.models.answers_query / DAY_S
    return 0.0
