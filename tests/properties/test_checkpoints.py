"""Manifests survive their codec, and pruning never takes what a kept manifest names."""

from collections.abc import Iterator
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.checkpoint.manifest import (
    KEPT_STAGES,
    RESULT_SETTINGS,
    Completed,
    File,
    Manifest,
    changed_settings,
    decode,
    decode_completed,
    encode,
    is_id,
    new_id,
    part_name,
    part_of,
    result_settings,
    stored_name,
    unfit,
)
from streams.checkpoint.retention import Seen, garbage, outdated
from streams.errors import DamagedCheckpointError
from streams.settings import Settings
from topology.store.layout import LAYOUT_VERSION, OLDEST_LAYOUT

names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,30}", fullmatch=True)
sha256s = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
ids = st.builds(
    new_id,
    st.integers(0, 4 * 10**12),
    st.one_of(st.just(""), st.from_regex(r"[0-9a-f]{6}", fullmatch=True)),
)
files = st.lists(
    st.builds(
        lambda name, size, sha256: File(name, size, sha256, stored_name(sha256, "0a1b2c3d")),
        names,
        st.integers(0, 2**50),
        sha256s,
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda file: file.name,
).map(tuple)
made = st.builds(
    Manifest,
    checkpoint=ids,
    stage=st.sampled_from(KEPT_STAGES),
    partition=st.integers(0, 1023),
    graph=st.just("graph/32"),
    created_ms=st.integers(0, 2**50),
    program=st.text(max_size=10),
    layout=st.integers(0, 9),
    incarnation=st.integers(-1, 2**50),
    offsets=st.dictionaries(st.sampled_from(["events", "claims"]), st.integers(0, 2**60)),
    bundles=st.lists(st.text(max_size=8), max_size=2).map(tuple),
    files=files,
)


@given(made)
def test_a_manifest_is_what_it_was(manifest: Manifest):
    assert decode(encode(manifest), "here") == manifest
    assert part_of(part_name(*manifest.part)) == manifest.part
    assert is_id(manifest.checkpoint)


@given(made, st.data())
def test_of_a_cut_or_changed_manifest_nothing_but_a_manifest_comes(
    manifest: Manifest, data: st.DataObject
):
    bytes_ = bytearray(encode(manifest))
    place = data.draw(st.integers(0, 10_000)) % len(bytes_)
    if data.draw(st.booleans()):
        del bytes_[place:]
    else:
        bytes_[place] = data.draw(st.integers(0, 255))
    try:
        found = decode(bytes(bytes_), "here")
    except DamagedCheckpointError:
        pass
    else:
        assert all("/" not in file.name and not file.name.startswith(".") for file in found.files)


@pytest.mark.parametrize("name", ["../CURRENT", "/etc/passwd", "a/b", "", ".", ".."])
def test_a_manifest_cannot_name_a_path(name: str):
    one = File(name, 1, "0" * 64, stored_name("0" * 64, "0a1b2c3d"))
    manifest = Manifest(
        checkpoint="20261105T120000Z",
        stage="graph",
        partition=0,
        graph="graph/1",
        created_ms=0,
        program="",
        layout=1,
        incarnation=0,
        offsets={},
        files=(one,),
    )
    with pytest.raises(DamagedCheckpointError):
        decode(encode(manifest), "here")


@given(made)
def test_what_another_program_or_graph_wrote_does_not_fit(manifest: Manifest):
    assert "graph" in unfit(manifest, graph="graph/8")
    for layout in (OLDEST_LAYOUT, LAYOUT_VERSION):
        assert unfit(msgspec.structs.replace(manifest, layout=layout), graph="graph/32") == ""
    for layout in (OLDEST_LAYOUT - 1, LAYOUT_VERSION + 1):
        other = msgspec.structs.replace(manifest, layout=layout)
        assert "layout" in unfit(other, graph="graph/32")


def test_settings_that_change_results_are_compared():
    then = Settings(scoring={"min_support": 3.0}, purchase_actions=("buy",))
    manifest = msgspec.json.decode(b'{"settings": %s}' % msgspec.json.encode(result_settings(then)))
    told = Manifest(
        checkpoint="", stage="", partition=0, graph="", created_ms=0, program="", layout=0,
        incarnation=0, offsets={}, settings=manifest["settings"],
    )  # fmt: skip
    assert set(told.settings) == set(RESULT_SETTINGS)
    assert changed_settings(told, result_settings(then)) == []
    now = then.with_(k_shoppers=5, scoring={})
    assert changed_settings(told, result_settings(now)) == ["k_shoppers", "scoring"]


@given(st.lists(ids, unique=True, min_size=2))
def test_ids_sort_by_time(told: list[str]):
    assert [each[:16] for each in sorted(told)] == sorted(each[:16] for each in told)


def test_a_completing_record_is_read_back_or_is_none():
    assert decode_completed(encode(Completed("x", 1, 2))) == Completed("x", 1, 2)
    assert decode_completed(b"{") is None


seen = st.lists(
    st.builds(Seen, ids, st.booleans(), st.integers(0, 1_000)), unique_by=lambda each: each.id
)


@given(seen, st.integers(1, 4), st.integers(0, 1_000), st.integers(0, 1_000))
def test_the_newest_complete_ones_and_all_that_is_newer_stay(
    told: list[Seen], keep: int, now_ms: int, grace_ms: int
):
    gone = set(outdated(told, keep=keep, now_ms=now_ms, grace_ms=grace_ms))
    complete = sorted(each.id for each in told if each.complete)
    stay = complete[-keep:]
    assert not gone & set(stay)
    assert {each for each in complete if each not in stay} <= gone
    newest = complete[-1] if complete else ""
    for each in told:
        if not each.complete and each.id in gone:
            assert each.id < newest
            assert each.written_ms < now_ms - grace_ms


class Bucket:
    """A place of checkpoints under several writers and pruners, one step at a time."""

    GRACE = 50

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self.now = self.tokens = 0
        self.files: dict[str, int] = {}
        self.listed: dict[str, dict[int, tuple[frozenset[str], int]]] = {}
        self.complete: set[str] = set()

    def newest(self, partition: int) -> dict[str, str]:
        found = [parts[partition] for _, parts in sorted(self.listed.items()) if partition in parts]
        return {name.partition(".")[0]: name for name in found[-1][0]} if found else {}

    def writing(self, checkpoint: str, partition: int, wanted: frozenset[str]) -> Iterator[None]:
        """What `copying.save` does, and `Keeper._complete`."""
        known = self.newest(partition)
        yield
        self.tokens += 1
        stored = {name: known.get(name, f"{name}.{self.tokens}") for name in sorted(wanted)}
        for name in stored.values():
            if name not in known.values():
                self.files[name] = self.now
                yield
        self.listed.setdefault(checkpoint, {})[partition] = (frozenset(stored.values()), self.now)
        yield
        if len(self.listed[checkpoint]) == self.partitions:
            self.complete.add(checkpoint)

    def pruning(self, keep: int) -> Iterator[None]:
        """What `pruning.prune` does; the time is that of its beginning."""
        now = self.now
        told = [
            Seen(each, each in self.complete, max(at for _, at in parts.values()))
            for each, parts in self.listed.items()
        ]
        yield
        for each in outdated(told, keep=keep, now_ms=now, grace_ms=self.GRACE):
            self.complete.discard(each)
            self.listed.pop(each, None)
            yield
        files = dict(self.files)
        yield
        while True:
            before = {each: set(parts) for each, parts in self.listed.items()}
            named: set[str] = set()
            yield
            for each in before:
                named |= {n for some, _ in self.listed.get(each, {}).values() for n in some}
                yield
            if all(self.listed.get(each, {}).keys() >= parts for each, parts in before.items()):
                break
        left = garbage(files, named, now_ms=now, grace_ms=self.GRACE)
        for name in left:
            yield
            self.files.pop(name, None)

    def whole(self) -> bool:
        return all(
            some <= self.files.keys()
            for parts in self.listed.values()
            for some, _ in parts.values()
        )


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 3), st.integers(1, 3))
def test_no_pruning_beside_writers_takes_a_file_that_is_named(
    seed: int, partitions: int, keep: int
):
    """Owners write one checkpoint after the other, leave some out or die; two prune."""
    rng, bucket = Random(seed), Bucket(partitions)
    stores = [{f"{n}-0"} for n in range(partitions)]
    writers: dict[int, Iterator[None]] = {}
    begun: dict[int, int] = {}
    done = [0] * partitions
    pruners: dict[int, Iterator[None]] = {}
    for step in range(300):
        bucket.now += rng.choice([0, 1, 1, 20])
        partition = rng.randrange(partitions)
        if rng.random() < 0.6:
            if partition not in writers:
                store = stores[partition]
                store.add(f"{partition}-{step}")
                if len(store) > 3:
                    store.discard(rng.choice(sorted(store)))
                done[partition] += rng.choice([1, 1, 2])
                checkpoint = new_id(done[partition] * 1_000)
                writers[partition] = bucket.writing(checkpoint, partition, frozenset(store))
                begun[partition] = bucket.now
            if bucket.now - begun[partition] > 25 or next(writers[partition], True):
                del writers[partition]  # killed in the middle, or done
        else:
            which = rng.randrange(2)
            pruners.setdefault(which, bucket.pruning(keep))
            if next(pruners[which], True):
                del pruners[which]
        assert bucket.whole(), step
