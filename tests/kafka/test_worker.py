"""What keeps workers running, and what they say when they cannot run."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from streams.broker import admin
from streams.control.claims import claim_key
from streams.process import status
from streams.settings import Settings
from streams.worker.supervisor import Slot, Supervisor
from tests.kafka.helpers import (
    Worker,
    create_topics,
    produce,
    tally,
    test_settings,
    totals,
    wait_until,
)
from topology.store.layout import LAYOUT_VERSION


def small(stage: str, number: int) -> list[str]:
    return [sys.executable, "-m", "tests.kafka.small_worker", stage, str(number)]


def supervise(settings: Settings, *stages: str, then: object = None) -> tuple[int, Supervisor]:
    """Run a supervisor until `then` (a coroutine function of it) is done, or it gives up."""

    async def work() -> tuple[int, Supervisor]:
        supervisor = Supervisor(settings, [Slot(each, 0) for each in stages], command=small)
        running = asyncio.create_task(supervisor.run())
        if then is not None:
            try:
                await then(supervisor)  # type: ignore[operator]
            finally:
                supervisor.stop()
        return await asyncio.wait_for(running, 30), supervisor

    return asyncio.run(work())


async def until(true: object, timeout_s: float = 20.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not true():  # type: ignore[operator]
            await asyncio.sleep(0.02)


def test_a_killed_worker_starts_again_at_once_and_all_end_together(
    kafka: str, topic_prefix: str, tmp_path: Path
):
    settings = test_settings(kafka, topic_prefix, tmp_path)
    create_topics(settings)
    produce(settings, "events", ((n % 4, b"a") for n in range(1_000)))
    pids: list[int] = []

    async def then(supervisor: Supervisor) -> None:
        def ready() -> bool:
            told = supervisor.status()
            return len(told) == 2 and all(each.ready for each in told)

        await until(ready)
        first = supervisor.status()[0]
        os.kill(first.pid, signal.SIGKILL)
        killed_at = time.time()
        await until(lambda: ready() and supervisor.status()[0].pid != first.pid)
        print(f"killed, ready again after {time.time() - killed_at:.2f} s")
        await until(lambda: tally(settings, "counting")["events.used"] == 1_000)
        pids.extend(each.pid for each in supervisor.status())

    code, supervisor = supervise(settings, "counting", "summing", then=then)
    assert code == 0
    assert supervisor.restarts == {Slot("counting", 0): 1, Slot("summing", 0): 0}
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert totals(settings, "asked") == {b"a": 1_000}
    assert [each.error for each in status.read_all(settings)] == ["", ""]


def test_a_worker_that_is_killed_again_and_again_is_never_paused(
    kafka: str, topic_prefix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    settings = test_settings(kafka, topic_prefix, tmp_path)
    create_topics(settings)

    async def then(supervisor: Supervisor) -> None:
        killed = 0
        for _ in range(3):

            def again(killed: int = killed) -> bool:
                told = supervisor.status()
                return bool(told) and told[0].ready and told[0].pid != killed

            await until(again)
            killed = supervisor.status()[0].pid
            os.kill(killed, signal.SIGKILL)
        await until(lambda: supervisor.status()[0].pid != killed and supervisor.status()[0].ready)

    code, supervisor = supervise(settings, "counting", then=then)
    assert code == 0
    assert supervisor.restarts == {Slot("counting", 0): 3}
    said = [
        each.getMessage() for each in caplog.records if each.name == "streams.worker.supervisor"
    ]
    assert said == ["counting-0 ended with -9; starting it again in 0.0 s"] * 3


def test_workers_end_when_their_supervisor_is_killed(kafka: str, topic_prefix: str, tmp_path: Path):
    settings = test_settings(kafka, topic_prefix, tmp_path)
    create_topics(settings)
    script = (
        "import asyncio, sys\n"
        "from streams.settings import Settings\n"
        "from streams.worker.supervisor import Slot, Supervisor\n"
        "from tests.kafka.test_worker import small\n"
        "settings = Settings.from_json(sys.stdin.buffer.read())\n"
        "wanted = [Slot('counting', 0)]\n"
        "async def work(): await Supervisor(settings, wanted, command=small).run()\n"
        "asyncio.run(work())\n"
    )
    import subprocess

    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert parent.stdin is not None
    parent.stdin.write(settings.to_json())
    parent.stdin.close()
    file = status.status_file(settings, "counting", 0)
    wait_until(lambda: bool((told := status.read(file)) and told.ready), "the worker")
    pid = status.read(file).pid  # type: ignore[union-attr]
    parent.kill()
    parent.wait()
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the worker's end", 10)


def refused(settings: Settings) -> str:
    """The sentence with which a worker gives up."""
    code, _ = supervise(settings, "counting")
    assert code == 2
    (told,) = status.read_all(settings)
    assert "\n" not in told.error
    return told.error


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(Path(__file__).parents[2])


def test_a_broker_that_is_not_there(tmp_path: Path):
    said = refused(test_settings("127.0.0.1:9", "gone", tmp_path))
    assert "no Kafka answers at 127.0.0.1:9" in said


def test_topics_that_are_missing_or_of_another_count(kafka: str, topic_prefix: str, tmp_path: Path):
    settings = test_settings(kafka, topic_prefix, tmp_path)
    assert "cartograph topics apply" in refused(settings)
    create_topics(settings)
    assert "has 4 partitions, the graph wants 8" in refused(settings.with_(partitions=8))


def test_a_store_of_another_layout_worker_or_graph_and_an_emptied_one(
    kafka: str, topic_prefix: str, tmp_path: Path
):
    settings = test_settings(kafka, topic_prefix, tmp_path)
    create_topics(settings)
    with Worker(settings) as worker:
        wait_until(lambda: worker.is_ready, "ready")
        assert worker.stop() == 0
    stores = status.stage_folder(settings, "counting")
    layout = stores / "2" / "cartograph-layout"
    layout.write_text("99\n")
    assert "layout '99'" in refused(settings)
    layout.write_text(f"{LAYOUT_VERSION}\n")
    (stores / "0").rename(stores / "x")
    (stores / "1").rename(stores / "0")
    (stores / "x").rename(stores / "1")
    assert "belongs to counting/1" in refused(settings)
    (stores / "0").rename(tmp_path / "away")
    (stores / "1").rename(stores / "0")
    assert "CARTOGRAPH_ALLOW_EMPTY_STORE=1" in refused(settings)


def test_a_topic_that_was_made_again(kafka: str, topic_prefix: str, tmp_path: Path):
    from aiokafka.admin import AIOKafkaAdminClient

    settings = test_settings(kafka, topic_prefix, tmp_path)
    create_topics(settings)
    produce(settings, "events", ((n % 4, b"a") for n in range(100)))
    with Worker(settings) as worker:
        wait_until(lambda: tally(settings, "counting")["events.used"] == 100, "read")
        assert worker.stop() == 0

    async def delete() -> None:
        client = AIOKafkaAdminClient(bootstrap_servers=settings.kafka)
        await client.start()
        await client.delete_topics([settings.topic("events")])
        await client.close()

    asyncio.run(delete())
    events = settings.topic("events")
    wait_until(lambda: not asyncio.run(admin.describe(kafka, [events])), "its end")
    create_topics(settings)
    assert "was deleted and made again" in refused(settings)


def test_two_workers_of_one_slot(kafka: str, topic_prefix: str, tmp_path: Path):
    settings = test_settings(kafka, topic_prefix, tmp_path)
    create_topics(settings)
    with Worker(settings) as worker:
        wait_until(lambda: worker.is_ready, "ready")
        second = Worker(settings)
        second.log = tmp_path / "second.log"
        second.process = None
        told = worker.status
        with second:
            assert second.wait(30) == 2
            assert "runs already in another process" in second.said()
        status.write(status.status_file(settings, "counting", 0), told)  # type: ignore[arg-type]


def test_too_many_dead_letters_stop_the_worker(kafka: str, topic_prefix: str, tmp_path: Path):
    settings = test_settings(
        kafka, topic_prefix, tmp_path, dead_letter_min=50, dead_letter_ratio=0.5
    )
    create_topics(settings)
    produce(settings, "events", ((n % 4, b"\xffx") for n in range(60)))
    assert "could not read 60 of the last 60" in refused(settings)


def test_a_claim_of_another_process_ends_the_worker_and_the_next_tells_everything_again(
    kafka: str, topic_prefix: str, tmp_path: Path
):
    settings = test_settings(kafka, topic_prefix, tmp_path)
    create_topics(settings)
    produce(settings, "events", ((n % 4, b"a") for n in range(100)))
    with Worker(settings) as worker:
        wait_until(lambda: totals(settings, "searched") == {b"a": 100}, "told")

        async def claim() -> None:
            async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
                value = b'{"token":"another","worker":"counting-9"}'
                name = settings.topic("control")
                await producer.send_and_wait(name, value, claim_key("counting", 2), partition=0)

        asyncio.run(claim())
        assert worker.wait() == 1
        assert "counting/2 was claimed by another process (counting-9)" in worker.said()
        worker.start()
        wait_until(lambda: "counting/2 sends everything again" in worker.said(), "the resend")
        wait_until(lambda: totals(settings, "searched") == {b"a": 100}, "the same totals")
