"""SHOPPERS: what each shopper did, as totals of distinct shoppers by query and by product.

Input `events`, outputs `searched` and `bought` (keys: `totals/messages.py`). What a shopper stands
for is a function of the *set* of the shopper's events that were not late (`windows.standing`), so
any order within the allowance, and duplicates, end in the same totals.

One event's way: `apply` decodes it, finds out whether it is a dead letter or late, and puts it to
its shopper's others. `flush` goes through the shoppers that have new ones: a row admits them, or
says duplicate or capped (`rows.py`), and the ledger takes them in (`ledger.py`):
those behind all others of the row tell what is new; whatever is not in order, or takes something
back, works out what the shopper stands for before and after, and tells the difference. A large row
waits for that until the events of its partition have paid for it (`deferred.py`).

What is kept. An event stays raw while one can still come before it: for `allowance_ms`. What is
older is settled; if it comes again it is late, so its id need not be remembered. Of settled events
stay the sessions that may go on, and the ledger: purchases with the queries that led to them,
until they cannot be returned any more. A visit ends without an event of its own, so table `open`
names by day the shoppers whose visit may have ended. It and the ledger are keyed by time first, and
each flush takes a bounded number of the oldest entries whose time has come. How soon that is done
changes no total: whether a return is in time is judged by event times alone.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import msgspec

from streams.erasures import TOPIC as ERASURES
from streams.erasures import Done, Erasure, done_record
from streams.events import decode_event
from streams.outcomes import CAPPED, DUPLICATE, ERASED, LATE, USED
from streams.ports import Answers, Questions, Record
from streams.shoppers.deferred import TABLE as UNTOLD
from streams.shoppers.deferred import Deferred
from streams.shoppers.erasures import TABLE as ERASED_ROWS
from streams.shoppers.erasures import Erased, TakenBack
from streams.shoppers.erasures import decode as decode_erased
from streams.shoppers.erasures import encode as encode_erased
from streams.shoppers.ledger import Ledger
from streams.shoppers.refusals import refused, unread
from streams.shoppers.rows import (
    LEDGER,
    OPEN_DAYS,
    SHOPPERS,
    Row,
    day_key,
    ledger_key,
    pack_step,
    pack_steps,
    time_of_key,
    unpack_steps,
)
from streams.shoppers.sessions import step_of
from streams.shoppers.store import PIECES, drop_row, read_row, write_row
from streams.shoppers.weeks import LEDGER_ROWS, Weeks
from streams.shoppers.windows import DAY_MS, MINUTE_MS, WindowSettings
from streams.state.counted import Counted, rows
from streams.totals.cache_count import CacheCount
from streams.totals.owner import Wiring
from streams.weeks import week_end_ms, week_of

TABLES = (SHOPPERS, LEDGER, OPEN_DAYS, ERASED_ROWS, UNTOLD, PIECES, "meta")
EVENTS = "events"
_HIGH, _ANSWERED = b"shoppers", b"erasures"
OPEN_VISITS = "open_visits"
_SWEEP = 1_000
_NEVER = -(1 << 62)


def build_shoppers(
    settings: WindowSettings, generation: str = ""
) -> Callable[[Wiring], "Shoppers"]:
    """What makes the stage of a partition of a graph from its wiring."""
    return partial(Shoppers, settings=settings, generation=generation)


class Shoppers:
    """One partition of SHOPPERS.

    Rows are cached decoded, in two generations: what was not touched for half a cache is let go.
    Between flushes the cache may outgrow `cache_shoppers` by the shoppers of one batch.
    """

    def __init__(self, wiring: Wiring, settings: WindowSettings, generation: str = "") -> None:
        self._generation = generation
        self._state, self._tally, self._reject = wiring.state, wiring.tally, wiring.reject
        self._outbox, self._settings = wiring.outbox, settings
        self._counted = Counted(wiring.state, "windows", self._of_old)
        self._weeks = Weeks(wiring.state, self._counted)
        self._ledger = Ledger(self._weeks, wiring.outbox, wiring.tally, settings)
        self._young: dict[str, Row] = {}
        self._old: dict[str, Row] = {}
        self._fresh = defaultdict[str, list[bytes]](list)
        self._deferred, self._is_calm = Deferred(wiring.state), False
        self.cache = CacheCount()
        high = self._state.get("meta", _HIGH)
        self._high = self._high_written = _NEVER if high is None else int(high)
        self._first_day = self._first_time(OPEN_DAYS)
        self._weeks.first = self._first_time(LEDGER)
        rows = self._state.scan(ERASED_ROWS)
        self._erased = {shopper.decode(): decode_erased(row) for shopper, row in rows}
        answered = self._state.get("meta", _ANSWERED)
        self._answered = -1 if answered is None else int(answered)

    def forget(self, erasures: Sequence[Erasure]) -> None:
        """Take back what these shoppers stand for; what comes of it later is not used.

        The same erasure again changes nothing; each is answered once (`erasures.Done`).
        """
        for each in erasures:
            until, known = each.until_ms // MINUTE_MS, self._erased.get(each.shopper)
            taken = TakenBack()
            if known is None or known.until < until:
                known = Erased(until) if known is None else Erased(until, known.last)
                self._erased[each.shopper] = known
                taken = self._take_back(each.shopper, known)
            if each.offset > self._answered:
                self._answered = each.offset
                self._state.put("meta", _ANSWERED, b"%d" % each.offset)
                sender = self._outbox.sender
                done = Done(each.token, each.offset, sender, *taken, self._generation)
                self._outbox.note(ERASURES, *done_record(done))

    def apply(self, topic: str, partition: int, records: Sequence[Record]) -> None:
        """Take events in; which of them are duplicates or capped is found out by `flush`."""
        future, allowance = self._settings.future_ms, self._settings.allowance_ms
        fresh, high, late = self._fresh, self._high, 0
        for record in records:
            _, stamp, _, value = record
            try:
                event = decode_event(value)  # type: ignore[arg-type]
            except (msgspec.MsgspecError, UnicodeError, RecursionError, TypeError) as error:
                self._reject(topic, partition, record, *unread(value, error))
                continue
            at, shopper, step = event.at_ms, event.shopper, step_of(event)
            what = step.what
            if not 0 <= at <= stamp + future or not (what and step.id and shopper) or "\0" in what:
                why = refused(shopper, step, stamp + future)
                self._reject(topic, partition, record, *why)
                continue
            if at > high:
                high = at
            elif at < high - allowance:
                late += 1
                continue
            # Packed at once: 20,000 decoded events push all else out of cache (+20 % events/s).
            fresh[shopper].append(pack_step(step))
        self._high = high
        if late:
            self._tally[f"{EVENTS}.{LATE}"] += late

    def gauges(self) -> dict[str, int]:
        """`open_visits`: shoppers whose visit may go on; `ledger_rows`: weeks of shoppers."""
        return {name: self._counted.counts.get(name, 0) for name in (OPEN_VISITS, LEDGER_ROWS)}

    def marks(self) -> dict[str, int]:
        """`watermark`: the highest event time that was taken in, ms since 1970."""
        return {"watermark": self._high} if self._high > _NEVER else {}

    def wants(self) -> Questions:
        """Nothing: no model is asked here."""
        return Questions()

    def learn(self, answers: Answers) -> None:
        """Nothing was asked."""

    def calm(self) -> None:
        """Let the next flush tell what large rows have not told."""
        self._is_calm = True

    @property
    def is_idle(self) -> bool:
        """Whether all that was used is told."""
        return not self._deferred

    def flush(self) -> None:
        """Tell what has changed and write every changed row."""
        horizon = self._high - self._settings.allowance_ms
        budget = max(_SWEEP, 2 * len(self._fresh))
        fresh = self._take_in(horizon)
        self._fresh.clear()
        if self._high != self._high_written:
            self._state.put("meta", _HIGH, b"%d" % self._high)
            self._high_written = self._high
        if self._is_calm:
            for shopper in self._deferred.all():
                self._catch_up(self._row(shopper))
            self._is_calm = False
        elif self._deferred:
            for shopper in self._deferred.due(fresh, lambda each: self._row(each).weight):
                self._catch_up(self._row(shopper))
        self._close(budget, horizon)
        self._expire(budget)
        self._counted.flush()
        if len(self._young) > self._settings.cache_shoppers // 2:
            self._old, self._young = self._young, {}

    def _of_old(self) -> Iterator[tuple[str, int]]:
        for name, table in ((OPEN_VISITS, SHOPPERS), (LEDGER_ROWS, LEDGER)):
            yield name, sum(1 for _ in rows(self._state, table))

    def _catch_up(self, row: Row) -> None:
        """Tell what a deferred row has not told."""
        # Fresh events that are not taken in yet can be as old as the last flush allowed.
        horizon = self._high_written - self._settings.allowance_ms
        self._ledger.catch_up(row, horizon)
        self._deferred.note(row)
        if row.count >= row.trim_at:
            self._ledger.trim(row, horizon // MINUTE_MS * MINUTE_MS)
        self._write(row)

    def _take_in(self, horizon: int) -> int:
        """Take the fresh events in; how many were used."""
        rows, ledger, limit = self._young, self._ledger, self._settings.minute_events
        state, forgotten = self._state, self._erased
        used = duplicates = capped = erased = 0
        missed = self.cache.misses
        for shopper, packed in self._fresh.items():
            if forgotten and (known := forgotten.get(shopper)):
                came = len(packed)
                packed = self._spared(shopper, known, packed)
                erased += came - len(packed)
                if not packed:
                    continue
            row = rows.get(shopper) or self._row(shopper)
            chunk = packed[0] if len(packed) == 1 else b"".join(packed)
            fresh = unpack_steps(chunk, len(packed))
            admitted, again, over = row.admit(fresh, limit)
            used += len(fresh)
            if again or over:
                used -= again + over
                duplicates += again
                capped += over
                if not admitted:
                    continue
                chunk = pack_steps(admitted)
            if ledger.take_in(row, admitted, chunk, horizon):
                self._deferred.note(row)
            elif row.count >= row.trim_at:
                ledger.trim(row, horizon // MINUTE_MS * MINUTE_MS)
            if row.latest // DAY_MS != row.day:
                self._enter_day(row)
            write_row(state, row)
        self.cache.hits += len(self._fresh) - (self.cache.misses - missed)
        ends = ((USED, used), (DUPLICATE, duplicates), (CAPPED, capped), (ERASED, erased))
        for outcome, n in ends:
            if n:
                self._tally[f"{EVENTS}.{outcome}"] += n
        return used + duplicates + capped

    def _spared(self, shopper: str, known: Erased, packed: list[bytes]) -> list[bytes]:
        """Those fresh events of a forgotten shopper that are not forgotten.

        One that is may lead from what is forgotten to events that were used so far.
        """
        fresh, reach = unpack_steps(b"".join(packed), len(packed)), self._settings.reach_minutes
        if not known.cut(sorted(fresh), reach):
            return packed  # nor does any of what is kept of the row go: it need not be told
        row = self._told(shopper)
        raw = row.steps() if row else []
        known.cut(sorted(raw + fresh), reach)
        self._state.put(ERASED_ROWS, shopper.encode(), encode_erased(known))
        if raw and raw[0].at // MINUTE_MS <= known.bound:
            self._take_back(shopper, known)
        return [pack_step(step) for step in fresh if step.at // MINUTE_MS > known.bound]

    def _take_back(self, shopper: str, known: Erased) -> TakenBack:
        """Take back what is forgotten of all that is kept of a shopper."""
        row = self._told(shopper) or Row(shopper, shopper.encode(), self._settings.raw_events)
        taken = self._ledger.forget(row, known, week_of(max(self._high, 0)))
        self._state.put(ERASED_ROWS, row.key, encode_erased(known))
        if row.count:
            self._write(row)
        elif row.settled:
            write_row(self._state, row)
        else:
            self._drop(row)
        return taken

    def _drop(self, row: Row) -> None:
        """Nothing is left of a row but, perhaps, its ledger."""
        self._young.pop(row.shopper, None)
        self._old.pop(row.shopper, None)
        drop_row(self._state, row)
        if row.day >= 0:
            self._state.delete(OPEN_DAYS, day_key(row.day, row.shopper))
            self._counted.add(OPEN_VISITS, -1)

    def _row(self, shopper: str) -> Row:
        """The shopper's row, from either generation, the state, or new."""
        if (row := self._young.get(shopper)) is not None:
            return row
        row = self._old.pop(shopper, None)
        if row is None:
            self.cache.misses += 1
            row = self._load(shopper) or Row(shopper, shopper.encode(), self._settings.raw_events)
        self._young[shopper] = row
        return row

    def _load(self, shopper: str) -> Row | None:
        row = read_row(self._state, shopper, self._settings.raw_events)
        if row is not None and (told := self._deferred.told(shopper)) >= 0:
            row.resume(self._settings.minute_events, told)
        return row

    def _told(self, shopper: str) -> Row | None:
        """The shopper's row, deferred no longer; None: nothing is kept of the shopper."""
        row = self._young.get(shopper) or self._old.get(shopper) or self._load(shopper)
        if row is not None and row.told >= 0:
            self._catch_up(row)
        return row

    def _write(self, row: Row) -> None:
        if row.latest // DAY_MS != row.day:
            self._enter_day(row)
        write_row(self._state, row)

    def _enter_day(self, row: Row) -> None:
        """The row's newest event is of another day than the row stands under."""
        if row.day < 0:
            self._counted.add(OPEN_VISITS, 1)
        row.day = day = row.latest // DAY_MS
        self._state.put(OPEN_DAYS, day_key(day, row.shopper), b"")
        if self._first_day is None or day < self._first_day:
            self._first_day = day
        row.rewrite()

    def _close(self, budget: int, horizon: int) -> None:
        """Settle visits whose day is so long over that nothing can join them."""
        horizon = horizon // MINUTE_MS * MINUTE_MS
        over = (horizon - self._settings.reach_ms - 1) // DAY_MS
        after: bytes | None = None
        while budget > 0 and self._first_day is not None and self._first_day < over:
            entries = self._state.scan(OPEN_DAYS, after=after, limit=min(budget, _SWEEP))
            budget -= len(entries)
            self._first_day = None
            for key, _ in entries:
                self._first_day, shopper = time_of_key(key)
                if self._first_day >= over:
                    return
                self._state.delete(OPEN_DAYS, key)
                self._close_visit(shopper, self._first_day, horizon)
                after = key

    def _close_visit(self, shopper: str, day: int, horizon: int) -> None:
        row = self._told(shopper)
        if row is None or row.day != day:
            return
        self._ledger.leave(row, horizon)
        self._young.pop(shopper, None)
        self._old.pop(shopper, None)
        drop_row(self._state, row)
        self._counted.add(OPEN_VISITS, -1)

    def _expire(self, budget: int) -> None:
        """Let weeks of the ledger go that no return can reach any more."""
        settings, after = self._settings, None
        while budget > 0 and (week := self._weeks.first) is not None:
            if week_end_ms(week) + settings.keep_ms + settings.allowance_ms >= self._high:
                return
            entries = self._state.scan(LEDGER, after=after, limit=min(budget, _SWEEP))
            found = [time_of_key(key) for key, _ in entries]
            going = [shopper for at, shopper in found if at == week]
            if waiting := [each for each in going if self._deferred.told(each) >= 0]:
                for shopper in waiting:  # a return that waits can reach what is about to go
                    self._catch_up(self._row(shopper))
                after = None  # that may have entered an earlier week
                continue
            budget -= len(entries)
            for shopper in going:
                self._let_go(week, shopper)
            if len(going) < len(found):
                self._weeks.first, _ = found[len(going)]
            elif entries:
                after = entries[-1][0]
            else:
                self._weeks.first = None

    def _let_go(self, week: int, shopper: str) -> None:
        """A week of a shopper's ledger goes, also from a row that has it at hand."""
        self._state.delete(LEDGER, ledger_key(week, shopper))
        self._counted.add(LEDGER_ROWS, -1)
        row = self._young.get(shopper) or self._old.get(shopper)
        if row is not None and row.weeks.pop(week, None) is not None:
            row.standing = None

    def _first_time(self, table: str) -> int | None:
        """The earliest week or day that stands in a table."""
        entries = self._state.scan(table, limit=1)
        return time_of_key(entries[0][0])[0] if entries else None
