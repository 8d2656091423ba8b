"""Stock Faust: an agent on its own transport, sessions and counts in two tables.

    python -m tests.bench.peers.faust_stock BROKER TOPIC OUT EVENTS FOLDER

Tables are in memory with changelogs on Kafka, which costs less than its RocksDB store. Values are
msgpack, keys raw bytes: no `faust.Record`, which would cost 12 us an event. `OUT` is not used: the
changelog of the counts is what others would read.
"""

import asyncio
import sys
import time
from pathlib import Path

import faust

from tests.bench.peers.measured import Measured, leave
from tests.bench.peers.pairing import Session, decode, pack, pair_key, step, unpack


def run(broker: str, topic: str, events: int, folder: Path, partitions: int) -> None:
    """Take `events` events in and say how long it took."""
    measured = Measured()
    app = faust.App(
        f"faust-{time.time_ns()}",
        broker=f"kafka://{broker}",
        store="memory://",
        datadir=str(folder),
        web_enabled=False,
        topic_disable_leader=True,
        topic_partitions=partitions,
        consumer_auto_offset_reset="earliest",
        stream_wait_empty=False,
        value_serializer="raw",
        key_serializer="raw",
    )
    source = app.topic(topic, key_type=bytes, value_type=bytes)
    sessions = app.Table("sessions", key_type=bytes, value_type=bytes)
    counts = app.Table("counts", key_type=bytes, value_type=bytes)

    async def pair(stream: faust.StreamT[bytes]) -> None:
        async for key, value in stream.items():
            measured.begin()
            found = sessions.get(key)
            session = Session() if found is None else unpack(found)
            told = step(session, decode(value))
            sessions[key] = pack(session)
            measured.count(told)
            for each in told:
                name = pair_key(each).encode()
                counts[name] = b"%d" % (int(counts.get(name) or 0) + 1)
            measured.events += 1
            if measured.events == events:
                await app.producer.flush()
                await app.consumer.commit()
                measured.end()
                leave()

    app.agent(source)(pair)
    worker = faust.Worker(app, loglevel="ERROR", quiet=True, loop=asyncio.new_event_loop())
    worker.execute_from_commandline()


if __name__ == "__main__":
    broker, topic, _, events, folder, partitions = sys.argv[1:]
    run(broker, topic, int(events), Path(folder), int(partitions))
