"""What every stage keeps: its own row, totals, keys to send, and what it was told."""

from collections.abc import Collection, Iterator
from typing import Final

import msgspec

from streams.ports import State
from streams.state.scanning import each
from streams.totals.inbox import Entry, entries_of
from streams.totals.messages import is_key
from streams.totals.outbox import decode_keys
from streams.totals.owner import Kept, kept_of
from streams.totals.tables import CODES
from streams.totals.wire import owner, partition_of
from topology.check import Problem

_N_BYTES: Final = 8
_VERSION_BYTES: Final = 8
_FACT_DIGITS: Final = 32


def shown(key: bytes) -> str:
    """A key for people: parts divided by blanks, at most 200 characters."""
    return key.decode(errors="backslashreplace").replace("\0", " ")[:200]


def check_kept(state: State, stage: str, partition: int, graph: str) -> Iterator[Problem]:
    """The row in which a store says whose it is."""
    try:
        kept = kept_of(state)
    except (msgspec.MsgspecError, UnicodeError) as error:
        yield Problem("meta", "kept", f"cannot be read: {error}")
        return
    if kept is None:
        if state.scan("totals", limit=1) or state.scan("held", limit=1):
            yield Problem("meta", "kept", "is missing, and there are totals")
        return
    if (kept.stage, kept.partition, kept.graph) != (stage, partition, graph):
        yield Problem(
            "meta", "kept", f"says that this is {kept.stage}/{kept.partition} of {kept.graph}"
        )
    for topic, offset in (*kept.offsets.items(), *kept.until.items()):
        if offset < 0:
            yield Problem("meta", "kept", f"has offset {offset} of {topic}")
    for outcome, n in kept.tally.items():
        if n < 0:
            yield Problem("meta", "kept", f"counts {n} of {outcome}")


def check_totals(state: State, kept: Kept, outputs: Collection[str]) -> Iterator[Problem]:
    """What the stage tells, and which of it is still to be sent."""
    topics = {CODES[topic]: topic for topic in outputs}
    for name, row in each(state, "totals"):
        if wrong := _of_name(name, topics):
            yield Problem("totals", shown(name), wrong)
        elif len(row) < _N_BYTES or (n := int.from_bytes(row[:_N_BYTES], "big", signed=True)) <= 0:
            told = "is cut short" if len(row) < _N_BYTES else f"is {n}: a total that is kept is not"
            yield Problem("totals", shown(name), told)
    for key, row in each(state, "to_send"):
        version = int.from_bytes(key, "big")
        if len(key) != _VERSION_BYTES or version > kept.version:
            yield Problem("to_send", key.hex(), f"is of a commit after the last, {kept.version}")
        try:
            names = decode_keys(row)
        except msgspec.MsgspecError as error:
            yield Problem("to_send", key.hex(), f"cannot be read: {error}")
            continue
        for name in names:
            if wrong := _of_name(name, topics):
                yield Problem("to_send", shown(name), wrong)
    for name, _ in each(state, "notes"):
        if not name.partition(b"\0")[2]:
            yield Problem("notes", shown(name), "names no topic and key")


def check_held(state: State, kept: Kept, inputs: Collection[str]) -> Iterator[Problem]:
    """What the stage was told."""
    topics = {CODES[topic]: topic for topic in inputs if topic in CODES}
    partitions = int(kept.graph.rpartition("/")[2])
    floors: dict[tuple[str, int], int] = {}
    for key, value in each(state, "meta", b"floor\0"):
        try:
            _, topic, sender = key.split(b"\0")
            floors[topic.decode(), int(sender)] = int(value)
        except ValueError:
            yield Problem("meta", shown(key), "is no floor of a sender")
    for name, value in each(state, "held"):
        if wrong := _of_name(name, topics):
            yield Problem("held", shown(name), wrong)
            continue
        if partition_of(owner(name[1:]), partitions) != kept.partition:
            yield Problem("held", shown(name), "belongs to another partition")
        entries = entries_of(value)
        if entries is None:
            yield Problem("held", shown(name), "is cut short")
            continue
        for what in _of_entries(entries, topics[name[:1]], floors):
            yield Problem("held", shown(name), what)


def _of_name(name: bytes, topics: dict[bytes, str]) -> str:
    """What is wrong with the name of a total; "" for nothing."""
    topic = topics.get(name[:1])
    if topic is None:
        return "is of a topic that the stage has nothing to do with"
    if topic == "facts":
        ok = len(name) == 1 + _FACT_DIGITS and not name[1:].strip(b"0123456789abcdef")
        return "" if ok else "is no fact id"
    return "" if is_key(topic, name[1:]) else f"is no key of {topic}"


def _of_entries(
    entries: Collection[Entry], topic: str, floors: dict[tuple[str, int], int]
) -> Iterator[str]:
    if len({entry.sender for entry in entries}) < len(entries):
        yield "has two totals of one sender"
    for entry in entries:
        if entry.n < 0:
            yield f"says {entry.n} of sender {entry.sender}"
        if entry.incarnation < floors.get((topic, entry.sender), -1):
            yield f"is of an incarnation of sender {entry.sender} that was ended"
