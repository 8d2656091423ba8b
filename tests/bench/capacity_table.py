"""The figures of `tests.bench.capacity` as the table that `streams/capacity.py` reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from streams import capacity
from streams.capacity import Costs
from tests.bench.report import Row, row

_HEAD = "# Of streams/capacity.py; written by `python -m tests.bench.capacity --write`.\n"


@dataclass(slots=True)
class Figures:
    """What was measured; the names are those of `streams.capacity`.

    Attributes:
        cpu_us: stage -> (of an event, of a purchase besides), microseconds.
        rss_mib: by stage.
        disk: stage -> thing -> bytes.
        written: topic -> bytes for each event.
        kept: topic -> thing -> bytes.
    """

    cpu_us: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    rss_mib: dict[str, float] = field(default_factory=dict)
    disk: dict[str, dict[str, float]] = field(default_factory=dict)
    written: dict[str, float] = field(default_factory=dict)
    kept: dict[str, dict[str, float]] = field(default_factory=dict)
    cpu_ms_answer: float = 0.0
    answers_product: float = 0.0
    queries_event: float = 0.0
    graph_tenfold: float = 1.0
    graph_facts: float = 1.0
    index_share: float = 0.0
    visit_bytes: float = 0.0
    replica_bytes_fact: float = 0.0
    request_cpu_ms: float = 0.0


def split(
    light: Mapping[str, float], light_share: float, full: Mapping[str, float], full_share: float
) -> dict[str, tuple[float, float]]:
    """CPU of an event, and of a purchase besides, from two mixes.

    Args:
        light, full: stage -> microseconds an event.
        light_share, full_share: of purchases in each.
    """
    found = {}
    for stage, dear in full.items():
        slope = max((dear - light[stage]) / (full_share - light_share), 0.0)
        found[stage] = max(light[stage] - slope * light_share, 0.0), slope
    return found


def render(found: Figures, measured: str) -> str:
    """The TOML; `streams.capacity.read` takes it."""
    lines = [
        _HEAD + f'measured = "{measured}"',
        *_pairs(
            graph_tenfold=found.graph_tenfold,
            graph_facts=found.graph_facts,
            index_share=found.index_share,
            visit_bytes=found.visit_bytes,
            replica_bytes_fact=found.replica_bytes_fact,
            request_cpu_ms=found.request_cpu_ms,
            queries_event=found.queries_event,
        ),
        "",
        "[models]",
        *_pairs(
            cpu_ms_answer=found.cpu_ms_answer,
            answers_product=found.answers_product,
            answers_query=1.0,
        ),
    ]
    for stage, (event, purchase) in found.cpu_us.items():
        lines += [
            "",
            f"[stages.{stage}]",
            *_pairs(
                cpu_us_event=event,
                cpu_us_purchase=purchase,
                rss_mib=found.rss_mib[stage],
            ),
            f"disk_bytes = {_table(found.disk.get(stage, {}))}",
        ]
    for topic, bytes_event in found.written.items():
        lines += [
            "",
            f"[topics.{topic}]",
            *_pairs(write_bytes_event=bytes_event),
            f"kept_bytes = {_table(found.kept.get(topic, {}))}",
        ]
    return "\n".join(lines) + "\n"


def _pairs(**values: float) -> list[str]:
    return [f"{name} = {_short(value)}" for name, value in values.items()]


def _table(values: Mapping[str, float]) -> str:
    inner = ", ".join(f"{name} = {_short(value)}" for name, value in values.items())
    return f"{{ {inner} }}" if inner else "{}"


def _short(value: float) -> str:
    """Four digits: more is noise."""
    text = f"{float(f'{value:.4g}'):.10f}".rstrip("0")
    return text + "0" if text.endswith(".") else text


def rows(costs: Costs) -> list[Row]:
    """The same as a table on the screen, and what a billion events a day take."""
    found = [
        row("an answer of a model, CPU", [costs.models.cpu_ms_answer], "ms"),
        row("answers for a new product", [costs.models.answers_product], "answers"),
        row("indexes and filters in memory, of a store's disk", [costs.index_share * 100], "%"),
        row("a visit that is open", [costs.visit_bytes], "B of memory"),
        row("a fact in a replica", [costs.replica_bytes_fact], "B of disk"),
        row("a request to the API, CPU", [costs.request_cpu_ms], "ms"),
        row("a total of GRAPH at ten times the facts", [costs.graph_tenfold], "x"),
    ]
    for name, stage in costs.stages.items():
        found.append(row(f"{name}: an event, CPU", [stage.cpu_us_event], "us"))
        found.append(row(f"{name}: a purchase besides, CPU", [stage.cpu_us_purchase], "us"))
        found.append(row(f"{name}: a worker", [stage.rss_mib], "MiB of memory"))
        for thing, size in stage.disk_bytes.items():
            found.append(row(f"{name}: for each {thing}", [size], "B of disk"))
    for name, topic in costs.topics.items():
        found.append(row(f"topic {name}: an event", [topic.write_bytes_event], "B written"))
    shop = capacity.Shop(1e9, 1e7, 2e7, 1e8, new_products=1e5)
    plan = capacity.plan(shop, costs)
    found.append(row("a billion events a day: cores at the peak", [plan.cores], "cores"))
    found.append(row("the same: workers", [float(plan.workers)], "processes"))
    return found
