"""A worker process of one of the real stages: `python -m streams.worker_main STAGE SLOT`."""

import sys

from streams.registry import new_run
from streams.worker.process import exit_now, main

if __name__ == "__main__":
    exit_now(main(new_run, sys.argv[1:]))
