"""Worker processes seen from the bench: started, waited for, and what they noted of themselves."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from streams.process import machine
from streams.settings import Settings
from tests.bench.report import REPOSITORY

_POLL_S = 0.02
_STOP_S = 30.0
READY_S = 60.0


class StalledError(RuntimeError):
    """What a bench waits for does not come; the message holds the worker's last words."""


class Sample(msgspec.Struct):
    """A worker at one moment.

    Attributes:
        at: seconds since 1970.
        done: input topic (logical; of ROUTE full) -> records taken in, over its partitions.
        clean: all of that, and what follows from it, is on disk, sent and acknowledged.
        cpu_s: of all its threads, since it began.
        rss: bytes.
        sent: messages that Kafka acknowledged since it began.
        answers: "tagging.model", ... -> answers of the models, or remembered ones.
    """

    at: float
    ready: bool
    done: dict[str, int]
    clean: bool
    cpu_s: float
    rss: int
    sent: int
    answers: dict[str, int]

    @property
    def total(self) -> int:
        """Records of all inputs."""
        return sum(self.done.values())

    def differs(self, other: "Sample") -> bool:
        """Whether there is anything new, or a second is over."""
        return (
            (self.ready, self.done, self.clean, self.sent)
            != (other.ready, other.done, other.clean, other.sent)
        ) or self.at - other.at > 1.0


_decode = msgspec.json.Decoder(Sample).decode


class Worker:
    """A worker process of a real stage.

    Args:
        settings: of the graph.
        stage, slot: which.
    """

    def __init__(self, settings: Settings, stage: str, slot: int = 0) -> None:
        self.stage = stage
        self._settings, self._slot = settings, slot
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        self._file = settings.data_dir / f"{stage}-{slot}.samples"
        self._log = settings.data_dir / f"{stage}-{slot}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._read = 0
        self.samples: list[Sample] = []

    def __enter__(self) -> "Worker":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Of the process, while it runs."""
        if self._process is None:
            raise StalledError(f"{self.stage} does not run")
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until all its partitions are open."""
        self.launch()
        self.until_ready()

    def until_ready(self) -> None:
        """Wait until all its partitions are open."""
        self.wait(lambda sample: sample.ready, "to be ready", READY_S)

    def launch(self) -> None:
        """Start it."""
        self._file.unlink(missing_ok=True)
        self._read, self.samples = 0, []
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.bench.worker"),
                    *(self.stage, str(self._slot), str(self._file)),
                ],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=REPOSITORY,
                preexec_fn=machine.die_with_parent(),
            )
        if self._process.stdin is not None:
            self._process.stdin.write(self._settings.to_json())
            self._process.stdin.close()

    def stop(self) -> None:
        """End it in the wanted way, or by force."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def look(self) -> Sample | None:
        """The newest sample; all so far are in `samples`.

        Raises:
            StalledError: the process has ended.
        """
        with contextlib.suppress(FileNotFoundError), self._file.open("rb") as file:
            file.seek(self._read)
            told = file.read()
            whole = told[: told.rfind(b"\n") + 1]
            self._read += len(whole)
            self.samples += map(_decode, whole.splitlines())
        if self._process is not None and self._process.poll() is not None:
            raise StalledError(f"{self.stage} ended: {self._said()}")
        return self.samples[-1] if self.samples else None

    def wait(self, true: Callable[[Sample], bool], what: str, timeout_s: float) -> Sample:
        """The first sample of which something is true.

        Raises:
            StalledError: the process ends, or the time is over.
        """
        deadline, seen = time.monotonic() + timeout_s, len(self.samples)
        while True:
            self.look()
            for place in range(seen, len(self.samples)):
                if true(self.samples[place]):
                    return self.samples[place]
            seen = len(self.samples)
            if time.monotonic() > deadline:
                last = self.samples[-1] if self.samples else "nothing was noted"
                raise StalledError(
                    f"{self.stage} had {timeout_s:.0f} s {what}: {last}; {self._said()}"
                )
            time.sleep(_POLL_S)

    def took_in(self, records: int, timeout_s: float) -> "Taken":
        """Wait until so many records are taken in and settled; what that took."""
        end = self.wait(
            lambda sample: sample.total >= records and sample.clean,
            f"to take {records} records in",
            timeout_s,
        )
        begin = [sample for sample in self.samples if sample.total == 0][-1]
        return Taken(begin, end)

    def _said(self) -> str:
        told = self._log.read_text(errors="replace") if self._log.exists() else ""
        return " | ".join(told.splitlines()[-5:]) or "it said nothing"


class Taken(msgspec.Struct):
    """From the last moment with nothing taken in to the first with everything settled."""

    begin: Sample
    end: Sample

    @property
    def seconds(self) -> float:
        """Wall time."""
        return self.end.at - self.begin.at

    @property
    def cpu_seconds(self) -> float:
        """Of all threads of the process."""
        return self.end.cpu_s - self.begin.cpu_s

    @property
    def sent(self) -> int:
        """Messages."""
        return self.end.sent - self.begin.sent


@contextlib.contextmanager
def running(workers: Mapping[str, Worker]) -> Iterator[None]:
    """Start all, stop all."""
    try:
        for worker in workers.values():
            worker.start()
        yield
    finally:
        for worker in reversed(list(workers.values())):
            worker.stop()


def primed(settings: Settings, stage: str) -> Worker:
    """A worker whose partitions were claimed while its inputs were empty, stopped again.

    A first start on a backlog sends nothing before it has read all of it (DESIGN, "How totals
    travel"); the next start goes on where it was and sends as it goes, as a worker does that has
    fallen behind. That is what a bench wants to see.
    """
    worker = Worker(settings, stage)
    worker.start()
    worker.wait(lambda sample: sample.clean, "to be settled", READY_S)
    worker.stop()
    return worker


def folder_of(settings: Settings) -> Path:
    """Where the workers' own files stand."""
    return settings.data_dir
