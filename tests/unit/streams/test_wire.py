"""Bytes of totals: what was written is read, and nothing else is taken for a total."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.totals.wire import (
    MAX_TOTAL,
    BadMessageError,
    Marker,
    Sent,
    decode,
    encode_marker,
    encode_total,
    join,
    owner,
    split,
)

parts = st.lists(st.binary(min_size=1).filter(lambda part: b"\0" not in part), min_size=1)
u16, u64 = st.integers(0, 2**16 - 1), st.integers(0, 2**63 - 1)
topics = st.sampled_from(["searched", "claims", "facts"])


@given(parts)
def test_a_key_is_its_parts(parts):
    assert split(join(*parts)) == parts
    assert owner(join(*parts)) == parts[0]


@given(topics, u16, u64, u64, parts, st.integers(0, MAX_TOTAL))
def test_a_total_is_read_as_it_was_sent(topic, sender, incarnation, version, parts, n):
    payload = b'{"id":"x"}' if n else (b"null" if topic == "facts" else b"")
    sent = Sent(sender, incarnation, version, join(*parts), n, payload)
    assert decode(topic, *encode_total(topic, sent)) == sent


@given(topics, u16, u64, u64, u64)
def test_a_marker_is_read_as_it_was_sent(topic, sender, incarnation, version, floor):
    marker = Marker(sender, incarnation, version, floor)
    assert decode(topic, *encode_marker(topic, marker)) == marker


@given(topics, st.binary(max_size=40), st.binary(max_size=60))
def test_any_other_bytes_are_a_bad_message_and_nothing_worse(topic, key, value):
    try:
        found = decode(topic, key, value)
    except BadMessageError:
        return
    assert isinstance(found, Sent | Marker)


def test_a_negative_total_is_no_total():
    with pytest.raises(BadMessageError):
        decode("claims", *encode_total("claims", Sent(0, 1, 1, b"k", -1, b"")))
