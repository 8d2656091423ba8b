"""What a worker process says of itself in a file, for the CLI and for tests."""

import os
from pathlib import Path

import msgspec

from streams.process.probes import Reason
from streams.settings import STAGES, Settings


class ModelStatus(msgspec.Struct, frozen=True):
    """What a worker says of its models.

    Attributes:
        bundles: ids in use.
        degraded: a sentence where one does not run where it was loaded; empty: all do.
        reload: token of the last request to load another bundle.
        outcome: of that request: "done", "same" or "failed"; empty while it is under way.
        said: the sentence to it.
        outdated: things of this worker's partitions that older bundles derived: the graph is mixed
            until it is 0 everywhere.
        backfill: how many of them it derives again a second, at most; 0: nobody ordered it.
    """

    bundles: tuple[str, ...] = ()
    degraded: str = ""
    reload: str = ""
    outcome: str = ""
    said: str = ""
    outdated: int = 0
    backfill: float = 0.0


class Recovering(msgspec.Struct, frozen=True):
    """A partition that came to a worker without its state, and how far it is.

    Attributes:
        source: "checkpoint" or "log".
        done, total: bytes of the checkpoint that have come, of all; of the log 0.
        behind: records of its inputs that it still has to read before it may send; -1: not known
            before it is open.
    """

    partition: int
    source: str
    done: int = 0
    total: int = 0
    behind: int = -1

    @property
    def is_open(self) -> bool:
        """It has its state, and reads on from there."""
        return self.behind >= 0


class CheckpointStatus(msgspec.Struct, frozen=True):
    """The last checkpoint that a worker made of one of its partitions.

    Attributes:
        id: of the checkpoint; empty: none yet.
        at_ms: when, ms since 1970.
        said: why the last try failed; empty: it did not.
    """

    id: str = ""
    at_ms: int = 0
    said: str = ""


class Status(msgspec.Struct, kw_only=True):
    """One worker process.

    Attributes:
        ready: all partitions that Kafka gave it are open.
        rests: all that it has read is committed, told, acknowledged and scored.
        partitions: numbers that are open; of ROUTE "topic/number".
        metrics_port: of its metrics and probes, at `metrics_host`; 0: it has none yet.
        started_at, ready_at: seconds since 1970; `ready_at` 0 until it is ready once.
        models: of stages that ask any.
        recovering: partitions that came without their state.
        checkpoint: of stages that keep state, where `checkpoint_url` is set.
        reasons: why it is not ready; empty: it is.
        error: the sentence it ended with, empty while it runs or after a wanted end.
    """

    stage: str
    slot: int
    pid: int
    ready: bool = False
    rests: bool = False
    partitions: tuple[str, ...] = ()
    metrics_port: int = 0
    started_at: float = 0.0
    ready_at: float = 0.0
    models: ModelStatus = ModelStatus()
    recovering: tuple[Recovering, ...] = ()
    checkpoint: CheckpointStatus = CheckpointStatus()
    reasons: tuple[Reason, ...] = ()
    error: str = ""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Status).decode


def run_folder(settings: Settings) -> Path:
    """Where status files and locks of this graph's workers stand."""
    return settings.data_dir / "run" / settings.names.own


def stage_folder(settings: Settings, stage: str) -> Path:
    """Where the stores of a stage stand, one folder a partition."""
    return settings.data_dir / settings.names.own / stage


def status_file(settings: Settings, stage: str, slot: int) -> Path:
    """The file of one worker process."""
    return run_folder(settings) / f"{stage}-{slot}.json"


def write(file: Path, status: Status) -> None:
    """Replace the status in one step.

    Raises:
        OSError: it cannot be written; what stood there stays.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(f".{os.getpid()}")
    try:
        new.write_bytes(_encode(status) + b"\n")
        new.replace(file)
    except OSError:
        new.unlink(missing_ok=True)
        raise


def read(file: Path) -> Status | None:
    """The status; None where there is none, or not one of ours."""
    try:
        return _decode(file.read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def read_all(settings: Settings) -> list[Status]:
    """All workers that ever ran on this data folder, in the order of the stages."""
    found = [read(file) for file in run_folder(settings).glob("*.json")]
    order = {stage: place for place, stage in enumerate(STAGES)}
    return sorted(
        (status for status in found if status is not None),
        key=lambda status: (order.get(status.stage, len(order)), status.stage, status.slot),
    )


def outdated(settings: Settings) -> int:
    """Things that older bundles derived, over the workers that run on this data folder."""
    return sum(each.models.outdated for each in read_all(settings) if is_alive(each))


def is_alive(status: Status) -> bool:
    """Whether the process still runs (or another got its number since)."""
    try:
        os.kill(status.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
