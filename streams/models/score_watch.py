"""Scores of a worker's models as metrics; the references outlive the process in a small file."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from streams.monitoring import quality as metrics_quality
from streams.monitoring.scores import Key, Scores, references_of, told_of


class ScoreWatch:
    """Told of every new answer of a model, on the event loop.

    Args:
        file: where references are kept; None: nowhere. One that cannot be read begins anew.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._kept = dict(references_of(_read(file)))
        self._standing = 0
        self._scores: dict[Key, Scores] = {}
        metrics_quality.MODEL_SCORES.scores = self._scores

    def answered(self, task: str, bundle: str, scores: Sequence[float]) -> None:
        """A model of this bundle has given these scores, 0..1, in one call."""
        key = task, bundle
        known = self._scores.get(key)
        if known is None:
            known = self._scores[key] = Scores(self._kept.get(key))
        known.add(scores)

    def report(self) -> None:
        """Set the gauges, and keep a reference that has become complete."""
        for (task, bundle), each in self._scores.items():
            if (drift := each.drift) is not None:
                metrics_quality.SCORE_DRIFT.labels(task, bundle).set(drift)
        standing = sum(each.stands for each in self._scores.values())
        if standing != self._standing:
            self._standing = standing
            self._keep()

    def _keep(self) -> None:
        if self._file is None:
            return
        others = {key: Scores(tally) for key, tally in self._kept.items()}
        new = self._file.with_suffix(f".{os.getpid()}")
        new.write_bytes(told_of({**others, **self._scores}))
        new.replace(self._file)

    @property
    def scores(self) -> Mapping[Key, Scores]:
        """(task, bundle) -> its scores."""
        return self._scores


def _read(file: Path | None) -> bytes:
    try:
        return b"" if file is None else file.read_bytes()
    except OSError:
        return b""
