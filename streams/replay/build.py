"""Build a graph beside the one that runs, from the topics, with the same stages.

What is ordered is noted first (`generations.Generation` on `graph.control`), so that the same order
after a crash goes on: stores, claims and offsets are those of any stage.
"""

import asyncio
import contextlib
import logging
import secrets
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from models_onnx import bundle
from streams import registry
from streams.broker import admin
from streams.control import generation_log
from streams.control.claims import TOPIC
from streams.control.generations import (
    LIVE,
    Base,
    Generation,
    Generations,
    check_base,
    generation_record,
    order_record,
    settings_of,
)
from streams.errors import BrokerError, CartographError, SettingsError, StateError, TopicError
from streams.kafka import connection
from streams.kafka.producer import Producer
from streams.models.models import TASKS
from streams.replay.stretch import EARLIEST, stretch_of
from streams.replay.watch import Replayed, Say, Watch, lags
from streams.settings import Settings
from streams.topics import TopicSpec, plan
from streams.worker.fleet import held, lock_file
from streams.worker.supervisor import Command, Supervisor, command_of, slots

log = logging.getLogger(__name__)

_PATIENCE_S = 10.0


class Order(NamedTuple):
    """What an operator asks for; None: as the generation of that name was ordered.

    Attributes:
        name: of the generation; "": the one that was ordered so and is not built yet, or a new one.
        since, until: --from and --to in the operator's words.
        changes: settings in which it is to differ (`generations.read_changes`).
    """

    name: str = ""
    base: Base | None = None
    since: str | None = None
    until: str | None = None
    changes: Mapping[str, object] | None = None


def own_topics(settings: Settings, generation: Generation) -> list[TopicSpec]:
    """The topics that are a generation's alone."""
    own = settings_of(settings, generation)
    mine = set(own.names.owned())
    planned = plan(own.names, own.partitions, own.replication)
    return [spec for spec in planned if spec.topic.name in mine]


async def prepare(settings: Settings, order: Order) -> Generation:
    """Find or make the generation that is ordered: its record, its topics.

    Args:
        settings: of the first generation, with the address of Kafka.
        order: what is asked for.

    Raises:
        SettingsError: the order contradicts itself.
        StateError: one of this name was ordered otherwise, or is dropped.
        TopicError: topics of that name belong to another graph.
        BrokerError: the broker does not answer.
    """
    generation = None
    while generation is None:
        found = await generation_log.read(settings)
        generation = _known(found, order) or await _ordered(settings, found, order)
    specs = own_topics(settings, generation)
    await admin.apply(settings.kafka, specs, options=connection.options(settings))
    await _tell_workers(settings, generation)
    return generation


def _known(found: Generations, order: Order) -> Generation | None:
    """The generation that goes on; None: a new one is to be made."""
    if order.name:
        found.check_name(order.name)
    if not order.name:
        unfinished = [each for each in found.all if each.state == "building"]
        return next((each for each in unfinished if _is_so(each, order, told=False)), None)
    generation = found.get(order.name)
    if generation is None:
        return None
    if not generation.usable:
        raise StateError(
            f"{order.name!r} is {generation.state}, and no name is given twice: choose another "
            "--generation"
        )
    if not _is_so(generation, order, told=True):
        since, until = generation.asked
        raise StateError(
            f"{order.name!r} was ordered with --base {generation.base} --from {since} --to "
            f"{until or 'nothing'} and {generation.changes or 'no settings of its own'}: name it "
            "alone to go on with it, or choose another --generation"
        )
    return generation


async def _ordered(settings: Settings, found: Generations, order: Order) -> Generation | None:
    """Order a new one; None: another order took its name meanwhile."""
    generation = await _new(settings, found, order)
    if generation is None:
        return None
    await generation_log.write(settings, order_record(generation))
    first = (await generation_log.read(settings)).get(generation.name)
    if first is None:
        raise BrokerError(
            f"the order for {generation.name} was written to {settings.topic(TOPIC)} and cannot be "
            "read there: give the command again, and look at the broker's log if that does not help"
        )
    return first if first.order == generation.order else None


def _is_so(generation: Generation, order: Order, *, told: bool) -> bool:
    """Whether a generation was ordered so; `told`: what the order leaves open may be anything."""
    wanted = _asked(order)
    return all(
        (told and is_open) or have == want
        for have, want, is_open in (
            (generation.base, wanted.base, order.base is None),
            (generation.asked[0], wanted.asked[0], order.since is None),
            (generation.asked[1], wanted.asked[1], order.until is None),
            (generation.changes, wanted.changes, order.changes is None),
        )
    )


def _asked(order: Order) -> Generation:
    return Generation(
        name=order.name,
        base=order.base or "events",
        asked=(order.since or EARLIEST, order.until or ""),
        changes=dict(order.changes or {}),
    )


async def _new(settings: Settings, found: Generations, order: Order) -> Generation | None:
    """What is to be ordered; None: somebody has a generation of this name by now."""
    generation = msgspec.structs.replace(
        _asked(order),
        name=order.name or found.next_name(),
        made_ms=int(time.time() * 1000),
        order=secrets.token_hex(8),
    )
    check_base(generation)
    await asyncio.to_thread(_check_loadable, settings_of(settings, generation))
    if generation.base == "totals" and not found.live.usable:
        raise StateError(f"{LIVE} is {found.live.state}, and its totals with it: use --base events")
    names = [spec.name for spec in own_topics(settings, generation)]
    taken = await admin.describe(settings.kafka, names, options=connection.options(settings))
    if taken and (await generation_log.read(settings)).get(generation.name) is not None:
        return None
    if taken:
        raise TopicError(
            f"{', '.join(sorted(taken))} exists: it belongs to another graph; choose another "
            "--generation"
        )
    starts, ends = await stretch_of(settings, generation)
    return msgspec.structs.replace(generation, starts=starts, ends=ends)


def _check_loadable(own: Settings) -> None:
    """What its workers would refuse only when it is half made.

    Raises:
        SettingsError: a threshold that contradicts another.
        OntologyError, BundleError: a file that cannot be used.
    """
    try:
        registry.scoring_settings(own)
    except ValueError as error:
        raise SettingsError(f"scoring: {error}") from error
    registry.ontology(own)
    for task, folder in zip(
        TASKS, (own.tagging_bundle, own.cleaning_bundle, own.synonyms_bundle), strict=True
    ):
        if folder is not None:
            bundle.load(folder, task=task)


async def _tell_workers(settings: Settings, generation: Generation) -> None:
    """Put what it reads on its own control topic, which its workers read at their start."""
    own = settings_of(settings, generation)
    producer = Producer(own.kafka, own.names, connection.options(own))
    await producer.start()
    try:
        await producer.send_one(TOPIC, *generation_record(generation))
    finally:
        await producer.stop()


async def run(
    settings: Settings,
    generation: Generation,
    *,
    say: Say = lambda _: None,
    on_built: Callable[[Replayed], None] = lambda _: None,
    follow: bool = False,
    stages: Sequence[str] = (),
    command: Command = command_of,
) -> Replayed | None:
    """Run the stages of a generation until they have read their stretch and rest.

    Args:
        settings: of the first generation.
        generation: from `prepare`.
        say: told how far it is, about once a second.
        on_built: told once it is done.
        follow: go on after that, until SIGTERM or SIGINT.
        stages: which of its stages run here; the others run on other machines. Empty: all.
        command: how a worker is started.

    Returns:
        How it ended; None if a signal came first.

    Raises:
        CartographError: a worker cannot run as it is set up.
        StateError: this machine runs its stages already.
    """
    own = settings_of(settings, generation)
    wanted = slots(own, [*(stages or generation.stages)])
    supervisor = Supervisor(own, wanted, command=command)
    stopping = asyncio.Event()
    async with _locked(own, stopping), _signals(supervisor, stopping):
        watch = Watch(settings, generation, supervisor, await lags(settings, generation))
        running = asyncio.create_task(supervisor.run())
        watching = asyncio.create_task(watch.run(say))
        try:
            await asyncio.wait([running, watching], return_when=asyncio.FIRST_COMPLETED)
            if not watching.done():
                _explain(supervisor, await running, stopped=stopping.is_set())
                return None
            done = watching.result()
            if generation.state != "built":
                built = msgspec.structs.replace(generation, state="built")
                await generation_log.write(settings, generation_record(built))
            on_built(done)
            if follow:
                _explain(supervisor, await running, stopped=stopping.is_set())
            return done
        finally:
            watching.cancel()
            supervisor.stop()
            await asyncio.gather(running, watching, return_exceptions=True)


def _explain(supervisor: Supervisor, code: int, *, stopped: bool) -> None:
    if code and not stopped:
        errors = [told.error for told in supervisor.status() if told.error]
        raise CartographError("; ".join(errors) or f"the workers ended with {code}: see the log")


@contextlib.asynccontextmanager
async def _locked(own: Settings, stopping: asyncio.Event) -> AsyncIterator[None]:
    giving_up = asyncio.get_running_loop().call_later(_PATIENCE_S, stopping.set)
    async with held(lock_file(own), stopping) as has_it:
        giving_up.cancel()
        if not has_it:
            raise StateError(
                f"the stages of {own.names.own} run already on this machine (`cartograph worker`, "
                "or another replay): stop those first"
            )
        yield


@contextlib.asynccontextmanager
async def _signals(supervisor: Supervisor, stopping: asyncio.Event) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        stopping.set()
        supervisor.stop()

    handled = []
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(RuntimeError, ValueError):  # not in the main thread
            loop.add_signal_handler(number, stop)
            handled.append(number)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)
