import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_onnx.batching import HEIGHTS, WIDTHS, alone, arrays, fixed, shapes
from models_onnx.errors import ShapeError
from models_onnx.tokens import Encoded

lengths = st.lists(st.integers(1, WIDTHS[-1]), max_size=300)


@given(lengths, st.sampled_from([128, 1024, 131_072]))
def test_every_text_goes_exactly_once_in_a_known_shape_within_the_budget(given_lengths, budget):
    batches = fixed(given_lengths, token_budget=budget)
    assert sorted(row for b in batches for row in b.rows) == list(range(len(given_lengths)))
    for batch in batches:
        assert batch.width in WIDTHS
        assert batch.height in HEIGHTS
        assert len(batch.rows) <= batch.height
        assert batch.height * batch.width <= budget
        assert all(given_lengths[row] <= batch.width for row in batch.rows)


@given(lengths)
def test_on_cpu_each_text_goes_alone_unpadded_and_in_order(given_lengths):
    assert [(b.rows, b.height, b.width) for b in alone(given_lengths)] == [
        ((i,), 1, n) for i, n in enumerate(given_lengths)
    ]


def test_a_text_beyond_the_widest_shape_is_refused():
    with pytest.raises(ShapeError):
        fixed([WIDTHS[-1] + 1])


def test_a_budget_below_one_row_makes_calls_of_one_row():
    assert [(b.rows, b.height) for b in fixed([90, 90], token_budget=64)] == [((0,), 1), ((1,), 1)]


def test_a_budget_of_nothing_is_refused():
    with pytest.raises(ShapeError):
        fixed([4], token_budget=0)


@given(st.lists(st.integers(1, 64), min_size=1, max_size=300), st.sampled_from([16, 1024, 131_072]))
def test_every_shape_that_can_come_is_warmed_up(given_lengths, budget):
    warm = set(shapes(64, token_budget=budget))
    assert {(b.height, b.width) for b in fixed(given_lengths, token_budget=budget)} <= warm


def test_rows_are_padded_on_the_right_and_masked():
    texts = [Encoded([5, 6, 7], [0, 1, 1], []), Encoded([8, 9], [0, 1], [])]
    (batch,) = fixed([3, 2])
    ids, mask, types = arrays(batch, texts, pad=3)
    assert ids.dtype == mask.dtype == types.dtype == np.int32
    assert ids.shape == (batch.height, batch.width) == (16, 16)
    assert ids[1, :4].tolist() == [8, 9, 3, 3]
    assert mask[0].sum() == 3
    assert mask[1].sum() == 2
    assert types[0, :4].tolist() == [0, 1, 1, 0]
    assert (mask.sum(axis=1) > 0).all()
