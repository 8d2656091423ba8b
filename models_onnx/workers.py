"""Encoded texts through a session, each answer a function of its own text alone.

CPU: one unpadded text a call, spread over a thread pool. CUDA: fixed shapes, one call at a time,
while other threads tokenise and read.
"""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from models_onnx import batching
from models_onnx.ladder import Ladder, Row, Runs, Watch
from models_onnx.tokens import Encoded

In = TypeVar("In")
Out = TypeVar("Out")

_MOST_IN_A_PART = {"cpu": 32, "cuda": batching.HEIGHTS[-1]}
"""Texts that one thread takes at a time: few, so that no thread is left with a long tail; on a GPU
as many as one call takes of one width."""

__all__ = ["Row", "Runs", "Watch", "Workers"]


class Workers:
    """A session and the threads that feed it.

    Args:
        session: loaded.
        probe: a harmless text.
        pad: id of the padding token.
        outputs: names of the outputs wanted, in the order of a `Row`; None: all.
        longest: tokens of the longest text.
        threads: that tokenise, read and, on CPU, run the model; by default one a core.

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
        threads: int | None = None,
    ) -> None:
        self._ladder = Ladder(session, probe=probe, pad=pad, outputs=outputs, longest=longest)
        self._threads = threads or os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="model")
        self.warm = self._ladder.warm
        self._loaded_on = session.device

    @property
    def device(self) -> str:
        """Where texts run now; it changes when a GPU fails for good."""
        return self._ladder.device

    @property
    def is_degraded(self) -> bool:
        """It does not run where it was loaded any more."""
        return self._ladder.device != self._loaded_on

    @property
    def set_aside(self) -> int:
        """Texts so far for which onnxruntime raised while it still answered the probe."""
        return self._ladder.set_aside

    def observe(self, watch: Watch) -> None:
        """Tell `watch` what happens from here on."""
        self._ladder.watch = watch

    def map(
        self,
        items: Sequence[In],
        encode: Callable[[In], Encoded],
        read: Callable[[In, Encoded, Row | None], Out],
    ) -> list[Out]:
        """`read(item, its encoding, its outputs)` for every item, in order.

        The outputs are None for a text that was set aside.

        Raises:
            InferenceError: the session is broken: it fails for the probe too.
            ShapeError: the graph gave arrays of another shape.
        """
        parts = self._parts(items)
        if len(parts) < 2:
            return self._part(items, encode, read, time.monotonic())
        since = time.monotonic()
        done = self._pool.map(lambda part: self._part(part, encode, read, since), parts)
        return [answer for part in done for answer in part]

    async def map_async(
        self,
        items: Sequence[In],
        encode: Callable[[In], Encoded],
        read: Callable[[In, Encoded, Row | None], Out],
    ) -> list[Out]:
        """As `map`, off the event loop."""
        loop, since = asyncio.get_running_loop(), time.monotonic()
        waiting = [
            loop.run_in_executor(self._pool, self._part, part, encode, read, since)
            for part in self._parts(items)
        ]
        return [answer for part in await asyncio.gather(*waiting) for answer in part]

    def close(self) -> None:
        """Wait for what runs, then end the threads."""
        self._pool.shutdown(wait=True)

    def _parts(self, items: Sequence[In]) -> list[Sequence[In]]:
        most = _MOST_IN_A_PART[self.device]
        # A GPU is better off with one large call than with as many small ones as threads.
        share = -(-len(items) // self._threads) if self.device == "cpu" else most
        size = min(most, max(1, share))
        return [items[start : start + size] for start in range(0, len(items), size)]

    def _part(
        self,
        items: Sequence[In],
        encode: Callable[[In], Encoded],
        read: Callable[[In, Encoded, Row | None], Out],
        since: float,
    ) -> list[Out]:
        if not items:
            return []
        begun = time.monotonic()
        encoded = [encode(item) for item in items]
        lengths = [len(text.ids) for text in encoded]
        rows = self._ladder.rows(encoded)
        answers = [read(*one) for one in zip(items, encoded, rows, strict=True)]
        self._ladder.watch.ran(
            items=len(items),
            tokens=sum(lengths),
            padded=self._ladder.padded(lengths),
            queued_s=begun - since,
            ran_s=time.monotonic() - begun,
        )
        return answers
