"""What a worker does about checkpoints: when it makes them, and where it finds state."""

import asyncio
import logging
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.checkpoint import keeper as keepers
from streams.checkpoint.keeper import Keeper
from streams.checkpoint.manifest import new_id
from streams.checkpoint.place import Place
from streams.checkpoint.wiring import new_keeper
from streams.control.claims import CheckpointOrder, Control
from streams.control.generations import Generations
from streams.errors import CheckpointError
from streams.kafka.fetch import Span
from streams.kafka.partition import Pace, Partition
from streams.serve.past import Joined
from streams.settings import Settings
from streams.totals import tables as totals
from streams.totals.inbox import Inbox
from streams.totals.owner import Kept, Owner, Start, kept_of, without_incarnation
from streams.totals.wire import Marker, Sent, decode
from tests.unit.streams.test_owner import Counting, told
from topology.graph import Graph
from topology.store.memory import MemoryStore
from topology.store.rocksdb import RocksStore

TABLES = (*totals.TABLES, "answers")
NOON = 1_793_880_000  # 2026-11-05T12:00:00Z
SETTINGS = Settings(prefix="graph", partitions=2)


class Leased:
    def __init__(self) -> None:
        self.is_good = True

    async def wait(self, wanted) -> bool:
        return wanted()


async def nothing(*args) -> None:
    pass


def partition(
    folder: Path, number: int = 0, stage: str = "products", *, claim: int = 7
) -> Partition:
    store = RocksStore(folder / stage / str(number), TABLES)
    owner = Owner(
        stage, number, store, Counting, {"claims": 2, "dead-letters": 1}, graph=SETTINGS.graph
    )
    owner.start(Start(claim, None, {}, "boot"))
    return Partition(
        owner,
        store,
        topics={"g.bought": "bought"},
        lease=Leased(),  # type: ignore[arg-type]
        send=nothing,
        answer=nothing,  # type: ignore[arg-type]
        pace=Pace(1.0, 1_000, 1_000, 1_000),
    )


def keeper(
    folder: Path, partitions: Mapping[int, Partition], stage: str = "products", **changes: object
) -> Keeper:
    chosen = SETTINGS.with_(
        **{"checkpoint_url": str(folder / "place"), "checkpoint_every_s": 3_600, **changes}
    )
    return Keeper(
        chosen,
        stage,
        stages=("products", "graph"),
        folder=folder / stage,
        partitions=lambda: partitions,
        bundles=lambda: ("tagging@1",),
        may_write=lambda: True,
        place=lambda: Place(chosen.checkpoint_url, chosen.prefix),
    )


def place_in(folder: Path) -> Place:
    return Place(str(folder / "place"), "graph")


def test_a_copy_has_no_incarnation_and_the_store_goes_on_as_it_was(tmp_path: Path):
    one = partition(tmp_path)

    async def work() -> Kept | None:
        await one.read("g.bought", Span(0, 1, [told(0, b"a", 3)], 1))
        return await one.snapshot(tmp_path / "copy")

    kept = asyncio.run(work())
    assert kept is not None
    assert (kept.incarnation, kept.offsets) == (7, {"bought": 1})
    with RocksStore(tmp_path / "copy", TABLES, read_only=True) as copy:
        row = kept_of(copy)
        assert row is not None
        assert (row.incarnation, row.offsets) == (-1, {"bought": 1})
    one.close()
    with RocksStore(one._store.path, TABLES) as store:  # type: ignore[attr-defined]
        again = Owner("products", 0, store, Counting, {"claims": 2}, graph=SETTINGS.graph)
        assert not again.start(Start(8, 7, {}, "boot")), "the store itself made the last claim"


def test_a_partition_that_is_taken_away_lets_go_of_its_store_when_the_copy_is_made(tmp_path: Path):
    one, begun, may_end = partition(tmp_path), threading.Event(), threading.Event()
    checkpoint = one._store.checkpoint

    def slow(path: Path) -> None:
        begun.set()
        may_end.wait(10)
        checkpoint(path)

    one._store.checkpoint = slow  # type: ignore[method-assign]

    async def work() -> None:
        copying = asyncio.create_task(one.snapshot(tmp_path / "copy"))
        await asyncio.to_thread(begun.wait)
        one.close()
        may_end.set()
        await copying

    asyncio.run(work())
    with RocksStore(one._store.path, TABLES) as store:  # type: ignore[attr-defined]
        row = kept_of(store)
        assert row is not None
        assert row.incarnation == 7


@pytest.mark.parametrize("stripped", [True, False])
def test_with_its_incarnation_a_checkpoint_would_leave_what_was_told_after_it(stripped: bool):
    """Told after the checkpoint, and its cause compacted away since: nobody would take it back."""
    receiver, store = Inbox(MemoryStore()), MemoryStore()

    def owner(durable: dict, claim: int, last: int | None, end: int) -> Owner:
        made = Owner("products", 0, MemoryStore(durable), Counting, {"claims": 1}, graph="g/1")
        made.start(Start(claim, last, {"bought": end}, "boot"))
        return made

    def deliver(sender: Owner) -> int:
        sender.commit()
        for message in sender.take(100):
            sent = decode(message.topic, message.key, message.value)
            if isinstance(sent, Marker):
                list(receiver.end(message.topic, sent))
            else:
                assert isinstance(sent, Sent)
                receiver.receive(message.topic, sent)
        sender.settled()
        return receiver.total("claims", told(0, b"a", 0).key[10:])

    del store
    first = owner({}, 1, None, 0)
    deliver(first)
    first.commit()
    saved = {table: dict(rows) for table, rows in first._state.durable.items()}  # type: ignore[attr-defined]
    if stripped:
        saved["meta"][b"kept"] = without_incarnation(saved["meta"][b"kept"])
    first.read("bought", [told(0, b"a", 3)], 1)
    assert deliver(first) == 3
    second = owner(saved, 2, 1, 2)  # record 0 was compacted away: 1 is of the same key
    second.read("bought", [told(1, b"a", 0, 2)], 2)
    assert deliver(second) == (0 if stripped else 3)


def turns(made: Keeper, *times: float) -> None:
    async def work() -> None:
        for each in times:
            await made.turn(each)

    asyncio.run(work())


def test_the_schedule_makes_each_partition_once_in_its_time_on_whatever_machine(tmp_path: Path):
    held = {number: partition(tmp_path, number) for number in (0, 1)}
    made = keeper(tmp_path, held)
    place, wanted = place_in(tmp_path), new_id(NOON * 1000)
    turns(made, NOON)
    assert place.ids() == [], "each partition has a time of its own"
    turns(made, NOON + 400)
    assert place.parts(wanted).keys() == {("products", 0), ("products", 1)}
    written = dict(place.parts(wanted))
    turns(made, NOON + 500, NOON + 3_599)
    turns(keeper(tmp_path, held), NOON + 600)  # a worker that has just started
    assert place.parts(wanted) == written
    turns(made, NOON + 4_000)
    assert place.ids() == [wanted, new_id((NOON + 3_600) * 1000)]
    manifest = place.manifest(wanted, "products", 1)
    assert manifest is not None
    assert (manifest.bundles, manifest.incarnation) == (("tagging@1",), 7)
    assert manifest.settings["k_shoppers"] == 3
    assert not list(tmp_path.glob("products/*.checkpoint"))


def test_the_last_of_all_stages_completes_it_and_prunes(tmp_path: Path):
    stages = {
        stage: keeper(
            tmp_path,
            {number: partition(tmp_path, number, stage) for number in (0, 1)},
            stage,
            checkpoint_keep=1,
        )
        for stage in ("products", "graph")
    }
    place = place_in(tmp_path)
    for hour in (0, 1):
        now = NOON + hour * 3_600 + 500
        turns(stages["products"], now)
        assert place.completed(new_id((now - 500) * 1000)) is None
        turns(stages["graph"], now)
        assert place.completed(new_id((now - 500) * 1000)) is not None
    assert place.ids() == [new_id((NOON + 3_600) * 1000)]


def test_a_worker_that_is_killed_before_it_said_complete_says_so_after_its_restart(tmp_path: Path):
    wanted, place = new_id(NOON * 1000), place_in(tmp_path)
    held = {
        stage: {number: partition(tmp_path, number, stage) for number in (0, 1)}
        for stage in ("products", "graph")
    }
    turns(keeper(tmp_path, held["products"]), NOON + 500)
    last = keeper(tmp_path, held["graph"], "graph")
    last._complete = lambda *_: None  # type: ignore[method-assign]
    turns(last, NOON + 500)
    assert place.completed(wanted) is None
    turns(keeper(tmp_path, held["graph"], "graph"), NOON + 600)
    said = place.completed(wanted)
    assert said is not None
    assert said.parts == 4


@pytest.mark.parametrize(("base", "parts"), [("totals", 6), ("events", 8)])
def test_a_checkpoint_is_complete_with_the_stages_that_its_graph_has(
    tmp_path: Path, base: str, parts: int
):
    chosen = SETTINGS.with_(
        checkpoint_url=str(tmp_path / "place"),
        checkpoint_every_s=3_600,
        generation="try",
        generation_base=base,
        data_dir=tmp_path,
    )
    place, wanted = Place(chosen.checkpoint_url, "graph.try"), new_id(NOON * 1000)
    stages = ("shoppers", "queries", "products", "graph")[4 - parts // 2 :]
    for stage in stages:
        assert place.completed(wanted) is None
        held = {number: partition(tmp_path / "s", number, stage) for number in (0, 1)}
        made = new_keeper(
            chosen,
            stage,
            partitions=lambda held=held: held,  # type: ignore[misc]
            bundles=tuple,
            may_write=lambda: True,
        )
        assert made is not None
        turns(made, NOON + 500)
    said = place.completed(wanted)
    assert said is not None
    assert said.parts == parts


def test_an_order_is_done_at_once_and_what_is_no_id_is_passed_over(tmp_path: Path):
    made = keeper(tmp_path, {0: partition(tmp_path)}, checkpoint_every_s=0)
    made.order(CheckpointOrder("../../elsewhere"))
    made.order(CheckpointOrder("20261105T120000Z-0a1b2c"))
    turns(made, time.time(), time.time())
    place = place_in(tmp_path)
    assert place.ids() == ["20261105T120000Z-0a1b2c"]
    assert made.status.id == "20261105T120000Z-0a1b2c"
    assert made.status.said == ""


def test_a_place_that_fails_is_told_and_tried_again_later_and_stops_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    one = partition(tmp_path)
    made = keeper(tmp_path, {0: one})
    (tmp_path / "place").write_text("a file where a folder should be")
    with caplog.at_level(logging.ERROR):
        turns(made, NOON + 400)
    assert "CARTOGRAPH_CHECKPOINT_URL" in made.status.said
    assert made.status.said in caplog.text
    (tmp_path / "place").unlink()
    turns(made, NOON + 401)  # the wall clock is before the schedule's: nothing holds it back
    assert one.alive
    later = time.time() + keepers._AGAIN_S
    turns(made, later - later % 3_600 + 3_600 + 400)  # 400 s into an hour: behind any jitter
    assert len(place_in(tmp_path).ids()) >= 1
    assert made.status.said == ""


def test_records_of_somebody_else_on_the_control_topic_do_no_harm():
    heard: list[object] = []
    control = object.__new__(Control)
    control._last, control._token = {}, "x"
    control.generations, control.source_ids = Generations(), {}
    control.on_checkpoint = control.on_reload = control.on_backfill = heard.append  # type: ignore[assignment]
    for key in (b"checkpoint", b"reload/tagging", b"backfill", b"claim/graph/0", b"claim/x"):
        for value in (b"\x80", b'{"token": "\x80"}', b"{}", b"[]", b'{"checkpoint": 5}'):
            control._take(1, key, value, told=True)
    assert heard == []


rows = st.dictionaries(st.binary(min_size=1, max_size=4), st.binary(max_size=4), max_size=12)


@given(rows, st.integers(1, 4), st.binary(max_size=2), st.none() | st.binary(max_size=3), st.data())
def test_partitions_joined_are_read_as_one(
    told_rows: dict[bytes, bytes],
    count: int,
    prefix: bytes,
    after: bytes | None,
    data: st.DataObject,
):
    whole, parts = MemoryStore(), [MemoryStore() for _ in range(count)]
    for key, value in told_rows.items():
        whole.put("facts", key, value)
        parts[data.draw(st.integers(0, count - 1))].put("facts", key, value)
    joined = Joined(parts)
    limit = data.draw(st.none() | st.integers(1, 5))
    asked = {"prefix": prefix, "after": after, "limit": limit}
    assert joined.scan("facts", **asked) == whole.scan("facts", **asked)
    for key in told_rows:
        assert joined.get("facts", key) == whole.get("facts", key)
    with pytest.raises(CheckpointError):
        joined.put("facts", b"a", b"b")


def test_counters_of_partitions_are_added_up():
    parts = [MemoryStore() for _ in range(3)]
    for number, part in enumerate(parts):
        part.put("counters", b"used_for\0accepted", b"%d" % number)
        part.put("counters", b"is_a\0held", b"1")
    assert Graph(Joined(parts)).counts() == {"is_a": {"held": 3}, "used_for": {"accepted": 3}}
