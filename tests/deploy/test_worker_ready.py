"""The probe of a worker: ready only if the process that runs now says so itself."""

import contextlib
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from streams.kafka.lease import Lease
from streams.process import status
from streams.process.status import Recovering, Status
from streams.settings import Settings
from streams.worker.runs import not_ready
from streams.worker.supervisor import command_of
from tests.deploy.told import DEPLOY

PROBE = DEPLOY / "worker_ready.py"
SLOT = 977
"""Other tests of this machine may run workers meanwhile, of smaller slots."""


@pytest.fixture(scope="module")
def probe() -> ModuleType:
    spec = importlib.util.spec_from_file_location("worker_ready", PROBE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def a_process(stage: str, *generation: str) -> Iterator[int]:
    """A process that sleeps under the command line of a worker; its number."""
    words = [*command_of(stage, SLOT), *generation]
    asleep = [words[0], "-c", "import time; print('up', flush=True); time.sleep(60)", *words[1:]]
    process = subprocess.Popen(asleep, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        yield process.pid
    finally:
        process.kill()
        process.communicate()


def reason(probe: ModuleType, folder: Path, stage: str) -> str:
    found = {key: told for key, told in probe.running().items() if key[1] == SLOT}
    return str(probe.reason(found, folder, stage, 1))


def says(
    folder: Path, pid: int, started_at: float, *, ready: bool, generation: str = "", **more: object
) -> None:
    settings = Settings(data_dir=folder, prefix="a-shop.of-ours", generation=generation)
    told = Status(stage="graph", slot=SLOT, pid=pid, ready=ready, started_at=started_at, **more)  # type: ignore[arg-type]
    status.write(status.status_file(settings, "graph", SLOT), told)


def test_a_stage_is_ready_once_its_process_says_so(probe: ModuleType, tmp_path: Path):
    with a_process("graph") as pid:
        assert "does not hold" in reason(probe, tmp_path, "graph")
        says(tmp_path, pid, time.time(), ready=False)
        assert "does not hold" in reason(probe, tmp_path, "graph")
        says(tmp_path, pid, time.time(), ready=True)
        assert reason(probe, tmp_path, "graph") == ""
        assert "0 of 1 processes run" in reason(probe, tmp_path, "queries")
    assert "0 of 1 processes run" in reason(probe, tmp_path, "graph")


def test_it_says_what_readyz_says_once(probe: ModuleType, tmp_path: Path):
    rows = (Recovering(0, "checkpoint", 30, 100), Recovering(1, "checkpoint", 900, 1_000))
    lease = Lease(10.0, clock=lambda: 0.0)
    lease.renew(0.0)
    why = not_ready(lease, is_rebalancing=False, held=1, assigned=3, recovering=rows)
    assert [each.code for each in why] == ["opening", "recovering"]
    with a_process("graph") as pid:
        says(tmp_path, pid, time.time(), ready=False, recovering=rows, reasons=why)
        words = "; ".join(each.words for each in why)
        assert reason(probe, tmp_path, "graph").endswith(f" yet: {words}")
        assert "2 partitions, 930 of 1,100 bytes" in words


def test_a_generation_beside_the_first_must_be_ready_too(probe: ModuleType, tmp_path: Path):
    with a_process("graph") as pid, a_process("graph", "g2") as beside:
        says(tmp_path, pid, time.time(), ready=True)
        assert "does not hold" in reason(probe, tmp_path, "graph")
        says(tmp_path, beside, time.time(), ready=True, generation="g2")
        assert reason(probe, tmp_path, "graph") == ""


def test_what_another_process_left_behind_does_not_count(probe: ModuleType, tmp_path: Path):
    with a_process("graph") as pid:
        # The same number an hour ago: a container that was started again on its volume.
        says(tmp_path, pid, time.time() - 3600, ready=True)
        assert "does not hold" in reason(probe, tmp_path, "graph")
        says(tmp_path, pid + 1, time.time(), ready=True)
        assert "does not hold" in reason(probe, tmp_path, "graph")
        (tmp_path / "run" / "a-shop.of-ours" / f"graph-{SLOT}.json").write_text('{"pid": ')
        assert "does not hold" in reason(probe, tmp_path, "graph")


def test_as_a_command_it_fails_with_the_reason_and_counts_processes(tmp_path: Path):
    env = {**os.environ, "CARTOGRAPH_DATA_DIR": str(tmp_path)}
    words = [sys.executable, "-I", str(PROBE), "queries=64"]
    done = subprocess.run(words, env=env, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout.endswith(" of 64 processes run\n")
    assert done.stderr == ""
