"""Records as stages read them: whatever the bytes, one ends somehow and raises nothing."""

import asyncio
import functools
from collections.abc import Callable

from streams.control.claims import Control
from streams.graph.stage import build_graph
from streams.kafka.producer import Producer
from streams.ports import Stage
from streams.products.reading import ProductSettings
from streams.products.stage import build_products
from streams.queries import QuerySettings, build_queries
from streams.registry import SPECS, window_settings
from streams.settings import Settings
from streams.shoppers.stage import build_shoppers
from streams.topics import Names
from streams.totals.owner import Wiring
from tests.one_partition import OnePartition, small_ontology
from topology.scoring import ScoringSettings

_A_STORE = 200
"""Executions after which a stage begins with an empty store: memory must not grow by itself."""

_ONTOLOGY = small_ontology()
_BUILDS: dict[str, Callable[[], Callable[[Wiring], Stage]]] = {
    "shoppers": lambda: build_shoppers(window_settings(Settings())),
    "queries": lambda: build_queries(QuerySettings(2, "t"), _ONTOLOGY),
    "products": lambda: build_products(
        ProductSettings(max_distance=4, tagging_bundle="t", cleaning_bundle="c"), _ONTOLOGY
    ),
    "graph": lambda: build_graph(ScoringSettings(), _ONTOLOGY),
}
_open: dict[str, tuple[OnePartition, int]] = {}


def read_stage(stage: str, data: bytes) -> None:
    """One record of one of the stage's inputs: its number, the length of the key, key, value."""
    if len(data) < 2:
        return
    spec = SPECS[stage]
    partition, used = _open.get(stage, (None, _A_STORE))
    if partition is None or used >= _A_STORE:
        partition, used = OnePartition(stage, _BUILDS[stage](), spec.outputs), 0
    _open[stage] = partition, used + 1
    topic = spec.inputs[data[0] % len(spec.inputs)]
    key, value = data[2 : 2 + data[1]], data[2 + data[1] :]
    try:
        partition.read(topic, (key or None, value or None))
        partition.commit()
    except BaseException:
        del _open[stage]
        raise


@functools.cache
def _control() -> Control:
    async def made() -> Control:
        names, nobody = Names("fuzz"), "127.0.0.1:9"
        control = Control(
            nobody,
            names,
            Producer(nobody, names, {}),
            worker="fuzzed",
            on_foreign=lambda *_: None,
            options={},
        )
        await control._consumer.stop()
        await control._producer.stop()
        return control

    return asyncio.run(made())


def read_control(data: bytes) -> None:
    """One record of the control topic: the length of the key, key, value."""
    if data:
        control = _control()
        control._take(0, data[1 : 1 + data[0]], data[1 + data[0] :], told=True)
