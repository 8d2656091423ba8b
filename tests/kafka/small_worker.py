"""A worker process of the small stages, as `streams.worker_main` is one of the real ones."""

import sys

from streams.worker.process import exit_now, main
from tests.kafka.helpers import new_run

if __name__ == "__main__":
    exit_now(main(new_run, sys.argv[1:]))
