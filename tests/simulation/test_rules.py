"""Each rule of "How totals travel" is needed: without it some schedule ends with a wrong graph."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from random import Random

import pytest
from msgspec.structs import replace

from streams.events import decode_event
from streams.graph.senses import Meanings
from streams.products.stage import Products
from streams.products.values import Values
from streams.shoppers.erasures import Erased
from streams.shoppers.stage import Shoppers
from streams.totals.inbox import Inbox
from streams.totals.outbox import Outbox
from streams.totals.owner import Owner
from streams.totals.tidy import Tidy
from tests.simulation.cases import Case, expected, make_case
from tests.simulation.run import wrong
from tests.simulation.world import Process, World

SCHEDULES = 1_200
Break = Callable[[pytest.MonkeyPatch], None]
BREAKS: dict[str, Break] = {}


def broken(rule: Break) -> Break:
    BREAKS[rule.__name__] = rule
    return rule


@broken
def zero_is_a_record(patch):
    send = Outbox._next

    def without_zeros(self, cycle, limit):
        return [m for m in send(self, cycle, limit) if m.value[9:17] != bytes(8)]

    patch.setattr(Outbox, "_next", without_zeros)


@broken
def receiver_keeps_zero(patch):
    receive = Inbox.receive

    def forget(self, topic, sent):
        change = receive(self, topic, sent)
        if not sent.n:
            row = self.entries(topic, sent.key)
            name = next(n for n in self._rows if n[1:] == sent.key)
            self._rows[name] = tuple(each for each in row if each.n)
        return change

    patch.setattr(Inbox, "receive", forget)


@broken
def newest_of_a_sender_counts(patch):
    receive = Inbox.receive

    def last_to_arrive(self, topic, sent):
        for each in self.entries(topic, sent.key):
            if each.sender == sent.sender:
                incarnation = max(sent.incarnation, each.incarnation)
                sent = sent._replace(incarnation=incarnation, version=each.version + 1)
        return receive(self, topic, sent)

    patch.setattr(Inbox, "receive", last_to_arrive)


@broken
def marker_goes_to_every_partition(patch):
    markers = Outbox._markers
    patch.setattr(Outbox, "_markers", lambda self, floor: markers(self, floor)[::2])


@broken
def floor_is_kept(patch):
    end = Inbox.end

    def forget(self, topic, marker):
        changes = list(end(self, topic, marker))
        self._floors.pop((topic, marker.sender), None)
        yield from changes

    patch.setattr(Inbox, "end", forget)


@broken
def another_store_sends_everything_again(patch):
    def only_the_first_time(self, floor):
        if self._state.get("meta", b"kept") is None:
            sweep(self, floor)

    sweep = Outbox.sweep
    patch.setattr(Outbox, "sweep", only_the_first_time)


@broken
def inputs_are_caught_up_first(patch):
    start = Owner.start

    def at_once(self, told):
        return start(self, told._replace(ends={}))

    patch.setattr(Owner, "start", at_once)


@broken
def a_key_to_compact_has_the_incarnation(patch):
    def compact(self, log, end=10**9):
        rows = self.logs[log]
        last = {}
        for place, row in enumerate(rows[:end]):
            if row:
                last[self_key(row[0], log)] = place
        for place, row in enumerate(rows[:end]):
            if row and last[self_key(row[0], log)] != place:
                rows[place] = None

    def self_key(key, log):
        return key if log[0] in ("catalog", "dead-letters") else key[:2] + key[10:]

    patch.setattr(World, "compact", compact)


@broken
def an_owner_watches_the_claims(patch):
    patch.setattr(World, "watch", lambda self, key: False)


@broken
def a_key_is_cleared_when_it_is_acknowledged_not_when_it_is_sent(patch):
    send = Process.send

    def forget(self, count):
        moved = send(self, count)
        self.owner.settled()
        self.owner.commit()
        return moved

    patch.setattr(Process, "send", forget)


@broken
def what_is_sent_is_written_first(patch):
    def unwritten(self, version):
        self.version = version
        self._dirty.clear()
        flush(self, version)

    flush = Outbox.flush
    patch.setattr(Outbox, "flush", unwritten)


@broken
def the_catalog_record_of_the_newest_position_counts(patch):
    patch.setattr(Products, "_newest", lambda self, product: None)


@broken
def another_title_takes_the_phrases_of_the_one_before_back(patch):
    move = Values.move
    patch.setattr(
        Values,
        "move",
        lambda self, node, old, new: move(self, node, replace(old, phrases=()), new),
    )


@broken
def a_late_event_is_not_used(patch):
    def never_late(self, *args):
        self._high = -(10**18)
        apply(self, *args)

    apply = Shoppers.apply
    patch.setattr(Shoppers, "apply", never_late)


@broken
def erasures_are_read_before_any_start_restore_or_replay(patch):
    patch.setattr(Process, "hear_first", lambda self: None)


@broken
def what_is_forgotten_is_known_to_whoever_starts_from_the_store(patch):
    def only_new(self, erasures):
        # As if it were enough to take back once, and to have the rest from the topic's next record.
        forget(self, erasures)
        self._erased.clear()

    forget = Shoppers.forget
    patch.setattr(Shoppers, "forget", only_new)


@broken
def the_events_of_a_forgotten_shopper_still_move_the_highest_time(patch):
    def never_seen(self, topic, partition, records):
        left = [each for each in records if _shopper(each) not in self._erased]
        apply(self, topic, partition, left)

    def _shopper(record):
        return decode_event(record.value).shopper

    apply = Shoppers.apply
    patch.setattr(Shoppers, "apply", never_seen)


@broken
def a_visit_that_goes_on_after_the_erasure_is_forgotten_whole(patch):
    def by_time_alone(self, steps, reach_minutes):
        return cut(self, steps, -(1 << 62))

    cut = Erased.cut
    patch.setattr(Erased, "cut", by_time_alone)


@broken
def what_waits_is_told_before_everything_is_sent_again(patch):
    patch.setattr(Outbox, "must_sweep", property(lambda self: False))


@broken
def what_a_sender_said_in_an_earlier_life_is_tidied_away(patch):
    patch.setattr(Tidy, "dead", lambda self: [])


@broken
def what_stands_below_a_floor_is_tidied_away(patch):
    def without_floors(self):
        self._floors.clear()
        return dead(self)

    dead = Tidy.dead
    patch.setattr(Tidy, "dead", without_floors)


@broken
def a_value_read_again_leaves_the_blocks_of_its_older_senses(patch):
    moves = Meanings.moves

    def stay(self):
        # One that is not used any more has no names left: it still goes.
        return (m for m in moves(self) if m.there or not self.names(m.owner, m.value))

    patch.setattr(Meanings, "moves", stay)


@cache
def cases() -> list[tuple[Case, dict[str, bytes]]]:
    """Schedules, and what the oracle says while every rule is kept."""
    made = [make_case(Random(f"rules/{seed}")) for seed in range(SCHEDULES)]
    return [(case, expected(case)) for case in made]


@pytest.mark.slow
@pytest.mark.parametrize("rule", BREAKS)
def test_without_the_rule_a_schedule_is_wrong(rule: str, monkeypatch: pytest.MonkeyPatch):
    told = cases()
    BREAKS[rule](monkeypatch)
    assert any(wrong(case, want=want) for case, want in told), f"nothing needs {rule!r}"
