"""Replays of a whole real set are the graph that runs, to the digest.

    python -m tests.kafka.replay_real --set online-retail|ubi-esci|icecat|myntra|sample [--limit N]

The files are those of `real_input`; `sample` is the demo's shop. The set is played through the
live pipeline, then replayed beside it from its events and from its totals. Prints records a second
of each way and the digests; exit code 1 if they are not one.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from streams.broker import process
from streams.play import CATALOG, EVENTS, Played, open_play
from streams.sample import make as sample
from streams.settings import Settings
from tests.kafka.real_input import SETS, settings_of, shared
from tests.kafka.replayed import Saying, measure, show

SAMPLE = "sample"


def sample_settings(kafka: str, folder: Path) -> Settings:
    """Settings of the demo's graph."""
    prefix = "replayed"
    base = settings_of(kafka, folder, "online-retail")
    topics = {f"{prefix}.shop.events": "native", f"{prefix}.shop.catalog": "native-catalog"}
    return base.with_(prefix=prefix, sources=topics)


def sample_records(folder: Path, sizes: sample.Sizes, seed: int = 1) -> Iterator[Played]:
    """The sample shop: its catalog, then its events."""
    sample.make(folder, seed, sizes)
    catalog = open_play("native", [folder / sample.CATALOG])
    events = open_play("native", [folder / sample.EVENTS])
    return chain(
        (each for each in catalog if each.kind == CATALOG),
        (each for each in events if each.kind == EVENTS),
    )


def main() -> int:
    """Run what was asked for; 1 if the digests differ."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--set", default=SAMPLE, choices=[*SETS, SAMPLE])
    parser.add_argument("--limit", type=int, help="at most so many records of the file")
    arguments = parser.parse_args()
    name = arguments.set
    if name == SAMPLE and arguments.limit:
        parser.error("--limit is of the records of a file: the sample shop is played whole")
    with (
        tempfile.TemporaryDirectory(prefix="cartograph-replay-") as tmp,
        process.running(Path(tmp) / "kafka") as broker,
    ):
        if name == SAMPLE:
            settings = sample_settings(broker.address, Path(tmp))
            records = sample_records(Path(tmp) / "sample", sample.Sizes())
        else:
            settings = settings_of(broker.address, Path(tmp), name)
            file = shared() / SETS[name].file
            records = open_play(SETS[name].form, [file], limit=arguments.limit)
        return 0 if show(measure(settings, records, Saying(name))) else 1


if __name__ == "__main__":
    sys.exit(main())
