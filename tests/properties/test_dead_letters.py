"""The book of dead letters says what a clear reading of the whole topic says, page by page."""

from hypothesis import given
from hypothesis import strategies as st

from streams.dead_letters import DeadLetter, dead_letter, decode_dead_letter, hash_of, mark
from streams.ports import Record
from streams.retry.book import Book, Where

STATES = ["failed", "gone", "changed", "late", "sent", "unused", "dropped"]
LETTERS = st.builds(
    lambda offset, item, value: ("letter", offset, item, value),
    st.integers(0, 3),
    st.integers(0, 1),
    st.sampled_from([b"a", b"b"]),
)
MARKS = st.builds(lambda letter, did: ("mark", *letter[1:], did), LETTERS, st.sampled_from(STATES))


def written(told: tuple) -> tuple[bytes, bytes]:
    _, offset, item, value, *did = told
    key, row = dead_letter("t", 0, Record(offset, 0, None, value), "bad_id", "w", item=item)
    if not did:
        return key, row
    letter: DeadLetter = decode_dead_letter(row)
    return mark(letter, did[0])


def clear(told: list[tuple]) -> dict[tuple, tuple[int, str, int]]:
    """(offset, item, value) -> place of the newest letter, state, retries; from the whole topic."""
    newest = {each[1:]: place for place, each in enumerate(told) if each[0] == "letter"}
    found = {}
    for letter, place in newest.items():
        marks = [each[4] for each in told if each[0] == "mark" and each[1:4] == letter]
        state = marks[-1] if marks else "open"
        found[letter] = (place, state, sum(did != "dropped" for did in marks))
    return found


@given(st.lists(LETTERS | MARKS, max_size=30), st.integers(1, 7))
def test_the_book_agrees_with_the_clear_reading(told: list[tuple], page: int):
    records = [Record(place, 0, *written(each)) for place, each in enumerate(told)]
    pages = [records[at : at + page] for at in range(0, len(records), page)]
    book = Book(lambda topic: "route")
    for each in pages:
        book.take(each)
    assert book.unread == 0
    found = [one for each in pages for one in book.standing(each, Where(states=None))]
    places = {
        (each.letter.offset, each.letter.item, each.letter.sha256): (each.state, each.retries)
        for each in found
    }
    wanted = {
        (offset, item, hash_of(value)): (state, tries)
        for (offset, item, value), (_, state, tries) in clear(told).items()
    }
    assert len(found) == len(places)
    assert places == wanted
