"""Dead letters once more through ROUTE: what their records would be now, and sending that.

The shop's topics are not ours to write, so the record is read again from where it stands and goes
through ROUTE's own function here, under the settings of now. What comes out goes to `graph.events`
and `graph.catalog` under the ids that it would have had at first, which hang on the record alone:
sent twice it counts once. It carries the header `cartograph-retry`. What ROUTE refuses again is
marked so and waits for a person: nothing here writes a dead letter for it anew, so nothing loops.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from streams.dead_letters import TOPIC as DEAD_LETTERS
from streams.dead_letters import DeadLetter, State, decode_dead_letter, hash_of, mark
from streams.events import decode_event
from streams.ports import Message, Record
from streams.retry.book import Standing
from streams.retry.topic import DeadLetters, Place, Produced
from streams.route.checks import NAME as ROUTE
from streams.route.setup import route_settings
from streams.route.stage import CATALOG, EVENTS, Route
from streams.settings import Settings

HEADER: Final = "cartograph-retry"
"""Of what was retried; its value is the record's place, "topic/partition/offset"."""
_PROCESS: Final = "retry"
_LOT_BYTES = 32 << 20
_TAIL = 500
"""The newest events of a partition; the highest time among them is taken for that of all."""


class Retried(NamedTuple):
    """What became of one letter now.

    Attributes:
        state: None for one of an inner stage, which cannot be retried.
        reason, detail: why ROUTE refuses it again, else empty.
        events, products: how many messages its record gives.
    """

    letter: DeadLetter
    state: State | None
    reason: str = ""
    detail: str = ""
    events: int = 0
    products: int = 0


class _Tried(NamedTuple):
    """One record through ROUTE: what to send, and what is refused, by item."""

    sent: list[Message]
    refused: Mapping[int, DeadLetter]


class Retry:
    """Retries letters.

    Args:
        settings: with sources and the secret that the graph was built with.
        topic: open.

    Raises:
        SettingsError, SourceError: ROUTE cannot run with these settings.
    """

    def __init__(self, settings: Settings, topic: DeadLetters) -> None:
        self._settings, self._topic = settings, topic
        self._route = Route(route_settings(settings, _PROCESS))
        self._horizons: dict[int, int] = {}

    async def try_out(self, letters: Sequence[Standing]) -> list[Retried]:
        """What `send` would do, without doing it."""
        return (await self._try(letters))[0]

    async def send(self, letters: Sequence[Standing]) -> list[Retried]:
        """Send what ROUTE makes of the letters' records now, and mark the letters.

        Marks follow once all is acknowledged: a kill in between leaves letters unmarked that were
        sent, and sending them again changes nothing.

        Raises:
            SourceError: the topic of one has no format in the settings any more.
        """
        found, messages = await self._try(letters)
        await self._topic.produce(messages)
        own = self._settings.topic(DEAD_LETTERS)
        await self._topic.produce(
            [
                Produced(own, 0, *mark(each.letter, each.state, each.reason, each.detail))
                for each in found
                if each.state is not None
            ]
        )
        return found

    async def _try(self, letters: Sequence[Standing]) -> tuple[list[Retried], list[Produced]]:
        found = [Retried(each.letter, None) for each in letters if each.stage != ROUTE]
        asked: dict[Place, list[DeadLetter]] = {}
        for each in letters:
            if each.stage == ROUTE:
                letter = each.letter
                place = Place(letter.topic, letter.partition, letter.offset)
                asked.setdefault(place, []).append(letter)
        records = await self._topic.again(asked)
        messages: list[Produced] = []
        for place, wanted in asked.items():
            record = records.get(place)
            if record is None:
                found += [Retried(letter, "gone") for letter in wanted]
                continue
            # A topic that was made again has letters of both its lives.
            ours = [letter for letter in wanted if letter.sha256 == hash_of(record.value)]
            found += [Retried(letter, "changed") for letter in wanted if letter not in ours]
            if ours:
                tried = self._run(place, record)
                messages += self._produced(place, tried, ours)
                late = await self._is_late(tried.sent)
                found += [_retried(letter, tried, late=late) for letter in ours]
        return found, messages

    def _run(self, place: Place, record: Record) -> _Tried:
        routed = self._route.route(place.topic, place.partition, [record])
        refused = {
            letter.item: letter
            for message in routed.messages
            if message.topic == DEAD_LETTERS
            for letter in (decode_dead_letter(message.value),)
        }
        return _Tried([each for each in routed.messages if each.topic != DEAD_LETTERS], refused)

    def _produced(
        self, place: Place, tried: _Tried, wanted: Iterable[DeadLetter]
    ) -> list[Produced]:
        """What is to be written of one record.

        Parts that the old settings did not see, and that are refused, are letters of their own.
        """
        where = f"{place.topic}/{place.partition}/{place.offset}".encode()
        header = ((HEADER, where),)
        made = []
        for topic, partition, key, value in tried.sent:
            if topic == CATALOG:
                # A key of its own, or compaction could keep this record for a newer one.
                key = key.partition(b"\0")[0] + b"\0" + _PROCESS.encode() + b"/" + where
            made.append(Produced(self._settings.topic(topic), partition or 0, key, value, header))
        known = {letter.item for letter in wanted}
        for item, letter in tried.refused.items():
            if item not in known:
                value = msgspec.json.encode(letter)
                own = self._settings.topic(DEAD_LETTERS)
                made.append(Produced(own, 0, letter.name.encode(), value))
        return made

    async def _is_late(self, messages: Iterable[Message]) -> bool:
        """Whether SHOPPERS will count one of these events as late, by the newest before it."""
        for message in messages:
            if message.topic == EVENTS:
                partition = message.partition or 0
                if decode_event(message.value).at_ms < await self._horizon(partition):
                    return True
        return False

    async def _horizon(self, partition: int) -> int:
        if partition not in self._horizons:
            topic = self._settings.topic(EVENTS)
            newest = 0
            for record in await self._topic.tail(topic, partition, _TAIL):
                try:
                    newest = max(newest, decode_event(record.value or b"").at_ms)
                except (msgspec.MsgspecError, UnicodeError, RecursionError):
                    continue  # not ours: SHOPPERS makes a dead letter of it
            self._horizons[partition] = newest - self._settings.allowance_ms
        return self._horizons[partition]


def chunks(letters: Sequence[Standing]) -> Iterator[list[Standing]]:
    """The letters in their order, in lots whose records come to at most some 32 MB."""
    lot: list[Standing] = []
    size = 0
    for each in letters:
        if lot and size + each.letter.size > _LOT_BYTES:
            yield lot
            lot, size = [], 0
        lot.append(each)
        size += each.letter.size
    if lot:
        yield lot


def _retried(letter: DeadLetter, tried: _Tried, *, late: bool) -> Retried:
    events = sum(each.topic == EVENTS for each in tried.sent)
    products = len(tried.sent) - events
    again = tried.refused.get(letter.item)
    if again is not None:
        return Retried(letter, "failed", again.reason, again.detail, events, products)
    state: State = "late" if late else "sent" if tried.sent else "unused"
    return Retried(letter, state, events=events, products=products)
