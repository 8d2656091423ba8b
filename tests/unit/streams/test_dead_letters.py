"""Dead letters: which stand, what became of them, which are meant."""

import pytest

from streams.cli.dead_letter_choice import chosen, moment, must_choose
from streams.dead_letters import (
    STATES,
    DeadLetter,
    State,
    dead_letter,
    decode_dead_letter,
    decode_mark,
    mark,
    marked,
)
from streams.errors import SettingsError
from streams.ports import Record
from streams.retry.book import Book, Standing, Where, count_up, history

TOPIC = "shop.events"


def letter(offset: int, *, value: bytes = b"x", topic: str = TOPIC, reason: str = "bad_time"):
    return dead_letter(topic, 0, Record(offset, 0, None, value), reason, "why")


def of(record: tuple[bytes, bytes]) -> DeadLetter:
    return decode_dead_letter(record[1])


def standing(rows: list[tuple[bytes, bytes]], where: Where | None = None) -> list[Standing]:
    records = [Record(offset, 1_000 * offset, *row) for offset, row in enumerate(rows)]
    book = Book(lambda topic: "route" if topic == TOPIC else "graph")
    for record in records:  # by the page, as they are read
        book.take([record])
    return list(book.standing(records, where or Where(states=None)))


def test_a_record_that_was_rejected_twice_is_one_letter():
    (found,) = standing([letter(7), letter(7)])
    assert (found.letter.offset, found.at_ms, found.state, found.retries) == (7, 1_000, "open", 0)


def test_other_bytes_at_the_same_place_are_another_letter():
    old, new = letter(7), letter(7, value=b"y")
    found = standing([old, mark(of(old), "dropped"), new])
    assert [each.state for each in found] == ["dropped", "open"]


def test_a_letter_that_comes_again_behind_its_mark_stays_dealt_with():
    one = letter(7)
    (found,) = standing([one, mark(of(one), "dropped"), one])
    assert found.state == "dropped"


def test_the_last_mark_counts_and_so_do_all_retries():
    one = letter(7)
    marks: list[State] = ["failed", "gone", "dropped", "failed"]
    (found,) = standing([one, *(mark(of(one), did, "bad_time") for did in marks)])
    assert (found.state, found.retries) == ("failed", 3)


def test_what_was_dealt_with_is_not_meant_unless_asked_for():
    rows = [letter(offset) for offset in range(len(STATES))]
    rows += [mark(of(row), did) for row, did in zip(rows, STATES, strict=True) if did != "open"]
    waiting = {each.state for each in standing(rows, Where())}
    assert waiting == {"open", "failed", "gone", "changed"}
    assert {each.state for each in standing(rows)} == set(STATES)


def test_what_is_not_ours_on_the_topic_is_counted_and_passed_over():
    book = Book(lambda topic: "route")
    book.take(
        [
            Record(0, 0, b"k", b"{"),
            Record(1, 0, b"mark/t/0/1/0", b"{}"),
            Record(2, 0, None, None),
            Record(3, 0, b"k", b"\xff"),
        ]
    )
    assert book.unread == 4


def test_a_topic_named_mark_is_no_mark():
    key, value = letter(3, topic="mark")
    assert marked(key) is None
    (found,) = standing([(key, value)])
    assert found.letter.topic == "mark"
    assert marked(mark(found.letter, "sent")[0]) == "mark/0/3/0"


def test_a_mark_says_no_more_than_the_letter_did():
    told = decode_mark(mark(of(letter(1)), "failed", "bad_id", "a product id")[1])
    assert (told.did, told.reason, told.detail) == ("failed", "bad_id", "a product id")


def test_the_history_of_a_letter_is_of_its_own_marks_that_can_be_read():
    old, new = letter(7), letter(7, value=b"y")
    rows = [old, mark(of(old), "dropped"), new, (mark(of(new), "sent")[0], b"{"), letter(8)]
    rows += [mark(of(new), "failed", "bad_time", "why"), mark(of(letter(8)), "sent")]
    records = [Record(offset, 1_000 * offset, *row) for offset, row in enumerate(rows)]
    assert [(at_ms, done.did) for at_ms, done in history(records, of(old))] == [(1_000, "dropped")]
    assert [(at_ms, done.did) for at_ms, done in history(records, of(new))] == [(5_000, "failed")]


@pytest.mark.parametrize(
    ("where", "offsets"),
    [
        (Where(reason="bad_id"), [1]),
        (Where(topic="graph.claims"), [2]),
        (Where(stage="graph"), [2]),
        (Where(partition=1), []),
        (Where(since_ms=1_000, until_ms=2_000), [1]),
        (Where(frozenset((f"{TOPIC}/0/0",))), [0]),
        (Where(frozenset((f"{TOPIC}/0/0/0", "graph.claims/0/2"))), [0, 2]),
        (Where(frozenset((f"{TOPIC}/0/0/1",))), []),
        (Where(reason="bad_time", stage="route"), [0]),
    ],
)
def test_letters_are_chosen_by_all_that_is_said_of_them(where: Where, offsets: list[int]):
    rows = [letter(0), letter(1, reason="bad_id"), letter(2, topic="graph.claims")]
    assert [each.letter.offset for each in standing(rows, where)] == offsets


def test_counts_are_by_stage_topic_reason_and_state():
    rows = [letter(0), letter(1), letter(2, reason="bad_id")]
    counted = count_up(standing([*rows, mark(of(rows[1]), "sent")]))
    told = {(each.reason, each.state): each.letters for each in counted}
    assert told == {("bad_time", "open"): 1, ("bad_time", "sent"): 1, ("bad_id", "open"): 1}


def test_times_are_said_absolutely_or_as_so_long_ago():
    assert moment("--since", "1970-01-02", 0) == 86_400_000
    assert moment("--since", "1970-01-02T01:00+01:00", 0) == 86_400_000
    assert moment("--since", "3d", 4 * 86_400_000) == 86_400_000
    assert moment("--since", None, 0) is None
    with pytest.raises(SettingsError, match="--until"):
        moment("--until", "noon", 0)


def test_nothing_is_changed_without_a_choice():
    nothing = chosen()
    with pytest.raises(SettingsError, match="--all"):
        must_choose(nothing, every=False)
    must_choose(nothing, every=True)
    must_choose(nothing._replace(reason="bad_id"), every=False)
    with pytest.raises(SettingsError, match="open, failed"):
        chosen(state="sad")
