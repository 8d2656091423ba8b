"""Takes a shopper's fresh events in, tells what changes by them, and settles what is old.

`follow` is the fast path, `correct` the clear one (DESIGN: a faster version keeps the clear one
as its oracle): both leave a row's `standing` as `shopper_keys.standing_of` would give it.
"""

from collections import Counter
from collections.abc import Sequence

from streams.counted import Counted
from streams.outbox import Outbox
from streams.ports import State
from streams.shopper_keys import ASKED_INFIX, QUERY_BYTES, Basket, Bought, standing_of, topic_of
from streams.shopper_rows import (
    LEDGER,
    NO_WEEK,
    Row,
    Week,
    freeze,
    ledger_key,
    pack_week,
    thaw,
    unpack_week,
)
from streams.shopper_sessions import Open, Sessions, Step
from streams.weeks import WEEK_MS, week_from_key, week_of
from streams.windows import CLICK, MINUTE_MS, PURCHASE, RETURN, SEARCH, WindowSettings, query_hash
from topology.wording import normalise

PAIRS_CAPPED = "pairs.capped"
"""Tally of products that were not paired, because their basket had too many."""

LEDGER_ROWS = "ledger_rows"
_WEEK_DIGITS = 5


class Ledger:
    """What the shoppers of a partition stand for: moves rows on, and the totals with them."""

    def __init__(
        self,
        state: State,
        outbox: Outbox,
        tally: Counter[str],
        settings: WindowSettings,
        counted: Counted,
    ) -> None:
        self._state, self._outbox, self._tally = state, outbox, tally
        self._settings, self._reach, self._counted = settings, settings.reach_ms, counted
        self._sessions = Sessions(settings)
        self.first_week: int | None = None

    def take_in(self, row: Row, fresh: list[Step], chunk: bytes, horizon_ms: int) -> None:
        """Take what a row has admitted in, and tell what changes by it.

        An event that is older than the horizon would be late from now on. `fresh` is in order;
        `chunk` is the same, packed one after the other in any order.
        """
        first, latest = fresh[0], row.latest
        highest = first.kind
        only_clicks = highest == CLICK
        for step in fresh:
            if step.kind != highest:
                only_clicks = False
                if step.kind > highest:
                    highest = step.kind
        if highest >= PURCHASE:
            row.bought = True
        if first.at <= latest or row.dropped:
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

    def _more(self, row: Row, fresh: list[Step], highest: int) -> bool:
        """The fast path of what is more than clicks: it comes behind all others of the row.

        Returns whether `now` has the fresh events.
        """
        # All weeks before anything is told, as `standing` is of them.
        week = self._sessions.week_of(fresh[0].at)
        if week not in row.weeks:
            self._need(row, week, week)
        if len(fresh) > 1 and fresh[-1].at >= self._sessions.week_end:
            self._need(row, week, week_of(fresh[-1].at))
        if highest <= CLICK:
            self._tell_asked(row.standing if row.standing is not None else self._told(row), fresh)
            return False
        now = self._fold(row)
        if highest == PURCHASE:
            told = self._told(row)
            self._tell_asked(told, fresh)
            self._go_on(row, now, fresh, told)
        else:
            self._need(row, *self._weeks_of(now, fresh))
            self._told(row)
            self._replay(row, now, fresh)
            self._tell_difference(row, now, fresh)
        return True

    def _tell_asked(self, told: dict[bytes, None], steps: list[Step]) -> None:
        """Tell of searches what does not hang on any other event."""
        asked_key, add = self._sessions.asked_key, self._outbox.add
        for step in steps:
            if step.kind == SEARCH:
                key = asked_key(query_hash(step.what), step.at)
                if key not in told:
                    told[key] = None
                    if add("searched", key, 1) == 1:
                        self._describe(key, step.what)

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
                    self._tell_purchase(told, bought, basket)
        if not plain:
            self._tell_difference(row, now, fresh)

    def _insert(self, row: Row, fresh: list[Step]) -> bool:
        """The clear path: steps that do not come behind all others, or capped ones that go.

        What the row stands for is worked out from the settled part on, before and after. Returns
        whether `now` has the fresh events.
        """
        row.latest = max(row.latest, fresh[-1].at)
        if not row.bought and not row.dropped:
            self._need(row, week_of(fresh[0].at), week_of(fresh[-1].at))
            self._tell_asked(self._told(row), fresh)
            row.now, row.folded = None, 0
            return False
        old = row.steps()
        self._need(row, *self._weeks_of(self._fold(row), old + fresh))
        self._told(row)
        if row.dropped:
            old = [step for step in old if step.id not in row.dropped]
            ids, minutes, row.dropped = row.ids, row.minutes, None
            row.keep(old)
            row.ids, row.minutes = ids, minutes
        steps, now = sorted(old + fresh), thaw(row.settled)
        self._replay(row, now, steps)
        self._tell_difference(row, now, steps)
        return True

    def _fold(self, row: Row) -> Open:
        """What all packed events come to; tells nothing, as all of it was told."""
        if row.now is not None and row.folded == row.count:
            return row.now
        now = row.now
        if now is None:
            now, row.folded = thaw(row.settled), 0
        steps = row.steps(row.folded)
        if RETURN in [step.kind for step in steps]:
            self._need(row, *self._weeks_of(now, steps))
        self._replay(row, now, steps)
        _count_over(now, self._settings.basket)
        row.now, row.folded = now, row.count
        return now

    def _replay(self, row: Row, now: Open, steps: list[Step]) -> None:
        sessions = self._sessions
        for step in steps:
            if step.kind == CLICK:
                sessions.click(now, step)
            elif step.kind == SEARCH:
                sessions.search(now, step)
            elif step.kind == PURCHASE:
                sessions.purchase(now, step)
            else:
                settled = (basket for week in row.weeks.values() for basket in week.baskets)
                sessions.give_back(now, step, settled)

    def _told(self, row: Row) -> dict[bytes, None]:
        """What the row has told, of all that its weeks and its packed events come to."""
        if row.standing is None:
            row.standing = self._work_out(row, self._come_to(row))
        return row.standing

    def _come_to(self, row: Row) -> Open:
        """As `_fold`; where nothing was bought, only what was asked of it, which is cheap."""
        if row.bought or row.settled:
            return self._fold(row)
        key = self._sessions.asked_key
        searches = (step for step in row.steps() if step.kind == SEARCH)
        return Open(asked={key(query_hash(step.what), step.at) for step in searches})

    def _work_out(self, row: Row, now: Open) -> dict[bytes, None]:
        asked, baskets = set(now.asked), list(now.baskets())
        for week in row.weeks.values():
            asked |= week.asked
            baskets += week.baskets
        if not baskets:
            return dict.fromkeys(asked)
        return dict.fromkeys(standing_of(asked, baskets, now.taken, self._settings.basket))

    def _tell_difference(self, row: Row, now: Open, steps: list[Step]) -> None:
        """Tell what has changed since `standing`, now that `now` is what the row comes to."""
        over = sum(basket.over for basket in row.now.baskets()) if row.now else 0
        row.now = now
        told, after = row.standing or {}, self._work_out(row, now)
        texts = {query_hash(step.what): step.what for step in steps if step.kind == SEARCH}
        for key in after.keys() - told:
            topic = topic_of(key)
            self._outbox.add(topic, key, 1)
            if key[QUERY_BYTES:].startswith(ASKED_INFIX):
                self._describe(key, texts[key[:QUERY_BYTES]])
        for key in told.keys() - after:
            self._outbox.add(topic_of(key), key, -1)
        row.standing = after
        if change := _count_over(now, self._settings.basket) - over:
            self._tally[PAIRS_CAPPED] += change

    def _tell_purchase(self, told: dict[bytes, None], bought: Bought, basket: Basket) -> None:
        """Tell what a purchase adds that joins a plain basket as its last one."""
        add, product = self._outbox.add, bought.product.encode()
        self._sessions.week_of(bought.at)
        week = b"\0" + self._sessions.week_key
        keys = [product + b"\0b" + week]
        if len(basket.products) > 1:
            for name in basket.products:
                if name != bought.product:
                    other = name.encode()
                    if product < other:
                        keys.append(product + b"\0w\0" + other + week)
                    else:
                        keys.append(other + b"\0w\0" + product + week)
        for key in keys:
            if key not in told:
                told[key] = None
                add("bought", key, 1)
        for query, clicked in bought.led:
            sure = query + b"\0c\0" + product + week
            if sure in told:
                continue
            unsure = query + b"\0b\0" + product + week
            if clicked:
                if unsure in told:
                    del told[unsure]
                    add("searched", unsure, -1)
                told[sure] = None
                add("searched", sure, 1)
            elif unsure not in told:
                told[unsure] = None
                add("searched", unsure, 1)

    def _describe(self, key: bytes, query: str) -> None:
        """Say what was asked, in the spelling that all spellings of the same hash share."""
        self._outbox.describe("searched", key, normalise(query).encode())

    def _weeks_of(self, now: Open, steps: list[Step]) -> tuple[int, int]:
        """First and last week of the ledger that steps, and what is open, can touch."""
        times = [step.at for step in steps]
        times += [each.at for basket in now.baskets() for each in basket.bought]
        reach_back = self._settings.keep_ms + WEEK_MS
        returns = [max(0, step.at - reach_back) for step in steps if step.kind == RETURN]
        return week_of(min(times + returns)), week_of(max(times))

    def _need(self, row: Row, first: int, last: int) -> None:
        """Have these weeks of the row's ledger at hand; before anything is told."""
        weeks = row.weeks
        for week in range(first, last + 1):
            if week not in weeks:
                data = self._state.get(LEDGER, ledger_key(week, row.shopper))
                if data is None:
                    weeks[week] = NO_WEEK
                else:
                    weeks[week], row.standing = unpack_week(week, data), None

    def leave(self, row: Row, horizon_ms: int, fresh: Sequence[Step] = ()) -> None:
        """Settle all that is packed; after it, `fresh` is all that the row has.

        The horizon ends a minute, all that is packed is older, and what can still come is not.
        """
        self._settle(row, self._come_to(row), horizon_ms)
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
        now = thaw(row.settled)
        if any(step.kind == RETURN for step in old):
            self._need(row, *self._weeks_of(now, old))
        self._replay(row, now, old)
        self._settle(row, now, horizon_ms)
        row.keep(rest)
        row.trim_at = max(self._settings.raw_events, 2 * len(rest))

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
        self._enter(row, now, ended)
        now.ended, now.asked, now.taken = [], set(), set()
        now.searched = {k: v for k, v in now.searched.items() if horizon_ms - v[1] <= span}
        now.clicked = {k: v for k, v in now.clicked.items() if horizon_ms - v[1] <= span}
        row.settled = freeze(now) if now.sessions or now.searched or now.clicked else b""
        row.now, row.weeks, row.standing = None, {}, None

    def _enter(self, row: Row, now: Open, ended: list[Basket]) -> None:
        """Write what is settled into the ledger, and mark what was taken back."""
        dirty = set[int]()
        for key in now.asked:
            self._week(row, week_from_key(key[-_WEEK_DIGITS:]), dirty).asked.add(key)
        for basket in ended:
            home = week_of(max(each.at for each in basket.bought))
            self._week(row, home, dirty).baskets.append(basket)
        if now.taken:
            for basket in now.baskets():
                _mark(basket, now.taken)
            for number, week_row in row.weeks.items():
                if any([_mark(basket, now.taken) for basket in week_row.baskets]):
                    dirty.add(number)
        for number in sorted(dirty):
            self._state.put(LEDGER, ledger_key(number, row.shopper), pack_week(row.weeks[number]))
            self.first_week = number if self.first_week is None else min(number, self.first_week)

    def _week(self, row: Row, week: int, dirty: set[int]) -> Week:
        """A week of the row's ledger that is about to change."""
        self._need(row, week, week)
        if row.weeks[week] is NO_WEEK:
            row.weeks[week] = Week()
            self._counted.add(LEDGER_ROWS, 1)
        dirty.add(week)
        return row.weeks[week]


def _mark(basket: Basket, taken: set[str]) -> bool:
    """Mark what was taken back; whether anything was."""
    found = [each for each in basket.bought if each.id in taken and not each.taken]
    for bought in found:
        bought.taken, basket.plain = True, False
    return bool(found)


def _count_over(now: Open, paired: int) -> int:
    """Set `over` of every basket; returns their sum."""
    over = 0
    for basket in now.baskets():
        if len(basket.products) > paired:
            basket.over = len(basket.products) - paired
            over += basket.over
    return over
