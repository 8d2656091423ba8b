"""How many native events of about 200 bytes a second the pure part of ROUTE takes on one core.

    python -m tests.bench.bench_route [--events 200000] [--profile]

Sessions of 5 to 20 events of a few thousand shoppers at a time, 3 % purchases (light mix) or 12 %
(heavy), decoded, checked, pseudonymised, scrubbed, given ids and encoded; no Kafka. CPU time of
the process, so that a busy machine does not count; the median of batches of 5,000, after one pass
to warm up. Beside it the same with plain `json` and nothing but decoding and encoding.
"""

import argparse
import cProfile
import gc
import json
import pstats
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from statistics import median

from streams.ports import Record
from streams.route.stage import Route, RouteSettings

BATCH = 5_000
OPEN_SESSIONS = 2_000
START_MS = 1_746_093_600_000
TARGET = 200_000


def records(count: int, purchases: float, seed: int) -> list[Record]:
    """Events of sessions that overlap, in order of time."""
    rng = Random(seed)
    sessions = [_session(rng) for _ in range(OPEN_SESSIONS)]
    made = []
    for offset in range(count):
        place = rng.randrange(OPEN_SESSIONS)
        if sessions[place][-1] == 0:
            sessions[place] = _session(rng)
        value = _event(rng, sessions[place], offset, purchases)
        sessions[place][-1] -= 1
        made.append(Record(offset, START_MS + offset * 10, None, value))
    return made


def _session(rng: Random) -> list[int]:
    return [rng.getrandbits(32), rng.getrandbits(32), rng.getrandbits(32), rng.randrange(5, 21)]


def _event(rng: Random, session: list[int], offset: int, purchases: float) -> bytes:
    shopper, own, query, _ = session
    event: dict[str, object] = {
        "action_name": rng.choices(
            ("search", "purchase", "click"), (0.2, purchases, 0.8 - purchases)
        )[0],
        "event_id": f"e{offset:08d}",
        "client_id": f"c{shopper:08x}",
        "session_id": f"s{own:08x}",
        "query_id": f"q{query:08x}",
        "timestamp": START_MS + offset * 10,
    }
    if event["action_name"] == "search":
        event["user_query"] = f"shoes for {query % 3_000} women"
    else:
        event["event_attributes"] = {"object": {"object_id": f"P{rng.randrange(9_000):05d}"}}
    return json.dumps(event).encode()


def rate(work: Callable[[list[Record]], object], batches: list[list[Record]]) -> float:
    """Median events a CPU second over the batches."""
    rates = []
    for batch in batches:
        start = time.process_time()
        work(batch)
        rates.append(len(batch) / (time.process_time() - start))
    return median(rates)


def plain(batch: list[Record]) -> list[bytes]:
    """What `json` alone costs."""
    return [json.dumps(json.loads(record.value or b"")).encode() for record in batch]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--out", type=Path, default=Path(".cartograph/bench/route.json"))
    given = parser.parse_args()
    rows: list[dict[str, object]] = []
    for mix, purchases in (("light", 0.03), ("heavy", 0.12)):
        made = records(given.events, purchases, seed=7)
        batches = [made[i : i + BATCH] for i in range(0, len(made), BATCH)]
        route = Route(RouteSettings({"t": "native"}, b"0123456789abcdef", 32))
        gc.collect()
        gc.freeze()  # the records of the bench are no garbage of ROUTE's
        rate(lambda batch: route.route("t", 0, batch), batches[:2])  # noqa: B023
        if given.profile:
            with cProfile.Profile() as profile:
                rate(lambda batch: route.route("t", 0, batch), batches)  # noqa: B023
            pstats.Stats(profile).sort_stats("tottime").print_stats(20)
        value = rate(lambda batch: route.route("t", 0, batch), batches)  # noqa: B023
        peer = rate(plain, batches[:4])
        size = sum(len(record.value or b"") for record in made) / len(made)
        rows.append(
            {
                "what": f"ROUTE pure, {mix} mix, {size:.0f} bytes",
                "value": round(value),
                "unit": "events/s",
                "peer": "json.loads and json.dumps alone",
                "peer_value": round(peer),
                "ratio": round(value / peer, 2),
                "target": TARGET,
                "met": value >= TARGET,
            }
        )
    for row in rows:
        print(
            f"{row['what']:<40} {row['value']:>10,} {row['unit']}  target {TARGET:,}: "
            f"{'met' if row['met'] else 'missed'}  ({row['peer']}: {row['peer_value']:,})"
        )
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
