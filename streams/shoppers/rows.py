"""What SHOPPERS keeps of one shopper, and its bytes.

| table    | key              | value                                                            |
|----------|------------------|------------------------------------------------------------------|
| shoppers | shopper          | day, settled `Open`, events not settled: see `Row.pack`          |
| ledger   | week NUL shopper | what was asked, and baskets whose last purchase was in the week  |
| open     | day NUL shopper  | empty; a row whose newest event was of that day when written     |

Keys of `ledger` and `open` begin with the time, so that what has had its time is found, and goes,
without a look at any other shopper.
"""

import struct
from bisect import insort
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final

import msgspec
from msgspec import Struct

from streams.shoppers.keys import QUERY_BYTES, Basket, Bought, asked_key
from streams.shoppers.sessions import NEVER, Open, Step
from streams.shoppers.windows import CLICK, MINUTE_MS, PURCHASE, stable_order
from streams.weeks import week_end_ms, week_key

SHOPPERS, LEDGER, OPEN_DAYS = "shoppers", "ledger", "open"
_HEAD = struct.Struct(">IIBI")
_ARRAY = struct.Struct(">BI")
_ARRAY_32 = 0xDD  # MessagePack: an array whose length has four bytes
_SMALL_ARRAYS = [bytes([0x90 | count]) for count in range(16)]
pack_step = _encode = msgspec.msgpack.Encoder().encode
_decode_open = msgspec.msgpack.Decoder(Open).decode
_decode_steps = msgspec.msgpack.Decoder(list[Step]).decode


class Week(Struct, gc=False):
    """The part of a shopper's ledger that goes with one week.

    Attributes:
        asked: keys of the totals of the queries that the shopper asked in the week -> minute in
            which the last visit began that has one.
        baskets: sessions whose last purchase was in the week.
    """

    asked: dict[bytes, int] = {}
    baskets: list[Basket] = []


NO_WEEK: Final = Week()
"""A week with nothing in it; shared, never changed."""


class _WeekRow(Struct, array_like=True):
    """`since` goes with the asked, then with the baskets; older stores have none."""

    asked: list[bytes]
    baskets: list[list[Bought]]
    since: list[int] = []


_decode_week = msgspec.msgpack.Decoder(_WeekRow).decode


class Stored(Struct, gc=False):
    """How a large row stands in the state (`store.py`).

    Attributes:
        count: how many packed events stand there just so, with the settled part and the day; 0:
            it is to be written whole.
        length: of these events, bytes.
        pieces: behind the row that was written whole.
    """

    count: int
    length: int
    pieces: int


class Row(Struct, gc=False):
    """One shopper, decoded as far as it was needed: most never buy, and are only kept.

    Dictionaries serve as sets of strings, and the row is no garbage collector's business: sets and
    slotted objects of 50,000 rows cost the collector a tenth of all time.

    Attributes:
        ids: of every event that is not settled.
        packed: those events as `Step`s, in the order of the flushes they came with.
        count: how many are packed.
        latest: time of the newest event that is not settled, and of none before the first.
        bought: a purchase or a return is among the events that are not settled.
        dropped: ids of packed events that were capped after all; None: no such.
        now: what the first `folded` packed events come to, behind the settled ones; None: nobody
            asked yet.
        settled: packed `Open` of what came before all of these; empty when nothing of it matters.
        weeks: weeks of the ledger that were looked at.
        standing: keys of the totals that the shopper adds 1 to and has told, complete for
            `weeks`; None when it has to be worked out.
        minutes: minute -> its searches and clicks, by hash; None when nobody asked yet.
        day: under which the row stands in table `open`; -1: under none.
        trim_at: how many to keep before trying to settle some.
        told: how many of the packed events the totals know of, while the row is deferred
            (`deferred.py`); -1: all. What is told of them changes only when it is not.
        begun: week in which the oldest basket of `now` began, or one before it; -1: nobody asked.
        stored: how a large row stands in the state; None: whole, if at all.
    """

    shopper: str
    key: bytes
    trim_at: int
    ids: dict[str, None] = {}
    packed: bytes = b""
    count: int = 0
    latest: int = NEVER
    bought: bool = False
    dropped: set[str] | None = None
    now: Open | None = None
    folded: int = 0
    settled: bytes = b""
    weeks: dict[int, Week] = {}
    standing: dict[bytes, None] | None = None
    minutes: dict[int, list[tuple[int, str]]] | None = None
    day: int = -1
    told: int = -1
    begun: int = -1
    stored: Stored | None = None

    @property
    def weight(self) -> int:
        """About how many steps it takes to work out what the row stands for.

        A settled purchase takes 64 bytes or more.
        """
        standing = self.standing  # asked for every shopper of every flush
        known = 0 if standing is None else len(standing)
        return self.count + known + (len(self.settled) >> 6 if self.settled else 0)

    def settled_baskets(self) -> Iterator[Basket]:
        """Of the weeks of the ledger that were looked at."""
        for week in self.weeks.values():
            yield from week.baskets

    def steps(self, start: int = 0) -> list[Step]:
        """The packed events but the first `start`, in order."""
        if start == self.count:
            return []
        return sorted(unpack_steps(self.packed, self.count)[start:])

    def admit(self, fresh: list[Step], limit: int) -> tuple[list[Step], int, int]:
        """Those of the fresh events that are used, in order; how many were duplicates, capped.

        At most `limit` searches and clicks of a minute are used, those of lowest hash: which is a
        function of the set of the minute's events. An event that another one takes the place of
        counts as capped in the other's stead.
        """
        ids = self.ids
        if len(ids) + len(fresh) <= limit:  # the usual case, in few steps
            if len(fresh) == 1:
                ident = fresh[0].id
                if ident not in ids:
                    ids[ident] = None
                    return fresh, 0, 0
            else:
                new = dict.fromkeys([step.id for step in fresh])
                if len(new) == len(fresh) and ids.keys().isdisjoint(new):
                    ids.update(new)
                    fresh.sort()
                    return fresh, 0, 0
        fresh.sort()
        admitted: list[Step] = []
        duplicates = capped = 0
        for step in fresh:
            if step.id in ids:
                duplicates += 1
                continue
            if len(ids) >= limit and step.kind <= CLICK and self._full(step, limit, admitted):
                capped += 1
                if step.id not in ids:
                    continue
            ids[step.id] = None
            admitted.append(step)
        return admitted, duplicates, capped

    def _full(self, step: Step, limit: int, admitted: list[Step]) -> bool:
        """Whether the step's minute has no room; then `ids` has the step if another one went."""
        if self.minutes is None:
            self.minutes = {}
            for each in chain(self.steps(), admitted):
                if each.kind <= CLICK and each.id in self.ids:
                    minute = self.minutes.setdefault(each.at // MINUTE_MS, [])
                    insort(minute, stable_order(each.id))
        place = stable_order(step.id)
        found = self.minutes.setdefault(step.at // MINUTE_MS, [])
        if len(found) < limit:
            insort(found, place)
            return False
        if place < found[-1]:
            _, dropped = found.pop()
            insort(found, place)
            del self.ids[dropped]
            self.ids[step.id] = None
            left = [each for each in admitted if each.id != dropped]
            if len(left) < len(admitted):
                admitted[:] = left
            else:
                self.dropped = {dropped, *(self.dropped or ())}
        return True

    def defer(self, fresh: list[Step], chunk: bytes) -> None:
        """Keep fresh events, which are in order, without a look at what they come to."""
        if self.told < 0:
            self.told = self.count
        self.latest = max(self.latest, fresh[-1].at)
        self.bought = self.bought or any(step.kind >= PURCHASE for step in fresh)
        self.packed += chunk
        self.count += len(fresh)

    def resume(self, limit: int, told: int) -> None:
        """A deferred row comes back from its bytes: find out again what was capped after all."""
        self.told = told
        minutes: dict[int, list[str]] = {}
        for step in self.steps():
            if step.kind <= CLICK:
                minutes.setdefault(step.at // MINUTE_MS, []).append(step.id)
        dropped = {
            ident for found in minutes.values() for ident in sorted(found, key=stable_order)[limit:]
        }
        self.dropped = dropped or None
        self.ids = {ident: None for ident in self.ids if ident not in dropped}

    def take_out(self) -> list[Step]:
        """Take the deferred events, in order, out of the row: it is as the totals know it."""
        steps, dropped = unpack_steps(self.packed, self.count), self.dropped or ()
        before, fresh = steps[: self.told], steps[self.told :]
        self.packed, self.count, self.told = pack_steps(before), len(before), -1
        self.rewrite()
        self.latest = max((step.at for step in before), default=NEVER)
        if not any(step.id in dropped for step in before):
            self.dropped = None
        return sorted(step for step in fresh if step.id not in dropped)

    def keep(self, steps: Sequence[Step]) -> None:
        """Keep just these; the others are settled, or capped."""
        self.packed, self.count = pack_steps(steps), len(steps)
        self.folded = 0
        self.rewrite()
        self.ids = dict.fromkeys([step.id for step in steps])
        self.bought = any(step.kind >= PURCHASE for step in steps)
        self.minutes = None

    def rewrite(self) -> None:
        """What stands in the state is no beginning of the row any more."""
        if self.stored is not None:
            self.stored.count = 0

    def pack(self) -> bytes:
        """The row's bytes, without the ledger's weeks.

        ">IIBI" day, length of the settled part, and the head of a MessagePack array of 32-bit
        length; then the settled part and the elements of the array, all MessagePack.
        """
        head = _HEAD.pack(self.day, len(self.settled), _ARRAY_32, self.count)
        return head + self.settled + self.packed


def unpack(shopper: str, data: bytes, trim_at: int, added: bytes = b"", count: int = 0) -> Row:
    """Inverse of `Row.pack`, with so many more packed events behind it."""
    row = Row(shopper, shopper.encode(), trim_at)
    row.day, size, _, row.count = _HEAD.unpack_from(data)
    start = _HEAD.size + size
    row.settled, row.packed = data[_HEAD.size : start], data[start:] + added
    row.count += count
    steps = row.steps()
    row.ids = dict.fromkeys([step.id for step in steps])
    if steps:
        row.latest = steps[-1].at
        row.bought = any(step.kind >= PURCHASE for step in steps)
    return row


def pack_steps(steps: Sequence[Step]) -> bytes:
    """The packed steps one behind the other."""
    return b"".join(map(pack_step, steps))


def unpack_steps(packed: bytes, count: int) -> list[Step]:
    """Inverse of `pack_steps`."""
    if count < len(_SMALL_ARRAYS):
        return _decode_steps(_SMALL_ARRAYS[count] + packed)
    return _decode_steps(_ARRAY.pack(_ARRAY_32, count) + packed)


def freeze(now: Open) -> bytes:
    """Bytes of an `Open`."""
    return _encode(now)


def thaw(settled: bytes) -> Open:
    """A new `Open` of its own from `freeze`; from b"" the empty one."""
    return _decode_open(settled) if settled else Open()


def pack_week(week: Week) -> bytes:
    """Bytes of a week of the ledger; the key says which week."""
    asked = sorted((key[:QUERY_BYTES], since) for key, since in week.asked.items())
    since = [each for _, each in asked] + [basket.since for basket in week.baskets]
    queries = [query for query, _ in asked]
    return _encode(_WeekRow(queries, [basket.bought for basket in week.baskets], since))


def unpack_week(number: int, data: bytes) -> Week:
    """Inverse of `pack_week`."""
    row = _decode_week(data)
    within = week_end_ms(number) - 1
    since = row.since or [0] * (len(row.asked) + len(row.baskets))
    keys = [asked_key(query, within) for query in row.asked]
    baskets = [
        Basket(bought, dict.fromkeys(each.product for each in bought), since=begun)
        for bought, begun in zip(row.baskets, since[len(keys) :], strict=True)
    ]
    return Week(dict(zip(keys, since, strict=False)), baskets)


def ledger_key(week: int, shopper: str) -> bytes:
    """Key of a shopper's week of the ledger."""
    return week_key(week) + b"\0" + shopper.encode()


def day_key(day: int, shopper: str) -> bytes:
    """Key of a shopper's entry in table `open`; days since 1970."""
    return b"%05d\0%b" % (day, shopper.encode())


def time_of_key(key: bytes) -> tuple[int, str]:
    """Week or day, and shopper, of a key of `ledger` or `open`."""
    time, _, shopper = key.partition(b"\0")
    return int(time), shopper.decode()
