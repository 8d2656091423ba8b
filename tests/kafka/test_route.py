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

from streams import status
from streams.dead_letters import decode_dead_letter
from streams.events import decode_event
from streams.settings import Settings
from tests.kafka.helpers import Worker, create_topics, read_all, test_settings, wait_until

DAY_MS = 86_400_000
BEGIN_MS = 1_700_000_000_000


class Router(Worker):
    """A worker process of the real ROUTE."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, "route")

    def start(self) -> "Router":
        self.log.parent.mkdir(parents=True, exist_ok=True)
        status.status_file(self.settings, self.stage, self.slot).unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streams.worker_main", "route", "0"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=Path(__file__).parents[2],
            )
        assert self.process.stdin is not None
        self.process.stdin.write(self.settings.to_json())
        self.process.stdin.close()
        return self


def shop(kafka: str, prefix: str, folder: Path, **changes: object) -> Settings:
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
        await admin.create_topics([NewTopic(name, 1, 1) for name in sources])
        await admin.close()

    asyncio.run(create())
    return settings


def write(settings: Settings, topic: str, values: list[bytes]) -> None:
    async def work() -> None:
        async with AIOKafkaProducer(bootstrap_servers=settings.kafka, linger_ms=5) as producer:
            for value in values:
                await producer.send(f"{settings.prefix}shop.{topic}", value, partition=0)

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
    highest: dict[int, int] = {}
    worst = 0
    for partition, record in read_all(settings, "events"):
        at_ms = decode_event(record.value or b"").at_ms
        worst = max(worst, highest.get(partition, at_ms) - at_ms)
        highest[partition] = max(highest.get(partition, at_ms), at_ms)
    print(f"largest disorder {worst / 60_000:.1f} min of {settings.allowance_ms / 60_000:.0f}")
    assert worst <= settings.allowance_ms


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
