"""Encoded texts through a session, each answer a function of its own text alone.

CPU: one unpadded text a call, spread over a thread pool. CUDA: fixed shapes, one call at a time.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from models_onnx import batching
from models_onnx.batching import Batch, Ids
from models_onnx.errors import InferenceError
from models_onnx.runtime import Array
from models_onnx.tokens import Encoded

In = TypeVar("In")
Out = TypeVar("Out")
Row = tuple[Array, ...]
"""The outputs of the graph for one text, its padding not yet cut."""

_MOST_IN_A_PART = 32
"""Texts that one thread takes at a time: small, so that no thread is left with a long tail."""

log = logging.getLogger(__name__)


class Runs(Protocol):
    """A session, as `runtime.Session` is one."""

    device: str

    def run(self, ids: Ids, mask: Ids, types: Ids) -> list[Array]: ...


class Workers:
    """A session and the threads that feed it.

    `set_aside` counts texts for which onnxruntime raised while it still answered `probe`.
    """

    def __init__(
        self, session: Runs, *, probe: Encoded, pad: int, threads: int | None = None
    ) -> None:
        """Run the probe once, so that a broken model fails at the start and not in the stream.

        Raises:
            InferenceError: the session cannot even run the probe.
        """
        self.set_aside = 0
        self._session = session
        self._probe = probe
        self._pad = pad
        count = 1 if session.device == "cuda" else threads or os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="model")
        self._threads = count
        self.warm = self._rows([probe])[0]

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
        """
        parts = self._parts(items)
        if len(parts) < 2:
            return self._part(items, encode, read)
        done = self._pool.map(lambda part: self._part(part, encode, read), parts)
        return [answer for part in done for answer in part]

    async def map_async(
        self,
        items: Sequence[In],
        encode: Callable[[In], Encoded],
        read: Callable[[In, Encoded, Row | None], Out],
    ) -> list[Out]:
        """As `map`, off the event loop."""
        loop = asyncio.get_running_loop()
        waiting = [
            loop.run_in_executor(self._pool, self._part, part, encode, read)
            for part in self._parts(items)
        ]
        return [answer for part in await asyncio.gather(*waiting) for answer in part]

    def close(self) -> None:
        """Wait for what runs, then end the threads."""
        self._pool.shutdown(wait=True)

    def _parts(self, items: Sequence[In]) -> list[Sequence[In]]:
        size = min(_MOST_IN_A_PART, max(1, -(-len(items) // self._threads)))
        if self._session.device == "cuda":
            size = max(1, len(items))
        return [items[start : start + size] for start in range(0, len(items), size)]

    def _part(
        self,
        items: Sequence[In],
        encode: Callable[[In], Encoded],
        read: Callable[[In, Encoded, Row | None], Out],
    ) -> list[Out]:
        encoded = [encode(item) for item in items]
        rows = self._rows(encoded)
        return [read(*one) for one in zip(items, encoded, rows, strict=True)]

    def _rows(self, texts: Sequence[Encoded]) -> list[Row | None]:
        lengths = [len(text.ids) for text in texts]
        plan = batching.fixed if self._session.device == "cuda" else batching.alone
        rows: list[Row | None] = [None] * len(texts)
        for batch in plan(lengths):
            for row, answer in zip(batch.rows, self._run(batch, texts), strict=True):
                rows[row] = answer
        return rows

    def _run(self, batch: Batch, texts: Sequence[Encoded]) -> list[Row | None]:
        try:
            outputs = self._session.run(*batching.arrays(batch, texts, pad=self._pad))
        except InferenceError:
            return self._one_by_one(batch, texts)
        return [tuple(output[i] for output in outputs) for i in range(len(batch.rows))]

    def _one_by_one(self, batch: Batch, texts: Sequence[Encoded]) -> list[Row | None]:
        """After a failure: find out whether the session or a text is to blame."""
        probe = batching.alone([len(self._probe.ids)])[0]
        self._session.run(*batching.arrays(probe, [self._probe], pad=self._pad))
        if len(batch.rows) > 1:
            single = [Batch((row,), 1, batch.width) for row in batch.rows]
            return [self._run(one, texts)[0] for one in single]
        self.set_aside += 1
        log.warning("a text of %d tokens was set aside: the model fails on it", batch.width)
        return [None]
