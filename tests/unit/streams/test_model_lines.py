"""JSON lines through a model: in order, as they arrive, a bad one never in the way of others."""

import io
import json
import tracemalloc

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from streams.cli import model_lines
from streams.cli.model_lines import answer, parts


class Asked(msgspec.Struct):
    id: str | int
    n: int


class Told(msgspec.Struct):
    id: str | int
    twice: int


def twice(asked):
    return [Told(one.id, 2 * one.n) for one in asked]


def run(data, *, read=None, ask=twice):
    out = io.BytesIO()
    source = io.BytesIO(data)
    outcome = answer(read or source.read, out.write, out.flush, Asked, "a number", ask)
    return outcome, [json.loads(line) for line in out.getvalue().splitlines()]


GOOD = st.integers(0, 99).map(lambda n: (json.dumps({"id": n, "n": n}), {"id": n, "twice": 2 * n}))
BAD = st.sampled_from(
    [
        ('{"id": 7}', {"id": 7}),
        ('{"id": "a", "n": "x"}', {"id": "a"}),
        ('{"id": "a", "n": NaN}', {"id": None}),
        ('{"id": true, "n": 1}', {"id": None}),
        ('{"id": [1], "n": 1}', {"id": None}),
        ('{"n": 1}', {"id": None}),
        ("[]", {"id": None}),
        ("no json", {"id": None}),
        ('"\\ud800"', {"id": None}),
    ]
)


@given(st.lists(GOOD | BAD | st.just(("  ", None)), max_size=40), st.integers(1, 60), st.booleans())
def test_every_line_has_its_answer_in_order_however_it_arrives(lines, size, ends):
    data = "\n".join(text for text, _ in lines).encode() + (b"\n" if ends else b"")
    source = io.BytesIO(data)
    outcome, told = run(data, read=lambda _: source.read(size))
    wanted = [answer for _, answer in lines if answer is not None]
    assert len(told) == outcome.lines == len(wanted)
    assert outcome.bad == sum("twice" not in one for one in wanted)
    for found, one in zip(told, wanted, strict=True):
        assert found["id"] == one["id"]
        assert ("error" in found) != ("twice" in one)
        assert found.get("twice") == one.get("twice")


def test_an_error_says_line_cause_and_what_a_line_is():
    _, told = run(b'{"id": 1, "n": 1}\n\n{"id": 2, "n": "x"}\n')
    assert told[1]["error"] == "line 3: Expected `int`, got `str` - at `$.n`; a line is a number"


def test_bytes_that_are_no_utf8_are_one_bad_line():
    outcome, told = run(b'{"id": 1, "n": 1}\n{"id": "\xff", "n": 1}\n{"id": 3, "n": 3}\n')
    assert outcome == (3, 1)
    assert [one["id"] for one in told] == [1, None, 3]


def test_what_has_arrived_is_answered_before_more_is_read():
    out = io.BytesIO()
    answered = []
    waiting = [b'{"id": 1, "n": 1}\n', b'{"id": 2, "n": 2}\n', b""]

    def read(_):
        answered.append(out.getvalue().count(b"\n"))
        return waiting.pop(0)

    answer(read, out.write, out.flush, Asked, "a number", twice)
    assert answered == [0, 1, 2]


def test_a_model_is_never_asked_more_than_it_may_at_once():
    sizes = []

    def ask(asked):
        sizes.append(len(asked))
        return twice(asked)

    outcome, _ = run(b'{"id":1,"n":1}\n' * 1500, ask=ask)
    assert outcome.lines == sum(sizes) == 1500
    assert max(sizes) <= model_lines.AT_ONCE


def test_a_line_too_long_is_set_aside_without_being_kept(monkeypatch):
    monkeypatch.setattr(model_lines, "MAX_LINE_BYTES", 1 << 20)
    source = io.BytesIO(
        b'{"id": 1, "n": 1}\n{"id": "' + b"x" * (20 << 20) + b'"}\n{"id": 3, "n": 3}\n'
    )
    tracemalloc.start()
    outcome, told = run(b"", read=source.read1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert outcome == (3, 1)
    assert [one["id"] for one in told] == [1, None, 3]
    assert "line 2: longer than" in told[1]["error"]
    assert peak < 8 << 20


def test_memory_stays_flat_over_many_lines():
    line = b'{"id": 1, "n": 1}\n'
    left = [5_000]

    def read(_):
        left[0] -= 1
        return line * 10 if left[0] > 0 else b""

    tracemalloc.start()
    seen = sum(len(part) for part in parts(read))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seen == 49_990
    assert peak < 1 << 20
