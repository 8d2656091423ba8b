"""Where the time of one partition goes, as metrics: told by the partition once a step."""

import time
from typing import Any

from streams.monitoring import metrics


class StepTimes:
    """Times and sizes of the steps of one partition.

    Args:
        stage: its stage. Times are `time.monotonic`, seconds.
    """

    def __init__(self, stage: str) -> None:
        def step(name: str) -> Any:
            return metrics.STEP_SECONDS.labels(stage, name)

        self._wait, self._apply, self._models = step("wait"), step("apply"), step("models")
        self._commit, self._send = step("commit"), step("send")
        self._batch_records = metrics.BATCH_RECORDS.labels(stage)
        self._commit_seconds = metrics.COMMIT_SECONDS.labels(stage)
        self._commit_records = metrics.COMMIT_RECORDS.labels(stage)
        self._in_models = 0.0

    def waited(self, arrived: float) -> float:
        """A batch that arrived then begins to be applied; returns now."""
        now = time.monotonic()
        self._wait.observe(now - arrived)
        self._in_models = 0.0
        return now

    def answered(self, asked: float) -> None:
        """Models have answered what was asked then."""
        self._in_models += time.monotonic() - asked

    def applied(self, begun: float, records: int) -> None:
        """A batch of so many records is applied and its questions are answered."""
        self._apply.observe(max(time.monotonic() - begun - self._in_models, 0.0))
        if self._in_models:
            self._models.observe(self._in_models)
        self._batch_records.observe(records)

    def committed(self, begun: float, records: int) -> None:
        """A commit has ended that so many records stood behind."""
        took = time.monotonic() - begun
        self._commit_seconds.observe(took)
        self._commit.observe(took)
        self._commit_records.observe(records)

    def sent(self, begun: float) -> None:
        """A chunk of messages is acknowledged."""
        self._send.observe(time.monotonic() - begun)
