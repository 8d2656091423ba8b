"""How messages become batches: in order, to the right partition, one at a time a partition."""

import asyncio
from collections import Counter, defaultdict

import pytest
from aiokafka.errors import KafkaTimeoutError

from streams.errors import BrokerError
from streams.kafka.producer import Producer
from streams.ports import Message
from streams.source_times import Headers, source_of
from streams.topics import Names, partition_of


class Batch:
    """Takes three records."""

    def __init__(self) -> None:
        self.records: list[tuple[bytes, bytes]] = []
        self.headers: Headers = ()
        self.closed = False

    def append(
        self, *, timestamp: int, key: bytes, value: bytes, headers: Headers = ()
    ) -> object | None:
        assert bool(headers) == (not self.records), "the first record of a batch, and it alone"
        self.headers = headers or self.headers
        if self.closed or len(self.records) == 3:
            return None
        self.records.append((key, value))
        return object()

    def close(self) -> None:
        self.closed = True


class Kafka:
    """An aiokafka producer that has room for one batch of a partition at a time."""

    def __init__(self) -> None:
        self.sent: defaultdict[tuple[str, int], list[tuple[bytes, bytes]]] = defaultdict(list)
        self.waiting: Counter[tuple[str, int]] = Counter()
        self.told: list[int | None] = []
        self.refuses: Exception | None = None

    def create_batch(self) -> Batch:
        return Batch()

    async def partitions_for(self, topic: str) -> set[int]:
        return set(range(5))

    async def send_batch(
        self, batch: Batch, topic: str, *, partition: int
    ) -> "asyncio.Future[None]":
        assert batch.closed
        place = (topic, partition)
        self.waiting[place] += 1
        assert self.waiting[place] == 1, "a second one would compete for the place"
        await asyncio.sleep(0)
        self.waiting[place] -= 1
        self.sent[place] += batch.records
        self.told.append(source_of(batch.headers))
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.refuses:
            future.set_exception(self.refuses)
        else:
            future.set_result(None)
        return future


def producer(kafka: Kafka) -> Producer:
    made = Producer.__new__(Producer)
    made.__dict__.update(
        _names=Names("g"), _kafka=kafka, _partitions={}, _turns=defaultdict(asyncio.Lock)
    )
    return made


def test_order_holds_in_each_partition_over_batches():
    kafka = Kafka()
    told = [Message("claims", n % 2, b"k%d" % n, b"v%d" % n) for n in range(20)]
    asyncio.run(producer(kafka).send(told))
    for partition in range(2):
        wanted = [(each.key, each.value) for each in told if each.partition == partition]
        assert kafka.sent["g.claims", partition] == wanted


def test_a_message_without_a_partition_goes_where_its_key_belongs():
    kafka = Kafka()
    asyncio.run(producer(kafka).send([Message("dead-letters", None, b"key", b"v")]))
    assert list(kafka.sent) == [("g.dead-letters", partition_of(b"key", 5))]


def test_many_who_send_to_one_partition_take_turns():
    kafka = Kafka()

    async def work() -> None:
        shared = producer(kafka)
        parts = ([Message("claims", 0, b"%d" % n, b"v")] * 10 for n in range(6))
        await asyncio.gather(*(shared.send(part) for part in parts))

    asyncio.run(work())
    assert Counter(key for key, _ in kafka.sent["g.claims", 0]) == {b"%d" % n: 10 for n in range(6)}


def test_what_kafka_refuses_is_said():
    kafka = Kafka()
    kafka.refuses = KafkaTimeoutError()
    with pytest.raises(BrokerError, match="KafkaTimeoutError"):
        asyncio.run(producer(kafka).send([Message("claims", 0, b"k", b"v")]))


def test_every_batch_tells_the_source_time_of_what_is_in_it():
    kafka = Kafka()
    made = producer(kafka)
    told = [Message("claims", 0, b"k%d" % n, b"v") for n in range(7)]
    asyncio.run(made.send(told, 1_700_000_000_123))
    asyncio.run(made.send(told[:1]))
    assert kafka.told == [1_700_000_000_123] * 3 + [None]
