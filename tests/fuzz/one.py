"""One target in this process: `python -m tests.fuzz.one ENGINE NAME SECONDS SEED FOLDER`."""

import faulthandler
import logging
import random
import resource
import sys
import time
from pathlib import Path

from tests.fuzz.__main__ import HANGS_S, MEMORY_MB
from tests.fuzz.mutate import drawn
from tests.fuzz.targets import TARGETS, Target


def with_atheris(target: Target, seconds: int, seed: int, folder: Path) -> None:
    """Runs until the time is over and ends the process, with a code if anything was found."""
    import atheris

    corpus = folder / "seeds"
    corpus.mkdir(exist_ok=True)
    for number, each in enumerate(target.seeds):
        (corpus / str(number)).write_bytes(each)
    options = [
        f"-max_total_time={seconds}", f"-timeout={HANGS_S}", f"-rss_limit_mb={MEMORY_MB}",
        f"-seed={seed}", f"-artifact_prefix={folder}/", "-print_final_stats=1",
        "-close_fd_mask=0", "-len_control=0", "-max_len=65536",
    ]  # fmt: skip
    instrument(atheris)
    atheris.Setup([sys.argv[0], *options, str(corpus)], target.run)
    atheris.Fuzz()


def instrument(atheris: object) -> None:
    """Let libFuzzer follow our own decoders, which were imported already."""
    for name, module in list(sys.modules.items()):
        if name.startswith(("streams.", "topology.", "models_onnx.")):
            for each in list(vars(module).values()):
                if getattr(each, "__module__", None) == name and hasattr(each, "__code__"):
                    atheris.instrument_func(each)  # type: ignore[attr-defined]


def with_edits(target: Target, seconds: int, seed: int, folder: Path) -> None:
    """Seeds with random edits; what breaks the target is kept."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_MB << 20, MEMORY_MB << 20))
    random_, end, count = random.Random(seed), time.monotonic() + seconds, 0
    try:
        while time.monotonic() < end:
            data = drawn(random_, target.seeds)
            faulthandler.dump_traceback_later(HANGS_S, exit=True)
            try:
                target.run(data)
            except BaseException:
                (folder / "found").write_bytes(data)
                raise
            faulthandler.cancel_dump_traceback_later()
            count += 1
    finally:
        print(f"stat::number_of_executed_units: {count}", flush=True)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    engine, name, seconds, seed, folder = sys.argv[1:]
    run = with_atheris if engine == "atheris" else with_edits
    run(TARGETS[name], int(seconds), int(seed), Path(folder))
