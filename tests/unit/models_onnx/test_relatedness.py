"""Pairs of phrases with the cosine that a larger encoder gives them."""

import random

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra train")
pytest.importorskip("sklearn", reason="needs the extra train")

from models_onnx.cleaning.baselines import FrequencyAndCosine
from models_onnx.cleaning.data import Pair
from models_onnx.cleaning.relatedness import NEAREST, Relatedness, phrases
from models_onnx.spans import Claim

from .claims import small


class OnACircle:
    """Phrases are numbers of degrees."""

    def vectors(self, texts):
        angles = np.radians([float(text) for text in texts])
        return np.stack([np.cos(angles), np.sin(angles)], 1)

    def __call__(self, pairs):
        return np.cos(np.radians([float(a) - float(b) for a, b in pairs]))


PHRASES = [str(angle) for angle in range(0, 360, 3)]


def test_half_of_the_pairs_are_near_and_none_is_of_a_phrase_with_itself():
    drawn = Relatedness(PHRASES, OnACircle()).draw(2000, random.Random(1))
    assert all(near.claim.type != near.claim.value for near in drawn)
    closest = np.cos(np.radians(3 * (NEAREST / 2 + 1)))
    share = sum(near.cosine >= closest for near in drawn) / len(drawn)
    assert 0.5 < share < 0.7


def test_the_cosine_is_that_of_the_two_phrases():
    for near in Relatedness(PHRASES, OnACircle()).draw(50, random.Random(1)):
        expected = np.cos(np.radians(float(near.claim.type) - float(near.claim.value)))
        assert near.cosine == pytest.approx(expected, abs=1e-5)


def test_the_same_seed_draws_the_same_pairs():
    pairs = Relatedness(PHRASES, OnACircle())
    assert pairs.draw(20, random.Random(1)) == pairs.draw(20, random.Random(1))


def test_nothing_of_the_validation_part_is_related():
    claims = small()
    held = {t for j in claims.judged["impakt"] if j.for_validation for t in (j.head, j.tail)}
    found = phrases(claims)
    assert held
    assert not held & set(found)
    assert {"hiking", "shoe"} <= set(found)


def test_the_baseline_learns_that_near_tails_are_right():
    rng = random.Random(0)
    pairs = []
    for _ in range(200):
        head, right = rng.randrange(360), rng.random() < 0.5
        tail = head + (rng.randrange(20) if right else rng.randrange(90, 200))
        pairs.append(Pair(Claim("", str(head), "implies", str(tail)), right, "" if right else "x"))
    baseline = FrequencyAndCosine(pairs[:100], OnACircle())
    scores = baseline(pairs[100:])
    right = np.array([pair.right for pair in pairs[100:]])
    assert scores[right].min() > scores[~right].max()
