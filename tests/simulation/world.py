"""Real stages over logs that behave as Kafka's, through faults: the protocol's testing ground.

Every process runs the real `streams.totals.owner.Owner` with the real stage over a `MemoryStore`. A
process sends in order to one partition; what it sent may be repeated, lost, or land long after it
died. Faults: crash and restart; a machine that booted since; an older checkpoint (or an empty
store) restored; a zombie that goes on with its own store, claims again, gets its partition back; a
claim that lands late; compaction at any moment; a worker whose models are exchanged.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from streams.erasures import Erasure
from streams.ports import Answers, Message, Record, Rereads, Stage
from streams.topics import partition_of
from streams.totals.owner import Owner, Start, Wiring, without_incarnation
from topology.store.memory import MemoryStore

ALL = 10**9
Key = tuple[str, int]  # stage or topic, partition

_CACHE_ROWS = 8  # hardly anything stays decoded from one commit to the next


class WrongError(Exception):
    """The graph is not what the events and the catalog say."""


class Part(NamedTuple):
    """One stage of the pipeline under test."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    build: Callable[[Wiring], Stage]


class Models(NamedTuple):
    """The taggers, cleaners and matchers that answer the stages' questions."""

    tagger: object
    cleaner: object
    matcher: object


class Process:
    """A process that believes it owns a partition: its store, and what has not landed yet."""

    def __init__(self, world: World, key: Key, store: MemoryStore, *, boot: str) -> None:
        self.world, self.key, self.store = world, key, store
        self.under_way: dict[Key, deque[tuple[Message, bool]]] = {}
        self.unheard = 0
        self.taken = False
        stage, partition = key
        self.generation = world.generations.get(key, 0)
        part = world.part(key)
        self.owner = Owner(
            stage,
            partition,
            store,
            part.build,
            {topic: world.partitions for topic in part.outputs},
            graph="sim/2",
            cache_rows=_CACHE_ROWS,
        )
        claims = world.claims[key]
        claim = world.claim(key)
        ends = {topic: len(world.logs[topic, partition]) for topic in part.inputs}
        start = Start(claim, max(claims[:-1], default=None), ends, boot, allow_empty=True)
        again = self.owner.start(start)
        self.hear_first()
        world.tell(f"{key} claims {claim}, {'sends all again' if again else 'goes on'}")

    def hear_first(self) -> None:
        """What a process is told before its first record."""
        self.hear()

    def hear(self) -> None:
        """Be told of all erasures that there are."""
        of, all_ = self.world.partitions, self.world.erasures
        mine = [each for each in all_ if partition_of(each.shopper.encode(), of) == self.key[1]]
        self.owner.forget(mine)

    def read(self, topic: str, count: int) -> bool:
        """Apply records, not yet committed; whether there were any."""
        log = self.world.logs[topic, self.key[1]]
        start = self.owner.next_offset(topic) or 0
        end = min(start + count, len(log))
        if start >= end:
            return False
        records = [
            Record(offset, self.world.now_ms, *pair)
            for offset, pair in enumerate(log[start:end], start)
            if pair is not None
        ]
        self.owner.read(topic, records, end)
        self.world.tell(f"{self.key} reads {topic} {start}..{end - 1}")
        return True

    def commit(self) -> None:
        """Answer what the stage asks, then make all durable."""
        models = self.world.models[self.generation]
        for _ in range(10):
            questions = self.owner.wants()
            if not questions:
                break
            tagged = models.tagger.tag(list(questions.texts))
            judged = models.cleaner.judge(list(questions.claims))
            matched = models.matcher.match(list(questions.pairs))
            senses = models.matcher.senses(list(questions.terms))
            answers = Answers(
                dict(zip(questions.texts, tagged, strict=True)),
                dict(zip(questions.claims, judged, strict=True)),
                dict(zip(questions.pairs, matched, strict=True)),
                dict(zip(questions.terms, senses, strict=True)),
            )
            self.owner.learn(answers)
        else:
            raise WrongError(f"{self.key} never stops asking")
        self.owner.commit()

    def exchange(self) -> None:
        """The next bundles take over, as `Holdings.rebuild` does it."""
        self.commit()
        self.generation = self.world.generations[self.key] = 1
        self.owner.restage(self.world.part(self.key).build)

    def reread(self, count: int) -> bool:
        """Derive again what older bundles said; whether there was any."""
        stage = self.owner.stage
        taken = stage.reread(count) if isinstance(stage, Rereads) else 0
        self.commit()
        return taken > 0

    def calm(self) -> None:
        """The edge's minute is over."""
        self.owner.stage.calm()
        self.commit()

    def send(self, count: int) -> bool:
        """Take messages if all before were heard; they are under way, in order per partition."""
        if self.unheard:
            return False
        if self.taken:
            self.owner.settled()
            self.taken = False
        messages = self.owner.take(count)
        self.taken = True
        for message in messages:
            partition = message.partition
            if partition is None:
                partition = partition_of(message.key, self.world.partitions)
            self.under_way.setdefault((message.topic, partition), deque()).append((message, True))
            self.unheard += 1
        return bool(messages)

    def land(self, log: Key, count: int = ALL, *, heard: bool = True) -> None:
        """What is under way reaches the log, in order; an unheard one is sent again, behind."""
        queue = self.under_way[log]
        for _ in range(min(count, len(queue))):
            message, first = queue.popleft()
            self.world.append(log, message)
            if heard or not first:
                self.unheard -= 1
            else:  # an idempotent producer repeats at once and in order
                queue.appendleft((message, False))
                break


class World:
    """The broker, the owners of all partitions, and the processes that were replaced."""

    def __init__(
        self,
        parts: Mapping[str, Part],
        sources: Mapping[str, list[list[tuple[bytes | None, bytes]]]],
        models: Models,
        *,
        next_parts: Mapping[str, Part] | None = None,
        next_models: Models | None = None,
        partitions: int = 2,
        now_ms: int,
        erasures: Sequence[Erasure] = (),
        aloud: bool = False,
    ) -> None:
        self.parts, self.partitions = dict(parts), partitions
        self.models = (models, next_models or models)
        self._builds = (self.parts, dict(next_parts or parts))
        self.generations: dict[Key, int] = {}
        self.now_ms, self.aloud, self.control = now_ms, aloud, 0
        self.asked = deque(erasures)  # not written yet
        self.erasures: list[Erasure] = []
        self.waiting = {topic: [deque(rows) for rows in byp] for topic, byp in sources.items()}
        topics = {t for part in parts.values() for t in (*part.inputs, *part.outputs)}
        topics |= {"dead-letters", "erasures"}
        self.logs: dict[Key, list[tuple[bytes | None, bytes | None] | None]] = {
            (topic, partition): [] for topic in topics for partition in range(partitions)
        }
        self.owners_of: dict[Key, Process] = {}
        self.keys = [(stage, p) for stage in parts for p in range(partitions)]
        self.claims: dict[Key, list[int]] = {key: [] for key in self.keys}
        self.zombies: dict[Key, list[Process]] = {key: [] for key in self.keys}
        self.saved: dict[Key, list[dict[str, dict[bytes, bytes]]]] = {k: [{}] for k in self.keys}
        self.adrift: list[Process] = []
        self.boots = 0
        for key in self.keys:
            self.owners_of[key] = Process(self, key, MemoryStore(), boot="0")

    def part(self, key: Key) -> Part:
        """The stage of an owner, with the bundles that its worker loads."""
        return self._builds[self.generations.get(key, 0)][key[0]]

    def tell(self, text: str) -> None:
        if self.aloud:
            print("     ", text)

    def claim(self, key: Key) -> int:
        """Append a claim record; its offset is the incarnation."""
        self.control += 1
        self.claims[key].append(self.control)
        return self.control

    def arrive(self, topic: str, partition: int, count: int = ALL) -> None:
        """Records of a source topic are produced."""
        queue = self.waiting[topic][partition]
        for _ in range(min(count, len(queue))):
            self.logs[topic, partition].append(queue.popleft())

    def append(self, log: Key, message: Message) -> None:
        self.logs[log].append((message.key, message.value))
        self.tell(f"{log} {len(self.logs[log]) - 1}: {message.key!r} {message.value[:40]!r}")

    def compact(self, log: Key, end: int = ALL) -> None:
        """Only the last record of a key is left before `end`; events are never compacted."""
        rows = self.logs[log]
        last = {row[0]: place for place, row in enumerate(rows[:end]) if row}
        for place, row in enumerate(rows[:end]):
            if row and last[row[0]] != place:
                rows[place] = None

    def replace(
        self,
        key: Key,
        durable: dict[str, dict[bytes, bytes]],
        *,
        boot: str | None = None,
        alive=False,
    ) -> None:
        """Another process takes the partition, on a copy of what is durable."""
        old = self.owners_of[key]
        if alive:
            self.zombies[key].append(old)
        else:
            self.adrift.append(old)
        boot = boot if boot is not None else str(self.boots)
        self.owners_of[key] = Process(self, key, MemoryStore(durable), boot=boot)

    def watch(self, key: Key) -> bool:
        """An owner sees a later claim than its own: it stops and starts again."""
        process = self.owners_of[key]
        if max(self.claims[key]) <= process.owner.kept.incarnation:
            return False
        self.replace(key, process.store.durable)
        return True

    def do(self, name: str, key: Key, n: int, zombie: bool) -> None:
        """One step of a schedule; one that cannot be taken now does nothing."""
        zombies, saved = self.zombies[key], self.saved[key]
        inputs = self.parts[key[0]].inputs
        process = zombies[n % len(zombies)] if zombie and zombies else self.owners_of[key]
        match name:
            case "arrive":
                topics = sorted(self.waiting)
                self.arrive(topics[n % len(topics)], n // 2 % self.partitions, 1 + n // 4 % 6)
            case "work":
                self.work(process, (1, 2, 3, ALL, ALL)[n % 5])
            case "read":
                process.read(inputs[n % len(inputs)], (1, 2, 4, ALL)[n // 2 % 4])
                if n % 3:
                    process.commit()
            case "send":
                process.commit()
                process.send(ALL if n % 3 else 2)
            case "land" if logs := sorted(process.under_way):
                process.land(logs[n % len(logs)], 1 + n // 2 % 4, heard=n % 5 > 0)
            case "calm":
                process.calm()
            case "exchange":
                process.exchange()
            case "reread":
                process.reread(1 + n % 3)
            case "watch":
                self.watch(key)
            case "forget" if self.asked:
                self.erasures.append(self.asked.popleft())
            case "hear":
                process.hear()
            case "crash":
                if n % 2:
                    for topic in inputs:
                        self.owners_of[key].read(topic, 1 + n % 7)
                    if n % 4 == 1:
                        self.owners_of[key].commit()
                        self.owners_of[key].send(ALL)
                self.replace(key, self.owners_of[key].store.durable)
            case "boot":
                self.boots += 1
                self.replace(key, saved[-1] if n % 2 else self.owners_of[key].store.durable)
            case "save":
                saved.append(_checkpoint(process.store.durable))
            case "restore":
                self.replace(key, saved[n % len(saved)])
            case "depose":
                self.replace(key, saved[n % len(saved)], alive=True)
            case "hand back" if zombies:
                back = zombies.pop(n % len(zombies))
                self.adrift.append(back)
                self.replace(key, back.store.durable, alive=True)
            case "claim again" if zombies:
                place = n % len(zombies)
                old = zombies[place]
                self.adrift.append(old)
                zombies[place] = Process(
                    self, key, MemoryStore(old.store.durable), boot=str(self.boots)
                )
            case "end" if zombies:
                self.adrift.append(zombies.pop(n % len(zombies)))
            case "late claim":
                self.claim(key)
            case "late send" if self.adrift:
                dead = self.adrift[n % len(self.adrift)]
                for log in sorted(dead.under_way)[: 1 + n % 2]:
                    dead.land(log, 1 + n // 2 % 3)
            case "lost send" if self.adrift:
                self.adrift.pop(n % len(self.adrift))
            case "compact":
                logs = [log for log in sorted(self.logs) if log[0] != "events"]
                log = logs[n % len(logs)]
                self.compact(log, len(self.logs[log]) - n // 3 % 3)

    def work(self, process: Process, count: int) -> bool:
        """Read from every input, commit, send, and let it land."""
        inputs = self.parts[process.key[0]].inputs
        moved = any([process.read(topic, count) for topic in inputs])
        process.commit()
        moved |= any(process.under_way.values())
        for log in sorted(process.under_way):
            process.land(log)
        moved |= process.send(ALL)
        for log in sorted(process.under_way):
            process.land(log)
        return moved

    def settle(self, after_round: Callable[[], None] | None = None, *, count: int = ALL) -> None:
        """All owners work, then have their minute, until nothing is left to do."""
        for _ in range(400):
            moved = False
            for key in self.keys:
                moved |= self.watch(key)
                moved |= self.work(self.owners_of[key], count)
                if after_round:
                    after_round()
            if moved:
                continue
            for key in self.keys:
                self.owners_of[key].calm()
                moved |= self.owners_of[key].reread(3)
            if not any([self.work(self.owners_of[key], count) for key in self.keys]) | moved:
                return
        raise WrongError("the owners never come to rest")


def _checkpoint(durable: dict[str, dict[bytes, bytes]]) -> dict[str, dict[bytes, bytes]]:
    copy = {table: dict(rows) for table, rows in durable.items()}
    row = copy.get("meta", {}).get(b"kept")
    if row is not None:
        copy["meta"][b"kept"] = without_incarnation(row)
    return copy
