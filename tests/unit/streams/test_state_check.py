"""`state check`: nothing on healthy stores, and every kind of fault that is planted is found."""

from collections.abc import Callable
from pathlib import Path

import pytest

from streams.checks.partition import check_partition
from streams.registry import SPECS, window_settings
from streams.sample.make import Sizes, make
from streams.settings import Settings
from streams.totals.inbox import Inbox
from streams.totals.outbox import Outbox
from tests.in_process import STAGES, InProcess, settings
from topology.check import Problem
from topology.store.memory import MemoryStore
from topology.store.rocksdb import RocksStore

NOW_MS = 1_743_000_000_000
Tables = dict[str, dict[bytes, bytes]]


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tables]:
    """What the stages keep of a sample shop that was still being read."""
    folder = tmp_path_factory.mktemp("sample")
    make(folder, 5, Sizes(products=60, shoppers=40, days=7))
    stages = InProcess({name: MemoryStore() for name in STAGES}, NOW_MS)
    events = (folder / "events.jsonl").read_bytes().splitlines()
    stages.feed((folder / "catalog.jsonl").read_bytes().splitlines()[:50], "native-catalog")
    stages.feed(events[: len(events) // 2], "native")
    stages.settle()
    stages.feed(events[len(events) // 2 :], "native", start=len(events) // 2)
    stages.settle()
    return {name: stages.stores[name].durable for name in STAGES}


def problems(tables: Tables, stage: str, chosen: Settings | None = None) -> list[Problem]:
    chosen = chosen or settings()
    found = check_partition(
        MemoryStore(tables),
        SPECS[stage],
        0,
        graph=chosen.graph,
        windows=window_settings(chosen),
        sample=10**6,
    )
    assert found.problems == len(found.sample)
    return list(found.sample)


@pytest.mark.parametrize("stage", STAGES)
def test_a_healthy_store_has_no_problem(healthy: dict[str, Tables], stage: str):
    assert problems(healthy[stage], stage) == []
    assert healthy[stage]["totals"]


@pytest.mark.parametrize("stage", STAGES)
def test_an_empty_store_has_no_problem(stage: str):
    assert problems({}, stage) == []


def first(rows: dict[bytes, bytes], prefix: bytes = b"", part: bytes = b"") -> bytes:
    return next(key for key in sorted(rows) if key.startswith(prefix) and part in key)


Change = Callable[[Tables], None]


def dropped(table: str, prefix: bytes = b"", part: bytes = b"") -> Change:
    return lambda tables: tables[table].pop(first(tables[table], prefix, part))  # type: ignore[return-value]


def put(table: str, key: bytes, value: bytes) -> Change:
    return lambda tables: tables.setdefault(table, {}).__setitem__(key, value)


def changed(table: str, change: Callable[[bytes], bytes], *, part: bytes = b"") -> Change:
    def work(tables: Tables) -> None:
        key = first(tables[table], part=part)
        tables[table][key] = change(tables[table][key])

    return work


def more(table: str, prefix: bytes, part: bytes = b"") -> Change:
    """One more in a total, and not one more behind it."""

    def work(tables: Tables) -> None:
        key = first(tables[table], prefix, part)
        value = tables[table][key]
        tables[table][key] = (int.from_bytes(value[:8], "big") + 1).to_bytes(8, "big") + value[8:]

    return work


FAULTS: list[tuple[str, str, Change, str]] = [
    ("shoppers", "meta", put("meta", b"kept", b"{"), "cannot be read"),
    ("shoppers", "meta", dropped("meta", b"kept"), "is missing"),
    ("shoppers", "totals", put("totals", b"zkey", b"\0" * 8), "nothing to do with"),
    ("shoppers", "totals", put("totals", b"bno week", b"\0" * 7 + b"\1"), "no key of bought"),
    ("shoppers", "totals", dropped("totals", b"b"), "is missing, the ledger"),
    ("shoppers", "totals", more("totals", b"s"), "the ledger comes to"),
    ("shoppers", "totals", dropped("shoppers"), "the ledger comes to"),
    ("shoppers", "shoppers", changed("shoppers", lambda row: row[:20]), "cannot be read"),
    ("shoppers", "open", dropped("open"), "has no entry of day"),
    ("shoppers", "untold", put("untold", b"nobody", b"3"), "has no row"),
    ("shoppers", "pieces", put("pieces", b"0000000001a0000000000", b""), "has no row"),
    ("shoppers", "pieces", put("pieces", b"torn", b""), "has no row"),
    ("shoppers", "to_send", put("to_send", b"\xff" * 8, b"\x90"), "after the last"),
    ("shoppers", "to_send", put("to_send", b"\0" * 8, b"\x91"), "cannot be read"),
    ("shoppers", "to_send", put("to_send", b"\0" * 8, b"\x91\xc4\1z"), "nothing to do with"),
    ("shoppers", "notes", put("notes", b"nothing", b""), "names no topic"),
    ("queries", "held", changed("held", lambda row: row[:-1]), "cut short"),
    ("queries", "held", changed("held", lambda row: row + row), "two totals of one sender"),
    ("queries", "held", put("held", b"s\xff", b""), "no key of searched"),
    ("queries", "meta", put("meta", b"floor\0searched\0x", b"1"), "no floor"),
    ("queries", "held", put("meta", b"floor\0searched\0000", b"99"), "was ended"),
    ("queries", "queries", dropped("held", part=b"\0a\0"), "busy"),
    ("queries", "queries", dropped("queries"), "busy"),
    ("queries", "queries", put("queries", b"0" * 16, b"\x94\0\0\xa0\xc4\0"), "nothing was told"),
    ("queries", "waiting", put("waiting", b"0" * 16, b""), "waits"),
    ("queries", "totals", more("totals", b"a"), "it should be"),
    ("queries", "totals", dropped("totals", b"a"), "it should be"),
    ("queries", "derived", dropped("derived", b"d"), "should say there"),
    ("queries", "derived", dropped("derived", b"c"), "says nothing"),
    ("queries", "derived", put("derived", b"dold\0query", b""), "says 1, it should say 0"),
    ("products", "sums", more("sums", b""), "it was told"),
    ("products", "sums", dropped("sums"), "is missing"),
    ("products", "pairs", more("pairs", b""), "it was told"),
    ("products", "pairs", dropped("pairs"), "is missing"),
    ("products", "counted", more("counted", b""), "it was told"),
    ("products", "waiting", dropped("waiting"), "is missing"),
    ("products", "waiting", put("waiting", b"P", b""), "waits for nothing"),
    ("products", "records", dropped("records"), "is missing"),
    ("products", "products", changed("products", lambda row: row[:9]), "cannot be read"),
    ("products", "totals", more("totals", b"cproduct:", b"\0b\0"), "it was told"),
    ("products", "derived", dropped("derived", b"d", b"\0p"), "should say there"),
    ("products", "derived", dropped("derived", b"d", b"\0w"), "should say there"),
    ("graph", "by_head", dropped("by_head"), "is missing"),
    ("graph", "by_tail", put("by_tail", b"a\0b\0c", b"a" + b"\0" * 16), "no such fact"),
    ("graph", "counters", changed("counters", lambda row: row + b"0"), "there are"),
    ("graph", "facts", changed("facts", lambda row: row[:9]), ""),
    ("graph", "totals", dropped("totals", b"f"), "not told"),
    ("graph", "totals", put("totals", b"f" + b"0" * 32, b"\0" * 7 + b"\1{}"), "not there"),
    ("graph", "sums", dropped("held", b"ctype:", b"\0n\0"), "was not told"),
    ("graph", "sums", dropped("sums", part=b"\0v\0"), "is missing"),
    ("graph", "blocks", dropped("blocks"), "is missing"),
    ("graph", "blocks", put("blocks", b"attr:a\0sx\0r\0value:a/b", b""), "nothing uses"),
    ("graph", "links", put("links", b"attr:a\0value:a/b\0value:a/c", b"1"), "no candidate"),
    ("graph", "derived", dropped("derived", b"d", b"\0m\0"), "should say there"),
]


@pytest.mark.parametrize(
    ("stage", "table", "plant", "says"),
    FAULTS,
    ids=[f"{stage}-{table}-{says or n}" for n, (stage, table, _, says) in enumerate(FAULTS)],
)
def test_a_planted_fault_is_found(
    healthy: dict[str, Tables], stage: str, table: str, plant: Change, says: str
):
    tables = {name: dict(rows) for name, rows in healthy[stage].items()}
    plant(tables)
    found = problems(tables, stage)
    assert any(each.table == table and says in each.what for each in found), found[:5]


def test_a_pair_of_values_without_its_links_is_found(healthy: dict[str, Tables]):
    tables = {name: dict(rows) for name, rows in healthy["graph"].items()}
    likely = first(tables["sums"], b"attr:", b"\0s\0")
    owner, _, one, other = likely.split(b"\0")
    del tables["links"][b"\0".join((owner, other, one))]
    assert [each.what for each in problems(tables, "graph") if each.table == "links"] == [
        "is missing"
    ]


def test_a_store_of_another_partition_is_found(healthy: dict[str, Tables]):
    found = problems(healthy["queries"], "queries", settings().with_(partitions=2))
    assert [each.key for each in found] == ["kept"]
    row = healthy["queries"]["meta"][b"kept"].replace(b"golden/1", b"golden/7")
    tables = {**healthy["queries"], "meta": {b"kept": row}}
    found = problems(tables, "queries", settings().with_(partitions=7))
    assert {each.what for each in found} == {"belongs to another partition"}


QUICK = settings().with_(allowance_ms=60_000, keep_days=8)


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """SHOPPERS of four weeks, most of which the ledger has let go."""
    folder = tmp_path_factory.mktemp("long")
    make(folder, 7, Sizes(products=40, shoppers=60, days=28))
    stages = InProcess({name: MemoryStore() for name in STAGES}, NOW_MS + 30 * 86_400_000, QUICK)
    events = (folder / "events.jsonl").read_bytes().splitlines()[:-40]  # returns of weeks later
    for start in range(0, len(events), 50):
        stages.feed(events[start : start + 50], "native", start=start)
        stages.settle()
    assert stages.owners["shoppers"].tally["events.used"] > len(events) // 2
    return stages.stores["shoppers"].durable


def test_weeks_that_the_ledger_has_let_go_keep_their_totals(settled: Tables):
    weeks = {key[-5:] for key in settled["totals"]}
    kept = {key[:5] for key in settled["ledger"]}
    assert weeks - kept  # or the test shows nothing
    assert problems(settled, "shoppers", QUICK) == []


@pytest.mark.parametrize("gone", ["ledger", "totals"])
def test_every_row_of_the_ledger_and_every_total_of_its_weeks_counts(settled: Tables, gone: str):
    newest = max(key[:5] for key in settled["ledger"])
    rows = [key for key in settled[gone] if newest in (key[:5], key[-5:])]
    assert len(rows) > 5
    for key in rows:
        tables = {name: dict(rows) for name, rows in settled.items()}
        del tables[gone][key]
        assert problems(tables, "shoppers", QUICK), key


def test_a_block_that_cannot_be_read_is_found_on_disk(tmp_path: Path):
    folder = tmp_path / "0"
    with RocksStore(folder, SPECS["queries"].all_tables) as store:
        inbox, outbox = Inbox(store), Outbox(store, {"asked": 1}, 0)
        for n in range(5_000):
            store.put("answers", b"%08d" % n, b"x" * 40 + b"%d" % n)
        del inbox, outbox
        store.commit()
        store.flush()
    file = max(folder.glob("*.sst"), key=lambda each: each.stat().st_size)
    data = bytearray(file.read_bytes())
    for place in range(len(data) // 2, len(data) // 2 + 40):
        data[place] ^= 0xFF
    file.write_bytes(data)
    with RocksStore(folder, SPECS["queries"].all_tables, read_only=True) as store:
        found = check_partition(
            store,
            SPECS["queries"],
            0,
            graph=settings().graph,
            windows=window_settings(settings()),
        )
    assert [(each.table, each.key) for each in found.sample] == [("answers", "RocksDB")]
    assert "checksum" in found.sample[0].what
