"""State, topics and bundles that do not fit: one sentence, exit code 2, and nothing is touched.

One run of all stages comes first, over source topics with transactions and compaction gaps; every
test then breaks a copy of what it left. At the end the run goes on from what it left.
"""

import asyncio
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from models_onnx.bundle import MODEL_FILE, shipped
from streams.broker import admin
from streams.process.status import stage_folder
from streams.settings import Settings
from streams.totals import wire
from streams.totals.messages import BOUGHT
from streams.worker.process import SET_UP_WRONG
from tests.kafka.counts import Books
from tests.kafka.helpers import kept, read_all, wait_until
from tests.kafka.running import Stages, create_all_topics, facts_of, heard, shop_settings, write
from tests.kafka.test_bad_input import NOW_MS, bought, product

TURNS, EACH, PRODUCTS = 8, 5, 40
EAGER = {
    "cleanup.policy": "compact",
    "segment.ms": "100",
    "min.compaction.lag.ms": "0",
    "min.cleanable.dirty.ratio": "0.01",
}


class Left(NamedTuple):
    """What the first run left.

    Attributes:
        committed: events of transactions that were committed.
        there: catalog records that compaction had left before and after the run. It may go on
            meanwhile: where the last records took longer to write than a segment may be open,
            some of them are compacted, too.
    """

    settings: Settings
    committed: int
    there: tuple[int, int]
    books: Books


@pytest.fixture(scope="module")
def left(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Left:
    folder = tmp_path_factory.mktemp("bad-state")
    settings = shop_settings(kafka, f"state{time.time_ns() % 10**8}", folder)
    create_all_topics(settings, catalog=EAGER)
    committed = asyncio.run(transact(settings))
    compact(settings)
    before = there(settings)
    with Stages(settings) as stages:
        books = stages.rest()
        assert stages.stop() == 0
    return Left(settings, committed, (before, there(settings)), books)


async def transact(settings: Settings) -> int:
    """Purchases in transactions, every fourth of which is aborted; how many were committed."""
    name, _ = settings.sources
    committed = 0
    async with AIOKafkaProducer(
        bootstrap_servers=settings.kafka, transactional_id=settings.prefix
    ) as producer:
        for turn in range(TURNS):
            await producer.begin_transaction()
            for n in range(EACH):
                number = f"{'aborted' if turn % 4 == 3 else 'done'}-{turn}-{n}"
                await producer.send(name, bought(NOW_MS + turn, number), partition=0)
            if turn % 4 == 3:
                await producer.abort_transaction()
            else:
                await producer.commit_transaction()
                committed += EACH
    return committed


def compact(settings: Settings) -> None:
    """Several records of each product, until some were compacted away."""
    _, name = settings.sources
    rows = [(b"%d" % n, product(f"gap-{n}", color="red")) for n in range(PRODUCTS)]
    for turn in range(4):
        write(settings, name, rows)
        time.sleep(0.3 if turn < 3 else 0.0)
    wait_until(lambda: there(settings) < 3 * PRODUCTS, "compaction", 60)


def there(settings: Settings) -> int:
    """Records of the shop's catalog."""
    _, name = settings.sources
    shop = settings.with_(prefix=name.rpartition(".")[0])
    return len(read_all(shop, "catalog", 1))


@pytest.fixture
def copy(left: Left, tmp_path: Path) -> Settings:
    """Settings that point to a copy of the stores."""
    shutil.copytree(left.settings.data_dir, tmp_path / "copy", ignore=_no_run_files)
    return left.settings.with_(data_dir=tmp_path / "copy")


def _no_run_files(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name == "run"]


def refused(settings: Settings, *stages: str) -> str:
    """The sentence with which a stage gives up, with exit code 2."""
    tried = Stages(settings, stages)
    (said,) = tried.refused()
    assert tried.code == SET_UP_WRONG
    assert "Traceback" not in said
    return said


def stores(settings: Settings, stage: str) -> Path:
    return stage_folder(settings, stage)


def test_transactions_and_compaction_gaps_lose_nothing_and_invent_nothing(left: Left):
    counted = heard(left.settings, "bought")
    products = {wire.split(key)[0] for key in counted if wire.split(key)[1] == BOUGHT}
    assert len([each for each in products if each.startswith(b"good-done-")]) == left.committed
    assert not [each for each in products if each.startswith(b"good-aborted-")]
    heads = {head for head, _, _ in facts_of(left.settings)}
    assert {f"product:good-gap-{n}" for n in range(PRODUCTS)} <= heads
    route = {book.topic: book.ended for book in left.books.books if book.stage == "route"}
    events, catalog = left.settings.sources
    assert route[events] == {"used": left.committed}
    assert route[catalog].keys() == {"used"}
    before, after = left.there
    assert after <= route[catalog]["used"] <= before < 4 * PRODUCTS


def test_a_bundle_whose_sha256_differs(copy: Settings, tmp_path: Path):
    own = shipped("tagging")
    shutil.copytree(own, tmp_path / "tagging")
    model = tmp_path / "tagging" / MODEL_FILE
    data = bytearray(model.read_bytes())
    data[len(data) // 2] ^= 1
    model.write_bytes(data)
    said = refused(copy.with_(tagging_bundle=tmp_path / "tagging"), "queries")
    assert str(model) in said
    assert "sha256" in said


def test_a_bundle_that_is_not_there(copy: Settings, tmp_path: Path):
    said = refused(copy.with_(cleaning_bundle=tmp_path / "nothing"), "products")
    assert str(tmp_path / "nothing") in said


@pytest.mark.parametrize("stage", ["shoppers", "products"])
def test_a_store_of_another_layout(copy: Settings, stage: str):
    (stores(copy, stage) / "1" / "cartograph-layout").write_text("99\n")
    assert "layout '99'" in refused(copy, stage)


def test_a_store_of_another_partition(copy: Settings):
    folder = stores(copy, "products")
    (folder / "0").rename(folder / "x")
    (folder / "1").rename(folder / "0")
    (folder / "x").rename(folder / "1")
    assert "belongs to products/1" in refused(copy, "products")


def test_a_store_of_another_stage(copy: Settings):
    shutil.rmtree(stores(copy, "graph"))
    shutil.copytree(stores(copy, "queries"), stores(copy, "graph"))
    assert "belongs to queries/0" in refused(copy, "graph")


def test_a_store_of_another_graph(copy: Settings, kafka: str, topic_prefix: str):
    other = shop_settings(kafka, topic_prefix, copy.data_dir)
    create_all_topics(other)
    stores(copy, "queries").parent.rename(stores(other, "queries").parent)
    said = refused(other, "queries")
    assert f"of graph '{copy.graph}'" in said
    assert "CARTOGRAPH_DATA_DIR" in said


def test_a_store_that_was_emptied(copy: Settings):
    shutil.rmtree(stores(copy, "shoppers") / "0")
    assert "CARTOGRAPH_ALLOW_EMPTY_STORE=1" in refused(copy, "shoppers")


def test_a_folder_that_another_worker_is_using(copy: Settings, capfd: pytest.CaptureFixture[str]):
    with Stages(copy, ["queries"]) as running:
        second = Stages(copy, ["queries"])
        second.refused()  # the status file is the first one's
        assert second.code == SET_UP_WRONG
        assert running.stop() == 0
    assert "worker queries-0 runs already in another process" in capfd.readouterr().err


def test_another_k_than_the_store_of_queries_was_filled_with(copy: Settings):
    assert "k=3" in refused(copy.with_(k_shoppers=4), "queries")


@pytest.mark.parametrize("stage", ["route", "graph"])
def test_a_broker_that_is_not_there(copy: Settings, stage: str):
    said = refused(copy.with_(kafka="127.0.0.1:9"), stage)
    assert "no Kafka answers at 127.0.0.1:9" in said


@pytest.mark.parametrize("stage", ["route", "products"])
def test_topics_of_another_partition_count(copy: Settings, stage: str):
    said = refused(copy.with_(partitions=4), stage)
    assert "has 2 partitions, the graph wants 4" in said


def test_source_topics_that_are_missing_and_a_secret_that_is_not_set(copy: Settings):
    said = refused(copy.with_(sources={"no.such.topic": "native"}), "route")
    assert "no.such.topic" in said
    assert "CARTOGRAPH_SECRET" in refused(copy.with_(secret=""), "route")
    said = refused(copy.with_(sources={next(iter(copy.sources)): "no-format"}), "route")
    assert "no-format" in said


def again(settings: Settings, name: str, make: Callable[[], None]) -> None:
    """Delete a topic and make it again."""

    async def delete() -> None:
        client = AIOKafkaAdminClient(bootstrap_servers=settings.kafka)
        await client.start()
        await client.delete_topics([name])
        await client.close()

    asyncio.run(delete())
    wait_until(lambda: not asyncio.run(admin.describe(settings.kafka, [name])), "its end")
    make()


def test_the_run_goes_on_after_all_of_this_and_a_source_topic_made_again_is_read_if_one_says_so(
    left: Left,
):
    settings = left.settings
    events, _ = settings.sources
    again(settings, events, lambda: create_all_topics(settings))
    write(settings, events, [(None, bought(NOW_MS + 60_000, f"after-{n}")) for n in range(8)])
    before = {n: kept(settings, "shoppers", n) for n in range(settings.partitions)}
    said = refused(settings, "route")
    assert f"{events} was deleted and made again since ROUTE read it first" in said
    assert "CARTOGRAPH_ALLOW_EMPTY_STORE=1" in said
    with Stages(settings.with_(allow_empty_store=True)) as stages:
        stages.rest()
        assert stages.stop() == 0
    counted = heard(settings, "bought")
    products = {wire.split(key)[0] for key in counted if wire.split(key)[1] == BOUGHT}
    assert {b"good-after-%d" % n for n in range(8)} <= products
    assert len([each for each in products if each.startswith(b"good-done-")]) == left.committed
    for number, row in before.items():
        now = kept(settings, "shoppers", number)
        assert row is not None
        assert now is not None
        assert now.version > row.version
        assert now.tally["events.used"] >= row.tally["events.used"]


def test_an_own_topic_that_was_made_again(left: Left, copy: Settings):
    again(left.settings, left.settings.topic("events"), lambda: create_all_topics(left.settings))
    said = refused(copy, "shoppers")
    assert "was deleted and made again" in said
    assert left.settings.topic("events") in said
