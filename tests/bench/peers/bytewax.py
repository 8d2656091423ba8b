"""Bytewax: keyed state with recovery on, and either way of having the pairs counted.

    python -m tests.bench.peers.bytewax BROKER TOPIC OUT EVENTS FOLDER [count | publish]

`count`: a second keyed step counts each pair, its state is recovered too. `publish`: pairs go to a
topic by Bytewax's own sink. Snapshots every 10 s, its default; the flow ends at the end of the
topic, after the last one.
"""

import sys
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import run_main

from tests.bench.peers.measured import Measured, leave
from tests.bench.peers.pairing import Event, Session, decode, pair_key, step

_EPOCH = timedelta(seconds=10)


class Nowhere(DynamicSink[Any]):  # type: ignore[misc]
    """A flow must end in a sink; the counts stay in the state."""

    def build(self, step_id: str, worker_index: int, worker_count: int) -> Any:
        class Part(StatelessSinkPartition[Any]):  # type: ignore[misc]
            def write_batch(self, items: list[Any]) -> None:
                pass

        return Part()


def run(broker: str, topic: str, out: str, folder: Path, *, publish: bool) -> None:
    """Take the topic in and say how long it took."""
    measured = Measured()

    def by_shopper(messages: list[Any]) -> Iterable[tuple[str, Event]]:
        measured.begin()
        measured.events += len(messages)
        events = [decode(message.value) for message in messages]
        return [(event.shopper, event) for event in events]

    def pairs(session: Session | None, event: Event) -> tuple[Session, Iterable[str]]:
        session = session or Session()
        told = step(session, event)
        measured.count(told)
        return session, [pair_key(pair) for pair in told]

    flow = Dataflow("pairs")
    # One consumer a partition; without the backoff each sleeps a second when its queue is full.
    settings = {"fetch.queue.backoff.ms": "1", "fetch.wait.max.ms": "50"}
    events = op.input("events", flow, KafkaSource([broker], [topic], False, add_config=settings))
    keyed = op.flat_map_batch("decode", events, by_shopper)
    found = op.stateful_flat_map("pairs", keyed, pairs)
    names = op.map("names", found, lambda item: item[1])
    if publish:
        rows = op.map("rows", names, lambda name: KafkaSinkMessage(name.encode(), b"1"))
        op.output("out", rows, KafkaSink([broker], out, add_config={"compression.type": "lz4"}))
    else:
        ones = op.map("ones", names, lambda name: (name, 1))
        counts = op.stateful_map("count", ones, lambda n, one: ((n or 0) + one, None))
        op.output("out", counts, Nowhere())
    init_db_dir(folder, 1)
    run_main(flow, epoch_interval=_EPOCH, recovery_config=RecoveryConfig(str(folder)))
    measured.end()
    leave()


if __name__ == "__main__":
    broker, topic, out, _, folder, *options = sys.argv[1:]
    run(broker, topic, out, Path(folder), publish="publish" in options)
