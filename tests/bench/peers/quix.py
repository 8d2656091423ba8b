"""Quix Streams: a stateful dataframe on RocksDB, pairs to a topic.

    python -m tests.bench.peers.quix BROKER TOPIC OUT EVENTS FOLDER [changelog]

State values are msgpack bytes (`set_bytes`), which costs less than Quix's own JSON. Commits every
5 s, its default. Counting a pair over all shoppers would need `group_by`, that is a second topic
and store; pairs are only published here, in its favour.
"""

import sys
import time
from pathlib import Path

from quixstreams import Application, State

from tests.bench.peers.measured import Measured, leave
from tests.bench.peers.pairing import Session, decode, pack, pair_key, step, unpack


def run(broker: str, topic: str, out: str, events: int, folder: Path, *, changelog: bool) -> None:
    """Take `events` events in and say how long it took."""
    measured = Measured()
    app = Application(
        broker_address=broker,
        consumer_group=f"quix-{time.time_ns()}",
        auto_offset_reset="earliest",
        state_dir=folder,
        use_changelog_topics=changelog,
        loglevel="WARNING",
        # Without it librdkafka sleeps a second whenever its queue is full.
        consumer_extra_config={"fetch.queue.backoff.ms": 1, "fetch.wait.max.ms": 50},
        producer_extra_config={"compression.type": "lz4", "linger.ms": 20},
    )
    source = app.topic(topic, key_deserializer="str", value_deserializer="bytes")
    sink = app.topic(out, key_serializer="str", value_serializer="str")

    def pairs(value: bytes, state: State) -> list[str]:
        measured.begin()
        found = state.get_bytes("session")
        session = Session() if found is None else unpack(found)
        told = step(session, decode(value))
        state.set_bytes("session", pack(session))
        measured.count(told)
        measured.events += 1
        if measured.events == events:
            app.stop()  # it commits before `run` returns
        return [pair_key(pair) for pair in told]

    frame = app.dataframe(source).apply(pairs, stateful=True, expand=True)
    frame.to_topic(sink, key=lambda pair: pair)
    app.run()
    measured.end()
    leave()


if __name__ == "__main__":
    broker, topic, out, events, folder, *options = sys.argv[1:]
    run(broker, topic, out, int(events), Path(folder), changelog="changelog" in options)
