"""What GRAPH has still to score: in turn, in slices, through a crash, nothing forgotten."""

from hypothesis import given
from hypothesis import strategies as st

from streams.graph.agenda import Agenda
from streams.graph.rows import Sum
from topology.store.memory import MemoryStore


class Rows:
    """Rows a to z under one prefix, and the order in which they are scored."""

    def __init__(self) -> None:
        self.names = [b"p\0" + bytes((letter,)) for letter in b"abcdefghij"]
        self.scored: list[str] = []

    def keys(self, prefix: bytes, *, after: bytes | None, limit: int) -> list[bytes]:
        found = [n for n in self.names if n.startswith(prefix) and (after is None or n > after)]
        return found[:limit]

    def score(self, key: bytes, force: bool) -> None:
        self.scored.append(key.decode()[2:] + ("!" if force else ""))


def test_a_group_is_scored_in_slices_and_goes_on_after_a_crash():
    store, rows = MemoryStore(), Rows()
    agenda = Agenda(store, lambda _: None)
    agenda.group(b"p\0")
    agenda.work(rows.keys, rows.score, 4)
    store.commit()
    store = MemoryStore(store.durable)
    agenda = Agenda(store, lambda _: None)
    while agenda.groups:
        agenda.work(rows.keys, rows.score, 4)
    assert "".join(rows.scored) == "abcdefghij"
    assert store.scan("groups") == []


def test_a_group_whose_turn_has_not_come_outlives_a_crash():
    store, rows = MemoryStore(), Rows()
    rows.names.append(b"q\0k")
    agenda = Agenda(store, lambda _: None)
    agenda.group(b"p\0")
    agenda.group(b"q\0")
    agenda.work(rows.keys, rows.score, 1)
    store.commit()
    agenda = Agenda(MemoryStore(store.durable), lambda _: None)
    agenda.work(rows.keys, rows.score, 100)
    assert sorted(rows.scored) == list("abcdefghijk")


@given(st.lists(st.integers(0, 9), max_size=4), st.integers(1, 7))
def test_a_group_that_moves_again_meanwhile_is_scored_again_from_there(moves, limit):
    rows = Rows()
    agenda = Agenda(MemoryStore(), lambda _: None)
    last_move = 0
    agenda.group(b"p\0")
    for rounds in range(200):
        if rounds in moves:
            agenda.group(b"p\0")
            last_move = len(rows.scored)
        agenda.work(rows.keys, rows.score, limit)
        if not agenda.groups and rounds > 10:
            break
    assert not agenda.groups
    assert sorted(set(rows.scored[last_move:])) == list("abcdefghij")


def test_groups_are_served_in_turn():
    rows = Rows()
    rows.names = [b"p\0a", b"p\0b", b"q\0c", b"q\0d"]
    agenda = Agenda(MemoryStore(), lambda _: None)
    agenda.group(b"q\0")
    agenda.group(b"p\0")
    agenda.work(rows.keys, rows.score, 2)
    agenda.group(b"q\0")
    for _ in range(4):
        agenda.work(rows.keys, rows.score, 2)
    assert rows.scored[:2] == ["c", "d"]
    assert rows.scored.index("a") < len(rows.scored) - 2 + 1
    assert set(rows.scored) == {"a", "b", "c", "d"}


def test_stale_rows_wait_for_calm_and_are_released_in_slices():
    store, rows = MemoryStore(), Rows()
    agenda = Agenda(store, lambda _: None)
    for name in rows.names:
        assert not agenda.is_news(name, Sum(mark=7), 7, force=False)
    agenda.work(rows.keys, rows.score, 100)
    assert rows.scored == []
    agenda.release()
    agenda.work(rows.keys, rows.score, 4)
    assert rows.scored == ["a!", "b!", "c!", "d!"]
    agenda.work(rows.keys, rows.score, 100)
    assert len(rows.scored) == 10
    assert agenda.is_idle
