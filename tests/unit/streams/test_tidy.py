"""Tidying takes nothing away that a receiver would take."""

from hypothesis import given
from hypothesis import strategies as st

from streams.totals.inbox import Inbox
from streams.totals.tidy import Tidy
from streams.totals.wire import Marker, Sent, decode, encode_marker, encode_total
from topology.store.memory import MemoryStore

KEYS = (b"q\0a\x0002000", b"r\0a\x0002000")
totals = st.builds(
    Sent,
    st.integers(0, 1),
    st.integers(0, 3),
    st.integers(0, 5),
    st.sampled_from(KEYS),
    st.integers(0, 2),
    st.sampled_from((b"", b"words")),
)
markers = st.builds(Marker, st.integers(0, 1), st.integers(0, 3), st.just(0), st.integers(0, 3))
Rows = list[tuple[bytes, bytes | None]]


def record(told: Sent | Marker) -> tuple[bytes, bytes]:
    if isinstance(told, Marker):
        # A marker goes out under the incarnation that it makes the first to count.
        return encode_marker("searched", told._replace(incarnation=told.floor))
    return encode_total("searched", told)


def tidied(rows: Rows) -> Rows:
    """The log with tombstones, as compaction leaves it."""
    tidy = Tidy("searched")
    for row in rows:
        tidy.take(*row)
    rows = [*rows, *((key, None) for key in tidy.dead())]
    last = {key: place for place, (key, _) in enumerate(rows)}
    return [row for place, row in enumerate(rows) if last[row[0]] == place and row[1] is not None]


def heard(rows: Rows) -> dict[bytes, list[tuple[int, bytes]]]:
    """What a receiver built from the log holds."""
    inbox = Inbox(MemoryStore())
    for key, value in rows:
        if value is None:
            continue
        told = decode("searched", key, value)
        if isinstance(told, Marker):
            list(inbox.end("searched", told))
        else:
            inbox.receive("searched", told)
    return {
        key: sorted((each.n, each.payload) for each in inbox.entries("searched", key) if each.n)
        for key in KEYS
    }


def as_sent(told: list[Sent | Marker]) -> Rows:
    """Versions rise within an incarnation of a sender: a record with an older one is the same."""
    seen: dict[tuple[int, int, int, bytes], tuple[bytes, bytes]] = {}
    rows: Rows = []
    for each in told:
        if isinstance(each, Marker):
            rows.append(record(each))
        else:
            name = (each.sender, each.incarnation, each.version, each.key)
            rows.append(seen.setdefault(name, record(each)))
    newest: dict[bytes, int] = {}
    return [
        row
        for row in rows
        if row[1] is not None
        and (v := int.from_bytes(row[1][1:9], "big")) >= newest.get(row[0], 0)
        and newest.update({row[0]: v}) is None
    ]


@given(st.lists(totals | markers, max_size=20))
def test_a_receiver_built_from_what_is_left_holds_the_same(told: list[Sent | Marker]):
    rows = as_sent(told)
    assert heard(tidied(rows)) == heard(rows)


@given(st.lists(totals | markers, max_size=20))
def test_of_every_sender_and_key_one_record_is_left_and_a_second_time_changes_nothing(
    told: list[Sent | Marker],
):
    left = tidied(as_sent(told))
    found = [decode("searched", key, value or b"") for key, value in left]
    names = [(each.sender, each.key) for each in found if isinstance(each, Sent)]
    assert len(names) == len(set(names))
    assert tidied(left) == left


def test_what_others_wrote_is_left_alone():
    rows: Rows = [(b"x", b"y"), (b"\0" * 10 + b"k", b"junk")]
    assert tidied(rows) == rows
