"""ROUTE processes that read a backlog together: none runs ahead of what another has yet to send."""

import asyncio
from collections.abc import Collection, Mapping
from random import Random

from faust.types import TP
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.kafka.alignment import Alignment, Source
from streams.route.sharing import Others, Sharing, bound_of, note_of

SLACK_MS = 80
A, B = TP("shop", 0), TP("shop", 1)


class Kafka:
    """Keeps what was committed beside offsets, and what was sent, in its order."""

    def __init__(self) -> None:
        self.committed: dict[TP, tuple[int, str]] = {}
        self.sent: list[int] = []

    async def notes(self, tps: Collection[TP]) -> dict[TP, str]:
        return {tp: self.committed[tp][1] for tp in tps if tp in self.committed}


class Process:
    """A ROUTE process that reads, sends some time later, tells and hears."""

    def __init__(
        self, kafka: Kafka, logs: Mapping[TP, list[int]], ours: Collection[TP], now: list[float]
    ) -> None:
        self.kafka, self.logs, self.now = kafka, logs, now
        self.alignment = Alignment(
            slack_ms=SLACK_MS,
            patience_s=5,
            idle_s=1,
            clock=lambda: now[0],
            now_ms=lambda: 1 << 40,
        )
        self.sharing = Sharing(
            self.alignment,
            list(logs),
            slack_ms=SLACK_MS,
            patience_s=10,
            clock=lambda: now[0],
            seconds=lambda: now[0],
        )
        self.assign(ours)

    def assign(self, ours: Collection[TP]) -> None:
        """What a rebalance does: what is under way is read again, by whoever it belongs to now."""
        self.under_way: list[tuple[TP, int, int]] = []
        self.read_to = {tp: self.kafka.committed.get(tp, (0, ""))[0] for tp in ours}
        self.sent_to = dict(self.read_to)
        self.alignment.begin_again(self.read_to)
        self._hear(at_once=True)

    def _hear(self, *, at_once: bool) -> None:
        work = self.sharing.hear(self.kafka, self.sent_to, at_once=at_once)  # type: ignore[arg-type]
        asyncio.run(work)

    def read(self, limit: int) -> None:
        sources = {}
        for tp, place in self.read_to.items():
            left = self.logs[tp][place:]
            sources[tp] = Source(left[0] if left else None, bool(left), bool(left))
        for tp, until_ms in self.alignment.choose(sources).items():
            begin = place = self.read_to[tp]
            for at_ms in self.logs[tp][begin : begin + limit]:
                if place > begin and until_ms is not None and at_ms > until_ms:
                    break
                self.under_way.append((tp, place + 1, at_ms))
                place += 1
            self.read_to[tp] = place
            first, last = self.logs[tp][begin], self.logs[tp][place - 1]
            self.alignment.handed_out(tp, first, last, place)

    def send(self) -> None:
        for tp, until, at_ms in self.under_way:
            self.kafka.sent.append(at_ms)
            self.sent_to[tp] = until
        self.under_way.clear()

    def share(self) -> None:
        for tp, note in self.sharing.notes(self.sent_to).items():
            self.kafka.committed[tp] = (self.sent_to[tp], note)
        self._hear(at_once=False)


def backlog(rng: Random, count: int) -> list[int]:
    at_ms, found = 1_000 + rng.randrange(200), []
    for _ in range(count):
        at_ms += rng.randrange(30)
        found.append(at_ms)
    return found


def disorder(sent: list[int]) -> int:
    """By how much the latest record is behind the newest before it."""
    newest, worst = sent[0], 0
    for at_ms in sent:
        newest = max(newest, at_ms)
        worst = max(worst, newest - at_ms)
    return worst


@settings(max_examples=25)
@given(seed=st.integers(0, 1 << 32), processes=st.integers(2, 3), partitions=st.integers(3, 5))
def test_a_backlog_that_several_processes_read_is_sent_in_order(
    seed: int, processes: int, partitions: int
) -> None:
    rng, now, kafka = Random(seed), [0.0], Kafka()
    logs = {TP("shop", n): backlog(rng, rng.randrange(1, 300)) for n in range(partitions)}
    running = {n: Process(kafka, logs, list(logs) if n == 0 else [], now) for n in range(processes)}
    for _ in range(20_000):
        now[0] += rng.uniform(0, 0.05)
        number = rng.randrange(processes)
        process = running[number]
        turn = rng.random()
        if turn < 0.6:
            process.read(rng.randrange(1, 20))
        elif turn < 0.7:
            process.send()
        elif turn < 0.96:
            process.share()
        elif turn < 0.99:
            owner = {tp: rng.randrange(processes) for tp in logs}
            for each, there in running.items():
                there.assign([tp for tp in logs if owner[tp] == each])
        else:  # killed, and back: it goes on where it committed, and sends some again
            running[number] = Process(kafka, logs, list(process.read_to), now)
        if all(
            each.sent_to[tp] == len(logs[tp]) for each in running.values() for tp in each.sent_to
        ):
            break
    else:
        raise AssertionError("they wait for each other")
    assert disorder(list(dict.fromkeys(kafka.sent))) <= SLACK_MS


def test_a_process_that_tells_nothing_new_is_waited_for_until_it_is_replaced() -> None:
    now = [0.0]
    others = Others(patience_s=35, clock=lambda: now[0])
    assert others.hear([A, B], {A: note_of(7, 1)}) == {A: 7, B: bound_of(None)}
    now[0] = 30.0
    assert others.hear([A, B], {A: note_of(7, 2)}) == {A: 7, B: bound_of(None)}
    now[0] = 40.0
    assert others.hear([A, B], {A: note_of(7, 2)}) == {A: 7, B: None}
    assert others.hear([A, B], {A: note_of(7, 2), B: note_of(5, 3)}) == {A: 7, B: 5}


def test_offsets_that_people_or_tools_committed_say_no_time_and_nobody_waits() -> None:
    for note in ("", "set by hand", note_of(None, 12)):
        assert bound_of(note) is None
    assert bound_of(note_of(-5, 12)) == -5


def test_nothing_is_committed_of_a_partition_before_it_was_read_from() -> None:
    kafka, now = Kafka(), [0.0]
    process = Process(kafka, {A: [1], B: [2]}, [A], now)
    process.share()
    assert kafka.committed == {}
    kafka.committed[B] = (0, note_of(2, 0))
    now[0] = 2.0
    process.share()
    process.read(1)
    process.share()
    assert kafka.committed[A] == (0, note_of(1, 2))


def test_who_reads_all_partitions_commits_four_times_a_second() -> None:
    kafka, now = Kafka(), [0.0]
    process = Process(kafka, {A: list(range(0, 10_000, 100))}, [A], now)
    commits = 0
    for step in range(100):
        now[0] = step / 50
        process.read(1)
        process.send()
        before = dict(kafka.committed)
        process.share()
        commits += kafka.committed != before
    assert commits == 8


def test_what_was_read_ahead_before_a_rebalance_holds_nobody_back_after_it() -> None:
    kafka, now = Kafka(), [0.0]
    logs: dict[TP, list[int]] = {A: list(range(1_000, 2_000, 100)), B: []}
    first = Process(kafka, logs, [A, B], now)
    first.read(100)
    now[0] = 2.0  # B is at its end for long enough: A is read without a limit
    first.read(100)
    assert first.read_to[A] == len(logs[A])
    logs[B] = list(range(1_000, 2_000, 50))
    first.assign([A])
    second = Process(kafka, logs, [B], now)
    for _ in range(200):
        now[0] += 0.05
        for process in (first, second):
            process.read(100)
            process.send()
            process.share()
    assert sorted(kafka.sent) == sorted(logs[A] + logs[B])
    assert disorder(kafka.sent) <= SLACK_MS
