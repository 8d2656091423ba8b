"""The check of a secret that stands on `graph.control`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.control.generations import Generations
from streams.control.secret import KEY, first_record, refuse_other, value_of
from streams.errors import SettingsError
from streams.privacy import EVENT, ORDER, QUERY, RECEIPT, SESSION, SHOPPER, pseudonym

SECRETS = st.binary(min_size=16, max_size=80)


@given(SECRETS, SECRETS)
def test_a_secret_is_taken_for_another_only_if_it_is_none(one: bytes, other: bytes):
    refuse_other(b"", one, "graph.control")
    refuse_other(value_of(one), one, "graph.control")
    if one.rstrip(b"\0") != other.rstrip(b"\0"):  # RFC 2104 fills a short key up with zeros
        with pytest.raises(SettingsError, match=r"CARTOGRAPH_SECRET .*graph\.control"):
            refuse_other(value_of(one), other, "graph.control")


@given(SECRETS)
def test_what_is_noted_is_nobodys_pseudonym_and_no_part_of_the_secret(secret: bytes):
    noted = value_of(secret)
    of_nobody = (pseudonym(secret, "", role) for role in (SHOPPER, SESSION, ORDER, QUERY, EVENT))
    assert noted.decode() not in {*of_nobody, pseudonym(secret, "", RECEIPT)}
    assert len(noted) == 22
    assert noted not in secret


def test_of_several_that_were_noted_at_once_the_first_counts_until_it_is_replaced():
    known = Generations()
    one, other = first_record(b"one secret"), first_record(b"another")
    assert one[0] != other[0], "or compaction would leave the later one alone"
    assert known.take(*one)
    assert known.take(*other)
    assert known.secret == value_of(b"one secret")
    assert known.take(KEY, b"third")
    assert known.take(*other)
    assert known.secret == b"third"


def test_generations_know_what_was_noted_last():
    known = Generations()
    assert known.secret == b""
    assert known.take(KEY, b"first")
    assert known.take(KEY, b"second")
    assert known.secret == b"second"
