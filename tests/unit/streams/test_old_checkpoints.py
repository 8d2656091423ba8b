"""A checkpoint of an older layout: restored by a worker, by hand, and opened to be read."""

import asyncio
import tarfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from streams.checkpoint.copying import Hashes, fetch, save
from streams.checkpoint.manifest import Manifest, result_settings
from streams.checkpoint.place import Place
from streams.checkpoint.recovery import Recovery
from streams.checkpoint.restoring import restore_all
from streams.errors import TopicError
from streams.layout.migration import open_store
from streams.registry import SPECS
from streams.serve.past import graph_at, travel_folder
from streams.settings import Settings
from streams.totals.owner import Kept, kept_of
from streams.worker.holding_checks import check_topic_ids
from streams.worker.opening import Opening
from topology.graph import TABLES as GRAPH_TABLES
from topology.store.layout import LAYOUT_FILE, LAYOUT_VERSION
from topology.store.memory import MemoryStore
from topology.store.rocksdb import RocksStore

GOLDEN = Path(__file__).parents[2] / "golden" / "stores" / "layout-1.tar.xz"
ID = "20261105T120000Z"
TABLES = SPECS["graph"].all_tables


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, Manifest]:
    """GRAPH of the sample shop, as the code of layout 1 left it, in a place of checkpoints."""
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(GOLDEN) as archive:
        archive.extractall(folder, filter="data")
    store = folder / "stores" / "graph" / "0"
    with RocksStore(store, ("meta",), oldest=1) as opened:
        row = kept_of(opened)
    assert row is not None
    assert row.layout == 1
    place = Place(str(folder / "place"), "golden")
    made = Manifest(
        checkpoint=ID,
        stage="graph",
        partition=0,
        graph=row.graph,
        created_ms=1,
        program="0.1.0",
        layout=1,
        incarnation=row.incarnation,
        offsets=row.offsets,
        settings=result_settings(Settings()),
    )
    return place, save(place, store, made, hashes=Hashes(), token="0" * 8).manifest


@pytest.fixture
def settings(kept: tuple[Place, Manifest], tmp_path: Path) -> Settings:
    return Settings(
        prefix="golden",
        partitions=1,
        data_dir=tmp_path / "data",
        checkpoint_url=kept[0].url,
    )


def is_of_now(folder: Path) -> None:
    assert (folder / LAYOUT_FILE).read_text() == f"{LAYOUT_VERSION}\n"
    with RocksStore(folder, ("meta",), read_only=True) as store:
        row = kept_of(store)
    assert row is not None
    assert row.layout == LAYOUT_VERSION


def opening(place: Place | None, folder: Path, graph: str, *, allow_empty: bool = False) -> Opening:
    """Of a partition that ran before."""
    where = None if place is None else lambda: place
    return Opening(
        "graph",
        {"golden.claims": "claims"},
        folder=folder,
        open_store=lambda folder: open_store(folder, TABLES),
        control=SimpleNamespace(last_claim=lambda stage, number: 5),  # type: ignore[arg-type]
        allow_empty=allow_empty,
        recovery=Recovery("graph", graph, place=where, settings={}, rebuilds=False),
    )


def opened(made: Opening) -> Kept | None:
    """What partition 0 says of itself when it is open."""
    broker = SimpleNamespace()  # nothing is asked of a partition that comes without its state
    store = asyncio.run(made.open(0, lambda: True, broker))  # type: ignore[arg-type]
    assert store is not None
    row = kept_of(store)
    store.close()
    return row


def test_a_worker_that_lacks_the_state_brings_it_up(
    kept: tuple[Place, Manifest], settings: Settings, tmp_path: Path
):
    row = opened(opening(kept[0], tmp_path, settings.graph))
    assert row is not None
    assert (row.layout, row.offsets) == (LAYOUT_VERSION, kept[1].offsets)
    is_of_now(tmp_path / "0")


def test_a_checkpoint_goes_before_an_empty_store_and_errors_say_so(
    kept: tuple[Place, Manifest], settings: Settings, tmp_path: Path
):
    """Else one start with a wrong setting would forget what SHOPPERS alone knows."""
    assert opened(opening(kept[0], tmp_path / "with", settings.graph, allow_empty=True))
    assert opened(opening(None, tmp_path / "without", settings.graph, allow_empty=True)) is None
    with pytest.raises(TopicError, match="without CARTOGRAPH_CHECKPOINT_URL"):
        check_topic_ids(MemoryStore({"meta": {b"topics": b'{"t": "1"}'}}), {"t": "2"}, "shoppers/0")


def test_one_restored_by_hand_is_brought_up_by_whoever_opens_it(
    kept: tuple[Place, Manifest], settings: Settings
):
    restore_all(settings, kept[0], [kept[1]])
    folder = settings.data_dir / "golden" / "graph" / "0"
    assert (folder / LAYOUT_FILE).read_text() == "1\n"
    open_store(folder, TABLES).close()
    is_of_now(folder)


@pytest.mark.parametrize("fetched_before", [False, True], ids=["now", "before"])
def test_one_that_is_looked_at_is_brought_up_whoever_fetched_it(
    kept: tuple[Place, Manifest], settings: Settings, fetched_before: bool
):
    """An older program fetched it, or one that was killed before it brought it up."""
    target = travel_folder(settings, ID) / "0"
    if fetched_before:
        fetch(kept[0], kept[1], target)
    with graph_at(settings, ID) as graph:
        assert sum(1 for _ in graph.facts()) > 250
    is_of_now(target)
    with RocksStore(target, GRAPH_TABLES, read_only=True), graph_at(settings, ID) as graph:
        assert graph.counts(), "two may look at the same time"
