"""Takes a shopper's fresh events in, tells what changes by them, and settles what is old.

`_more` is the fast path, `_insert` the clear one (DESIGN: a faster version keeps the clear one as
its oracle): both leave a row's `standing` as `shopper_keys.standing_of` would give it. Where a
large row would have to be worked out as a whole it waits, till `catch_up`.
"""

from collections import Counter
from collections.abc import Sequence

from streams.shoppers.erasures import Erased, TakenBack
from streams.shoppers.keys import count_over, standing_of
from streams.shoppers.rows import Row, freeze, pack_steps, thaw
from streams.shoppers.sessions import NEVER, Open, Sessions, Step
from streams.shoppers.telling import Telling
from streams.shoppers.weeks import Weeks
from streams.shoppers.windows import (
    CLICK,
    MINUTE_MS,
    PURCHASE,
    RETURN,
    SEARCH,
    WindowSettings,
    query_hash,
)
from streams.totals.outbox import Outbox
from streams.weeks import WEEK_MS, week_of

PAIRS_CAPPED = "pairs.capped"
"""Tally of products that were not paired, because their basket had too many."""

_SETTLE_SHARE = 4
"""A large row is settled again when its events are this part of all that would be written."""


class Ledger:
    """What the shoppers of a partition stand for: moves rows on, and the totals with them."""

    def __init__(
        self,
        weeks: Weeks,
        outbox: Outbox,
        tally: Counter[str],
        settings: WindowSettings,
    ) -> None:
        self._weeks, self._tally = weeks, tally
        self._settings, self._large = settings, settings.large_row
        self._reach, self._reach_minutes = settings.reach_ms, settings.reach_minutes
        self._sessions = Sessions(settings)
        self._telling = Telling(outbox, self._sessions)

    def catch_up(self, row: Row, horizon_ms: int) -> None:
        """Tell what the events of a deferred row come to; it is deferred no longer."""
        fresh = row.take_out()
        if fresh:
            self.take_in(row, fresh, pack_steps(fresh), horizon_ms, at_once=True)
        elif row.dropped:
            self._insert(row, [])
            row.folded = row.count

    def _works_out(self, row: Row, first: Step, highest: int) -> bool:
        """Whether it takes all of a row to tell what changes by the fresh steps."""
        if highest == RETURN or row.dropped:
            return True
        if first.at <= row.latest:
            return row.bought or highest == PURCHASE
        return highest == PURCHASE and (
            row.now is None
            or row.standing is None
            or any(each.basket and not each.basket.plain for each in row.now.sessions.values())
        )

    def take_in(
        self, row: Row, fresh: list[Step], chunk: bytes, horizon_ms: int, *, at_once: bool = False
    ) -> bool:
        """Take what a row has admitted in, and tell what changes by it; whether the row waits.

        An event that is older than the horizon would be late from now on. `fresh` is in order;
        `chunk` is the same, packed one after the other in any order.
        """
        if row.told >= 0:
            row.defer(fresh, chunk)
            return True
        first, latest = fresh[0], row.latest
        highest = first.kind
        only_clicks = highest == CLICK
        for step in fresh:
            if step.kind != highest:
                only_clicks = False
                if step.kind > highest:
                    highest = step.kind
        is_behind = first.at > latest and not row.dropped
        if highest >= PURCHASE or not is_behind:
            is_large = not at_once and row.weight >= self._large
            if is_large and self._works_out(row, first, highest):
                row.defer(fresh, chunk)
                return True
            row.bought = row.bought or highest >= PURCHASE
        if not is_behind:
            folded = self._insert(row, fresh)
        else:
            if row.count and first.at - latest > self._reach:
                floor = min(horizon_ms, first.at) // MINUTE_MS * MINUTE_MS
                if floor - latest > self._reach:
                    self.leave(row, floor, fresh)  # nothing can join the visit before any more
            row.latest = fresh[-1].at
            folded = not only_clicks and self._more(row, fresh, highest)
        row.packed += chunk
        row.count += len(fresh)
        if folded:
            row.folded = row.count
        return False

    def _more(self, row: Row, fresh: list[Step], highest: int) -> bool:
        """The fast path of what is more than clicks: it comes behind all others of the row.

        Returns whether `now` has the fresh events.
        """
        # All weeks before anything is told, as `standing` is of them.
        week = self._sessions.week_of(fresh[0].at)
        if week not in row.weeks:
            self._weeks.need(row, week, week)
        if len(fresh) > 1 and fresh[-1].at >= self._sessions.week_end:
            self._weeks.need(row, week, week_of(fresh[-1].at))
        if highest <= CLICK:
            self._telling.asked(
                row.standing if row.standing is not None else self._told(row), fresh
            )
            return False
        now = self._fold(row)
        if highest == PURCHASE:
            # A basket that grows too large takes pairs of the week before back.
            if row.begun < 0:
                begun = (week_of(each.bought[0].at) for each in now.baskets())
                row.begun = min(begun, default=week)
            if row.begun < week:
                self._weeks.need(row, row.begun, week)
            told = self._told(row)
            self._telling.asked(told, fresh)
            self._go_on(row, now, fresh, told)
        else:
            self._weeks.need(row, *self._weeks_of(now, fresh))
            self._told(row)
            self._sessions.replay(now, fresh, row.settled_baskets)
            self._tell_difference(row, now, fresh)
        return True

    def _go_on(self, row: Row, now: Open, fresh: list[Step], told: dict[bytes, None]) -> None:
        sessions, plain = self._sessions, True
        for step in fresh:
            if step.kind == CLICK:
                sessions.click(now, step)
            elif step.kind == SEARCH:
                sessions.search(now, step)
            else:
                bought, basket = sessions.purchase(now, step)
                plain = plain and basket.plain
                if plain:
                    self._telling.purchase(told, bought, basket)
        if not plain:
            self._tell_difference(row, now, fresh)

    def _insert(self, row: Row, fresh: list[Step]) -> bool:
        """The clear path: steps that do not come behind all others, or capped ones that go.

        What the row stands for is worked out from the settled part on, before and after. Returns
        whether `now` has the fresh events.
        """
        if fresh:
            row.latest = max(row.latest, fresh[-1].at)
        if not row.bought and not row.dropped:
            self._weeks.need(row, week_of(fresh[0].at), week_of(fresh[-1].at))
            self._telling.asked(self._told(row), fresh)
            row.now, row.folded, row.begun = None, 0, -1
            return False
        old = row.steps()
        self._weeks.need(row, *self._weeks_of(self._fold(row), old + fresh))
        self._told(row)
        if row.dropped:
            old = [step for step in old if step.id not in row.dropped]
            ids, minutes, bought, row.dropped = row.ids, row.minutes, row.bought, None
            row.keep(old)
            row.ids, row.minutes, row.bought = ids, minutes, bought
        steps, now = sorted(old + fresh), thaw(row.settled)
        self._sessions.replay(now, steps, row.settled_baskets)
        self._tell_difference(row, now, steps)
        return True

    def _fold(self, row: Row) -> Open:
        """What all packed events come to; tells nothing, as all of it was told."""
        if row.now is not None and row.folded == row.count:
            return row.now
        now = row.now
        if now is None:
            now, row.folded, row.begun = thaw(row.settled), 0, -1
        steps = row.steps(row.folded)
        if RETURN in [step.kind for step in steps]:
            self._weeks.need(row, *self._weeks_of(now, steps))
        self._sessions.replay(now, steps, row.settled_baskets)
        count_over(now.baskets(), self._settings.basket)
        row.now, row.folded = now, row.count
        return now

    def _told(self, row: Row) -> dict[bytes, None]:
        """What the row has told, of all that its weeks and its packed events come to."""
        if row.standing is None:
            row.standing = self._work_out(row, self._come_to(row))
        return row.standing

    def _come_to(self, row: Row) -> Open:
        """As `_fold`; where nothing was bought, only what was asked of it, which is cheap."""
        if row.bought or row.settled:
            return self._fold(row)
        key, reach = self._sessions.asked_key, self._reach_minutes
        now = Open()
        for step in row.steps():
            if step.at // MINUTE_MS - now.last // MINUTE_MS > reach:
                now.since = step.at // MINUTE_MS
            now.last = step.at
            if step.kind == SEARCH:
                now.asked.add((key(query_hash(step.what), step.at), now.since))
        return now

    def _work_out(self, row: Row, now: Open) -> dict[bytes, None]:
        asked, baskets = {key for key, _ in now.asked}, list(now.baskets())
        for week in row.weeks.values():
            asked |= week.asked.keys()
            baskets += week.baskets
        if not baskets:
            return dict.fromkeys(asked)
        return dict.fromkeys(standing_of(asked, baskets, now.taken, self._settings.basket))

    def _tell_difference(self, row: Row, now: Open, steps: list[Step]) -> None:
        """Tell what has changed since `standing`, now that `now` is what the row comes to."""
        over = sum(basket.over for basket in row.now.baskets()) if row.now else 0
        row.now, row.begun = now, -1
        told, after = row.standing or {}, self._work_out(row, now)
        texts = {query_hash(step.what): step.what for step in steps if step.kind == SEARCH}
        self._telling.difference(told, after, texts)
        row.standing = after
        if change := count_over(now.baskets(), self._settings.basket) - over:
            self._tally[PAIRS_CAPPED] += change

    def _weeks_of(self, now: Open, steps: list[Step]) -> tuple[int, int]:
        """First and last week of the ledger that steps, and what is open, can touch."""
        times = [step.at for step in steps]
        times += [each.at for basket in now.baskets() for each in basket.bought]
        reach_back = self._settings.keep_ms + WEEK_MS
        returns = [max(0, step.at - reach_back) for step in steps if step.kind == RETURN]
        return week_of(min(times + returns)), week_of(max(times))

    def leave(self, row: Row, horizon_ms: int, fresh: Sequence[Step] = ()) -> None:
        """Settle all that is packed; after it, `fresh` is all that the row has.

        The horizon ends a minute, all that is packed is older, and what can still come is not.
        """
        self._settle(row, self._come_to(row), horizon_ms)
        row.now, row.weeks, row.standing = None, {}, None
        row.keep(())
        row.ids = dict.fromkeys([step.id for step in fresh])
        row.bought = any(step.kind >= PURCHASE for step in fresh)

    def trim(self, row: Row, horizon_ms: int) -> None:
        """Settle what is older than the horizon, if that is at least half of the row's events."""
        steps = row.steps()
        old = [step for step in steps if step.at < horizon_ms]
        rest = steps[len(old) :]
        row.trim_at = max(self._settings.raw_events, 2 * len(steps))
        if len(old) < len(rest):
            return
        is_large = row.weight >= self._large
        now = thaw(row.settled)
        if any(step.kind == RETURN for step in old):
            self._weeks.need(row, *self._weeks_of(now, old))
        self._sessions.replay(now, old, row.settled_baskets)
        self._settle(row, now, horizon_ms)
        row.keep(rest)
        row.trim_at = max(self._settings.raw_events, 2 * len(rest))
        if is_large:  # reading all of it back would cost more than what was settled
            row.now, row.begun = now if row.settled else None, -1
            count_over(now.baskets(), self._settings.basket)  # `_tell_difference` goes on from it
            row.trim_at = max(row.trim_at, row.count + row.weight // _SETTLE_SHARE)
        else:
            row.now, row.weeks, row.standing = None, {}, None

    def forget(self, row: Row, erased: Erased, last_week: int) -> TakenBack:
        """Take back all that is forgotten of a row and of its ledger, up to a week.

        Moves `erased.last` to the last event that the row has lost.
        """
        if self._weeks.first is not None:
            self._weeks.need(row, self._weeks.first, last_week)
        told, before = self._told(row), self._fold(row)
        sessions, steps = len(before.sessions), row.steps()
        baskets = sum(len(week.baskets) for week in row.weeks.values()) + len(before.ended)
        settled = thaw(row.settled)
        if row.settled and settled.since <= erased.until:
            erased.last = max(erased.last, settled.last // MINUTE_MS)
            row.settled = b""
        row.keep(steps[erased.cut(steps, self._reach_minutes) :])
        if not row.count and not row.settled:
            row.latest = NEVER
        weeks = self._weeks.cut(row, erased.until)
        now, left = thaw(row.settled), row.steps()
        self._sessions.replay(now, left, row.settled_baskets)
        self._tell_difference(row, now, left)
        after = sum(len(week.baskets) for week in row.weeks.values()) + len(now.ended)
        totals = len(told.keys() - (row.standing or {}).keys())
        row.now, row.weeks, row.standing = None, {}, None
        return TakenBack(sessions + baskets - after - len(now.sessions), weeks, totals)

    def _settle(self, row: Row, now: Open, horizon_ms: int) -> None:
        """What `now` comes to becomes the row's settled part.

        Sessions that cannot go on leave for the ledger, with all that was asked.
        """
        gap, span = self._settings.gap_ms, self._settings.span_ms
        ended = now.ended
        for label, session in list(now.sessions.items()):
            if horizon_ms - session.last > gap:
                del now.sessions[label]
                if session.basket is not None:
                    ended.append(session.basket)
        self._weeks.enter(row, now, ended)
        now.ended, now.asked, now.taken = [], set(), set()
        now.searched = {k: v for k, v in now.searched.items() if horizon_ms - v[1] <= span}
        now.clicked = {k: v for k, v in now.clicked.items() if horizon_ms - v[1] <= span}
        goes_on = horizon_ms // MINUTE_MS - now.last // MINUTE_MS <= self._reach_minutes
        if goes_on or now.sessions or now.searched or now.clicked:
            row.settled = freeze(now)
        else:
            row.settled = b""
