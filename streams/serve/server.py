"""One process: a replica that follows its topic, and the HTTP API over it."""

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from typing import Any

import uvicorn

from models_onnx import golden
from models_onnx.errors import ModelError
from models_onnx.runtime import Device
from models_onnx.spans import Tagged, Text
from models_onnx.tagging.tagger import Tagger
from streams.errors import SettingsError
from streams.process import status
from streams.process.probes import Reason
from streams.serve import metrics, running
from streams.serve.answers import Alive
from streams.serve.api import build_api
from streams.serve.auth import is_loopback
from streams.serve.follow import Follower
from streams.serve.guard import Gate
from streams.serve.patience import MAX_CONNECTIONS, MAX_HEAD_BYTES, ImpatientProtocol
from streams.serve.reader import Readiness
from streams.serve.replica import Counts
from streams.serve.switch import Switch
from streams.settings import Settings
from topology.ontology import Ontology, default_ontology, load_ontology

log = logging.getLogger(__name__)

_GRACE_S = 5
_BACKLOG = 1_024


def load_tagger(settings: Settings) -> Tagger:
    """The tagger of the settings' bundle.

    Raises:
        ModelsError: the bundle is changed or missing, does not answer its golden inputs as it
            should, or its device cannot be had.
    """
    device: Device = settings.device  # type: ignore[assignment]
    tagger = Tagger.load(
        settings.tagging_bundle, device=device, threads=settings.model_threads or None
    )
    try:
        golden.verify(tagger, golden.read(tagger.bundle.folder))
    except ModelError:
        tagger.close()
        raise
    return tagger


def ontology_of(settings: Settings) -> Ontology:
    """The ontology of the settings, by default the one shipped.

    Raises:
        OntologyError: the file cannot be used.
    """
    return load_ontology(settings.ontology) if settings.ontology else default_ontology()


class LoadingTagger:
    """A tagger that is loaded in a thread while the rest starts; who asks early, waits.

    Args:
        load: gives the tagger; runs in a thread.
    """

    def __init__(self, load: Callable[[], Tagger]) -> None:
        self.loading = asyncio.create_task(asyncio.to_thread(load), name="load tagger")

    @property
    def loaded(self) -> bool:
        """It is there."""
        task = self.loading
        return task.done() and not task.cancelled() and task.exception() is None

    @property
    def bundle_id(self) -> str:
        """Of its bundle; "" while it is being loaded."""
        return self.loading.result().bundle_id if self.loaded else ""

    @property
    def is_degraded(self) -> bool:
        """It does not run where it was loaded."""
        return self.loaded and self.loading.result().is_degraded

    async def tag_async(self, texts: Sequence[Text]) -> list[Tagged]:
        """One `Tagged` for each text, in the order given."""
        tagger = await asyncio.shield(self.loading)
        return await tagger.tag_async(texts)

    def close(self) -> None:
        """End its threads."""
        if self.loaded:
            self.loading.result().close()


class Taggers:
    """Taggers by their bundle: generations that name the same one share it.

    Args:
        load: gives the tagger of settings; runs in a thread.
    """

    def __init__(self, load: Callable[[Settings], Tagger]) -> None:
        self._load = load
        self._found: dict[tuple[object, ...], LoadingTagger] = {}

    def of(self, settings: Settings) -> LoadingTagger:
        """The tagger of these settings, which may still be loading."""
        key = (settings.tagging_bundle, settings.device, settings.model_threads)
        if key not in self._found:
            self._found[key] = LoadingTagger(lambda: self._load(settings))
        return self._found[key]

    async def settled(self) -> None:
        """Wait until none is being loaded any more."""
        await asyncio.wait([each.loading for each in self._found.values()])

    def close(self) -> None:
        """End the threads of all."""
        for each in self._found.values():
            each.close()


class Side:
    """What answers about one generation: its replica, its tagger, the API over both.

    Args:
        settings: of the generation.
        taggers: where its tagger is.
        about: what /livez answers.
        gate: who may ask; one for all sides.
    """

    def __init__(self, settings: Settings, taggers: Taggers, about: Alive, gate: Gate) -> None:
        ontology = ontology_of(settings)
        self.follower = Follower(settings, on_batch=_count, on_served=_served)
        self._tagger = taggers.of(settings)
        self.app = build_api(
            self.follower,
            self._tagger,
            ontology,
            lambda: readiness(self.follower, self._tagger, outdated=status.outdated(settings)),
            about=about,
            version=metadata.version("cartograph"),
            gate=gate,
        )

    async def warm(self) -> None:
        """Wait until its tagger is loaded; raises why it cannot be."""
        await asyncio.shield(self._tagger.loading)

    def close(self) -> None:
        """Let go of the replica; the tagger may be another's too."""
        self.follower.close()


class _Server(uvicorn.Server):
    """Leaves signals to whoever started it: uvicorn would end the process by the signal."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(
    settings: Settings,
    *,
    on_answering: Callable[[running.Running], None] = lambda _: None,
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """Follow the topic of facts of the generation that answers, until SIGTERM or SIGINT.

    Args:
        settings: with the addresses of Kafka and of the API.
        on_answering: told where it answers, as soon as it does; it may not be ready yet.
        on_ready: called once the replica has caught up and the model is loaded.

    Raises:
        SettingsError: the address cannot be had.
        CartographError, TopologyError, ModelsError: it cannot run as it is set up.
    """
    listener = _listen(settings)
    with contextlib.ExitStack() as to_close:
        to_close.callback(listener.close)
        taggers = Taggers(load_tagger)
        to_close.callback(taggers.close)
        about = Alive(settings.graph, os.getpid())
        token = secrets.token_urlsafe(32)
        gate = Gate(settings, own=token)
        switch = Switch(settings, lambda own: Side(own, taggers, about, gate))
        to_close.callback(switch.close)
        await switch.start()
        host, port = listener.getsockname()[:2]
        at = running.Running(about.pid, host, port, about.graph, token)
        running.announce(settings, at)
        to_close.callback(running.withdraw, settings)
        server = _server(switch)
        await _run(switch, taggers, server, listener, lambda: on_answering(at), on_ready)


def readiness(follower: Follower, tagger: LoadingTagger, *, outdated: int = 0) -> Readiness:
    """Whether answers can be trusted to be complete.

    Args:
        follower: of the topic of facts.
        tagger: that reads queries.
        outdated: things of the graph that older bundles derived, as far as it is known here.
    """
    reasons = []
    if not follower.caught_up.is_set():
        lag = follower.as_of().lag
        left = "the broker has not answered yet" if lag is None else f"{lag:,} records are left"
        code = "broker" if lag is None else "reading"
        reasons.append(Reason(code, f"the topic of facts is still being read: {left}"))
    if not tagger.loaded:
        reasons.append(Reason("models", "the tagging model is still being loaded"))
    offsets = {str(number): offset for number, offset in sorted(follower.replica.offsets.items())}
    degraded = []
    if tagger.is_degraded:
        words = "the tagging model runs on the CPU: the GPU failed twice, see the log"
        degraded.append(Reason("cpu", words))
    if outdated:
        words = (
            f"the graph is mixed: {outdated:,} things were derived with older bundles; "
            "`cartograph model backfill` derives them again"
        )
        degraded.append(Reason("mixed", words))
    return Readiness(not reasons, tuple(reasons), offsets, tuple(degraded), follower.generation)


async def _run(
    switch: Switch,
    taggers: Taggers,
    server: uvicorn.Server,
    listener: socket.socket,
    on_answering: Callable[[], None],
    on_ready: Callable[[], None],
) -> None:
    """Run everything until a signal, or until a part ends: with its error, if it has one."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)

    async def tell() -> None:
        while not server.started:
            await asyncio.sleep(0.01)
        on_answering()
        await switch.ready()
        on_ready()
        await stopped.wait()

    http = asyncio.create_task(server.serve(sockets=[listener]), name="http")
    parts = [
        http,
        asyncio.create_task(switch.run(), name="follow"),
        asyncio.create_task(tell(), name="tell"),
        asyncio.create_task(stopped.wait(), name="signals"),
    ]
    try:
        done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        for part in done:
            part.result()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        server.should_exit = True
        for part in parts[1:]:
            part.cancel()
        await asyncio.gather(*parts, return_exceptions=True)
        await taggers.settled()


def _server(api: Any) -> uvicorn.Server:
    config = uvicorn.Config(
        api,
        log_config=None,
        access_log=False,  # a line a request would hold queries
        server_header=False,
        http=ImpatientProtocol,
        ws="none",
        proxy_headers=False,  # who asks is the other end of the connection, whatever a header says
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        limit_concurrency=MAX_CONNECTIONS,
        lifespan="off",
        timeout_graceful_shutdown=_GRACE_S,
    )
    return _Server(config)


def _listen(settings: Settings) -> socket.socket:
    """A socket that listens; taken first, so that a second server ends before it does anything."""
    host, port = settings.http_host, settings.http_port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        _check_mode(settings, str(address[0]))
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(_BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise SettingsError(
            f"{host}:{port} cannot be had ({error.strerror or error}): stop what runs there, or "
            "choose another with `--port`, CARTOGRAPH_HTTP_PORT (0: any free one) or "
            "CARTOGRAPH_HTTP_HOST"
        ) from error
    listener.setblocking(False)
    return listener


def _check_mode(settings: Settings, address: str) -> None:
    """Refuse to answer anybody who reaches an address that other machines reach."""
    if settings.api_mode == "none" and not is_loopback(address):
        raise SettingsError(
            f"{settings.http_host} can be reached from other machines, and api_mode none asks "
            "nobody who they are: set CARTOGRAPH_API_MODE=token (`cartograph token` makes them) "
            "or proxy-header, or listen on 127.0.0.1"
        )


def _count(counts: Counts) -> None:
    for outcome, count in counts._asdict().items():
        if count:
            metrics.REPLICA_RECORDS.labels(outcome).inc(count)


def _served(facts: int, source_ms: int | None) -> None:
    if source_ms is None:
        metrics.END_TO_END_UNKNOWN.inc(facts)
        return
    took = max(time.time() - source_ms / 1000, 0.0)
    for _ in range(facts):
        metrics.END_TO_END_SECONDS.observe(took)
