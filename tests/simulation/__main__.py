"""`make simulate N=100000`: random schedules over all cores, until the first that is wrong."""

import argparse
import multiprocessing
import sys
import time

from tests.simulation.run import search, smaller, wrong

CHUNK = 50


def _chunk(told: tuple[str, int, int]) -> tuple[int, object]:
    base, start, count = told
    return count, search(range(start, start + count), base)


def main() -> int:
    """Run them; exit code 1 if one is wrong, its seed and a small version printed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=2_000)
    parser.add_argument("--seed", default="0", help="another seed, other schedules")
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    args = parser.parse_args()
    chunks = [
        (args.seed, start, min(CHUNK, args.schedules - start))
        for start in range(0, args.schedules, CHUNK)
    ]
    began, done = time.monotonic(), 0
    with multiprocessing.Pool(args.processes) as pool:
        for count, found in pool.imap_unordered(_chunk, chunks):
            if found:
                pool.terminate()
                seed, why, case = found
                print(f"seed {args.seed}/{seed}: {why}\nmaking it smaller ...", flush=True)
                small = smaller(case)
                wrong(small, aloud=True)
                print(f"{small}\n=> {wrong(small)}")
                return 1
            done += count
            if done % 1_000 < count:
                rate = done / (time.monotonic() - began)
                print(f"{done:,} of {args.schedules:,} passed ({rate:.0f}/s)", flush=True)
    print(f"{done:,} schedules passed in {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
