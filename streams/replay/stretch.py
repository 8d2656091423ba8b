"""Between which offsets a generation reads: what --from and --to mean on a real broker.

Times are those at which records arrived on `graph.events` (the topic stamps them so), offsets
those of its partitions.
"""

import asyncio
import re
import time
from collections.abc import Iterable
from datetime import UTC, datetime

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.control.generations import Generation, Offsets, settings_of
from streams.errors import BrokerError, SettingsError
from streams.kafka.connection import options
from streams.registry import SPECS
from streams.settings import Settings

EARLIEST, NOW = "earliest", "now"
Place = int | dict[int, int] | None
_OFFSETS = re.compile(r"\d+:\d+(,\d+:\d+)*")
_HOW = (
    "use earliest, a time as 2026-11-01T08:00 or in ms since 1970, or offsets of partitions as "
    "0:1200,1:1187"
)


def read_place(told: str) -> Place:
    """What --from or --to says: a time in ms, offsets by partition, or None for either end.

    Raises:
        SettingsError: none of these.
    """
    text = told.strip()
    if text in ("", EARLIEST, NOW):
        return None
    if _OFFSETS.fullmatch(text):
        pairs = [part.split(":") for part in text.split(",")]
        return {int(number): int(offset) for number, offset in pairs}
    if text.isdigit():
        return int(text)
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(f"{told!r} is no place in graph.events: {_HOW}") from error
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return int(at.timestamp() * 1000)


def read_places(asked: tuple[str, str], now_ms: int) -> tuple[Place, Place]:
    """What --from and --to say together.

    Args:
        asked: both, in the operator's words.
        now_ms: wall time, ms since 1970.

    Raises:
        SettingsError: a place that is none; a stretch before all that there is, or a time ahead.
    """
    since, until = asked
    if since == NOW or until == EARLIEST:
        raise SettingsError(f"--from {since} --to {until} holds nothing: {_HOW}")
    found = read_place(since), read_place(until)
    for option, told, place in zip(("--from", "--to"), asked, found, strict=True):
        if isinstance(place, int) and place > now_ms:
            raise SettingsError(
                f"{option} {told} lies ahead: a replay reads what is there; without --to it goes "
                "on with what comes"
            )
    return found


async def stretch_of(settings: Settings, generation: Generation) -> tuple[Offsets, Offsets]:
    """Where the stages of a generation begin and end; what is not named has no such bound.

    With an end, what it shares besides the events ends where it ends now: nothing of it grows.

    Raises:
        SettingsError: a place that is none, or behind another.
        BrokerError: the broker does not answer.
    """
    first_place, last_place = read_places(generation.asked, time.time_ns() // 10**6)
    own = settings_of(settings, generation).names
    inputs = {topic for stage in generation.stages for topic in SPECS[stage].inputs}
    shared = sorted(inputs - set(own.owned()))
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka, enable_auto_commit=False, **options(settings)
    )
    try:
        await consumer.start()
        await asyncio.sleep(0)  # aiokafka's stop raises if its own tasks never began
        places = {
            name: [TopicPartition(own.of(name), n) for n in range(settings.partitions)]
            for name in shared
        }
        starts: Offsets = {}
        ends: Offsets = {}
        if "events" in shared:
            found = await _found(consumer, places["events"], first_place, at_begin=True)
            starts["events"] = found
        if generation.asked[1]:
            for name in shared:
                place = last_place if name == "events" else None
                ends[name] = await _found(consumer, places[name], place, at_begin=False)
    except (KafkaError, OSError) as error:
        raise BrokerError(f"no Kafka answers at {settings.kafka} ({error})") from error
    finally:
        await consumer.stop()
    _check(starts, ends)
    return starts, ends


async def _found(
    consumer: AIOKafkaConsumer,
    tps: Iterable[TopicPartition],
    place: Place,
    *,
    at_begin: bool,
) -> dict[int, int]:
    """Partition -> offset of a place; partitions that it does not name begin or end as they do."""
    tps = list(tps)
    first = await consumer.beginning_offsets(tps)
    last = await consumer.end_offsets(tps)
    if isinstance(place, int):
        told = await consumer.offsets_for_times(dict.fromkeys(tps, place))
        return {tp.partition: told[tp].offset if told[tp] else last[tp] for tp in tps}
    named = place or {}
    if strange := sorted(named.keys() - {tp.partition for tp in tps}):
        raise SettingsError(f"there is no partition {strange[0]}: graph.events has {len(tps)}")
    found = {}
    for tp in tps:
        offset = named.get(tp.partition, first[tp] if at_begin else last[tp])
        if not first[tp] <= offset <= last[tp]:
            raise SettingsError(
                f"partition {tp.partition} of {tp.topic} holds offsets {first[tp]} to {last[tp]}, "
                f"not {offset}: what is older is deleted by Kafka (retention)"
            )
        found[tp.partition] = offset
    return found


def _check(starts: Offsets, ends: Offsets) -> None:
    for name, numbers in starts.items():
        for number, start in numbers.items():
            end = ends.get(name, {}).get(number, start)
            if end < start:
                raise SettingsError(
                    f"--to is before --from: partition {number} of {name} would be read from "
                    f"{start} to {end}"
                )
