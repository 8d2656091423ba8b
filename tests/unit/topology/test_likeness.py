"""Candidates for synonyms: alike, same numbers, no opposites."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topology.facts import value_node
from topology.likeness import likeness, spelling_of


def alike(one: str, other: str, at_least: float = 0.88) -> float:
    left, right = (spelling_of(value_node("brand", text)) for text in (one, other))
    return likeness(left, right, at_least) if left and right else 0.0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("nordwind", "nord wind"),
        ("slip resistant", "slip-resistent"),
        ("Reese's peanut", "reese peanut"),
        ("navy blue", "blue navy"),
        ("500 ml bottle", "500 ml bottles"),
        ("light emitting diode", "LED"),
        ("rack-mount", "rackmount"),
        ("2 x RCA", "2x RCA"),
    ],
)
def test_spellings_of_one_thing_are_alike(one, other):
    assert alike(one, other) >= 0.88


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("500 ml bottle", "600 ml bottle"),
        ("unscented candle", "scented candle"),
        ("with pump lid", "without pump lid"),
        ("sugar free gum drops", "sugar gum drops"),
        ("left hand gloves", "right hand gloves"),
        ("cordless handheld", "cord handheld"),
        ("mens jacket", "womens jacket"),
        ("nordwind", "seaside"),
        ("laserjet c5250", "laserjet 5250"),
        ("sx215", "x215"),
    ],
)
def test_other_numbers_and_opposites_are_not(one, other):
    assert alike(one, other) == 0.0


def test_words_written_together_or_apart_stand_in_one_block():
    for one, other in (("rack-mount", "rackmount"), ("2 x RCA", "2x RCA"), ("zip up", "zipup")):
        left, right = (spelling_of(value_node("form", text)) for text in (one, other))
        assert set(left.blocks) & set(right.blocks), one
    assert alike("12 3 pack", "1 23 pack") == 0.0


def test_short_values_and_other_nodes_are_not_compared():
    assert spelling_of("value:color/dk") is None
    red, bed = spelling_of("value:color/red"), spelling_of("value:color/bed")
    assert red is not None
    assert bed is not None
    assert not set(red.blocks) & set(bed.blocks)
    assert spelling_of("intent:audience/nurse") is None
    assert spelling_of("value:color") is None


WORDS = st.text("abcdefg 12-", min_size=4, max_size=12).filter(lambda text: text.strip(" -"))


@given(WORDS, WORDS)
def test_likeness_is_symmetric_and_alike_values_meet_in_a_block_or_are_missed_both_ways(a, b):
    left, right = spelling_of(value_node("brand", a)), spelling_of(value_node("brand", b))
    if left and right:
        score = likeness(left, right, 0.88)
        assert score == likeness(right, left, 0.88)
        assert score == 0.0 or 0.88 <= score <= 1.0
        if score == 1.0 and left.text == right.text:
            assert set(left.blocks) == set(right.blocks)
