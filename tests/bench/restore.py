"""Checkpoints: seconds per GB to make one and to restore it, and what the second one copies.

    python -m tests.bench.restore [--mb N] [--runs N] [--places folder moto versitygw]

One partition's store, filled with rows that do not compress, without Kafka and without a worker
beside it. "Stands still" is how long the partition may not write: RocksDB writes its memory to a
table and links its files. The second checkpoint follows after a hundredth of the rows changed. A
restore ends when the store is open. versitygw is taken where it was built (`make test-s3`).
"""

import argparse
import contextlib
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from streams.checkpoint.copying import Hashes, Saved, fetch, save
from streams.checkpoint.manifest import Manifest
from streams.checkpoint.place import Place
from tests.bench.report import FOLDER, Row, row
from tests.bench.report import save as report
from tests.s3 import serving
from topology.store.layout import LAYOUT_VERSION
from topology.store.rocksdb import RocksStore

TABLES = ("meta", "totals")
ROW_BYTES = 200
COMMIT_ROWS = 5_000
GB, MB = 1e9, 1_000_000


def fill(store: RocksStore, numbers: Iterator[int]) -> None:
    """Put a row of random bytes under each number."""
    for place, number in enumerate(numbers, 1):
        store.put("totals", b"%012d" % number, os.urandom(ROW_BYTES))
        if place % COMMIT_ROWS == 0:
            store.commit()
    store.commit()


def copied(store: RocksStore, place: Place, folder: Path, checkpoint: str) -> tuple[Saved, float]:
    """Make a checkpoint of the store; what was saved, and how long the store stood still."""
    manifest = Manifest(
        checkpoint=checkpoint,
        stage="products",
        partition=0,
        graph="graph/1",
        created_ms=0,
        program="",
        layout=LAYOUT_VERSION,
        incarnation=0,
        offsets={},
    )
    begun = time.monotonic()
    store.checkpoint(folder)
    still_s = time.monotonic() - begun
    done = save(place, folder, manifest, hashes=Hashes(), token=secrets.token_hex(4))
    shutil.rmtree(folder)
    return done, still_s


def measure(place: Place, folder: Path, size_mb: int) -> dict[str, float]:
    """Seconds and bytes of one round: make, make again, restore."""
    rows = size_mb * MB // ROW_BYTES
    with RocksStore(folder / "store", TABLES) as store:
        fill(store, iter(range(rows)))
        begun = time.monotonic()
        first, still_s = copied(store, place, folder / "copy", "20261105T120000Z")
        made_s = time.monotonic() - begun
        fill(store, iter(range(0, rows, 100)))
        begun = time.monotonic()
        second, _ = copied(store, place, folder / "copy", "20261105T130000Z")
        again_s = time.monotonic() - begun
    begun = time.monotonic()
    fetch(place, second.manifest, folder / "back")
    RocksStore(folder / "back", TABLES).close()
    back_s = time.monotonic() - begun
    return {
        "gb": first.manifest.size / GB,
        "still_ms": still_s * 1000,
        "made_s_per_gb": made_s / (first.manifest.size / GB),
        "again_share": second.copied / second.manifest.size,
        "again_s": again_s,
        "back_s_per_gb": back_s / (second.manifest.size / GB),
    }


@contextlib.contextmanager
def url_of(name: str, folder: Path) -> Iterator[str]:
    """Where checkpoints go: a folder of this disk, or a bucket of an S3 server on loopback."""
    if name == "folder":
        yield str(folder / "place")
        return
    with serving(name, folder / "s3") as url:
        yield url


def rows_of(name: str, runs: list[dict[str, float]]) -> list[Row]:
    """The figures of one place."""
    size = f"{name}, {runs[0]['gb']:.2f} GB"
    return [
        row(f"{size}: the partition stands still", [run["still_ms"] for run in runs], "ms"),
        row(f"{size}: a checkpoint", [run["made_s_per_gb"] for run in runs], "s/GB"),
        row(f"{size}: the next one", [run["again_s"] for run in runs], "s"),
        row(
            f"{size}: the next one, of all bytes",
            [100 * run["again_share"] for run in runs],
            "% copied",
        ),
        row(f"{size}: restored and open", [run["back_s_per_gb"] for run in runs], "s/GB"),
    ]


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mb", type=int, default=1_000, help="of rows, about")
    parser.add_argument("--runs", type=int, default=1, help="the median counts")
    parser.add_argument("--places", nargs="+", default=["folder", "moto"])
    arguments = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    for name in arguments.places:
        runs = []
        for _ in range(arguments.runs):
            with (
                tempfile.TemporaryDirectory(prefix="run-", dir=FOLDER) as folder,
                url_of(name, Path(folder)) as url,
            ):
                runs.append(measure(Place(url, "graph"), Path(folder), arguments.mb))
        rows += rows_of(name, runs)
    report("restore", rows)


if __name__ == "__main__":
    main()
