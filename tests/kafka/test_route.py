"""ROUTE on a real Kafka: nothing is lost by kills, a backlog comes in the order of event time."""

import asyncio
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streams.dead_letters import decode_dead_letter
from streams.events import decode_event
from streams.process import status
from streams.settings import Settings
from tests.kafka.helpers import Worker, create_topics, read_all, test_settings, wait_until

DAY_MS = 86_400_000
BEGIN_MS = 1_700_000_000_000


class Router(Worker):
    """A worker process of the real ROUTE."""

    def __init__(self, settings: Settings, slot: int = 0) -> None:
        super().__init__(settings, "route", slot)

    def start(self) -> "Router":
        self.log.parent.mkdir(parents=True, exist_ok=True)
        status.status_file(self.settings, self.stage, self.slot).unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streams.worker_main", "route", str(self.slot)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=Path(__file__).parents[2],
            )
        assert self.process.stdin is not None
        self.process.stdin.write(self.settings.to_json())
        self.process.stdin.close()
        return self


def shop(
    kafka: str, prefix: str, folder: Path, *, partitions: int = 1, **changes: object
) -> Settings:
    """Settings of a shop with searches in one topic and purchases in another, both made."""
    sources = {f"{prefix}shop.{name}": "native" for name in ("searches", "purchases")}
    settings = test_settings(
        kafka,
        prefix,
        folder,
        sources=sources,
        secret="a secret of these tests",
        dead_letter_min=10_000,
        **changes,
    )
    create_topics(settings)

    async def create() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
        await admin.start()
        await admin.create_topics([NewTopic(name, partitions, 1) for name in sources])
        await admin.close()

    asyncio.run(create())
    return settings


def write(settings: Settings, topic: str, values: list[bytes], partition: int = 0) -> None:
    async def work() -> None:
        async with AIOKafkaProducer(bootstrap_servers=settings.kafka, linger_ms=5) as producer:
            for value in values:
                await producer.send(f"{settings.prefix}shop.{topic}", value, partition=partition)

    asyncio.run(work())


def event(number: int, at_ms: int, kind: str) -> bytes:
    told = {
        "action_name": kind,
        "event_id": f"{kind}{number}",
        "client_id": f"shopper-{number % 50}@shop.example",
        "timestamp": at_ms,
        "user_query": "red shoes",
        "event_attributes": {"object": {"object_id": f"P{number % 9}"}},
    }
    return json.dumps(told).encode()


def test_a_backlog_of_two_topics_is_read_in_the_order_of_event_time(
    kafka: str, topic_prefix: str, tmp_path: Path
):
    settings = shop(kafka, topic_prefix, tmp_path)
    minute = DAY_MS // 1440
    # One topic holds days where the other is just beginning: unaligned, all of it would be late.
    searches = [event(n, BEGIN_MS + n * minute, "search") for n in range(3_000)]
    purchases = [event(n, BEGIN_MS + n * 60 * minute, "purchase") for n in range(50)]
    write(settings, "searches", searches)
    write(settings, "purchases", purchases)
    with Router(settings):
        wait_until(lambda: len(read_all(settings, "events")) == 3_050, "all routed")
    assert disorder_ms(settings) <= settings.allowance_ms


def disorder_ms(settings: Settings) -> int:
    """By how much an event is behind the newest before it; repeats do not count."""
    highest: dict[int, int] = {}
    seen: set[str] = set()
    worst = 0
    for partition, record in read_all(settings, "events"):
        event = decode_event(record.value or b"")
        if event.id in seen:
            continue
        seen.add(event.id)
        worst = max(worst, highest.get(partition, event.at_ms) - event.at_ms)
        highest[partition] = max(highest.get(partition, event.at_ms), event.at_ms)
    print(f"largest disorder {worst / 60_000:.1f} min of {settings.allowance_ms / 60_000:.0f}")
    return worst


def test_two_processes_read_a_backlog_in_order_also_when_one_of_them_is_killed(
    kafka: str, topic_prefix: str, tmp_path: Path
):
    settings = shop(kafka, topic_prefix, tmp_path, partitions=2, session_timeout_ms=6_000)
    minute = DAY_MS // 1440
    # One partition holds the same days in a hundredth of the records: whoever reads it without a
    # look at the other is through at once.
    many = [event(n, BEGIN_MS + n * minute // 2, "search") for n in range(10_000)]
    few = [event(n, BEGIN_MS + n * 50 * minute, "purchase") for n in range(100)]

    def ids() -> set[str]:
        return {decode_event(record.value or b"").id for _, record in read_all(settings, "events")}

    routers = Router(settings, 0), Router(settings, 1)

    def share() -> bool:
        told = [router.status for router in routers]
        return all(each is not None and len(each.partitions) == 2 for each in told)

    with routers[0], routers[1]:
        wait_until(share, "a partition of each topic for each")
        for router in routers:
            router.kill()
        write(settings, "searches", many, 0)
        write(settings, "searches", few, 1)
        for router in routers:
            router.start()
        for router in routers:
            wait_until(lambda router=router: router.is_ready, "ready")  # type: ignore[misc]
            time.sleep(0.5)
            router.kill()
            time.sleep(0.5)
            router.start()
        wait_until(lambda: len(ids()) == 10_100, "all routed", 60)
    assert disorder_ms(settings) <= settings.allowance_ms


def test_kills_lose_nothing_and_what_is_sent_twice_is_the_same(
    kafka: str, topic_prefix: str, tmp_path: Path
):
    settings = shop(kafka, topic_prefix, tmp_path)
    chance = random.Random(3)
    count = 12_000
    with Router(settings) as router:
        wait_until(lambda: router.is_ready, "ready")
        for turn in range(4):
            part = range(turn * count // 4, (turn + 1) * count // 4)
            write(settings, "searches", [event(n, BEGIN_MS + n, "search") for n in part])
            time.sleep(chance.uniform(0.0, 0.4))
            router.kill()
            router.start()
        garbage = [b"\xff\xfe", b"{", b"[" * 5_000, b'{"action_name":"search"}']
        write(settings, "purchases", garbage)

        def told() -> dict[str, set[bytes]]:
            found: dict[str, set[bytes]] = {}
            for _, record in read_all(settings, "events"):
                value = record.value or b""
                found.setdefault(decode_event(value).id, set()).add(value)
            return found

        wait_until(lambda: len(told()) == count, "every event", 40)
        wait_until(lambda: len(read_all(settings, "dead-letters", 1)) >= 4, "dead letters")
        assert all(len(values) == 1 for values in told().values())
        letters = {
            record.key: decode_dead_letter(record.value or b"").reason
            for _, record in read_all(settings, "dead-letters", 1)
        }
        assert len(letters) == 4
        router.signal(signal.SIGTERM)
        assert router.wait() == 0
    raw = b"".join(record.value or b"" for _, record in read_all(settings, "events"))
    assert b"shop.example" not in raw
