"""SHOPPERS and ROUTE as worker processes, beside Quix Streams, Bytewax and stock Faust.

    python -m tests.bench.ingest [--events N] [--runs N] [--mixes light,heavy] [--peers all|none]

One real broker, one topic of four partitions filled beforehand, one process at a time. Each reads
the whole topic; time runs from its first event to the moment when all events are taken in and what
follows from them is durable (SHOPPERS: on disk, and its totals sent and acknowledged). All pair a
purchase with the searches and purchases of its session (`peers/pairing.py`), and the pairs that
each found are compared with those there are: a run that found others is an error.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from streams.settings import Settings
from streams.totals.messages import BOUGHT, CLICKED, WITH
from tests.bench import place as places
from tests.bench.generate import MIXES, Feed, as_shop, events, made_up_shop, native
from tests.bench.peers import environment, pairing
from tests.bench.place import PARTITIONS, Place, totals
from tests.bench.report import REPOSITORY, Row, row, save
from tests.bench.watch import Worker, primed

TIMES_THE_BEST = 3.0
ROUTE_TARGET = 100_000.0
SHOPPERS = "SHOPPERS"
_TIMEOUT_S = 170.0
_TAIL = 15


class Found(NamedTuple):
    """Pairs: of a query and a product, and of two products."""

    query_pairs: int
    bought_pairs: int


class Run(NamedTuple):
    """One run of anybody."""

    events: int
    seconds: float
    cpu_seconds: float
    found: Found
    rss_bytes: int
    sent: int = 0

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of CPU an event, of all threads."""
        return self.cpu_seconds / self.events * 1e6


class Peer(NamedTuple):
    """How a peer is run: its module, its options, and how many events it can do in the time."""

    name: str
    module: str
    options: tuple[str, ...] = ()
    at_most: int | None = None


PEERS = (
    Peer("Quix Streams, no changelog", "quix"),
    Peer("Quix Streams with changelog", "quix", ("changelog",)),
    Peer("Bytewax, counts in state", "bytewax", ("count",)),
    Peer("Bytewax, pairs to a topic", "bytewax", ("publish",)),
    Peer("stock Faust, tables in memory", "faust_stock", (str(PARTITIONS),), 20_000),
)


class WrongPairsError(RuntimeError):
    """Somebody found other pairs than there are: the comparison would not be honest."""


class PeerFailedError(RuntimeError):
    """A peer did not get to its end; its last words are in the message."""


def pairs_in(feed: Sequence[Feed]) -> Found:
    """The pairs that there are."""
    sessions: dict[str, pairing.Session] = {}
    counts = {"q": 0, "p": 0}
    for each in feed:
        event = pairing.decode(each.value)
        session = sessions.setdefault(event.shopper, pairing.Session())
        for pair in pairing.step(session, event):
            counts[pair[0]] += 1
    return Found(counts["q"], counts["p"])


def pairs_told(settings: Settings) -> Found:
    """The pairs that SHOPPERS told, as totals over all shoppers."""
    query_pairs = bought_pairs = 0
    for key, n in totals(settings, "searched").items():
        if key.split(b"\0")[1] in (BOUGHT, CLICKED):
            query_pairs += n
    for key, n in totals(settings, "bought").items():
        if key.split(b"\0")[1] == WITH:
            bought_pairs += n
    return Found(query_pairs, bought_pairs)


def shoppers(settings: Settings, worker: Worker, count: int) -> Run:
    """One run of SHOPPERS on a filled topic."""
    worker.start()
    try:
        taken = worker.took_in(count, _TIMEOUT_S)
    finally:
        worker.stop()
    found = pairs_told(settings)
    return Run(count, taken.seconds, taken.cpu_seconds, found, taken.end.rss, taken.sent)


def route(place: Place, feed: Sequence[Feed]) -> Run:
    """One run of ROUTE from a source topic to `graph.events`."""
    source = place.topic("source")
    place.fill(source, feed)
    settings = place.settings(sources={source: "native"})
    with Worker(settings, "route") as worker:
        taken = worker.took_in(len(feed), _TIMEOUT_S)
    place.delete([source])
    place.forget(settings)
    nothing = Found(0, 0)
    return Run(len(feed), taken.seconds, taken.cpu_seconds, nothing, taken.end.rss, taken.sent)


def peer_run(peer: Peer, python: Path, place: Place, topic: str, count: int) -> Run:
    """One run of a peer on a filled topic.

    Raises:
        PeerFailedError: it broke, or took too long.
    """
    out = place.topic("pairs")
    folder = place.folder / out
    folder.mkdir()
    module = f"tests.bench.peers.{peer.module}"
    command = [str(python), "-m", module, place.address, topic, out, str(count), str(folder)]
    try:
        done = subprocess.run(
            [*command, *peer.options],
            capture_output=True,
            text=True,
            cwd=REPOSITORY,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise PeerFailedError(f"{peer.name} took over {_TIMEOUT_S:.0f} s") from error
    finally:
        place.delete([out])
    told = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not told:
        last = " | ".join(done.stderr.splitlines()[-_TAIL:])
        raise PeerFailedError(f"{peer.name} ended with {done.returncode}: {last}")
    said = json.loads(told[-1])
    found = Found(said["query_pairs"], said["bought_pairs"])
    return Run(said["events"], said["seconds"], said["cpu_seconds"], found, said["rss_bytes"])


def compare(
    mix: str,
    feed: Sequence[Feed],
    place: Place,
    peers: Sequence[Peer],
    python: Path | None,
    runs: int,
) -> dict[str, list[Run]]:
    """All runs of one mix, in rounds: SHOPPERS, then every peer.

    Raises:
        WrongPairsError: somebody found other pairs.
    """
    whole = pairs_in(feed)
    smallest = min((peer.at_most for peer in peers if peer.at_most), default=0)
    few = feed[: min(smallest, len(feed))]
    found: dict[str, list[Run]] = {SHOPPERS: [], **{peer.name: [] for peer in peers}}
    for turn in range(runs):
        settings = place.settings()
        worker = primed(settings, "shoppers")
        topic = settings.topic("events")
        place.fill(topic, feed)
        found[SHOPPERS].append(
            _checked(mix, SHOPPERS, shoppers(settings, worker, len(feed)), whole)
        )
        short = place.topic("few")
        place.fill(short, few)
        for peer in peers:
            is_slow = peer.at_most is not None and peer.at_most < len(feed)
            source, count = (short, len(few)) if is_slow else (topic, len(feed))
            if python is None:
                continue
            run = peer_run(peer, python, place, source, count)
            found[peer.name].append(
                _checked(mix, peer.name, run, pairs_in(few) if is_slow else whole)
            )
        place.delete([short])
        place.forget(settings)
        print(f"  {mix} mix, round {turn + 1} of {runs} done", flush=True)
    return found


def _checked(mix: str, who: str, run: Run, there_are: Found) -> Run:
    print(
        f"  {mix} {who}: {run.rate:,.0f} events/s, {run.cpu_us:.2f} us of CPU an event, "
        f"{run.rss_bytes >> 20} MiB",
        flush=True,
    )
    if run.found != there_are:
        raise WrongPairsError(f"{who} found {run.found} in the {mix} mix, there are {there_are}")
    return run


def rows_of(mix: str, found: dict[str, list[Run]]) -> Iterator[Row]:
    """The figures of one mix."""
    ours = found.pop(SHOPPERS)
    rates = {who: [run.rate for run in runs] for who, runs in found.items() if runs}
    best = max(rates, key=lambda who: sorted(rates[who])[len(rates[who]) // 2], default=None)
    size = f"{ours[0].events:,} events"
    peer_runs = rates[best] if best else ()
    yield row(
        f"SHOPPERS, {mix} mix, {size}",
        [run.rate for run in ours],
        "events/s",
        at_least=TIMES_THE_BEST if best else None,
        peer=best,
        peer_runs=peer_runs,
    )
    yield row(
        f"SHOPPERS, {mix} mix, CPU",
        [run.cpu_us for run in ours],
        "us/event",
        peer=best,
        peer_runs=[run.cpu_us for run in found[best]] if best else (),
    )
    yield row(f"SHOPPERS, {mix} mix, sent", [run.sent / run.seconds for run in ours], "totals/s")
    pairs = sum(ours[0].found) / ours[0].events
    yield row(f"pairs, {mix} mix", [pairs], "pairs/event")
    for who, runs in found.items():
        if runs:
            yield row(f"{who}, {mix} mix", rates[who], "events/s")
            yield row(f"{who}, {mix} mix, CPU", [run.cpu_us for run in runs], "us/event")


def measure(arguments: argparse.Namespace) -> tuple[list[Row], list[str]]:
    """All rows, and notes."""
    peers, notes, python = _peers(arguments)
    rows: list[Row] = []
    shop = made_up_shop()
    with places.place(arguments) as place:
        for mix in arguments.mixes.split(","):
            feed = list(native(events(arguments.events, MIXES[mix], shop=shop)))
            size = sum(len(each.value) for each in feed) / len(feed)
            notes.append(f"{mix} mix: {MIXES[mix]:.0%} purchases, {size:.0f} bytes an event")
            rows += rows_of(mix, compare(mix, feed, place, peers, python, arguments.runs))
        feed = list(as_shop(events(arguments.events, MIXES["light"], shop=shop)))
        runs = [route(place, feed) for _ in range(arguments.runs)]
    rates = [run.rate for run in runs]
    rows.append(row(f"ROUTE, {len(feed):,} events", rates, "events/s", at_least=ROUTE_TARGET))
    rows.append(row("ROUTE, CPU", [run.cpu_us for run in runs], "us/event"))
    return rows, notes


def _peers(arguments: argparse.Namespace) -> tuple[list[Peer], list[str], Path | None]:
    if arguments.peers == "none":
        return [], ["no peers were measured (--peers none)"], None
    notes = []
    peers = [peer for peer in PEERS if arguments.peers in ("all", peer.module)]
    if not environment.has_bytewax():
        peers = [peer for peer in peers if peer.module != "bytewax"]
        version = ".".join(map(str, sys.version_info[:2]))
        last = ".".join(map(str, environment.BYTEWAX_PYTHONS[1]))
        notes.append(
            f"Bytewax was not measured: it has no wheels for Python {version}, only up to {last}"
        )
    slow = [peer for peer in peers if peer.at_most]
    notes += [f"{peer.name}: over {peer.at_most:,} events only" for peer in slow]
    return peers, notes, environment.python()


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--mixes", default="light,heavy")
    parser.add_argument("--peers", default="all", help="all, none, quix, bytewax or faust_stock")
    places.options(parser)
    arguments = parser.parse_args()
    rows, notes = measure(arguments)
    save("ingest", rows, notes)


if __name__ == "__main__":
    main()
