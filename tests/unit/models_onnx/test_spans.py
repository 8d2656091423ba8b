from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_onnx.errors import CodecError
from models_onnx.spans import (
    Judged,
    Senses,
    Span,
    Tagged,
    decode_judged,
    decode_senses,
    decode_tagged,
    encode_judged,
    encode_senses,
    encode_tagged,
)

scores = st.floats(0, 1)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
spans = st.builds(Span, st.integers(0, 99), st.integers(0, 99), words, words, scores)
tagged = st.builds(Tagged, st.lists(spans, max_size=5).map(tuple))
judged = st.builds(Judged, scores, st.sampled_from(["accepted", "held", "rejected"]))


@given(tagged)
def test_tagged_bytes_hold_everything(value):
    assert decode_tagged(encode_tagged(value)) == value


@given(judged)
def test_judged_bytes_hold_everything(value):
    assert decode_judged(encode_judged(value)) == value


@given(st.lists(words, max_size=5).map(tuple))
def test_bytes_of_senses_hold_everything(names):
    assert decode_senses(encode_senses(Senses(names))) == Senses(names)


@given(st.binary(max_size=40))
def test_other_bytes_are_refused_or_read_as_an_answer_never_another_error(data):
    for decode in (decode_tagged, decode_judged, decode_senses):
        with suppress(CodecError):
            assert isinstance(decode(data), Tagged | Judged | Senses)


def test_bytes_of_another_version_are_refused():
    data = encode_tagged(Tagged())
    with pytest.raises(CodecError, match="another version"):
        decode_tagged(b"\x02" + data[1:])


def test_a_verdict_that_does_not_exist_is_refused():
    data = encode_judged(Judged(0.5, "held"))[:1] + msgspec.msgpack.encode([0.5, "perhaps"])
    with pytest.raises(CodecError):
        decode_judged(data)


def test_values_cannot_be_changed():
    with pytest.raises(AttributeError):
        Span(0, 1, "color", "x", 1.0).label = "size"
