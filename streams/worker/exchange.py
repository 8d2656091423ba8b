"""Exchanges the models of a running worker: on request, or because one moved to another device.

Verify and load -> golden inputs -> between two batches: swap, and make the stages anew under the
new bundle's id -> close the old one. Until the swap the old one answers; where the new one cannot
take over it simply goes on, and the status says why.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from models_onnx.errors import ModelError
from streams.control.claims import Reload
from streams.models.models import TASKS, Bundles, Models, Prepared, Task
from streams.monitoring import metrics
from streams.process.status import ModelStatus
from streams.worker.holdings import Build

_LOOK_S = 1.0
_KEPT_REQUESTS = 16
log = logging.getLogger(__name__)

Rebuild = Callable[[Callable[[], Build]], Awaitable[None]]
"""Runs a change while nothing is being answered, and makes the stages anew with what it gives."""


class Exchange:
    """The models of one worker, and what became of requests to exchange them.

    Args:
        models: of the worker.
        build: bundles -> how stages are built.
        rebuild: see `Rebuild`.
    """

    def __init__(self, models: Models, build: Callable[[Bundles], Build], rebuild: Rebuild) -> None:
        self._models, self._build, self._rebuild = models, build, rebuild
        self._built_with = models.bundles
        self._requests: asyncio.Queue[Reload] = asyncio.Queue(_KEPT_REQUESTS)
        self._last = ModelStatus()

    @property
    def status(self) -> ModelStatus:
        """Bundles in use, and the last request."""
        last = self._last
        return ModelStatus(
            self._models.bundles.ids, self._models.degraded, last.reload, last.outcome, last.said
        )

    def ask(self, request: Reload) -> None:
        """Note a request; it is done by `run`."""
        if self._requests.full():
            log.warning("a request to reload %s was dropped: too many wait", request.task)
            return
        self._requests.put_nowait(request)

    async def run(self) -> None:
        """Do what is asked, one request after the other, until cancelled."""
        while True:
            try:
                request = await asyncio.wait_for(self._requests.get(), _LOOK_S)
            except TimeoutError:
                await self._follow()
            else:
                await self.reload(request)

    async def reload(self, request: Reload) -> None:
        """Exchange a model, or say why not; never raises for what the bundle has wrong."""
        self._last = ModelStatus(reload=request.token)
        task = next((each for each in TASKS if each == request.task), None)
        if task is None:
            said = f"there is no task {request.task!r}: {', '.join(TASKS)}"
            self._note(request, "failed", said)
            return
        if not self._models.asks(task):
            self._note(request, "unused", f"this worker asks no {task} model")
            return
        try:
            folder = Path(request.folder) if request.folder else None
            prepared = await self._models.prepare(task, folder)
        except (ModelError, OSError) as error:
            self._note(request, "failed", f"the old {task} bundle stays: {error}")
            return
        if prepared is None:
            self._note(request, "same", f"{request.task}: these files are in use already")
            return
        before = self._models.bundles
        await self._put_in_place(prepared)
        gone = set(before.ids) - set(self._models.bundles.ids)
        self._note(request, "done", f"{prepared.bundle_id} took the place of {', '.join(gone)}")

    async def _put_in_place(self, prepared: Prepared) -> None:
        old = []

        def change() -> Build:
            old.append(prepared.swap())
            return self._rebuilt()

        await self._rebuild(change)
        for model in old:
            await asyncio.to_thread(model.close)

    async def _follow(self) -> None:
        """A model that moved to another device has another id: build the stages with that."""
        if self._models.bundles != self._built_with:
            log.warning("%s", self._models.degraded or "a model has another id than before")
            await self._rebuild(self._rebuilt)

    def _rebuilt(self) -> Build:
        self._built_with = self._models.bundles
        return self._build(self._built_with)

    def _note(self, request: Reload, outcome: str, said: str) -> None:
        task: Task | str = request.task if request.task in TASKS else "unknown"
        metrics.MODEL_RELOADS.labels(task, outcome).inc()
        log.log(logging.ERROR if outcome == "failed" else logging.INFO, "%s", said)
        self._last = ModelStatus(reload=request.token, outcome=outcome, said=said)
