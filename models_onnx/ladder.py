"""Encoded texts to the model's outputs, whatever the device does meanwhile.

On a failure, in this order (rungs of a ladder, each tried once before the next):
memory full     half as many texts a call, and no larger call of padded tokens ever after
probe fails     one new session on the same device
again           a session on the CPU; `device` and with it the bundle's id change, `watch` is told
probe works     the texts are to blame: each alone, and those that still fail are set aside
On CPU there is no lower rung: a session that fails for the probe is an error.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from models_onnx import batching
from models_onnx.batching import Batch, Ids
from models_onnx.errors import DeviceError, DeviceMemoryError, InferenceError, ShapeError
from models_onnx.runtime import Array, Device
from models_onnx.tokens import Encoded

Row = tuple[Array, ...]
"""The outputs of the graph for one text, its padding not yet cut."""

_REBUILD_AGAIN_S = 3_600.0
"""A device that broke once and then ran for so long may be tried again."""

log = logging.getLogger(__name__)


class Runs(Protocol):
    """A session, as `runtime.Session` is one."""

    device: str
    outputs: tuple[str, ...]
    per_token: frozenset[str]

    def run(self, ids: Ids, mask: Ids, types: Ids) -> list[Array]: ...

    def reopen(self, device: Device) -> "Runs": ...


class Watch:
    """Told what happens in a model; does nothing. Its methods are called from any thread."""

    def ran(self, *, items: int, tokens: int, padded: int, queued_s: float, ran_s: float) -> None:
        """`items` texts of `tokens` tokens, `padded` with padding, were answered together."""

    def out_of_memory(self) -> None:
        """A batch did not fit the device's memory."""

    def fell_back(self, reason: str) -> None:
        """Another session took over: "rebuilt" on the same device, or "cpu"."""

    def set_aside(self) -> None:
        """A text was set aside."""


class Ladder:
    """A session and what is done when it fails. Thread-safe.

    Args:
        session: loaded.
        probe: a harmless text: a session that fails for it is broken.
        pad: id of the padding token.
        outputs: names of the outputs wanted, in the order of a `Row`; None: all, in its own order.
        longest: tokens of the longest text that can come.
        token_budget: padded tokens of one call on a GPU, at most.
        watch: told what happens.
        clock: seconds, monotonic.

    Raises:
        InferenceError: the session cannot even run the probe.
        ShapeError: outputs are missing or of other shapes than they should be.
    """

    def __init__(
        self,
        session: Runs,
        *,
        probe: Encoded,
        pad: int,
        outputs: Sequence[str] | None = None,
        longest: int = batching.WIDTHS[-1],
        token_budget: int = batching.TOKEN_BUDGET,
        watch: Watch | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.watch = watch or Watch()
        self.set_aside = 0
        self.token_budget = token_budget
        self._probe, self._pad, self._longest = probe, pad, longest
        self._outputs = tuple(outputs or session.outputs)
        self._clock = clock
        self._rebuilt_at: float | None = None
        self._lock = threading.Lock()
        self._session = session
        self._warm_up(session)
        self.warm = self.rows([probe])[0]

    @property
    def device(self) -> str:
        """Where texts run now: "cpu" or "cuda"."""
        return self._session.device

    def rows(self, texts: Sequence[Encoded]) -> list[Row | None]:
        """The outputs for every text, in order; None for one that was set aside.

        Raises:
            InferenceError: the session is broken, and there is none to take over.
            ShapeError: the graph gave arrays of another shape.
        """
        rows: list[Row | None] = [None] * len(texts)
        self._fill(rows, range(len(texts)), texts)
        return rows

    def padded(self, lengths: Sequence[int]) -> int:
        """Tokens of the calls for texts of these lengths, padding included."""
        return sum(batch.height * batch.width for batch in self._plan(lengths))

    def _fill(
        self, rows: list[Row | None], places: Iterable[int], texts: Sequence[Encoded]
    ) -> None:
        wanted = list(places)
        for batch in self._plan([len(texts[place].ids) for place in wanted]):
            here = tuple(wanted[row] for row in batch.rows)
            self._run(Batch(here, batch.height, batch.width), rows, texts)

    def _plan(self, lengths: Sequence[int]) -> list[Batch]:
        if self._session.device == "cpu":
            return batching.alone(lengths)
        return batching.fixed(lengths, token_budget=self.token_budget)

    def _run(self, batch: Batch, rows: list[Row | None], texts: Sequence[Encoded]) -> None:
        session = self._session
        try:
            answers = self._answers(session, batch, texts)
        except DeviceMemoryError as error:
            self._use_less(session, batch, error)
            self._fill(rows, batch.rows, texts)
        except InferenceError as error:
            if not self._works(session):
                self._replace(session, error)
                self._fill(rows, batch.rows, texts)
            elif len(batch.rows) > 1:
                for row in batch.rows:
                    self._run(Batch((row,), 1, batch.width), rows, texts)
            else:
                self._put_aside(batch)
        else:
            for place, answer in zip(batch.rows, answers, strict=True):
                rows[place] = answer

    def _answers(self, session: Runs, batch: Batch, texts: Sequence[Encoded]) -> list[Row]:
        found = session.run(*batching.arrays(batch, texts, pad=self._pad))
        named = dict(zip(session.outputs, found, strict=True))
        for name in self._outputs:
            if name not in named:
                raise ShapeError(
                    f"the model gives no {name}, only {', '.join(session.outputs)}: model.onnx "
                    "and bundle.toml are from different releases; fetch the bundle again"
                )
            expected = (batch.height, batch.width)[: 1 + (name in session.per_token)]
            if named[name].shape[: len(expected)] != expected:
                raise ShapeError(
                    f"the model's {name} is {named[name].shape} for texts of {expected}: "
                    "fetch the bundle again"
                )
        columns = [named[name] for name in self._outputs]
        return [tuple(column[row] for column in columns) for row in range(len(batch.rows))]

    def _use_less(self, session: Runs, batch: Batch, error: DeviceMemoryError) -> None:
        self.watch.out_of_memory()
        if session.device == "cpu" or batch.height == batching.HEIGHTS[0]:
            self._replace(session, error)
            return
        self.token_budget = min(self.token_budget, batch.height * batch.width // 2)
        log.warning("the GPU's memory is full: at most %d tokens a call", self.token_budget)

    def _works(self, session: Runs) -> bool:
        try:
            self._answers(session, self._probe_batch(session), [self._probe])
        except InferenceError:
            return False
        return True

    def _probe_batch(self, session: Runs) -> Batch:
        length = len(self._probe.ids)
        width = length if session.device == "cpu" else batching.width_of(length)
        return Batch((0,), 1, width)

    def _put_aside(self, batch: Batch) -> None:
        with self._lock:
            self.set_aside += 1
        self.watch.set_aside()
        log.warning("a text of %d tokens was set aside: the model fails on it", batch.width)

    def _replace(self, broken: Runs, error: InferenceError) -> None:
        """Put another session into the place of a broken one, unless somebody did meanwhile."""
        with self._lock:
            if self._session is not broken:
                return
            if broken.device == "cpu":
                raise error
            now = self._clock()
            again = self._rebuilt_at is not None and now - self._rebuilt_at < _REBUILD_AGAIN_S
            self._rebuilt_at = now
            if again or not self._take_over(broken, "cuda", "rebuilt", error):
                self._session = self._opened(broken, "cpu")
                self.watch.fell_back("cpu")
                log.error("the GPU failed again, texts run on the CPU from here on: %s", error)

    def _take_over(self, broken: Runs, device: Device, reason: str, error: Exception) -> bool:
        try:
            self._session = self._opened(broken, device)
        except (DeviceError, InferenceError) as second:
            log.warning("no new session on %s (%s)", device, second)
            return False
        self.watch.fell_back(reason)
        log.warning("the session on %s broke and was made anew: %s", device, error)
        return True

    def _opened(self, broken: Runs, device: Device) -> Runs:
        session = broken.reopen(device)
        self._warm_up(session)
        self._answers(session, self._probe_batch(session), [self._probe])
        return session

    def _warm_up(self, session: Runs) -> None:
        """On a GPU, run every shape once, or the first texts of each would wait for its kernels."""
        if session.device == "cpu":
            return
        for height, width in batching.shapes(self._longest, token_budget=self.token_budget):
            if len(self._probe.ids) > width or height * width > max(self.token_budget, width):
                continue
            try:
                self._answers(session, Batch((0,), height, width), [self._probe])
            except DeviceMemoryError:
                self.watch.out_of_memory()
                self.token_budget = min(self.token_budget, max(1, height * width // 2))
