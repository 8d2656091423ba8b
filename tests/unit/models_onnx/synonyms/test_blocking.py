"""Blocking finds what may be the same and looks at few values, however many there are."""

import numpy as np
import pytest

from models_onnx.synonyms import blocking
from models_onnx.synonyms.blocking import Blocks, candidate_pairs


def around(vector, noise, rng):
    moved = vector + noise * rng.standard_normal(len(vector)).astype(np.float32)
    return (moved / np.linalg.norm(moved)).astype(np.float32)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("stainless steel", "stainles steel"),
        ("t-shirt", "T shirts"),
        ("fair trade organic", "FTO"),
        ("anti slip", "antislip"),
        ("dark red", "red, dark"),
        ("aluminium", "aluminum"),
    ],
)
def test_other_spellings_are_found_among_many(one, other):
    blocks = Blocks()
    for i in range(500):
        blocks.add(f"{chr(97 + i % 26)}ab{i} thing{i}", None)
    blocks.add(one, None)
    assert one in blocks.add(other, None)


def test_values_alike_in_meaning_alone_are_found_before_and_after_cells_are_drawn():
    rng = np.random.default_rng(1)
    blocks = Blocks()
    found = []
    for i in range(1500):
        vector = around(np.zeros(48, np.float32), 1.0, rng)
        blocks.add(f"{i:05d}", vector)
        found.append(f"{i:05d}" in blocks.add(f"x{i * 7919:07d}", around(vector, 0.02, rng)))
    assert len(blocks) == 3000
    assert np.mean(found) > 0.97


def test_a_known_value_and_one_without_a_vector_or_with_nan_add_nothing():
    blocks = Blocks()
    assert blocks.add("red", np.ones(4, np.float32) / 2) == []
    assert blocks.add("red", np.ones(4, np.float32) / 2) == []
    assert blocks.add("blue", np.full(4, np.nan, np.float32)) == []
    assert blocks.add("green", None) == []
    assert blocks.add("", None) == []
    assert len(blocks) == 4


def test_candidates_are_bounded_and_earlier_values_only():
    values = [f"red shoe {i}" for i in range(300)]
    seen = []
    for earlier, later in candidate_pairs(values, [None] * len(values)):
        assert values.index(earlier) < values.index(later)
        seen.append(later)
    assert max(map(seen.count, set(seen))) <= 2 * blocking.BY_SPELLING


def test_the_same_values_give_the_same_candidates_again():
    rng = np.random.default_rng(5)
    values = [f"value {i % 97} {i}" for i in range(700)]
    vectors = [around(np.zeros(32, np.float32), 1.0, rng) for _ in values]
    first = list(candidate_pairs(values, vectors))
    assert first == list(candidate_pairs(values, vectors))


def test_the_work_for_one_value_does_not_grow_with_the_list(monkeypatch):
    compared = []
    extract = blocking.process.extract
    monkeypatch.setattr(
        blocking.process,
        "extract",
        lambda query, some, **kw: compared.append(len(some)) or extract(query, some, **kw),
    )
    blocks = Blocks()
    for i in range(3000):
        blocks.add(f"dark red shoe number {i}", None)
    assert max(compared) <= blocking._MOST_COMPARED + blocking._LONGEST_LIST
